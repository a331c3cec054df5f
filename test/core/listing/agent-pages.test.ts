import Database from 'better-sqlite3';
import fc from 'fast-check';
import fs from 'node:fs';
import { describe, expect, it } from 'vitest';

import { listSessions, type ListResult } from '../../../src/core/listing/list';
import { type ListFilter, NO_FILTER } from '../../../src/core/listing/query';
import { rowDefaults } from '../../../src/core/listing/rows';
import { agentDatabaseOf } from '../../support/agent-db';
import { testDeps } from '../../support/deps';
import { locationOf } from '../../support/places';
import { makeStore } from '../../support/store';

/** What an ordinary list hides. */
const USUAL: ListFilter = { ...NO_FILTER, all: false, archived: 'hide', cron: false, webhook: false, kanban: false };

const SCHEMA = `
  CREATE TABLE sessions (id TEXT PRIMARY KEY, source TEXT, model TEXT, title, parent_session_id TEXT,
    started_at REAL, ended_at REAL, end_reason TEXT, message_count INTEGER DEFAULT 0, archived INTEGER, pinned INTEGER);
  CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT, role, content TEXT, timestamp);
  CREATE INDEX idx_messages_session ON messages(session_id, timestamp);
  CREATE INDEX idx_sessions_started ON sessions(started_at DESC);
`;

const time = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 100, max: 130 }).map((at) => at + 0.5) },
  { weight: 1, arbitrary: fc.constantFrom(0, -5, 2e11, 'soon', '115.5', null) },
);

const IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'cron_x_20260101_000000', 'in_the_store'];

const session = fc.record({
  source: fc.constantFrom('cli', 'cli', 'CLI', 'telegram', 'cron', 'acp', 'tui', '', 'webui', 'webhook', null),
  title: fc.constantFrom(
    null,
    null,
    '',
    'Named',
    ' cli session\u3000',
    'Untitled',
    'CLI Session',
    'ＣＬＩ',
    7,
    Buffer.from('cli'),
  ),
  parent_session_id: fc.constantFrom(null, null, null, 'gone', ...IDS),
  started_at: time,
  ended_at: fc.constantFrom(null, null, 105, 120),
  end_reason: fc.constantFrom(null, null, '', 'compression', 'cli_close', 'user_exit', Buffer.from('compression')),
  message_count: fc.constantFrom(null, 0, 3),
  archived: fc.constantFrom(0, 0, 0, 0, 1, null, 'no'),
  pinned: fc.constantFrom(0, 0, 0, 0, 1, null, ''),
  messages: fc.array(fc.record({ role: fc.constantFrom('user', 'User', 'assistant', 'tool', null), timestamp: time }), {
    maxLength: 4,
  }),
});

const database = fc
  .uniqueArray(fc.constantFrom(...IDS), { minLength: 1, maxLength: IDS.length })
  .chain((ids) => fc.tuple(...ids.map((id) => session.map((fields) => ({ id, ...fields })))));

/** Sessions of the usual kind, which a page can be filled with: whatever else there is need only be counted. */
const plain = fc.array(fc.integer({ min: 120, max: 140 }), { maxLength: 6 }).map((times) =>
  times.map((at, i) => ({
    id: `plain${i}`,
    source: 'telegram',
    title: `Of ${at}`,
    started_at: at - 10,
    messages: [{ role: 'user', timestamp: at }],
  })),
);

type Fields = Parameters<typeof fill>[1][number];

function fill(
  file: string,
  sessions: readonly { id: string; messages: { role: unknown; timestamp: unknown }[] }[],
): void {
  fs.rmSync(file, { force: true });
  const made = new Database(file);
  made.pragma('synchronous = OFF');
  made.pragma('journal_mode = MEMORY');
  made.exec(SCHEMA);
  // As any Hermes Agent makes it; a salvaged database may lack it.
  if (sessions.length % 4 > 0)
    made.exec(`CREATE INDEX idx_sessions_parent ON sessions(parent_session_id);
      CREATE INDEX idx_sessions_source ON sessions(source)`);
  const message = made.prepare('INSERT INTO messages (session_id, role, timestamp) VALUES (?, ?, ?)');
  for (const { messages, ...fields } of sessions) {
    const keys = Object.keys(fields);
    made.prepare(`INSERT INTO sessions (${keys.join()}) VALUES (${keys.map((key) => `@${key}`).join()})`).run(fields);
    for (const { role, timestamp } of messages) message.run(fields.id, role, timestamp);
  }
  made.close();
}

const shown = ({ rows }: ListResult): unknown[] =>
  rows.map((row) => Object.fromEntries([...row.entries()].map(([key, raw]) => [key, raw.text])));

describe('a page of agent sessions', () => {
  it('is what the whole list has there, and knows its total where that is wanted, whatever the database holds', async () => {
    const store = makeStore({
      in_the_store: { session_id: 'in_the_store', title: 'Kept', updated_at: 110.5, messages: [] },
    });
    const location = locationOf(store);
    const deps = testDeps();
    const page = fc.record({
      limit: fc.integer({ min: 1, max: 5 }),
      offset: fc.constantFrom(0, 0, 1, 3, 20),
      filter: fc.constantFrom<ListFilter>(
        USUAL,
        USUAL,
        { ...USUAL, all: true },
        { ...USUAL, archived: 'show', cron: true },
        { ...USUAL, archived: 'only' },
        { ...USUAL, sources: ['cli', 'webhook'] },
        { ...USUAL, since: 115 },
        { ...USUAL, all: true, since: 110 },
      ),
    });
    await fc.assert(
      fc.asyncProperty(database, plain, page, async (sessions, others, { limit, offset, filter }) => {
        fill(agentDatabaseOf(store), [...(sessions as Fields[]), ...others]);
        const ask = (from: number, atMost: number, which: ListFilter, total?: boolean): Promise<ListResult> =>
          listSessions(
            location,
            { filter: which, sort: 'activity', reverse: false, limit: atMost, offset: from, total, agent: [location] },
            rowDefaults(location, store.root),
            deps,
          );
        const part = await ask(offset, limit, filter);
        // An end that nothing lies behind: only the rows themselves tell.
        const whole = await ask(0, 0, { ...filter, until: 1e12 });
        expect(part.total).toBe(whole.rows.length);
        expect(shown(part)).toEqual(shown(whole).slice(offset, offset + limit));
        const uncounted = await ask(offset, limit, filter, false);
        expect(uncounted.total).toBeUndefined();
        expect(shown(uncounted)).toEqual(shown(part));
      }),
      { numRuns: 300 },
    );
  });

  describe.each([true, false])('of one row (total: %s)', (total) => {
    const of = (id: string, at: number, fields: object): Fields =>
      ({
        id,
        source: 'telegram',
        title: `About ${id}`,
        messages: [{ role: 'user', timestamp: at }],
        ...fields,
      }) as Fields;

    async function latest(...sessions: Fields[]): Promise<ListResult['rows'][number]> {
      const store = makeStore();
      fill(agentDatabaseOf(store), sessions);
      const location = locationOf(store);
      const list = await listSessions(
        location,
        { filter: USUAL, sort: 'activity', reverse: false, limit: 1, offset: 0, total, agent: [location] },
        rowDefaults(location, store.root),
        testDeps(),
      );
      expect(list.rows).toHaveLength(1);
      return list.rows[0];
    }

    it('follows a chain into a source that is hidden', async () => {
      const row = await latest(
        of('first', 10, { end_reason: 'compression', started_at: 5 }),
        of('last', 99, { source: 'cron', parent_session_id: 'first', started_at: 50 }),
        of('another', 60, { started_at: 60 }),
      );
      expect(row.id).toBe('last');
    });

    it('names the first segment of the chain that it was started from, however long ago that was', async () => {
      const row = await latest(
        of('first', 10, { end_reason: 'compression', started_at: 5 }),
        of('second', 20, { parent_session_id: 'first', started_at: 15 }),
        of('child', 99, { parent_session_id: 'second', started_at: 50 }),
        of('another', 60, { started_at: 60 }),
        of('one_more', 61, { started_at: 61 }),
      );
      expect(row.id).toBe('child');
      expect(row.raw('parent_session_id')?.text).toBe('"second"');
      expect(row.raw('_parent_lineage_root_id')?.text).toBe('"first"');
    });
  });

  it('leaves out of its total what a list hides', async () => {
    const store = makeStore();
    const of = (id: string, roles: string[], fields: object): Fields => ({
      id,
      ...{ source: 'cli', title: null, started_at: 1, ended_at: 2, end_reason: 'user_exit', ...fields },
      messages: roles.map((role, i) => ({ role, timestamp: 10 + i })),
    });
    fill(agentDatabaseOf(store), [
      of('shown1', ['user', 'assistant', 'USER'], {}),
      of('shown2', ['user'], { ended_at: null, end_reason: null }),
      of('shown3', ['assistant'], { title: 'A name' }),
      of('tried', ['user', 'assistant'], {}),
      of('tried_too', ['user'], { title: '\tcli session\u3000' }),
      of('closed', ['user'], { ended_at: null }),
      of('silent', ['assistant'], { ended_at: null, end_reason: null }),
      of('cron_of_another_source', ['user'], { source: 'telegram' }),
      { id: 'latest', source: 'telegram', title: 'A name', messages: [{ role: 'user', timestamp: 99 }] } as Fields,
    ]);
    const location = locationOf(store);
    const list = await listSessions(
      location,
      { filter: USUAL, sort: 'activity', reverse: false, limit: 1, offset: 0, agent: [location] },
      rowDefaults(location, store.root),
      testDeps(),
    );
    expect(list.rows.map(({ id }) => id)).toEqual(['latest']);
    expect(list.total).toBe(4);
  });
});
