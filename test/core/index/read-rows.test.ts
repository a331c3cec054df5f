import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import type { Threads } from '../../../src/core/deps';
import { systemThreads } from '../../../src/cli/workers';
import { type ReadRows, readRows } from '../../../src/core/index/read-rows';
import { ROOT } from '../../support/cli';
import { testDeps } from '../../support/deps';
import { locationOf } from '../../support/places';
import { makeStore, session, type TestStore } from '../../support/store';

const DEFAULTS = { workspace: '/srv/work', model: 'm', userHome: '/home/u' };

/** Sessions of which some are damaged, one calls itself otherwise and one cannot be read. */
function store(): { store: TestStore; ids: string[] } {
  const sessions: Record<string, object | string> = {};
  for (let i = 0; i < 160; i++) {
    const id = `s${String(i).padStart(3, '0')}`;
    sessions[id] = session(i === 41 ? 'other' : id, { title: `Nº ${i} "日本"`, updated_at: 1777000000 + i });
    if (i % 37 === 5) sessions[id] = JSON.stringify(sessions[id]).slice(0, 40 + i);
  }
  const made = makeStore(sessions);
  fs.mkdirSync(path.join(made.sessionsDir, 'dir.json'));
  return { store: made, ids: [...Object.keys(sessions), 'dir', 'gone'] };
}

/** Real threads, from the first share on, and told of. */
function eager(threads: Threads) {
  const counting = {
    messages: 0,
    started: 0,
    costInBytes: 0,
    /** Until the thread has sent something, or is gone. */
    atWork: undefined as Promise<void> | undefined,
    start: (name: string, data: unknown, onMessage: (message: unknown) => void) => {
      counting.started++;
      let heard: () => void;
      const first = new Promise<void>((resolve) => (heard = resolve));
      const thread = threads.start(name, data, (message) => {
        counting.messages++;
        onMessage(message);
        heard();
      });
      counting.atWork = Promise.race([first, thread?.done]).catch(() => undefined);
      return thread;
    },
  };
  return counting;
}

const workers = path.join(ROOT, 'dist/workers');

async function read(made: ReturnType<typeof store>, threads?: ReturnType<typeof eager>): Promise<ReadRows> {
  // This thread waits, so that there is something left for the other.
  const deps = testDeps(threads ? { threads, breathe: () => threads.atWork } : {});
  return readRows(made.ids, locationOf(made.store), DEFAULTS, deps);
}

describe('readRows', () => {
  it('gives the same rows, damage and warnings, whoever reads the files', async () => {
    const made = store();
    const alone = await read(made);
    expect(alone.damaged.length).toBeGreaterThan(3);
    expect(alone.warnings).toHaveLength(1);

    const threads = eager(systemThreads(new AbortController().signal, workers, false));
    expect(await read(made, threads)).toEqual(alone);
    expect(threads.messages).toBeGreaterThan(0);
  });

  it('loses no file to a thread that cannot start, or that dies with what it took', async () => {
    const made = store();
    const alone = await read(made);
    for (const directory of [path.join(made.store.root, 'nowhere'), dying(made.store.root)]) {
      const threads = eager(systemThreads(new AbortController().signal, directory, false));
      expect(await read(made, threads)).toEqual(alone);
      expect(threads.started).toBe(1);
    }
  });

  it('ends when the command is interrupted', async () => {
    const made = store();
    const interruption = new AbortController();
    const threads = eager(systemThreads(interruption.signal, sleeping(made.store.root), false));
    const reading = read(made, threads);
    const reason = new Error('interrupted');
    setTimeout(() => interruption.abort(reason), 50);
    await expect(reading).rejects.toBe(reason);
  });
});

/** A directory of workers with one that takes two shares and fails. */
function dying(root: string): string {
  return worker(root, 'dying', 'Atomics.add(new Int32Array(workerData.counter), 0, 64); throw new Error("gone");');
}

/** One that takes everything and never ends. */
function sleeping(root: string): string {
  return worker(
    root,
    'sleeping',
    'Atomics.add(new Int32Array(workerData.counter), 0, 9999); setInterval(() => {}, 1000);',
  );
}

function worker(root: string, name: string, text: string): string {
  const directory = path.join(root, name);
  fs.mkdirSync(directory);
  fs.writeFileSync(path.join(directory, 'scan.js'), `const { workerData } = require('node:worker_threads'); ${text}`);
  return directory;
}
