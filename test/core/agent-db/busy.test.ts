import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { assertNotHeld } from '../../../src/core/agent-db/busy';
import type { Deps } from '../../../src/core/deps';
import { testDeps } from '../../support/deps';
import { temporaryDirectory } from '../../support/store';

/**
 * A database that a process holds for so many looks, with a clock that goes on
 * only while somebody sleeps.
 */
function heldBy(commandLine: string, looks: number): { database: string; deps: Deps; slept: () => number } {
  const database = path.join(temporaryDirectory(), 'state.db');
  fs.writeFileSync(database, '');
  let left = looks;
  let now = 0;
  const listed: Record<string, () => string[]> = {
    '/proc': () => ['4711'],
    '/proc/4711/fd': () => (left-- > 0 ? ['3'] : []),
  };
  const own = {
    readdirSync: (dir: string) => (listed[dir] ?? (() => fs.readdirSync(dir)))(),
    readlinkSync: () => database,
    readFileSync: (file: string) => (file === '/proc/4711/cmdline' ? commandLine : ''),
  };
  const sleep = (seconds: number): Promise<void> => {
    now += seconds;
    return Promise.resolve();
  };
  const processes = { ...testDeps().processes, startedAt: () => 1777000000 };
  const deps = testDeps({ fs: own as object, clock: { now: () => now, sleep }, processes });
  return { database, deps, slept: () => now };
}

describe('a database that another process has open', () => {
  it.each(['node\0/usr/bin/hermesctl\0show\0aaaa', 'node\0/opt/hermesctl/bin/run.js\0show\0aaaa', ''])(
    'is waited for where that is a hermesctl, or one that has just ended: %j',
    async (commandLine) => {
      const { database, deps, slept } = heldBy(commandLine, 3);
      await assertNotHeld(database, deps);
      expect(slept()).toBeGreaterThan(0);
      expect(slept()).toBeLessThan(1);
    },
  );

  it('is refused at once where that is anything else', async () => {
    const { database, deps, slept } = heldBy('python3\0/opt/agent/run.py', 3);
    await expect(assertNotHeld(database, deps)).rejects.toMatchObject({ code: 'SERVER_RUNNING' });
    expect(slept()).toBe(0);
  });

  it('is refused where a hermesctl does not let go of it', async () => {
    const { database, deps, slept } = heldBy('node\0/usr/bin/hermesctl\0sessions\0export', Infinity);
    await expect(assertNotHeld(database, deps)).rejects.toMatchObject({
      code: 'SERVER_RUNNING',
      details: { holders: [{ pid: 4711 }] },
    });
    expect(slept()).toBeGreaterThanOrEqual(2);
    expect(slept()).toBeLessThan(3);
  });
});
