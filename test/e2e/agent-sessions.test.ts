import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';

import { agentDatabaseOf, executed, PLAIN_SCHEMA } from '../support/agent-db';
import { bareEnvironment, BIN, cli, cliJson } from '../support/cli';
import { noOtherUser, SOMEBODY, whySkipped } from '../support/other-user';
import { hasProgram, cliOnTerminal } from '../support/spawn';
import { makeStore, session, type TestStore, treeHash } from '../support/store';

interface Row {
  session_id: string;
  [key: string]: unknown;
}

interface Listed {
  sessions: Row[];
  total: number;
  warnings: { code: string; message: string; reason?: string }[];
}

/** An agent session of the made database: columns of `sessions`, and how many turns of the user it has. */
interface Made {
  id: string;
  turns?: number;
  [column: string]: string | number | null | undefined;
}

const text = (value: unknown): string =>
  typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : value === null ? 'NULL' : String(value);

function addSessions(file: string, ...sessions: Made[]): void {
  const schema = fs.existsSync(file) ? '' : PLAIN_SCHEMA;
  const rows = sessions.map(({ turns = 2, ...given }, i) => {
    const columns = { source: 'cli', started_at: 1777000000 + i, ...given };
    const messages = Array.from(
      { length: turns },
      (_, turn) =>
        `INSERT INTO messages (session_id, role, content, timestamp) VALUES (${text(given.id)}, 'user', 'turn ${turn}', ${1777000100 + i + turn / 10});`,
    );
    return `INSERT INTO sessions (${Object.keys(columns).join(', ')}) VALUES (${Object.values(columns).map(text).join(', ')}); ${messages.join(' ')}`;
  });
  fs.mkdirSync(path.dirname(file), { recursive: true });
  executed(file, `${schema} ${rows.join('\n')}`);
}

function storeWith(sidecars: Record<string, object>, ...sessions: Made[]): TestStore {
  const store = makeStore(sidecars);
  addSessions(agentDatabaseOf(store), ...sessions);
  return store;
}

const list = (store: TestStore, ...flags: string[]): Promise<{ code: number | null; json: Listed }> =>
  cliJson<Listed>(['sessions', 'list', '--agent', ...flags], { env: store.env });
const ids = ({ json }: { json: Listed }): string[] => json.sessions.map(({ session_id: id }) => id);

describe('sessions list --agent', () => {
  it('shows a conversation once, also where the store has only a segment of it', async () => {
    const store = storeWith(
      { tip1: session('tip1'), root2: session('root2'), mid3: session('mid3') },
      { id: 'root1', ended_at: 1777000001, end_reason: 'compression' },
      { id: 'tip1', started_at: 1777000050, parent_session_id: 'root1' },
      { id: 'root2', ended_at: 1777000002, end_reason: 'compression' },
      { id: 'tip2', started_at: 1777000050, parent_session_id: 'root2' },
      { id: 'root3', ended_at: 1777000004, end_reason: 'cli_close' },
      {
        id: 'mid3',
        started_at: 1777000050,
        parent_session_id: 'root3',
        ended_at: 1777000051,
        end_reason: 'compression',
      },
      { id: 'tip3', started_at: 1777000060, parent_session_id: 'mid3' },
      { id: 'alone' },
      { id: 'mirrored', source: 'webui' },
    );
    expect(ids(await list(store, '--all')).sort()).toEqual(['alone', 'mid3', 'root2', 'tip1']);
  });

  it('shows one that goes on in a session of the store of which the database has no messages', async () => {
    const store = storeWith(
      { next: session('next') },
      { id: 'before', ended_at: 1777000001, end_reason: 'compression' },
      { id: 'next', started_at: 1777000050, parent_session_id: 'before', turns: 0 },
    );
    expect(ids(await list(store, '--all')).sort()).toEqual(['before', 'next']);
    expect(ids(await list(store, '--all', '--limit', '1', '--offset', '1')).sort()).toHaveLength(1);
  });

  it('hides what was tried and left, and shows all on demand', async () => {
    const ended = { ended_at: 1777000001, end_reason: 'user_exit' };
    const store = storeWith(
      {},
      { id: 'open1', turns: 1 },
      { id: 'left1', turns: 1, ...ended },
      { id: 'left2', turns: 1, title: 'CLI Session', ...ended },
      { id: 'named', turns: 1, title: 'A name', ...ended },
      { id: 'long1', turns: 2, ...ended },
      { id: 'tui01', source: 'tui', turns: 1, ...ended },
      { id: 'tgram', source: 'telegram', turns: 1, ...ended },
      { id: 'cron_job_20260425_000001', source: 'cron', turns: 1, ...ended },
      { id: 'empty', turns: 0 },
    );
    const shown = ['long1', 'named', 'open1', 'tgram', 'tui01'];
    expect(ids(await list(store)).sort()).toEqual(shown);
    expect(ids(await list(store, '--cron')).sort()).toEqual(['cron_job_20260425_000001', ...shown]);
    expect(ids(await list(store, '--all'))).toHaveLength(8);
  });

  it('filters, sorts and pages both kinds together', async () => {
    const store = storeWith(
      { webui1: session('webui1', { title: 'Deploy', updated_at: 1777000500 }) },
      { id: 'cli1', title: 'Deploy it', model: 'openai/gpt-5', message_count: 40 },
      { id: 'tg1', source: 'telegram', title: 'Chat', model: 'claude' },
      { id: 'tg2', source: 'telegram', title: 'Other', turns: 9 },
    );
    expect(ids(await list(store, '--title', 'DEPLOY', '--sort', 'id'))).toEqual(['cli1', 'webui1']);
    expect(ids(await list(store, '--source', 'telegram', '--sort', 'id'))).toEqual(['tg1', 'tg2']);
    expect(ids(await list(store, '--source', 'webui'))).toEqual(['webui1']);
    expect(ids(await list(store, '--model', 'gpt', '--sort', 'id'))).toEqual(['cli1', 'webui1']);
    const byCount = await list(store, '--sort', 'messages', '--limit', '2');
    expect(byCount.json.sessions.map((row) => [row.session_id, row['message_count']])).toEqual([
      ['cli1', 40],
      ['tg2', 9],
    ]);
    expect(byCount.json.total).toBe(4);
    expect(ids(await list(store, '--sort', 'id', '--offset', '1', '--limit', '2'))).toEqual(['tg1', 'tg2']);
    expect(ids(await list(store, '--since', '2099-01-01'))).toEqual([]);
  });

  it('names cron runs after their jobs, and the project only where there is one', async () => {
    const store = storeWith(
      {},
      { id: 'cron_nightly_20260425_000001', source: 'cron' },
      { id: 'cron_with_underscores_20260425_000002', source: 'cron' },
      { id: 'cron_gone_20260425_000003', source: 'cron' },
    );
    fs.mkdirSync(path.join(store.hermesHome, 'cron'));
    const jobs = [
      { id: 'nightly', name: 'Nightly report' },
      { id: 'with_underscores', name: 'Odd' },
      { id: 'gone' },
      5,
    ];
    fs.writeFileSync(path.join(store.hermesHome, 'cron', 'jobs.json'), JSON.stringify({ jobs }));
    const rows = async (): Promise<unknown[]> =>
      (await list(store, '--cron', '--sort', 'id')).json.sessions.map((row) => [row['title'], row['project_id']]);
    expect(await rows()).toEqual([
      ['Cron Session', null],
      ['Nightly report', null],
      ['Odd', null],
    ]);
    const projects = [
      { project_id: 'aaaaaaaaaaaa', name: 'Cron Jobs', profile: 'other' },
      { project_id: 'bbbbbbbbbbbb', name: 'Cron Jobs' },
    ];
    const file = path.join(store.stateDir, 'projects.json');
    fs.writeFileSync(file, JSON.stringify(projects));
    expect((await rows())[0]).toEqual(['Cron Session', 'bbbbbbbbbbbb']);
    fs.writeFileSync(path.join(store.hermesHome, 'cron', 'jobs.json'), '{broken');
    fs.writeFileSync(file, '{broken');
    const broken = await list(store, '--cron');
    expect(broken.json.sessions.map((row) => row['title'])).toEqual(Array(3).fill('Cron Session'));
    expect(broken.json.warnings.map(({ code }) => code)).toEqual(['STORE_DAMAGED']);
  });

  it('asks the database of the profile, or of all profiles', async () => {
    const store = storeWith({ one: session('one', { profile: 'work' }) }, { id: 'default1' }, { id: 'both' });
    addSessions(path.join(store.hermesHome, 'profiles', 'work', 'state.db'), { id: 'work1' }, { id: 'both' });
    fs.mkdirSync(path.join(store.hermesHome, 'profiles', 'empty'));
    expect(ids(await list(store, '--sort', 'id'))).toEqual(['both', 'default1', 'one']);
    expect(ids(await list(store, '--sort', 'id', '-p', 'work'))).toEqual(['both', 'one', 'work1']);
    const all = await list(store, '--sort', 'id', '--all-profiles');
    expect(all.json.sessions.map((row) => [row.session_id, row['profile']])).toEqual([
      ['both', 'default'],
      ['default1', 'default'],
      ['one', 'work'],
      ['work1', 'work'],
    ]);
    expect(all.json.warnings).toEqual([]);
  });

  it('takes columns that only the agent’s rows have, also where there is none', async () => {
    const store = storeWith({ one: session('one') });
    const { json } = await list(store, '--columns', 'session_id,stored_in,_lineage_root_id');
    expect(json.sessions).toEqual([{ session_id: 'one', stored_in: null, _lineage_root_id: null }]);
  });
});

describe('a database that cannot be used', () => {
  const breakIt: [name: string, reason: string, how: (file: string) => void][] = [
    ['missing', 'missing', (file) => fs.rmSync(file)],
    ['empty', 'empty', (file) => fs.truncateSync(file)],
    ['truncated', 'truncated', (file) => fs.truncateSync(file, 4096)],
    ['no database', 'not_sqlite', (file) => fs.writeFileSync(file, 'no database at all, but some text'.repeat(99))],
    [
      'a directory',
      'not_a_file',
      (file) => {
        fs.rmSync(file);
        fs.mkdirSync(file);
      },
    ],
    [
      'old',
      'schema',
      (file) => {
        fs.rmSync(file);
        executed(file, 'CREATE TABLE sessions (id TEXT, started_at REAL)');
      },
    ],
  ];

  it.each(breakIt)('%s: a list warns and has the part of the store', async (_name, reason, how) => {
    const store = storeWith({ one: session('one') }, { id: 'agent1' });
    how(agentDatabaseOf(store));
    const before = treeHash(store.root);
    const { code, json } = await list(store);
    expect(code).toBe(0);
    expect(ids({ json })).toEqual(['one']);
    expect(json.warnings).toEqual([expect.objectContaining({ code: 'DATABASE_UNUSABLE', reason })]);
    expect(treeHash(store.root)).toBe(before);
    const plain = await cli(['sessions', 'list', '--json'], { env: store.env });
    expect(JSON.parse(plain.stdout)).toMatchObject({ warnings: [], total: 1 });
  });

  it.each(breakIt.filter(([, reason]) => reason !== 'schema'))(
    '%s: what only it could have is not found',
    async (_name, reason, how) => {
      const store = storeWith({ one: session('one') }, { id: 'agent1' });
      how(agentDatabaseOf(store));
      // Without a database there is no such session; with one that cannot be read, nobody can tell.
      const expected = reason === 'missing' ? 5 : 12;
      for (const args of [
        ['show', 'agent1'],
        ['status', 'agent1'],
        ['usage', 'agent1'],
      ]) {
        expect((await cli([...args, '--json'], { env: store.env })).code, args.join(' ')).toBe(expected);
        expect((await cli([args[0], 'one', '--json'], { env: store.env })).code).toBe(0);
      }
      const several = await cliJson<{ statuses: Row[]; failed: Row[] }>(['status', 'one', 'agent1'], {
        env: store.env,
      });
      expect(several).toMatchObject({
        code: 3,
        json: { statuses: [{ session_id: 'one' }], failed: [{ session_id: 'agent1' }] },
      });
      expect((await cli(['sessions', 'lineage', 'one'], { env: store.env })).code).toBe(12);
    },
  );
});

describe('a directory that cannot be written', () => {
  /** Gives a store to nobody: everything readable, nothing writable. */
  function readOnly(store: TestStore): TestStore {
    spawnSync('chmod', ['-R', 'a+rX,a-w', store.root]);
    return store;
  }

  const asSomebody = (store: TestStore, ...args: string[]): { code: number | null; stdout: string } => {
    const { status, stdout } = spawnSync(process.execPath, [BIN, ...args, '--json'], {
      uid: SOMEBODY,
      gid: SOMEBODY,
      cwd: '/',
      env: bareEnvironment(store.env),
      encoding: 'utf8',
    });
    return { code: status, stdout };
  };

  it.skipIf(noOtherUser !== undefined).each(['DELETE', 'WAL', 'WAL with a log'])(
    `does not keep a database from being read: %s${whySkipped(noOtherUser)}`,
    (mode) => {
      const store = storeWith({}, { id: 'agent1' });
      const file = agentDatabaseOf(store);
      const writer = new Database(file);
      writer.pragma(`journal_mode = ${mode.split(' ')[0]}`);
      if (mode.endsWith('log')) {
        writer.pragma('wal_autocheckpoint = 0');
        writer.exec("INSERT INTO sessions (id, source, started_at) VALUES ('logged', 'cli', 5.5)");
        writer.exec("INSERT INTO messages (session_id, role, content, timestamp) VALUES ('logged', 'user', 'x', 6.5)");
        for (const end of ['', '-wal']) fs.copyFileSync(file + end, `${file}.copy${end}`);
      }
      writer.close();
      if (mode.endsWith('log')) for (const end of ['', '-wal']) fs.renameSync(`${file}.copy${end}`, file + end);
      const before = treeHash(readOnly(store).root);
      const { code, stdout } = asSomebody(store, 'sessions', 'list', '--agent', '--sort', 'id');
      expect(code).toBe(0);
      const { sessions, warnings } = JSON.parse(stdout) as Listed;
      expect(warnings).toEqual([]);
      expect(sessions.map(({ session_id: id }) => id)).toEqual(
        mode.endsWith('log') ? ['agent1', 'logged'] : ['agent1'],
      );
      expect(asSomebody(store, 'show', 'agent1').code).toBe(0);
      expect(treeHash(store.root)).toBe(before);
    },
  );

  it.skipIf(noOtherUser !== undefined)(`says that a database may not be read${whySkipped(noOtherUser)}`, () => {
    const store = readOnly(storeWith({}, { id: 'agent1' }));
    fs.chmodSync(agentDatabaseOf(store), 0o600);
    const { code, stdout } = asSomebody(store, 'show', 'agent1');
    expect(code).toBe(12);
    expect(JSON.parse(stdout)).toMatchObject({ error: { details: { reason: 'unreadable' } } });
  });
});

describe('an id of the agent’s', () => {
  it('is any text, and never a path', async () => {
    const odd = ['../../etc/passwd', "it's; --", 'with space', '日本語', '_x', '-', 'a%b_c'];
    const store = storeWith({}, ...odd.map((id) => ({ id })));
    for (const id of odd.filter((one) => one !== '-')) {
      const { code, stdout } = await cli(['show', '--json', '--', id], { env: store.env });
      expect({ id, code }).toEqual({ id, code: 0 });
      expect((JSON.parse(stdout) as { session: Row }).session.session_id).toBe(id);
    }
    const { stdout } = await cli(['status', '-', '-0', '--json'], { env: store.env, stdin: odd.join('\0') });
    expect((JSON.parse(stdout) as { statuses: Row[] }).statuses.map((row) => row.session_id)).toEqual(odd);
    expect((await cli(['show', '../../etc/shadow'], { env: store.env })).code).toBe(2);
  });

  it('may be shortened like any other, the store’s sessions first', async () => {
    const store = storeWith({ abcd1: session('abcd1') }, { id: 'abcd2' }, { id: '20260425_1' }, { id: '20260425_2' });
    const shown = async (id: string): Promise<[number | null, string | undefined]> => {
      const { code, json } = await cliJson<{ status?: Row }>(['status', id], { env: store.env });
      return [code, json.status?.session_id];
    };
    expect(await shown('abcd')).toEqual([0, 'abcd1']);
    expect(await shown('abcd2')).toEqual([0, 'abcd2']);
    expect(await shown('20260425_')).toEqual([2, undefined]);
    expect(await shown('2026')).toEqual([2, undefined]);
    expect(await shown('20260425_2')).toEqual([0, '20260425_2']);
    expect(await shown('202')).toEqual([5, undefined]);
  });

  it('is found without a store', async () => {
    const store = storeWith({}, { id: 'agent1' });
    fs.rmSync(store.stateDir, { recursive: true });
    expect((await cli(['show', 'agent1'], { env: store.env })).code).toBe(0);
    expect((await cli(['show', 'nobody'], { env: store.env })).code).toBe(10);
  });

  it('is shown with selections, in Markdown and as a row', async () => {
    const store = storeWith({}, { id: 'agent1', title: 'Talk', turns: 5 });
    executed(agentDatabaseOf(store), "UPDATE messages SET role = 'assistant' WHERE content IN ('turn 1', 'turn 3')");
    const contents = async (...flags: string[]): Promise<unknown[]> =>
      (await cliJson<{ messages: Row[] }>(['show', 'agent1', ...flags], { env: store.env })).json.messages.map(
        (message) => message['content'],
      );
    expect(await contents('--messages', '2')).toEqual(['turn 3', 'turn 4']);
    expect(await contents('--role', 'assistant')).toEqual(['turn 1', 'turn 3']);
    expect(await contents('--role', 'user', '--messages', '1')).toEqual(['turn 4']);
    expect(await contents('--messages', '0')).toEqual([]);
    const markdown = await cli(['show', 'agent1', '--markdown'], { env: store.env });
    expect(markdown.stdout).toMatch(/^# Talk\n[^]*turn 0[^]*turn 4/);
    const metadata = await cliJson<{ session: Row; messages?: unknown }>(['show', 'agent1', '--metadata'], {
      env: store.env,
    });
    expect(metadata.json.session).toMatchObject({ session_id: 'agent1', message_count: 5, stored_in: 'agent' });
    expect(metadata.json.messages).toBeUndefined();
    expect((await cli(['show', 'agent1', '--raw'], { env: store.env })).code).toBe(2);
  });

  it.runIf(hasProgram('script'))('is drawn with its lineage on a terminal, without escapes of its own', async () => {
    const store = storeWith(
      {},
      { id: 'root', title: 'T\x1b[31mred', ended_at: 1777000001, end_reason: 'compression' },
      { id: 'task', source: 'subagent', parent_session_id: 'root', started_at: 1777000000 },
      { id: 'tip', parent_session_id: 'root', started_at: 1777000050 },
    );
    const { stdout } = await cliOnTerminal(['sessions', 'lineage', 'tip', '--no-color'], store.env);
    expect(stdout).toMatch(/┌ root .*T\\x1b\[31mred\r?\n│ {3}└─ task .*\r?\n└ tip /);
  });
});
