import fs from 'node:fs';
import path from 'node:path';

import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';

import { cli } from '../support/cli';
import {
  makeStore,
  session,
  STORE_VECTORS,
  temporaryDirectory,
  treeHash,
  type TestStore,
  vectorStore,
} from '../support/store';
import { inBatches } from '../support/vectors';

/*
 * Reading never writes: after every reading command the whole tree has the
 * bytes, modes and times that it had before.
 */

/** Every reading command, in every face; `ID` is a session that can be read, `BAD` one that cannot, `AGENT` one of the agent's. */
const READS: string[][] = [
  ['sessions', 'list'],
  ['sessions', 'list', '--all', '--json'],
  ['sessions', 'list', '--archived', '--cron', '--ndjson', '--sort', 'title'],
  ['sessions', 'list', '--all', '--ids'],
  ['sessions', 'list', '--project', 'none', '--since', '7d', '-p', 'work'],
  ['show', 'ID'],
  ['show', 'ID', '--json', '--messages', '2'],
  ['show', 'ID', '--metadata'],
  ['show', 'ID', '--metadata', '--json'],
  ['show', 'ID', '--markdown', '--tools'],
  ['show', 'ID', '--raw'],
  ['show', 'BAD'],
  ['show', 'BAD', '--raw'],
  ['show', 'BAD', '--metadata'],
  ['status', 'ID', 'BAD', '--json'],
  ['status', '--all'],
  ['usage', 'ID'],
  ['usage', '--json'],
  ['usage', '--all', '-p', 'work'],
  ['sessions', 'list', '--agent'],
  ['sessions', 'list', '--agent', '--all', '--json', '--all-profiles', '--sort', 'messages'],
  ['sessions', 'list', '--agent', '--ndjson', '--source', 'cli', '--limit', '3'],
  ['show', 'AGENT'],
  ['show', 'AGENT', '--json'],
  ['show', 'AGENT', '--metadata'],
  ['status', 'AGENT', 'ID', '--json'],
  ['usage', 'AGENT'],
  ['sessions', 'lineage', 'AGENT', '--json'],
  ['paths', '--json'],
  ['paths', '-p', 'never-made'],
  ['version'],
  ['help'],
  ['help', 'sessions', 'list'],
  ['sessions', 'show', '--help'],
];

/**
 * Puts the recorded database there as a busy agent leaves it: in WAL mode, with
 * transactions that are in the log only.
 */
function layDatabase(store: TestStore): void {
  const file = path.join(store.hermesHome, 'state.db');
  const scratch = path.join(temporaryDirectory(), 'state.db');
  if (fs.existsSync(file)) fs.copyFileSync(file, scratch);
  const db = new Database(scratch);
  const script = path.join(store.hermesHome, 'state.sql');
  if (fs.existsSync(script)) db.exec(fs.readFileSync(script, 'utf8'));
  db.pragma('journal_mode = WAL');
  db.pragma('wal_autocheckpoint = 0');
  db.exec('CREATE TABLE in_the_log_only (x); INSERT INTO in_the_log_only VALUES (1)');
  for (const end of ['', '-wal', '-shm']) fs.copyFileSync(`${scratch}${end}`, `${file}${end}`);
  db.close();
  expect(fs.statSync(`${file}-wal`).size).toBeGreaterThan(0);
}

function sessionToRead(store: TestStore): { good: string; bad: string } {
  const ids = fs.readdirSync(store.sessionsDir).map((name) => name.replace(/\.json$/, ''));
  const good = ids.find((id) => {
    try {
      const text = fs.readFileSync(path.join(store.sessionsDir, `${id}.json`), 'utf8');
      return ((JSON.parse(text) as { messages?: unknown[] }).messages?.length ?? 0) > 0;
    } catch {
      return false;
    }
  });
  return { good: good!, bad: ids.includes('trunc0001') ? 'trunc0001' : 'nosuch0001' };
}

/** A session with messages that only the agent's database has; undefined where there is no database. */
function agentSessionToRead(store: TestStore): string | undefined {
  const file = path.join(store.hermesHome, 'state.db');
  if (!fs.existsSync(file)) return undefined;
  const copy = path.join(temporaryDirectory(), 'state.db');
  for (const end of ['', '-wal']) fs.copyFileSync(`${file}${end}`, `${copy}${end}`);
  const db = new Database(copy);
  const rows = db.prepare("SELECT DISTINCT session_id FROM messages WHERE session_id LIKE '2026%'").pluck().all();
  db.close();
  return (rows as string[]).find((id) => !fs.existsSync(path.join(store.sessionsDir, `${id}.json`)));
}

/** Runs every command after the other, and checks the tree after each. */
async function readEverything(store: TestStore, name: string): Promise<void> {
  const { good, bad } = sessionToRead(store);
  const agent = agentSessionToRead(store);
  const before = treeHash(store.root);
  for (const template of READS.filter((words) => agent !== undefined || !words.includes('AGENT'))) {
    const args = template.map((word) => ({ ID: good, BAD: bad, AGENT: agent })[word] ?? word);
    const { code, stdout } = await cli(args, { env: store.env });
    const what = `${name}: ${args.join(' ')}`;
    // A command that did nothing would leave the tree alone as well.
    if (template.includes('BAD') || template.join(' ') === 'status --all') expect([0, 3, 5, 7], what).toContain(code);
    else expect(code, what).toBe(0);
    if (template.includes('ID')) expect(stdout, what).not.toBe('');
    expect(treeHash(store.root), `${what} changed the store`).toBe(before);
  }
}

describe('treeHash, which these tests stand on', () => {
  it('sees bytes, names, modes, times and links', () => {
    const store = makeStore({ abc: session('abc') });
    const file = path.join(store.sessionsDir, 'abc.json');
    const hashes = [treeHash(store.root)];
    const after = (change: () => void): number => {
      change();
      return hashes.push(treeHash(store.root));
    };
    after(() => fs.appendFileSync(file, ' '));
    after(() => fs.utimesSync(file, 1, 1));
    after(() => fs.chmodSync(file, 0o600));
    after(() => fs.renameSync(file, `${file}.bak`));
    after(() => fs.symlinkSync('nowhere', file));
    after(() => fs.mkdirSync(path.join(store.root, 'empty')));
    expect(new Set(hashes).size).toBe(7);
  });
});

it('reading leaves every recorded store as it was', { timeout: 180_000 }, async () => {
  const stores = STORE_VECTORS.map((name) => ({ name, store: vectorStore(name) }));
  for (const { store } of stores) layDatabase(store);
  await inBatches(stores, ({ name, store }) => readEverything(store, name), 3);
});

it('reading leaves a store with a broken index, leftovers and no rights to write as it was', async () => {
  const store = makeStore({ abc: session('abc'), trunc0001: '{"messages": [' });
  for (const [name, text] of [
    ['_index.json', '[{"session_id": "abc"'],
    ['abc.json.bak', '{}'],
    ['abc.tmp.1.2', '{'],
    ['_deleted_webui_sessions.json', '{"version":1,"ids":["abc"]}'],
  ]) {
    fs.writeFileSync(path.join(store.sessionsDir, name), text);
  }
  fs.chmodSync(path.join(store.sessionsDir, 'abc.json'), 0o400);
  await readEverything(store, 'broken');
});

it('nothing is made where nothing is', async () => {
  const root = temporaryDirectory();
  const env = { HOME: root, HERMES_HOME: path.join(root, 'hermes') };
  const runs = await Promise.all([
    cli(['sessions', 'list', '--json'], { env }),
    cli(['paths', '--json'], { env }),
    cli(['status', 'abcd', '--json'], { env }),
  ]);
  expect(runs.map(({ code }) => code)).toEqual([10, 0, 10]);
  // The user's own cache has what was compiled, and nothing else is there.
  expect(fs.readdirSync(root)).toEqual(['.cache']);
  expect(fs.readdirSync(path.join(root, '.cache'))).toEqual(['hermesctl']);
  expect(fs.readdirSync(path.join(root, '.cache', 'hermesctl'))).toEqual(['code']);
});
