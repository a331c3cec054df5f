import { describe, expect, it } from 'vitest';

import { readTranscript } from '../../../src/core/agent-db/messages';
import type { AgentDatabase } from '../../../src/core/agent-db/database';
import { readLineageKeys } from '../../../src/core/agent-db/lineage-keys';
import { withAgentDatabase } from '../../../src/core/agent-db/open';
import { project } from '../../../src/core/agent-db/projection';
import { lineageReport } from '../../../src/core/agent-db/report';
import { loadSessions, readAgentSession, sessionsQuery } from '../../../src/core/agent-db/sessions';
import { sessionColumns } from '../../../src/core/agent-db/stored';
import { countMessages, countUserTurns } from '../../../src/core/agent-db/counts';
import { executed, PLAIN_SCHEMA } from '../../support/agent-db';
import { testDeps } from '../../support/deps';
import { temporaryDirectory } from '../../support/store';

/** Opens a database made by this SQL. */
const withSchema = <T>(sql: string, use: (database: AgentDatabase) => Promise<T>): Promise<T> =>
  withAgentDatabase(executed(`${temporaryDirectory()}/state.db`, sql), testDeps(), use);

/** All that is ever asked of a database, one after the other. */
async function everything(database: AgentDatabase, id: string): Promise<unknown[]> {
  const { rows } = await loadSessions(database);
  project(rows);
  await readAgentSession(database, id);
  await readLineageKeys(database, [id]);
  await lineageReport(database, id);
  await countMessages(database, [id]);
  await countUserTurns(database, { id, recorded: 1 }, 2);
  const transcript = await readTranscript(database, id);
  const messages: unknown[] = [];
  for await (const message of transcript.messages()) messages.push(message.value());
  return messages;
}

const OLD_SESSIONS = `CREATE TABLE sessions (id TEXT PRIMARY KEY, source TEXT, title TEXT, model TEXT,
    message_count INTEGER, started_at REAL);
  INSERT INTO sessions VALUES ('full', 'cli', 'T', 'm', 3, 100.5), ('empty', 'cli', NULL, NULL, 0, 50.5);`;

describe('an old schema', () => {
  it('without a messages table gives what sessions record', async () => {
    await withSchema(OLD_SESSIONS, async (database) => {
      const { rows, plan } = await loadSessions(database);
      expect(plan).toBe('none');
      expect(project(rows).map(({ tip }) => tip.id)).toEqual(['full']);
      expect(await everything(database, 'full')).toEqual([]);
    });
  });

  it.each([
    ['without timestamps', 'session_id TEXT, role TEXT, content TEXT', "VALUES ('empty', 'user', 'x')", 'index'],
    ['without roles', 'session_id TEXT, timestamp REAL', "VALUES ('empty', 60.5)", 'pass'],
    [
      'without contents',
      'id INTEGER PRIMARY KEY, session_id TEXT, role TEXT, timestamp REAL',
      "VALUES (1, 'empty', 'user', 60.5)",
      'pass',
    ],
  ])('whose messages are %s is asked for what they have', async (_name, columns, row, expected) => {
    await withSchema(
      `${OLD_SESSIONS} CREATE TABLE messages (${columns}); INSERT INTO messages ${row};`,
      async (database) => {
        const { rows, plan } = await loadSessions(database);
        expect(plan).toBe(expected);
        expect(project(rows).map(({ tip }) => tip.id)).toEqual(['empty']); // the only one that has messages
        expect(await countMessages(database, ['full', 'empty'])).toEqual(
          new Map([
            ['full', 0],
            ['empty', 1],
          ]),
        );
        expect(await everything(database, 'empty')).toEqual([]);
      },
    );
  });

  it('whose messages have no ids gives them in the order of their times', async () => {
    const sql = `${OLD_SESSIONS} CREATE TABLE messages (session_id TEXT, role TEXT, content TEXT, timestamp REAL);
      INSERT INTO messages VALUES ('full', 'user', 'second', 2.5), ('full', 'user', 'first', 1.5);`;
    await withSchema(sql, async (database) => {
      expect(await everything(database, 'full')).toMatchObject([{ content: 'first' }, { content: 'second' }]);
    });
  });

  it('that does not record sources says what to do', async () => {
    const sql = 'CREATE TABLE sessions (id TEXT PRIMARY KEY, title TEXT, started_at REAL)';
    await withSchema(sql, async (database) => {
      await expect(loadSessions(database)).rejects.toMatchObject({
        code: 'DATABASE_UNUSABLE',
        hint: expect.stringContaining('Upgrade') as string,
        details: { reason: 'schema' },
      });
    });
  });

  it.each([
    ['no sessions', 'CREATE TABLE other (x)'],
    ['sessions without ids', 'CREATE TABLE sessions (source TEXT, started_at REAL)'],
  ])('with %s cannot be used', async (_name, sql) => {
    await withSchema(sql, async (database) => {
      await expect(loadSessions(database)).rejects.toMatchObject({ code: 'DATABASE_UNUSABLE' });
      await expect(readAgentSession(database, 'x')).rejects.toMatchObject({ code: 'DATABASE_UNUSABLE' });
    });
  });
});

describe('a new schema', () => {
  it('may have any tables and columns besides', async () => {
    const sql = `${PLAIN_SCHEMA}
      CREATE TABLE schema_version (version INTEGER NOT NULL); INSERT INTO schema_version VALUES (4711);
      CREATE TABLE conversation_generations (source, session_key, generation);
      ALTER TABLE sessions ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE sessions ADD COLUMN tool_names TEXT;
      ALTER TABLE messages ADD COLUMN display_identity BLOB;
      ALTER TABLE messages ADD COLUMN _compressed_summary INTEGER NOT NULL DEFAULT 0;
      CREATE VIRTUAL TABLE messages_fts USING fts5(content, tokenize = 'trigram');
      INSERT INTO sessions (id, source, started_at) VALUES ('s', 'cli', 1.5);
      INSERT INTO messages (session_id, role, content, timestamp) VALUES ('s', 'user', 'hello', 2.5);`;
    await withSchema(sql, async (database) => {
      expect(await everything(database, 's')).toEqual([{ role: 'user', content: 'hello', timestamp: 2.5 }]);
    });
  });

  it('whose values are not what they should be is read all the same', async () => {
    const sql = `${PLAIN_SCHEMA}
      INSERT INTO sessions (id, source, title, started_at, ended_at, message_count) VALUES
        ('a', x'636c69', 5, 'yesterday', 'never', 'many'), ('b', 7, NULL, 5e246, NULL, 9007199254740993);
      INSERT INTO messages (session_id, role, content, timestamp) VALUES ('a', 'user', 1.0, 'noon'), ('b', 'user', x'00', 5e246);`;
    await withSchema(sql, async (database) => {
      const sessions = project((await loadSessions(database)).rows);
      expect(sessions.map(({ tip }) => tip.id).sort()).toEqual(['a', 'b']);
      expect(await everything(database, 'a')).toEqual([{ role: 'user', content: '1.0', timestamp: 'noon' }]);
    });
  });
});

describe('the query for the list', () => {
  const planOf = async (database: AgentDatabase): Promise<string[]> => {
    const { plan } = await loadSessions(database);
    const sql = await sessionsQuery(database, await sessionColumns(database), plan);
    return (await database.all(`EXPLAIN QUERY PLAN ${sql}`)).map(({ detail }) => String(detail));
  };

  it('seeks each session in the index, and never walks the messages', async () => {
    const details = await withSchema(PLAIN_SCHEMA, planOf);
    expect(details.filter((line) => /\bm\b/.test(line))).toEqual([
      'SEARCH m USING COVERING INDEX idx_messages_session (session_id=?)',
    ]);
    expect(details.filter((line) => line.startsWith('SCAN'))).toEqual(['SCAN s']);
  });

  it('takes any index by session and time, and walks the messages once without', async () => {
    const renamed = PLAIN_SCHEMA.replace('idx_messages_session', '"an ""odd"" name"');
    expect((await withSchema(renamed, (database) => loadSessions(database))).plan).toBe('index');
    const partial = PLAIN_SCHEMA.replace(/timestamp\);\s*$/, 'timestamp) WHERE active = 1;');
    expect((await withSchema(partial, (database) => loadSessions(database))).plan).toBe('pass');
    const details = await withSchema(PLAIN_SCHEMA.replace(/CREATE INDEX .*/, ''), planOf);
    expect(details.filter((line) => line.startsWith('SCAN messages'))).toHaveLength(1);
    expect(details.join('\n')).not.toMatch(/CORRELATED/);
  });

  it('gives the same with the index as without', async () => {
    const rows = `INSERT INTO sessions (id, source, started_at) VALUES ('a', 'cli', 1), ('b', 'cli', 2), ('w', 'webui', 3);
      INSERT INTO messages (session_id, role, content, timestamp) VALUES ('a', 'user', '', 7.5), ('a', 'user', '', 6.5), ('w', 'user', '', 9);`;
    const read = (schema: string): Promise<unknown> =>
      withSchema(`${schema} ${rows}`, async (database) =>
        (await loadSessions(database)).rows.map(({ id, hasMessages, last_activity }) => ({
          id,
          hasMessages,
          last_activity,
        })),
      );
    const withIndex = await read(PLAIN_SCHEMA);
    expect(withIndex).toMatchObject([
      { id: 'a', hasMessages: true, last_activity: 7.5 },
      { id: 'b', hasMessages: false, last_activity: null },
    ]);
    expect(await read(PLAIN_SCHEMA.replace(/CREATE INDEX .*/, ''))).toEqual(withIndex);
  });

  it('counts turns of the user in that one pass', async () => {
    const rows = `INSERT INTO sessions (id, source, started_at) VALUES ('a', 'cli', 1), ('b', 'cli', 2);
      INSERT INTO messages (session_id, role, content, timestamp) VALUES ('a', 'user', '', 7), ('a', 'User', '', 8), ('a', 'tool', '', 9);`;
    const turns = (schema: string): Promise<unknown[]> =>
      withSchema(`${schema} ${rows}`, async (database) =>
        (await loadSessions(database)).rows.map(({ user_turns: counted }) => counted),
      );
    expect(await turns(PLAIN_SCHEMA.replace(/CREATE INDEX .*/, ''))).toEqual([2n, 0n]);
    expect(await turns(PLAIN_SCHEMA)).toEqual([undefined, undefined]);
  });
});
