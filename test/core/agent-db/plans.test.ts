import Database from 'better-sqlite3';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { AgentDatabase } from '../../../src/core/agent-db/database';
import { readTranscript, storedMessages } from '../../../src/core/agent-db/messages';
import { withAgentDatabase } from '../../../src/core/agent-db/open';
import { readLineageKeys } from '../../../src/core/agent-db/lineage-keys';
import { storedColumns } from '../../../src/core/agent-db/stored-session';
import { contentFingerprint } from '../../../src/core/listing/content-fingerprint';
import {
  readAgentStatus,
  readAgentUsage,
  readLineage,
  resolveAgentId,
  withAgentSession,
} from '../../../src/core/listing/agent-session';
import { listSessions } from '../../../src/core/listing/list';
import { NO_FILTER, SORT_KEYS } from '../../../src/core/listing/query';
import { rowDefaults } from '../../../src/core/listing/rows';
import { expressionPattern, literalPattern, type Pattern } from '../../../src/core/search/pattern';
import { searchSessions } from '../../../src/core/search/search';
import { PLACES } from '../../../src/core/search/texts';
import { agentDatabaseOf, executed } from '../../support/agent-db';
import { addAgentSessions } from '../../support/agent-sessions';
import { testDeps } from '../../support/deps';
import { locationOf } from '../../support/places';
import { makeStore } from '../../support/store';

afterEach(() => {
  vi.restoreAllMocks();
});

/** The indexes that Hermes Agent makes (reference: hermes-agent §1.2). */
const INDEXES = `
  CREATE INDEX idx_sessions_source ON sessions(source);
  CREATE INDEX idx_sessions_parent ON sessions(parent_session_id);
  CREATE INDEX idx_sessions_started ON sessions(started_at DESC);
  CREATE INDEX idx_messages_session_id ON messages(session_id, id);
`;

const ID = '20260101_000000_aaaaaa';

/** A store whose agent database has all of those, and what can be asked of it. */
function store(): { database: string; asks: Record<string, () => Promise<unknown>> } {
  const made = makeStore();
  addAgentSessions(made, [
    { session: { id: ID, end_reason: 'compression', ended_at: 1 }, messages: ['Hi', 'Hello', 'Bye'] },
    { session: { id: '20260101_000001_bbbbbb', parent_session_id: ID }, messages: ['On', 'and on'] },
    { session: { id: '20260101_000002_cccccc', title: null, source: 'acp' }, messages: ['One'] },
    { session: { id: '20260101_000003_dddddd', title: null, message_count: 0 }, messages: ['Untitled', 'Yes', 'No'] },
  ]);
  const database = executed(agentDatabaseOf(made), INDEXES);
  const location = locationOf(made);
  const deps = testDeps();
  const list = (filter: object, rest: object): Promise<unknown> =>
    listSessions(
      location,
      {
        filter: { ...NO_FILTER, ...filter },
        sort: 'activity',
        reverse: false,
        limit: 0,
        offset: 0,
        agent: [location],
        ...rest,
      },
      rowDefaults(location, made.root),
      deps,
    );
  const hidden = { all: false, archived: 'hide', cron: false };
  const transcript = async (): Promise<void> => {
    await withAgentSession(location, deps, ID, async ({ transcript: read }) => {
      const { messages } = await read();
      for await (const message of messages()) expect(message.text).toContain('role');
    });
  };
  const search = async (pattern: Pattern, filter: object): Promise<void> => {
    const query = {
      pattern,
      filter: { ...NO_FILTER, ...filter },
      limit: 0,
      agent: [location],
      places: new Set(PLACES),
      roles: undefined,
      context: 10,
      counted: true,
      bounded: <T>(work: () => T): T => work(),
    };
    let hits = 0;
    await searchSessions(location, query, rowDefaults(location, made.root), deps, {
      found: (found) => (hits += found.hits.length),
      warning: (warning) => expect.unreachable(warning.message),
      pausing: () => undefined,
    });
    expect(hits).toBeGreaterThan(0);
  };
  const text = literalPattern('o', { ignoreCase: true });
  const exported = (): Promise<void> =>
    withAgentDatabase(database, deps, async (open) => {
      for (const id of (await readTranscript(open, ID)).segments) {
        expect(await storedColumns(open, id)).toBeDefined();
        for await (const message of storedMessages(open, id)) expect(message.text).toContain('role');
      }
    });
  return {
    database,
    asks: {
      list: () => list({}, {}),
      'list --limit': () => list(hidden, { limit: 2 }),
      'list --limit without a total': () => list(hidden, { limit: 2, total: false }),
      'list --all --limit --offset': () => list({}, { limit: 1, offset: 1 }),
      'list --since': () => list({ ...hidden, since: 1 }, { limit: 1 }),
      ...Object.fromEntries(SORT_KEYS.map((sort) => [`list --sort ${sort}`, () => list(hidden, { sort, limit: 2 })])),
      'the list of the store': () => withAgentDatabase(database, deps, (open) => readLineageKeys(open, [ID])),
      'the list that is kept': () => contentFingerprint(database, deps),
      'part of an id': () => resolveAgentId(location, deps, ID.slice(0, 10), true).catch(() => undefined),
      search: () => search(text, hidden),
      'search --all': () => search(text, {}),
      'search --since': () => search(text, { ...hidden, since: 1 }),
      'search --until': () => search(text, { ...hidden, until: 4e9 }),
      'search --regex': () => search(expressionPattern('o.', { ignoreCase: true }), hidden),
      export: exported,
      show: transcript,
      status: () => readAgentStatus(location, deps, ID),
      usage: () => readAgentUsage(location, deps, ID),
      lineage: () => readLineage(location, deps, ID),
    },
  };
}

/** What `ask` says to SQLite. */
async function asked(ask: () => Promise<unknown>): Promise<[sql: string, params: unknown[]][]> {
  const all = vi.spyOn(AgentDatabase.prototype, 'all');
  await ask();
  const statements = all.mock.calls.filter(([sql]) => !sql.startsWith('PRAGMA'));
  expect(statements.length).toBeGreaterThan(0);
  return statements.map(([sql, ...params]) => [sql, params]);
}

function planOf(database: string, sql: string, params: unknown[]): string[] {
  const open = new Database(database, { readonly: true });
  try {
    const steps = open.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...params) as { detail: string }[];
    return steps.map(({ detail }) => detail);
  } finally {
    open.close();
  }
}

describe('where messages are indexed by session', () => {
  it('nothing that is asked passes over all of them', async () => {
    const { database, asks } = store();
    for (const [name, ask] of Object.entries(asks)) {
      for (const [sql, params] of await asked(ask)) {
        const scans = planOf(database, sql, params).filter((step) => /^SCAN (messages|m)\b/.test(step));
        expect(scans, `${name}: ${sql}`).toEqual([]);
      }
      vi.restoreAllMocks();
    }
  });

  it('the last activity of a session is looked up once for a page', async () => {
    const { database, asks } = store();
    const [[sql, params]] = (await asked(asks['list --limit'])).filter(([text]) => text.includes('linked'));
    const plan = planOf(database, sql, params);
    const byTime = /^SEARCH m USING (COVERING )?INDEX idx_messages_session \(session_id=\?\)$/;
    // Once for the activity; the two others are the turns of a session without a title.
    expect(plan.filter((step) => byTime.test(step))).toHaveLength(1);
    expect(plan.filter((step) => step.startsWith('SEARCH m '))).toHaveLength(3);
  });

  it('a statement that does is found out', () => {
    const { database } = store();
    const plan = planOf(database, 'SELECT session_id, max(timestamp) FROM messages GROUP BY session_id', []);
    expect(plan.join()).toMatch(/^SCAN messages\b/);
  });
});
