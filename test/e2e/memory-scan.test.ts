import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { cli, cliJson } from '../support/cli';
import {
  STORE_VECTORS,
  makeStore,
  session,
  type TestStore,
  treeHash,
  vectorStore,
  writeSidecar,
} from '../support/store';

const ID = 'aaaa00000001';

interface ScanJson {
  sessions: { session_id: string; turns: number; source: string }[];
  turns: number;
  files: number;
  unchanged: number;
  warnings: { code: string; session_id?: string }[];
}

const scanned = async (store: TestStore, ...args: string[]): Promise<ScanJson> => {
  const { code, json } = await cliJson<ScanJson>(['memory', 'scan', ...args], { env: store.env });
  expect(code).toBe(0);
  return json;
};

const drainAll = async (store: TestStore): Promise<void> => {
  expect((await cli(['memory-drain', '--command', 'true'], { env: store.env })).code).toBe(0);
};

async function status(store: TestStore): Promise<{ uncommitted: number; sessions: Record<string, unknown>[] }> {
  return (await cliJson<never>(['memory', 'status'], { env: store.env })).json;
}

const user = (content: unknown, timestamp = 1): object => ({ role: 'user', content, timestamp });
const assistant = (content: unknown, more: object = {}): object => ({
  role: 'assistant',
  content,
  timestamp: 2,
  ...more,
});

describe('memory scan', () => {
  it('counts each turn once, however often it looks', async () => {
    const store = makeStore({ [ID]: session(ID), bbbb00000002: session('bbbb00000002', { messages: [] }) });
    expect(await scanned(store, '--dry-run')).toMatchObject({ turns: 1, files: 2 });
    expect(fs.readdirSync(store.stateDir)).toEqual(['sessions']);
    expect(await scanned(store)).toMatchObject({
      sessions: [{ session_id: ID, turns: 1, source: 'sidecar' }],
      turns: 1,
      unchanged: 0,
    });
    expect(await scanned(store)).toMatchObject({ sessions: [], turns: 0, files: 2, unchanged: 2 });
    // Written anew with the same turns, and with what the server adds beside them.
    const same = session(ID, {
      title: 'Another',
      messages: (session(ID)['messages'] as object[]).map((m) => ({ ...m, reasoning: 'r' })),
    });
    writeSidecar(store, ID, same);
    expect(await scanned(store)).toMatchObject({ turns: 0, unchanged: 1 });
    expect((await status(store)).uncommitted).toBe(1);
  });

  it('adds nothing for a turn that was marked, nor for one that is committed or discarded', async () => {
    const store = makeStore({ [ID]: session(ID) });
    await cli(['memory', 'mark', ID], { env: store.env });
    expect(await scanned(store)).toMatchObject({ turns: 0 });
    await drainAll(store);
    expect(await scanned(store)).toMatchObject({ turns: 0 });
    expect((await cli(['memory', 'discard', ID], { env: store.env })).stdout).toBe(`${ID}\tdiscarded\n`);
    expect((await status(store)).sessions).toEqual([]);
    expect(await scanned(store)).toMatchObject({ turns: 0 });
  });

  it('survives an undo, what is asked instead, and a restore', async () => {
    const two = [user('one', 1), assistant('1'), user('two', 3), assistant('2')];
    const store = makeStore({ [ID]: session(ID, { messages: two }) });
    expect(await scanned(store)).toMatchObject({ turns: 2 });
    await drainAll(store);
    const run = async (...args: string[]): Promise<void> => {
      const { code, stderr } = await cli(args, { env: store.env });
      expect(code, stderr).toBe(0);
    };
    await run('undo', ID);
    expect(await scanned(store), 'undone').toMatchObject({ turns: 0 });
    await run('sessions', 'restore', ID, '--from-bak');
    expect(await scanned(store), 'restored').toMatchObject({ turns: 0 });
    await run('undo', ID);
    writeSidecar(store, ID, session(ID, { messages: [...two.slice(0, 2), user('two', 3), assistant('another')] }));
    expect(await scanned(store), 'asked again').toMatchObject({ turns: 1 });
    expect((await status(store)).sessions).toMatchObject([{ generation: 3, committed_generation: 2 }]);
  });

  it('does not count what is still growing, and counts it then', async () => {
    const busy = session(ID, { active_stream_id: 's1', messages: [user('a'), assistant('half')] });
    const store = makeStore({ [ID]: busy });
    expect(await scanned(store)).toMatchObject({ turns: 0 });
    writeSidecar(
      store,
      ID,
      session(ID, { active_stream_id: null, messages: [user('a'), assistant('half and whole')] }),
    );
    expect(await scanned(store)).toMatchObject({ turns: 1 });
  });

  it('names what is damaged and goes on; named alone, it fails', async () => {
    const store = makeStore({ [ID]: session(ID), hurt0001: '{"messages":[' });
    expect(await scanned(store)).toMatchObject({
      turns: 1,
      warnings: [{ code: 'SESSION_DAMAGED', session_id: 'hurt0001' }],
    });
    const { code, json } = await cliJson(['memory', 'scan', 'hurt0001'], { env: store.env });
    expect(code).toBe(7);
    expect(json).toMatchObject({ failed: [{ session_id: 'hurt0001' }], error: { code: 'SESSION_DAMAGED' } });
  });

  it('looks at one profile where one is named', async () => {
    const store = makeStore({ [ID]: session(ID), work0001: session('work0001', { profile: 'work' }) });
    expect((await scanned(store, '-p', 'work')).sessions).toMatchObject([{ session_id: 'work0001' }]);
    expect((await scanned(store)).sessions).toMatchObject([{ session_id: ID }]);
  });

  it('reads the agent’s markers, and leaves them', async () => {
    const store = makeStore({ [ID]: session(ID) });
    const marker = (home: string, id: string, text = JSON.stringify({ session_id: id, owner_run_id: 'r1' })): void => {
      const dir = path.join(home, 'openviking', 'pending_sessions');
      fs.mkdirSync(dir, { recursive: true });
      fs.writeFileSync(path.join(dir, `${encodeURIComponent(id)}.json`), text);
    };
    marker(store.hermesHome, ID); // whose turn the file shows
    marker(store.hermesHome, 'agent/only é');
    marker(path.join(store.hermesHome, 'profiles', 'work'), 'work0001');
    marker(store.hermesHome, 'broken', '{');
    const before = treeHash(store.hermesHome);
    const plan = await scanned(store, '--dry-run');
    const first = await scanned(store);
    expect(first.sessions).toEqual([
      { session_id: ID, turns: 1, source: 'sidecar' },
      { session_id: 'agent/only é', turns: 1, source: 'marker' },
      { session_id: 'work0001', turns: 1, source: 'marker' },
    ]);
    expect(plan.turns).toBeGreaterThanOrEqual(first.turns);
    expect(first.warnings).toMatchObject([{ code: 'MARKER_UNREADABLE' }]);
    expect(await scanned(store)).toMatchObject({ sessions: [] });
    expect(await status(store)).toMatchObject({ uncommitted: 3, pending_markers: [{}, {}, {}] });
    await drainAll(store);
    expect(await scanned(store)).toMatchObject({ sessions: [] });
    expect(treeHash(store.hermesHome)).toBe(before);
    // The agent went on with it: a new marker.
    const later = new Date(Date.now() + 5000);
    fs.utimesSync(path.join(store.hermesHome, 'openviking', 'pending_sessions', `${ID}.json`), later, later);
    expect(await scanned(store)).toMatchObject({ sessions: [{ session_id: ID, turns: 1, source: 'marker' }] });
  });

  it('does not let a time from the future make a turn newer than every commit', async () => {
    const messages = [user('a', 9_999_999_999), assistant('b', { timestamp: 1_777_000_000_000 })];
    const store = makeStore({ [ID]: session(ID, { messages, updated_at: 8e15 }) });
    await scanned(store);
    const [{ segments }] = (await status(store)).sessions as { segments: { last_at: number }[] }[];
    expect(segments[0].last_at).toBeLessThanOrEqual(Date.now() / 1000);
  });

  it.each(STORE_VECTORS)('counts the turns of %s once, and changes nothing in it', async (name) => {
    const store = vectorStore(name);
    const before = [treeHash(store.sessionsDir), treeHash(store.hermesHome)];
    const plan = await scanned(store, '--dry-run');
    const first = await scanned(store);
    expect(first.turns).toBe(plan.turns);
    expect((await scanned(store)).turns).toBe(0);
    expect((await status(store)).uncommitted).toBe(first.turns);
    expect([treeHash(store.sessionsDir), treeHash(store.hermesHome)]).toEqual(before);
  });
});

describe('memory status and discard', () => {
  it('make no ledger, and know the sessions that it does not', async () => {
    const store = makeStore({ [ID]: session(ID) });
    const before = treeHash(store.root);
    const { json } = await cliJson(['memory', 'status', ID.slice(0, 4)], { env: store.env });
    expect(json).toMatchObject({ sessions: [{ session_id: ID, generation: 0, uncommitted: 0 }], ledger: null });
    expect((await cli(['memory', 'status', 'nosuch01'], { env: store.env })).code).toBe(5);
    expect((await cli(['memory', 'discard', ID], { env: store.env })).stdout).toBe(`${ID}\tnot known\n`);
    expect((await cli(['memory-drain'], { env: store.env })).code).toBe(0);
    expect((await cli(['memory-drain', '--session', ID], { env: store.env })).code).toBe(0);
    expect((await cli(['memory-drain', '--session', 'nosuch01'], { env: store.env })).code).toBe(5);
    expect((await cli(['memory', 'mark', 'nosuch01', '-n'], { env: store.env })).code).toBe(5);
    expect(treeHash(store.root)).toBe(before);
  });

  it('refuse to forget what is not committed', async () => {
    const store = makeStore({ [ID]: session(ID) });
    await scanned(store);
    for (const extra of [[], ['--dry-run']]) {
      const { code, json } = await cliJson(['memory', 'discard', ID, ...extra], { env: store.env });
      expect(code).toBe(13);
      expect(json).toMatchObject({ error: { code: 'NOT_CLEAN', details: { uncommitted: 1 } } });
    }
    expect((await status(store)).uncommitted).toBe(1);
  });

  it('fail with what it is where the ledger is none', async () => {
    const store = makeStore({ [ID]: session(ID) });
    const file = path.join(store.stateDir, '.hermesctl-memory.db');
    for (const text of [
      'this is no database, by far, and long enough to be looked at as one'.repeat(20),
      'SQLite format 3\0garbage',
    ]) {
      fs.writeFileSync(file, text);
      for (const command of [['memory', 'status'], ['memory', 'scan'], ['memory-drain'], ['memory', 'mark', ID]]) {
        const { code, json } = await cliJson(command, { env: store.env });
        expect([command, code, (json['error'] as { code: string }).code]).toEqual([command, 12, 'DATABASE_UNUSABLE']);
      }
      expect(fs.readFileSync(file, 'utf8'), 'it is left as it is').toBe(text);
    }
  });

  it('keep the ledger to its owner', async () => {
    const store = makeStore({ [ID]: session(ID) });
    await scanned(store);
    expect(fs.statSync(path.join(store.stateDir, '.hermesctl-memory.db')).mode & 0o777).toBe(0o600);
    expect(fs.readdirSync(store.stateDir).sort()).toEqual(['.hermesctl-memory.db', 'sessions']);
  });
});
