import fs from 'node:fs';
import path from 'node:path';

import { expect, it } from 'vitest';

import { Context } from '../../src/cli/context';
import { Fleet, shortNames } from '../../src/cli/fleet';
import { Sink } from '../../src/cli/output/sink';
import { HermesctlError } from '../../src/core/errors';
import { temporaryDirectory } from '../support/store';

/** A fleet of so many empty stores, and what was written to standard error. */
function fleetOf(count: number): { fleet: Fleet; dirs: string[]; stderr: () => string } {
  const root = temporaryDirectory();
  const dirs = Array.from({ length: count }, (_, i) => path.join(root, `store${i}`));
  for (const dir of dirs) fs.mkdirSync(dir);
  const list = path.join(root, 'list');
  fs.writeFileSync(list, dirs.join('\n'));
  const written: string[] = [];
  const sink = (into: string[]): Sink =>
    new Sink(0, (_fd, bytes, offset, length) => {
      into.push(Buffer.from(bytes.subarray(offset, offset + length)).toString());
      return length;
    });
  const terminal = {
    stdout: sink([]),
    stderr: sink(written),
    stdoutIsTerminal: false,
    stderrIsTerminal: false,
    stdinIsTerminal: false,
    columns: 80,
  };
  const context = new Context(terminal, { ndjson: true });
  const stderr = (): string => {
    terminal.stderr.flush();
    return written.join('');
  };
  const fleet = Fleet.of(context, { stores: list });
  context.close();
  return { fleet, dirs, stderr };
}

it('reads a store when what is of the one before it was taken, and says at once what failed', async () => {
  const { fleet, dirs, stderr } = fleetOf(4);
  const begun: string[] = [];
  const read = await fleet.each((store) => {
    const { value: dir } = store.location.stateDir;
    begun.push(dir);
    if (dir === dirs[1]) throw new HermesctlError('STORE_DAMAGED', 'Damaged.');
    if (dir === dirs[2]) fs.readdirSync(path.join(dir, 'nothing'));
    return path.basename(dir);
  });
  expect(begun).toEqual([]);
  const taken: [string, number][] = [];
  for await (const { value } of read) taken.push([value, begun.length]);
  expect(taken).toEqual([
    ['store0', 1],
    ['store3', 4],
  ]);
  const errors = stderr()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { store: string; error: { code: string } });
  expect(errors.map(({ store, error }) => [store, error.code])).toEqual([
    [dirs[1], 'STORE_DAMAGED'],
    [dirs[2], 'IO_ERROR'],
  ]);
  expect(() => fleet.assertAll()).toThrow(/^2 of 4 stores failed: /);
});

it('takes a bug for a bug, not for a store that failed', async () => {
  const { fleet } = fleetOf(2);
  const read = await fleet.each(() => {
    throw new TypeError('a bug');
  });
  const all = async (): Promise<void> => {
    for await (const one of read) expect(one).toBeUndefined();
  };
  await expect(all()).rejects.toThrow('a bug');
});

it.each([
  [[], []],
  [['/srv/store'], ['/srv/store']],
  [
    ['/home/a/.hermes/webui', '/home/b/.hermes/webui'],
    ['a', 'b'],
  ],
  [
    ['/home/a/one', '/home/b/two', '/home/a'],
    ['a/one', 'b/two', 'a'],
  ],
  [
    ['/x', '/x/x', '/x/x/x'],
    ['x', 'x/x', 'x/x/x'],
  ],
  [
    ['/a/m/z', '/a/m/n/m/z'],
    ['z', 'n/m/z'],
  ],
])('tells %j apart as %j', (dirs, names) => {
  const short = shortNames(dirs);
  expect([...short.keys()]).toEqual(dirs);
  expect([...short.values()]).toEqual(names);
});
