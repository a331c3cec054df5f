import fs from 'node:fs';
import path from 'node:path';

import Database from 'better-sqlite3';
import { expect, it } from 'vitest';

import { agentDatabaseOf, executed, PLAIN_SCHEMA } from '../support/agent-db';
import { cli, cliJson } from '../support/cli';
import { makeStore, session, type TestStore, treeHash } from '../support/store';

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
