import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { describe, expect, onTestFinished, test } from 'vitest';

import { cli, cliJson, type CliResult } from '../../support/cli';
import { faultOptions } from '../../support/faults';
import { noOtherUser, SOMEBODY, whySkipped } from '../../support/other-user';
import { makeStore, session, type TestStore, treeHash } from '../../support/store';

const ID = 'locked0001';
const LOCK_FILES = ['.hermesctl-lock.db', '.hermesctl-lock.json'];

interface Running {
  child: ChildProcess;
  ended: Promise<CliResult>;
}

function start(store: TestStore, args: string[], options: { nodeArgs?: string[]; env?: object } = {}): Running {
  let child: ChildProcess | undefined;
  const ended = cli([...args, '--json'], {
    ...options,
    env: { ...store.env, ...options.env },
    started: (process) => (child = process),
  });
  onTestFinished(() => {
    child?.kill('SIGKILL');
  });
  return { child: child!, ended };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

/** A command that has the lock and stops before it changes anything, until it gets SIGCONT. */
async function holder(store: TestStore): Promise<Running> {
  const stopped = faultOptions({ root: store.stateDir, kind: 'stop-before', only: ['linkSync'], at: 1 });
  const running = start(store, ['undo', ID], stopped);
  await until(() => readHolder(store) !== undefined && isStopped(running.child.pid!));
  return running;
}

/** Whether a process has come to where it stops; elsewhere than on Linux nobody can tell. */
function isStopped(pid: number): boolean {
  if (process.platform !== 'linux') return true;
  return /^State:\s+T/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
}

function readHolder(store: TestStore): { pid: number } | undefined {
  try {
    return JSON.parse(fs.readFileSync(path.join(store.stateDir, '.hermesctl-lock.json'), 'utf8')) as { pid: number };
  } catch {
    return undefined; // not there, or not yet whole
  }
}

/** Until a process has the lock's database open: then it listens for signals, and tries for the lock. */
async function hasOpened({ child }: Running): Promise<void> {
  const dir = `/proc/${child.pid}/fd`;
  await until(() =>
    fs.readdirSync(dir).some((fd) => {
      try {
        return fs.readlinkSync(path.join(dir, fd)).endsWith('.hermesctl-lock.db');
      } catch {
        return false; // closed meanwhile
      }
    }),
  );
}

const rename = (...flags: string[]): string[] => ['sessions', 'rename', ID, 'A name', ...flags];
const lockedStore = (): TestStore => makeStore({ [ID]: session(ID) });
const fileOf = (store: TestStore): string => fs.readFileSync(path.join(store.sessionsDir, `${ID}.json`), 'utf8');

test('a second process is told who has the lock', async () => {
  const store = lockedStore();
  const { child } = await holder(store);
  const before = treeHash(store.root);
  const { code, json } = await cliJson<{ error: { code: string; message: string; details: { holder: object } } }>(
    rename('--lock-wait', '0'),
    { env: store.env },
  );
  expect(code).toBe(11);
  expect(json.error).toMatchObject({
    code: 'LOCKED',
    details: {
      holder: {
        pid: child.pid,
        host: os.hostname(),
        command: `hermesctl undo ${ID} --json`,
        since: expect.closeTo(Date.now() / 1000, -2) as number,
      },
    },
  });
  expect(json.error.message).toMatch(new RegExp(`process ${child.pid} on .* since \\d{4}-\\d\\d-\\d\\dT`));
  expect(treeHash(store.root)).toBe(before);
});

test('the kernel frees the lock of a killed process', async () => {
  const store = lockedStore();
  const { child, ended } = await holder(store);
  child.kill('SIGKILL');
  await ended;
  expect(fs.readdirSync(store.stateDir), 'its word stays, and stops nobody').toContain('.hermesctl-lock.json');
  const { code, stdout } = await cli([...rename('--lock-wait', '0'), '--json'], { env: store.env });
  expect(code, stdout).toBe(0);
  expect(fileOf(store)).toContain('"A name"');
});

describe.skipIf(!fs.existsSync('/proc/self/fd'))('a process that waits', () => {
  test('gets the lock when it is free, and neither loses the other’s update', async () => {
    const store = lockedStore();
    const first = await holder(store);
    const second = start(store, rename('--lock-wait', '600'));
    await hasOpened(second);
    first.child.kill('SIGCONT');
    expect(await first.ended).toMatchObject({ code: 0 });
    expect(await second.ended).toMatchObject({ code: 0 });
    expect(JSON.parse(fileOf(store))).toMatchObject({ title: 'A name', messages: [] });
    expect(fs.readdirSync(store.stateDir).sort()).toEqual(['.hermesctl-lock.db', 'sessions']);
  });

  test.each([
    ['SIGINT', 130, 'INTERRUPTED'],
    ['SIGTERM', 143, 'TERMINATED'],
  ] as const)('answers %s although it would wait for long', async (signal, exit, code) => {
    const store = lockedStore();
    await holder(store);
    const before = fileOf(store);
    const waiting = start(store, rename('--lock-wait', '600'));
    await hasOpened(waiting);
    waiting.child.kill(signal);
    const result = await waiting.ended;
    expect(result).toMatchObject({ code: exit, signal: null });
    expect(JSON.parse(result.stdout)).toMatchObject({ error: { code, exit } });
    expect(fileOf(store)).toBe(before);
    expect(readHolder(store), 'the holder’s word is not the waiter’s to remove').toBeDefined();
  });
});

test.each([
  ['a dry run of an undo', ['undo', ID, '--dry-run']],
  ['a dry run of a rename', rename('--dry-run')],
  ['a dry run of a creation', ['sessions', 'create', '--user', 'Hello', '--dry-run']],
  ['a dry run of a reindex', ['reindex', '--dry-run']],
  ['a check of the index', ['reindex', '--check']],
  ['a dry run of gc-tmp', ['gc-tmp', '--dry-run']],
  ['a list', ['sessions', 'list']],
  ['a transcript', ['sessions', 'show', ID]],
])('%s makes no lock', async (_, args) => {
  const store = lockedStore();
  const before = treeHash(store.root);
  const { stdout } = await cli([...args, '--json'], { env: store.env });
  expect(JSON.parse(stdout)).toBeTypeOf('object');
  expect(treeHash(store.root)).toBe(before);
});

test('a lock that is no database is named, with what to do about it', async () => {
  const store = lockedStore();
  const file = path.join(store.stateDir, '.hermesctl-lock.db');
  fs.writeFileSync(file, 'garbage '.repeat(200));
  const before = treeHash(store.root);
  const { code, json } = await cliJson<{ error: object }>(rename(), { env: store.env });
  expect(code).toBe(1);
  expect(json.error).toMatchObject({
    code: 'IO_ERROR',
    message: expect.stringContaining(`${file} cannot be taken`) as string,
    hint: expect.stringContaining('remove it') as string,
    details: { path: file },
  });
  expect(treeHash(store.root)).toBe(before);
  fs.rmSync(file);
  expect((await cli(rename(), { env: store.env })).code).toBe(0);
});

describe.skipIf(noOtherUser)(`a user who is not root${whySkipped(noOtherUser)}`, () => {
  test('is told that the state directory is not writable', async () => {
    const store = lockedStore();
    fs.chmodSync(store.root, 0o755);
    const { code, json } = await cliJson<{ error: object }>(rename(), { env: store.env, user: SOMEBODY });
    expect(code).toBe(1);
    expect(json.error).toMatchObject({
      code: 'IO_ERROR',
      message: expect.stringContaining('.hermesctl-lock.db cannot be opened') as string,
      hint: 'The state directory must be writable for a command that changes the store.',
    });
    expect(fs.readdirSync(store.stateDir)).toEqual(['sessions']);
  });

  test('is not locked out by what root did before', async () => {
    const store = lockedStore();
    for (const name of [store.root, store.stateDir, store.sessionsDir, path.join(store.sessionsDir, `${ID}.json`)])
      fs.chownSync(name, SOMEBODY, SOMEBODY);
    const { child, ended } = await holder(store);
    await until(() => LOCK_FILES.every((name) => fs.statSync(path.join(store.stateDir, name)).uid === SOMEBODY));
    child.kill('SIGKILL');
    await ended;
    const { code, stdout } = await cli([...rename('--lock-wait', '0'), '--json'], { env: store.env, user: SOMEBODY });
    expect(code, stdout).toBe(0);
  });
});
