import fs from 'node:fs';
import path from 'node:path';

import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';

import { agentDatabaseOf, executed, PLAIN_SCHEMA } from '../support/agent-db';
import { cli, cliJson } from '../support/cli';
import { runInProcess } from '../support/in-process';
import { makeStore, session, temporaryDirectory, type TestStore, treeHash } from '../support/store';

const SESSIONS = 1200;
const PROCESSES = 12;

function largeStore(): TestStore {
  const ids = Array.from({ length: SESSIONS }, (_, i) => `s${String(i).padStart(6, '0')}`);
  return makeStore(Object.fromEntries(ids.map((id) => [id, session(id)])));
}

const aTick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 200));
const list = (store: TestStore, ...args: string[]) =>
  cli(['sessions', 'list', '--limit', '5', '--verbose', ...args], { env: store.env });

it('is made by one of many processes that start at once, and all say the same', async () => {
  const store = largeStore();
  const before = treeHash(store.root);
  await aTick();
  const results = await Promise.all(Array.from({ length: PROCESSES }, () => list(store)));
  const made = results.filter(({ stderr }) => stderr.includes('List cache: rebuilt.'));
  const kept = results.filter(({ stderr }) => stderr.includes('List cache: hit.'));
  expect([made.length, kept.length]).toEqual([1, PROCESSES - 1]);
  expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(1);
  expect(results.map(({ code }) => code)).toEqual(results.map(() => 0));
  expect(treeHash(store.root), 'nothing of it is in the store').toBe(before);
});

it('is cleared, shown and left alone by command', async () => {
  const store = makeStore({ one: session('one') });
  const status = async (): Promise<unknown[]> =>
    (await cliJson<{ cache: { entries: unknown[] } }>(['cache', 'status'], { env: store.env })).json.cache.entries;
  await aTick();
  expect((await list(store, '--no-cache')).stderr).toContain('List cache: unused.');
  expect(await status()).toEqual([]);
  expect((await list(store)).stderr).toContain('List cache: rebuilt.');
  expect((await list(store)).stderr).toContain('List cache: hit.');
  expect(await status()).toMatchObject([{ state_dir: store.stateDir, profile: null }]);
  expect((await cliJson(['cache', 'clear'], { env: store.env })).json).toMatchObject({ cache: { removed: 1 } });
  expect(await status()).toEqual([]);
});

it('sees what another command changed', async () => {
  const store = makeStore({ one: session('one') });
  await aTick();
  await list(store);
  expect((await list(store)).stderr).toContain('List cache: hit.');
  await cli(['sessions', 'rename', 'one', 'A new title'], { env: store.env });
  expect((await list(store)).stdout).toContain('A new title');
  await aTick();
  await list(store);
  fs.rmSync(path.join(store.sessionsDir, 'one.json'));
  expect((await list(store)).stdout).toBe('');
});

it('is used beside a database with a log, which opening it touches', async () => {
  const store = makeStore({ one: session('one') });
  const database = new Database(executed(agentDatabaseOf(store), PLAIN_SCHEMA));
  database.pragma('journal_mode = WAL');
  database.close();
  // The first one leaves an empty log, which was not there before.
  await list(store, '--agent');
  await aTick();
  expect((await list(store, '--agent')).stderr).toContain('List cache: rebuilt.');
  expect((await list(store, '--agent')).stderr).toContain('List cache: hit.');
});

interface Parts {
  cache: { removed?: number; parts: { name: string; files: number; bytes: number }[] };
}

describe('all that is kept', () => {
  const HASH = '0123456789abcdef';

  /** A cache with one file of each kind, one left behind by a writer that died, and what is none of ours. */
  function keptStore(): { store: TestStore; cache: string; ours: string[]; others: string[]; secret: string } {
    const store = makeStore({ one: session('one') });
    const cache = path.join(store.env['XDG_CACHE_HOME'], 'hermesctl');
    const ours = [
      `lists/${HASH}.json`,
      `lists/${HASH}.json.${'0'.repeat(32)}`,
      `index/${HASH}.rows`,
      `index/${HASH}.rows.${'0'.repeat(32)}`,
      `code/${HASH}-11.3.244.8-node.38-x64/sessions-list-json`,
      `code/${HASH}-11.3.244.8-node.38-x64/doctor-text.4711`,
    ];
    const others = ['lists/notes.txt', 'index/README', `code/${HASH}-12-arm64/core.1`, 'code/mine/doctor-text', 'else'];
    for (const name of [...ours, ...others]) {
      fs.mkdirSync(path.dirname(path.join(cache, name)), { recursive: true, mode: 0o700 });
      fs.writeFileSync(path.join(cache, name), '12345');
    }
    const away = temporaryDirectory();
    const secret = path.join(away, 'sessions-list-json');
    fs.writeFileSync(secret, 'kept');
    fs.symlinkSync(away, path.join(cache, 'code', `${HASH}-13-x64`));
    fs.symlinkSync(secret, path.join(cache, 'index', `${'f'.repeat(16)}.rows`));
    return { store, cache, ours, others, secret };
  }

  it('is told, and removed, and nothing else', async () => {
    const { store, cache, ours, others, secret } = keptStore();
    const run = async (...args: string[]): Promise<Parts> =>
      JSON.parse((await runInProcess([...args, '--json'], store.env)).stdout) as Parts;
    const parts = ['lists', 'index', 'code'].map((name) => ({ name, files: 2, bytes: 10 }));
    expect((await run('cache', 'status')).cache.parts).toMatchObject(parts);
    expect((await run('cache', 'clear', '-p', 'work')).cache).toEqual({
      directory: path.join(cache, 'lists'),
      removed: 2,
    });
    expect((await run('cache', 'clear')).cache).toMatchObject({ removed: 0, parts: [{ files: 0 }, ...parts.slice(1)] });
    for (const name of ours) expect([name, fs.existsSync(path.join(cache, name))]).toEqual([name, false]);
    for (const name of others) expect([name, fs.existsSync(path.join(cache, name))]).toEqual([name, true]);
    expect(fs.readFileSync(secret, 'utf8')).toBe('kept');
    expect(fs.existsSync(path.dirname(path.join(cache, ours[4])))).toBe(false);
    expect((await runInProcess(['cache', 'clear'], store.env)).stdout).toBe(
      'Removed 0 answers (0 B), 0 files of index rows (0 B), 0 files of compiled code (0 B).\n',
    );
  });

  it('is not there after it was removed, by a run that would keep what it compiled', async () => {
    const store = makeStore({ one: session('one') });
    await list(store);
    const code = path.join(store.env['XDG_CACHE_HOME'], 'hermesctl', 'code');
    expect(fs.readdirSync(code)).not.toEqual([]);
    await cli(['cache', 'clear'], { env: store.env });
    expect(fs.readdirSync(code)).toEqual([]);
  });

  it('of an index goes by itself when nobody has used it for long', async () => {
    const store = makeStore({ one: session('one') });
    const index = path.join(store.env['XDG_CACHE_HOME'], 'hermesctl', 'index');
    await runInProcess(['reindex'], store.env);
    const [own] = fs.readdirSync(index);
    const [old, recent] = [`${'a'.repeat(16)}.rows`, `${'b'.repeat(16)}.rows`];
    for (const name of [old, recent]) fs.writeFileSync(path.join(index, name), 'x');
    const days = (count: number): number => Date.now() / 1000 - count * 86400;
    for (const [name, age] of [
      [own, 40],
      [old, 40],
      [recent, 20],
    ] as const)
      fs.utimesSync(path.join(index, name), days(age), days(age));
    await runInProcess(['reindex'], store.env);
    expect(fs.readdirSync(index).sort()).toEqual([own, recent].sort());
  });
});
