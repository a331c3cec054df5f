import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';

import { applyDelete, finishDeletes, planDelete } from '../../src/core/changes/delete';
import { applyUndelete, planUndelete } from '../../src/core/changes/undelete';
import { agentDatabaseOf, executed, PLAIN_SCHEMA } from '../support/agent-db';
import { cliJson, ROOT } from '../support/cli';
import { CHILD, contentOf, deletableStore, DELEGATE, DOOMED, OTHER, rowsOf } from '../support/deletable-store';
import { testDeps } from '../support/deps';
import { runInProcess } from '../support/in-process';
import { hasProgram, shell } from '../support/spawn';
import { makeStore, session, type TestStore, vectorStore } from '../support/store';
import { changeTarget, outcomeOf } from '../support/writing';

interface Deleted {
  session: {
    session_id: string;
    store: { files: { path: string; kind: string }[]; tombstone: boolean } | null;
    agent: {
      database: string;
      sessions: string[];
      detached: string[];
      rows: Record<string, number>;
      files: { path: string }[];
    };
    trash: string;
    resumed: boolean;
  };
  error?: { code: string; message: string; hint: string };
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- names the shape once, at the call
async function run<T = Deleted>(store: TestStore, ...args: string[]): Promise<{ code: number; json: T }> {
  const { code, stdout } = await runInProcess([...args, '--json'], store.env);
  return { code, json: JSON.parse(stdout) as T };
}

describe('a deletion and a restore', () => {
  it.each([
    [{ fts: 'external', journal: 'wal' }],
    [{ fts: 'external', journal: 'delete' }],
    [{ fts: 'inline', journal: 'wal' }],
    [{ fts: 'inline', journal: 'delete' }],
  ] as const)('take everything, and bring back every byte and row: %j', async (options) => {
    const store = deletableStore(options);
    await run(store, 'reindex');
    const before = contentOf(store);
    const { code, json } = await run(store, 'sessions', 'delete', DOOMED, '--yes');
    expect({ code, error: json.error }).toEqual({ code: 0 });
    expect(json.session.agent).toMatchObject({
      sessions: [DOOMED, DELEGATE],
      detached: [CHILD],
      rows: {
        messages: 5,
        session_model_usage: 2,
        compression_locks: 1,
        telegram_dm_topic_bindings: 1,
        plugin_notes: 1,
        sessions: 2,
        system_prompts: 1,
      },
    });
    const left = contentOf(store);
    const gone = Object.keys(left).filter((key) => key.includes(DOOMED) && !key.includes(`${DOOMED}x`));
    expect(gone).toEqual([]);
    expect(Object.values(left).filter((row) => row.includes(DOOMED) && row.startsWith('text'))).toEqual([]);
    expect(left['conversation_generations 0']).toContain(DOOMED);
    expect(left).toMatchObject({
      integrity: 'ok',
      'foreign keys': '[]',
      messages_fts: '[2]',
      'messages_fts agrees': 'ok',
      'messages_fts_trigram agrees': 'ok',
    });
    expect(before).toMatchObject({ 'messages_fts agrees': 'ok', 'messages_fts_trigram agrees': 'ok' });
    for (const [key, value] of Object.entries(left).filter(([name]) => name.includes(OTHER)))
      expect(value).toBe(before[key]);
    expect(JSON.parse(fs.readFileSync(`${store.sessionsDir}/_deleted_webui_sessions.json`, 'utf8'))).toEqual({
      version: 1,
      ids: [DOOMED],
    });

    expect((await run(store, 'sessions', 'delete', DOOMED, '--yes')).code).toBe(5);
    const back = await run(store, 'sessions', 'restore', DOOMED);
    expect({ code: back.code, error: back.json.error }).toEqual({ code: 0 });
    expect(contentOf(store)).toEqual(before);
    expect((await run(store, 'sessions', 'restore', DOOMED)).code).toBe(5);
  });
});

/** A process that has the database open, as an agent would: in WAL mode, writing. */
async function holding(store: TestStore, work: (pid: number) => Promise<void>): Promise<void> {
  const script = `
    const db = new (require('better-sqlite3'))(process.argv[1]);
    db.exec("INSERT INTO messages (session_id, role, content, timestamp) VALUES ('${OTHER}', 'user', 'held', 9)");
    console.log('ready');
    process.stdin.on('end', () => { db.exec("UPDATE messages SET active = 777 WHERE timestamp = 9"); db.close(); });
    process.stdin.resume();`;
  const child = spawn(process.execPath, ['-e', script, agentDatabaseOf(store)], {
    cwd: ROOT,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  try {
    await work(child.pid!);
  } finally {
    child.stdin.end();
    await ended;
  }
}

const sessionsOf = (store: TestStore): string[] => Object.keys(contentOf(store)).filter((key) => key.includes(DOOMED));

describe('a deletion is refused', () => {
  it.runIf(fs.existsSync('/proc/self/fd'))('while another process has the database open, unless forced', async () => {
    const store = deletableStore();
    const before = contentOf(store);
    await holding(store, async (pid) => {
      for (const args of [
        ['sessions', 'delete', DOOMED, '--yes'],
        ['sessions', 'delete', DOOMED, '--dry-run'],
      ]) {
        const { code, json } = await run(store, ...args);
        expect({ code, error: json.error?.code }).toEqual({ code: 8, error: 'SERVER_RUNNING' });
        expect(json.error!.message).toContain(`process ${pid} (has state.db open)`);
      }
      expect(fs.readdirSync(store.stateDir)).not.toContain('.hermesctl-trash');
      // The store's side needs no database.
      expect((await run(store, 'sessions', 'delete', DOOMED, '--yes', '--store-only')).code).toBe(0);
      expect((await run(store, 'sessions', 'restore', DOOMED)).code).toBe(0);
      expect((await run(store, 'sessions', 'delete', DOOMED, '--yes', '--force')).code).toBe(0);
      expect((await run(store, 'sessions', 'restore', DOOMED)).code).toBe(8);
      expect((await run(store, 'sessions', 'restore', DOOMED, '--force')).code).toBe(0);
    });
    const held = Object.entries(contentOf(store)).filter(
      ([key, row]) => before[key] !== row && !key.includes('_index'),
    );
    // Nothing but what the holder wrote, its last word after the forced deletion included.
    expect(held.map(([, row]) => /777/.test(row))).toEqual([true]);
  });

  it('when a holder comes after the look, before the database is opened and before the commit', async () => {
    for (const arrivesAt of [2, 3]) {
      const store = deletableStore();
      const before = contentOf(store);
      let scans = 0;
      const deps = testDeps({
        processes: { ...testDeps().processes, startedAt: () => 1777000000 },
        fs: {
          readdirSync: ((dir: string, ...rest: unknown[]) => {
            if (dir === '/proc') return ++scans >= arrivesAt ? ['999999'] : ['1'];
            if (dir === '/proc/999999/fd') return ['7'];
            return (fs.readdirSync as (...args: unknown[]) => string[])(dir, ...rest);
          }) as typeof fs.readdirSync,
          readlinkSync: ((file: string) =>
            file === '/proc/999999/fd/7'
              ? `${agentDatabaseOf(store)}-wal (deleted)`
              : fs.readlinkSync(file)) as typeof fs.readlinkSync,
        },
      });
      const { location } = changeTarget(store);
      const options = { store: true, agent: true, force: false, trash: true };
      const plan = await planDelete(location, DOOMED, options, deps);
      expect(await outcomeOf(applyDelete(plan, location, deps))).toEqual({ code: 'SERVER_RUNNING', exit: 8 });
      expect(scans).toBe(arrivesAt);
      expect(contentOf(store)).toEqual(before);
      expect(fs.readdirSync(path.join(store.stateDir, '.hermesctl-trash'))).toEqual([]);
    }
  });

  it('when a process that may not be looked into has a lock on the database', async () => {
    const store = deletableStore();
    const { dev, ino } = fs.statSync(agentDatabaseOf(store), { bigint: true });
    const hex = (value: bigint): string => value.toString(16).padStart(2, '0');
    const device = `${hex((dev >> 8n) & 0xfffn)}:${hex((dev & 0xffn) | ((dev >> 12n) & ~0xffn))}`;
    const deps = testDeps({
      fs: {
        readFileSync: ((file: string, ...rest: unknown[]) =>
          file === '/proc/locks'
            ? `1: POSIX  ADVISORY  READ 4242 ${device}:${ino} 1073741826 1073742335\n2: FLOCK  ADVISORY  WRITE 1 00:1f:9 0 EOF\n`
            : (fs.readFileSync as (...args: unknown[]) => string)(file, ...rest)) as typeof fs.readFileSync,
      },
    });
    const options = { store: true, agent: true, force: false, trash: true };
    const planned = planDelete(changeTarget(store).location, DOOMED, options, deps);
    await expect(planned).rejects.toMatchObject({
      code: 'SERVER_RUNNING',
      message: expect.stringContaining('4242') as string,
    });
  });

  it('where nobody can tell who has it open, while the gateway of the home is alive', async () => {
    const store = deletableStore();
    const missing = (file: unknown): never => {
      throw Object.assign(new Error('ENOENT'), { code: 'ENOENT', syscall: 'scandir', path: file });
    };
    const deps = testDeps({
      fs: {
        readdirSync: ((dir: string, ...rest: unknown[]) =>
          dir.startsWith('/proc')
            ? missing(dir)
            : (fs.readdirSync as (...args: unknown[]) => string[])(dir, ...rest)) as typeof fs.readdirSync,
      },
      processes: {
        self: { pid: 1, host: 'h', command: 'c' },
        uid: 1,
        bootId: null,
        pidSpace: null,
        startTick: () => undefined,
        startedAt: (pid) => (pid === 4242 ? 5 : undefined),
      },
    });
    const plan = (): Promise<unknown> =>
      planDelete(changeTarget(store).location, DOOMED, { store: true, agent: true, force: false, trash: true }, deps);
    fs.writeFileSync(path.join(store.hermesHome, 'gateway.pid'), '{"pid": 4242}\n');
    await expect(plan()).rejects.toMatchObject({
      code: 'SERVER_RUNNING',
      message: expect.stringContaining('4242') as string,
    });
    fs.writeFileSync(path.join(store.hermesHome, 'gateway.pid'), '4343\n');
    await expect(plan()).resolves.toMatchObject({ id: DOOMED });
  });

  it.each([
    ['a turn of its conversation', `INSERT INTO session_turn_leases VALUES ('${DOOMED}', 'pid=7', 1, 9e9)`],
    [
      'a turn, kept under the conversation’s first session',
      `UPDATE sessions SET end_reason = 'compression' WHERE id = 'first';
       UPDATE sessions SET parent_session_id = 'first' WHERE id = '${DOOMED}';
       INSERT INTO session_turn_leases VALUES ('first', 'pid=7', 1, 9e9)`,
    ],
    ['a turn of its delegate', `INSERT INTO session_turn_leases VALUES ('${DELEGATE}', 'pid=7', 1, 9e9)`],
    ['its compression', `UPDATE compression_locks SET expires_at = 9e9, holder = 'pid=7'`],
    ['a lease whose end nobody can read', `INSERT INTO session_turn_leases VALUES ('${DOOMED}', 'pid=7', 1, 'soon')`],
  ])('while a lease is live: %s', async (_, sql) => {
    const store = deletableStore();
    executed(agentDatabaseOf(store), sql);
    const before = contentOf(store);
    const { code, json } = await run(store, 'sessions', 'delete', DOOMED, '--yes');
    expect({ code, error: json.error?.code }).toEqual({ code: 8, error: 'SESSION_BUSY' });
    expect(json.error!.message).toContain('pid=7');
    expect(contentOf(store)).toEqual(before);
    expect((await run(store, 'sessions', 'delete', DOOMED, '--yes', '--force')).code).toBe(0);
  });

  it('while the session records a stream, and where it is read-only', async () => {
    const store = makeStore({
      busy00000001: session('busy00000001', { active_stream_id: 's' }),
      view00000001: session('view00000001', { read_only: true }),
    });
    expect((await run(store, 'sessions', 'delete', 'busy00000001', '--yes')).code).toBe(8);
    expect((await run(store, 'sessions', 'delete', 'busy00000001', '--yes', '--agent-only')).code).toBe(8);
    expect((await run(store, 'sessions', 'delete', 'view00000001', '--yes')).code).toBe(13);
    expect((await run(store, 'sessions', 'delete', 'busy00000001', 'view00000001', '--yes', '--force')).code).toBe(0);
  });

  it('without --yes where nobody can be asked', async () => {
    const store = deletableStore();
    const before = contentOf(store);
    const { code, json } = await run(store, 'sessions', 'delete', DOOMED);
    expect({ code, error: json.error?.code }).toEqual({ code: 2, error: 'USAGE' });
    expect(json.error!.hint).toContain('--yes');
    expect(contentOf(store)).toEqual(before);
  });

  it('where the database cannot be used, or an index in it not written', async () => {
    const store = deletableStore();
    const file = agentDatabaseOf(store);
    const database = new Database(file);
    database.unsafeMode();
    database.pragma('writable_schema = ON');
    database.exec(`
      INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES ('table', 'messages_fts_cjk', 'messages_fts_cjk', 0,
        'CREATE VIRTUAL TABLE messages_fts_cjk USING fts5(content, tokenize=''cjk_unicode61'')');
      INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES ('trigger', 'messages_fts_cjk_delete', 'messages', 0,
        'CREATE TRIGGER messages_fts_cjk_delete AFTER DELETE ON messages BEGIN DELETE FROM messages_fts_cjk WHERE rowid = old.id; END');`);
    database.close();
    for (const last of ['--dry-run', '--yes']) {
      const { code, json } = await run(store, 'sessions', 'delete', DOOMED, last);
      expect({ code, error: json.error?.code }).toEqual({ code: 12, error: 'DATABASE_UNUSABLE' });
      expect(json.error!.hint).toMatch(/hermes sessions delete.*--store-only/);
      expect(json.error!.message).toMatch(/full-text index that this SQLite cannot write/);
    }
    expect(fs.readdirSync(store.stateDir)).not.toContain('.hermesctl-trash');
    fs.writeFileSync(file, 'no database at all, but long enough to look like one'.repeat(20));
    for (const suffix of ['-wal', '-shm']) fs.rmSync(`${file}${suffix}`, { force: true });
    const { code, json } = await run(store, 'sessions', 'delete', DOOMED, '--yes');
    expect({ code, hint: json.error?.hint.includes('--store-only') }).toEqual({ code: 12, hint: true });
    expect((await run(store, 'sessions', 'delete', DOOMED, '--yes', '--store-only')).code).toBe(0);
  });

  it('where a table that nobody knows refers to it and would be emptied', async () => {
    const store = deletableStore();
    executed(
      agentDatabaseOf(store),
      `CREATE TABLE more (session_id TEXT REFERENCES sessions(id) ON DELETE SET NULL); INSERT INTO more VALUES ('${DOOMED}')`,
    );
    const { code, json } = await run(store, 'sessions', 'delete', DOOMED, '--yes');
    expect({ code, error: json.error?.code }).toEqual({ code: 12, error: 'DATABASE_UNUSABLE' });
  });

  it('where the session’s file, or something by its name, is no file', async () => {
    const store = deletableStore();
    fs.renameSync(path.join(store.sessionsDir, `${DOOMED}.json`), path.join(store.root, 'elsewhere'));
    fs.symlinkSync(path.join(store.root, 'elsewhere'), path.join(store.sessionsDir, `${DOOMED}.json`));
    expect((await run(store, 'sessions', 'delete', DOOMED, '--yes')).code).toBe(13);
    fs.unlinkSync(path.join(store.sessionsDir, `${DOOMED}.json`));
    fs.mkdirSync(path.join(store.sessionsDir, `${DOOMED}.json`));
    expect((await run(store, 'sessions', 'delete', DOOMED, '--yes')).code).toBe(1);
    expect(sessionsOf(store).length).toBeGreaterThan(10);
  });
});

describe('what is deleted', () => {
  it('is only the one side that was asked for', async () => {
    const store = deletableStore();
    await run(store, 'reindex');
    const before = contentOf(store);
    expect((await run(store, 'sessions', 'delete', DOOMED, '--yes', '--agent-only')).code).toBe(0);
    const agentGone = contentOf(store);
    expect(Object.keys(before).filter((key) => key.startsWith('webui') && agentGone[key] !== before[key])).toEqual([]);
    expect(JSON.stringify(agentGone)).not.toContain('needle in a haystack');
    expect((await run(store, 'sessions', 'restore', DOOMED)).code).toBe(0);
    expect(contentOf(store)).toEqual(before);

    const { json } = await run(store, 'sessions', 'delete', DOOMED, '--yes', '--store-only');
    expect(json.session.agent).toBeNull();
    const storeGone = contentOf(store);
    const rows = Object.keys(before).filter((key) => !key.startsWith('webui') && storeGone[key] !== before[key]);
    expect(rows).toEqual([]);
    expect(storeGone).not.toHaveProperty(`webui/sessions/${DOOMED}.json`);
    expect((await run(store, 'sessions', 'restore', DOOMED)).code).toBe(0);
    expect(contentOf(store)).toEqual(before);
  });

  it('does not come back from --no-trash', async () => {
    const store = deletableStore();
    const { json } = await run(store, 'sessions', 'delete', DOOMED, '--yes', '--no-trash');
    expect(json.session.trash).toBeNull();
    expect(sessionsOf(store).filter((key) => !key.includes(`${DOOMED}x`))).toEqual([]);
    expect(fs.readdirSync(path.join(store.stateDir, '.hermesctl-trash'))).toEqual([]);
    expect((await run(store, 'sessions', 'restore', DOOMED)).code).toBe(5);
  });

  it('may be damaged, alone in the agent’s database, or only a leftover', async () => {
    const store = deletableStore();
    fs.writeFileSync(path.join(store.sessionsDir, 'hurt00000001.json'), '{"session_id": "hurt');
    fs.writeFileSync(path.join(store.sessionsDir, 'lone00000001.json.bak'), '{}');
    executed(
      agentDatabaseOf(store),
      `INSERT INTO sessions (id, source, started_at) VALUES ('any text/../at all', 'cli', 1)`,
    );
    const before = contentOf(store);
    const ids = ['hurt00000001', 'lone00000001', 'any text/../at all', 'first', 'nobody000001'];
    const { code, json } = await run<{
      sessions: unknown[];
      failed: { session_id: string; error: { code: string } }[];
    }>(store, ...['sessions', 'delete', '--yes', ...ids]);
    expect({ code, failed: json.failed.map(({ error, session_id: id }) => [id, error.code]) }).toEqual({
      code: 3,
      failed: [['nobody000001', 'SESSION_NOT_FOUND']],
    });
    expect(json.sessions).toHaveLength(4);
    for (const id of ids.slice(0, 4)) expect((await run(store, 'sessions', 'restore', id)).code, id).toBe(0);
    const after = contentOf(store);
    delete after['webui/sessions/_index.json'];
    expect(after).toEqual(before);
  });

  it('takes ids from standard input, in full and only once each', async () => {
    const store = makeStore({ aaaa00000001: session('aaaa00000001'), bbbb00000001: session('bbbb00000001') });
    const prefix = await cliJson(['sessions', 'delete', '-', '--yes'], { env: store.env, stdin: 'aaaa\n' });
    expect(prefix.code).toBe(5);
    const two = await cliJson<{ sessions: unknown[] }>(['sessions', 'delete', '-', '-0', '--yes'], {
      env: store.env,
      stdin: 'aaaa00000001\0bbbb00000001\0aaaa00000001\0',
    });
    expect({ code: two.code, count: two.json.sessions.length }).toEqual({ code: 0, count: 2 });
    expect((await run(store, 'sessions', 'delete', 'bbbb', '--yes')).code).toBe(5);
  });

  it.runIf(hasProgram('script'))('is asked for on a terminal, and a prefix will do there', async () => {
    const store = deletableStore();
    const no = await shell(
      `printf 'n\\n' | script -qec "$HERMESCTL sessions delete ${OTHER.slice(0, 6)}" /dev/null`,
      store.env,
    );
    expect(no.stdout).toContain(`Delete session ${OTHER} (Session ${OTHER})? [y/N]`);
    expect(no.stdout).toContain('Nothing was deleted.');
    expect(contentOf(store)).toHaveProperty(`webui/sessions/${OTHER}.json`);
    const interrupted = await shell(
      `(sleep 1; printf '\\003') | script -qec "$HERMESCTL sessions delete ${OTHER}" /dev/null; echo "exit $?"`,
      store.env,
    );
    expect(interrupted.stdout).toMatch(/exit 130\s*$/);
    expect(contentOf(store)).toHaveProperty(`webui/sessions/${OTHER}.json`);
    const yes = await shell(
      `printf 'y\\n' | script -qec "$HERMESCTL sessions delete ${OTHER.slice(0, 6)}" /dev/null`,
      store.env,
    );
    expect(yes.stdout).toContain(`Deleted session ${OTHER}.`);
    expect(contentOf(store)).not.toHaveProperty(`webui/sessions/${OTHER}.json`);
  });

  it('is recorded in the form of the server, a thousand at most, and never without the newest', async () => {
    const store = makeStore({ '00000000000a': session('00000000000a') });
    const others = Array.from({ length: 1000 }, (_, i) => `f${String(i).padStart(11, '0')}`);
    const file = path.join(store.sessionsDir, '_deleted_webui_sessions.json');
    fs.writeFileSync(file, JSON.stringify({ version: 1, ids: others }));
    const { json } = await run<{ warnings: { code: string; session_ids: string[] }[] }>(
      store,
      ...['sessions', 'delete', '00000000000a', '--yes'],
    );
    expect(json.warnings).toMatchObject([{ code: 'TOMBSTONES_FULL', session_ids: [others[0]] }]);
    const { ids } = JSON.parse(fs.readFileSync(file, 'utf8')) as { ids: string[] };
    expect(ids).toEqual(['00000000000a', ...others.slice(1)]);
    await run(store, 'sessions', 'restore', '00000000000a');
    expect(JSON.parse(fs.readFileSync(file, 'utf8'))).toEqual({ version: 1, ids: others.slice(1) });
    fs.writeFileSync(file, '{');
    const broken = await run(store, 'sessions', 'delete', '00000000000a', '--yes');
    expect({ code: broken.code, error: broken.json.error?.code }).toEqual({ code: 7, error: 'STORE_DAMAGED' });
  });
});

describe('databases that the agent made', () => {
  it('give back every row of every session of the real one', async () => {
    const store = vectorStore('real-4');
    const database = agentDatabaseOf(store);
    const before = rowsOf(database);
    const words = wordsIn(database);
    const ids = idsIn(database);
    expect(ids.length).toBeGreaterThan(50);
    const { json } = await run<{
      sessions: Deleted['session'][];
      failed: { session_id: string; error: { code: string } }[];
    }>(store, ...['sessions', 'delete', '--yes', '--agent-only', ...ids]);
    // Delegates went with who sent them, before it was their turn.
    const delegates = json.sessions.flatMap(({ agent }) => agent.sessions.slice(1));
    expect(json.failed.map(({ error }) => error.code)).toEqual(delegates.map(() => 'SESSION_NOT_FOUND'));
    expect(json.failed.map(({ session_id: id }) => id).sort()).toEqual(delegates.sort());
    expect(delegates.length).toBeGreaterThan(0);
    expect(idsIn(database)).toEqual([]);
    expect(rowsOf(database)).toMatchObject({ integrity: 'ok', 'foreign keys': '[]' });
    for (const { session_id: id } of [...json.sessions].reverse()) {
      const back = await run<{ warnings: unknown[] }>(store, 'sessions', 'restore', id);
      expect({ id, code: back.code, warnings: back.json.warnings }).toEqual({ id, code: 0, warnings: [] });
    }
    expect(rowsOf(database)).toEqual(before);
    expect(wordsIn(database)).toEqual(words);
  });

  it('were indexed by an older SQLite, which stopped at a NUL: the totals stay right', async () => {
    const store = vectorStore('real-4');
    const database = agentDatabaseOf(store);
    const [id] = idsWithNul(database);
    const { words, rows } = wordsIn(database);
    await run(store, 'sessions', 'delete', id, '--yes', '--agent-only');
    // What is left is what was counted of the messages that are left: no word was taken off that was never there.
    const left = wordsIn(database);
    expect(left.rows).toBeLessThan(rows);
    expect(left.words).toBe(left.counted);
    expect(words).toBeGreaterThan(left.words);
  });

  it('keep their own text in the index of an older SQLite, which stops a deletion of what it cut off', async () => {
    const store = deletableStore({ fts: 'inline' });
    const file = agentDatabaseOf(store);
    const database = new Database(file);
    database.unsafeMode();
    database.exec("UPDATE messages_fts_trigram_docsize SET sz = x'00' WHERE id = 3");
    database.close();
    const before = contentOf(store);
    const { code, json } = await run(store, 'sessions', 'delete', DOOMED, '--yes');
    expect({ code, error: json.error?.code }).toEqual({ code: 12, error: 'DATABASE_UNUSABLE' });
    expect(json.error!.message).toContain('messages_fts_trigram');
    expect(contentOf(store)).toEqual(before);
  });

  it.each([
    ['without lineage, markers, activity or foreign keys', PLAIN_SCHEMA.replace('parent_session_id TEXT,', '')],
    ['as it always was', PLAIN_SCHEMA],
    ['without messages', 'CREATE TABLE sessions (id TEXT PRIMARY KEY, source TEXT, started_at REAL, title TEXT)'],
    ['in UTF-16', `PRAGMA encoding = 'UTF-16le'; ${PLAIN_SCHEMA}`],
  ])('may be old: %s', async (_, schema) => {
    const store = makeStore({ [DOOMED]: session(DOOMED) });
    const file = agentDatabaseOf(store);
    const database = new Database(file);
    database.exec(schema);
    database.exec(
      `INSERT INTO sessions (id, source, started_at, title) VALUES ('${DOOMED}', 'cli', 1, 'naïve 日本語'), ('x', 'cli', 2, NULL)`,
    );
    if (schema.includes('messages')) {
      database.exec(
        `INSERT INTO messages (session_id, role, content, timestamp) VALUES ('${DOOMED}', 'user', char(0) || '日本', 1), ('x', 'user', 'b', 2)`,
      );
    }
    database.close();
    await run(store, 'reindex');
    const before = contentOf(store);
    expect((await run(store, 'sessions', 'delete', DOOMED, '--yes')).code).toBe(0);
    expect(idsIn(file)).toEqual(['x']);
    expect((await run(store, 'sessions', 'restore', DOOMED)).code).toBe(0);
    expect(contentOf(store)).toEqual(before);
  });

  it('may lack the table of sessions, which stops a deletion', async () => {
    const store = makeStore({ [DOOMED]: session(DOOMED) });
    executed(agentDatabaseOf(store), 'CREATE TABLE other (x)');
    const { code, json } = await run(store, 'sessions', 'delete', DOOMED, '--yes');
    expect({ code, hint: json.error?.hint.includes('--store-only') }).toEqual({ code: 12, hint: true });
  });

  it('take back rows when they have got more columns since, and refuse when they have fewer', async () => {
    const store = deletableStore();
    const file = agentDatabaseOf(store);
    await run(store, 'sessions', 'delete', DOOMED, '--yes');
    executed(file, 'ALTER TABLE messages ADD COLUMN newer TEXT; ALTER TABLE sessions DROP COLUMN odd');
    const gone = contentOf(store);
    const { code, json } = await run(store, 'sessions', 'restore', DOOMED);
    expect({ code, error: json.error?.code }).toEqual({ code: 12, error: 'DATABASE_UNUSABLE' });
    expect(contentOf(store)).toEqual(gone);
    executed(file, 'ALTER TABLE sessions ADD COLUMN odd');
    expect((await run(store, 'sessions', 'restore', DOOMED)).code).toBe(0);
  });
});

/** Of the index of trigrams: how many words its totals tell, how many it counted message by message, of how many messages. */
function wordsIn(file: string): { words: number; counted: number; rows: number } {
  const database = new Database(file, { readonly: true });
  try {
    const varints = (bytes: Buffer): number[] => {
      const numbers = [0];
      for (const byte of bytes) {
        numbers[numbers.length - 1] = numbers.at(-1)! * 128 + (byte & 127);
        if (byte < 128) numbers.push(0);
      }
      return numbers.slice(0, -1);
    };
    const sum = (numbers: number[]): number => numbers.reduce((a, b) => a + b, 0);
    const totals = database.prepare('SELECT block FROM messages_fts_trigram_data WHERE id = 1').pluck().get() as Buffer;
    const sizes = database.prepare('SELECT sz FROM messages_fts_trigram_docsize').pluck().all() as Buffer[];
    const [rows, ...words] = varints(totals);
    return { words: sum(words), counted: sum(sizes.map((size) => sum(varints(size)))), rows };
  } finally {
    database.close();
  }
}

function idsWithNul(file: string): string[] {
  const database = new Database(file, { readonly: true });
  try {
    const query =
      "SELECT DISTINCT session_id FROM messages WHERE role <> 'tool' AND instr(CAST(content AS BLOB), x'00') = 1";
    return database.prepare(query).pluck().all() as string[];
  } finally {
    database.close();
  }
}

function idsIn(file: string): string[] {
  const database = new Database(file, { readonly: true });
  try {
    return database.prepare('SELECT id FROM sessions ORDER BY rowid').pluck().all() as string[];
  } finally {
    database.close();
  }
}

describe('what comes back', () => {
  it('comes from another file system as well', async () => {
    const store = deletableStore();
    await run(store, 'reindex');
    const before = contentOf(store);
    const isInTrash = (file: string): boolean => file.includes('/.hermesctl-trash/');
    const across = (a: string, b: string): void => {
      if (isInTrash(a) === isInTrash(b)) return;
      throw Object.assign(new Error('EXDEV: cross-device link'), { code: 'EXDEV', syscall: 'rename' });
    };
    const deps = testDeps({
      fs: {
        renameSync: (a, b) => {
          across(String(a), String(b));
          fs.renameSync(a, b);
        },
        linkSync: (a, b) => {
          across(String(a), String(b));
          fs.linkSync(a, b);
        },
      },
    });
    const target = changeTarget(store);
    const options = { store: true, agent: true, force: false, trash: true };
    const plan = await planDelete(target.location, DOOMED, options, deps);
    await finishDeletes(target, [await applyDelete(plan, target.location, deps)], deps);
    expect(sessionsOf(store).filter((key) => !key.includes(`${DOOMED}x`))).toEqual([]);
    const undelete = await planUndelete(target.location, DOOMED, { storeOnly: false, force: false }, deps);
    await applyUndelete(undelete, target, deps);
    expect(contentOf(store)).toEqual(before);
  });

  it('does not replace what was made since', async () => {
    const store = deletableStore();
    await run(store, 'sessions', 'delete', DOOMED, '--yes');
    await run(store, 'sessions', 'create', '--id', DOOMED, '--user', 'New');
    const made = contentOf(store);
    const { code, json } = await run(store, 'sessions', 'restore', DOOMED);
    expect({ code, error: json.error?.code }).toEqual({ code: 13, error: 'ALREADY_EXISTS' });
    expect(contentOf(store)).toEqual(made);
    await run(store, 'sessions', 'delete', DOOMED, '--yes');
    executed(agentDatabaseOf(store), `INSERT INTO sessions (id, source, started_at) VALUES ('${DOOMED}', 'webui', 5)`);
    expect((await run(store, 'sessions', 'restore', DOOMED)).code).toBe(0); // the newest: only a file
    expect(JSON.parse(fs.readFileSync(path.join(store.sessionsDir, `${DOOMED}.json`), 'utf8'))).toMatchObject({
      messages: [{ content: 'New' }],
    });
  });

  it('is refused whole where the agent has made the session anew', async () => {
    const store = deletableStore();
    await run(store, 'sessions', 'delete', DOOMED, '--yes');
    executed(agentDatabaseOf(store), `INSERT INTO sessions (id, source, started_at) VALUES ('${DOOMED}', 'webui', 5)`);
    const made = contentOf(store);
    const { code, json } = await run(store, 'sessions', 'restore', DOOMED);
    expect({ code, error: json.error?.code }).toEqual({ code: 13, error: 'ALREADY_EXISTS' });
    expect(contentOf(store)).toEqual(made);
    expect((await run(store, 'sessions', 'restore', DOOMED, '--store-only')).code).toBe(0);
    expect(contentOf(store)).toHaveProperty(`webui/sessions/${DOOMED}.json`);
  });

  it('finds its parent gone, its title taken, its number given away, and says so', async () => {
    const store = deletableStore();
    const file = agentDatabaseOf(store);
    executed(file, `UPDATE sessions SET parent_session_id = 'first' WHERE id = '${DOOMED}'`);
    await run(store, 'sessions', 'delete', DOOMED, '--yes');
    executed(
      file,
      `DELETE FROM sessions WHERE id = 'first'; INSERT INTO sessions (rowid, id, source, title, started_at) VALUES (2, 'new', 'cli', 'Doomed', 1)`,
    );
    const { code, json } = await run<{ warnings: { code: string }[] }>(store, 'sessions', 'restore', DOOMED);
    expect({ code, warnings: json.warnings.map((warning) => warning.code) }).toEqual({
      code: 0,
      warnings: ['TITLE_TAKEN', 'PARENT_GONE'],
    });
    expect(contentOf(store)).toMatchObject({ integrity: 'ok', 'foreign keys': '[]' });
  });

  it('is no longer there when the trash was emptied, which an unfinished deletion survives', async () => {
    const store = deletableStore();
    await run(store, 'sessions', 'delete', DOOMED, OTHER, '--yes');
    const trash = path.join(store.stateDir, '.hermesctl-trash');
    const [, second] = fs.readdirSync(trash).sort();
    const manifest = path.join(trash, second, 'manifest.json');
    fs.writeFileSync(manifest, fs.readFileSync(manifest, 'utf8').replace('"deleted"', '"begun"'));
    fs.mkdirSync(path.join(trash, 'empty'));
    const young = await run<{ files: { reason: string | null }[] }>(store, 'gc-tmp', '--trash');
    expect(young.json.files.map(({ reason }) => reason)).toEqual(['too-young', 'unfinished', 'too-young']);
    const { json } = await run<{ files: object[]; removed: number }>(store, 'gc-tmp', '--trash', '--older-than', '0');
    expect(json).toMatchObject({
      files: [
        { session_id: DOOMED, removed: true },
        { session_id: OTHER, reason: 'unfinished' },
        { session_id: null, removed: true },
      ],
      removed: 2,
    });
    expect((await run(store, 'sessions', 'restore', DOOMED)).code).toBe(5);
    expect((await run(store, 'sessions', 'restore', OTHER)).code).toBe(0);
  });
});
