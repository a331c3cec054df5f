import Database from 'better-sqlite3';

import { agentDatabaseOf, PLAIN_SCHEMA } from './agent-db';
import type { TestStore } from './store';

type Row = Record<string, string | number | null>;

/** A session of the agent as a test describes it; what it leaves out is as the agent would have it. */
export interface AgentSessionSpec extends Row {
  id: string;
}

/** Beginning of the first session; each begins an hour after the one before it. In epoch seconds. */
const BEGINNING = 1777000000;

/**
 * Adds sessions to the store's agent database, which is made where there is
 * none, each with these messages (a text is a user's, or by turns an
 * assistant's). Gives the database's path.
 */
export function addAgentSessions(
  store: TestStore,
  sessions: { session: AgentSessionSpec; messages: readonly (string | Row)[] }[],
): string {
  const file = agentDatabaseOf(store);
  const database = new Database(file);
  try {
    if (database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'sessions'").get() === undefined)
      database.exec(PLAIN_SCHEMA);
    const { count } = database.prepare('SELECT count(*) AS count FROM sessions').get() as { count: number };
    database.transaction(() => {
      for (const [i, { session, messages }] of sessions.entries()) {
        const began = BEGINNING + 3600 * (count + i);
        insert(database, 'sessions', { source: 'cli', title: `Title of ${session.id}`, started_at: began, ...session });
        addMessages(database, session.id, messages, began);
      }
    })();
  } finally {
    database.close();
  }
  return file;
}

/** Adds messages to a session that is there. */
export function addAgentMessages(store: TestStore, id: string, messages: readonly (string | Row)[]): void {
  const database = new Database(agentDatabaseOf(store));
  try {
    addMessages(database, id, messages, BEGINNING + 1e6);
  } finally {
    database.close();
  }
}

function addMessages(
  database: Database.Database,
  id: string,
  messages: readonly (string | Row)[],
  began: number,
): void {
  for (const [i, message] of messages.entries()) {
    const said = typeof message === 'string' ? { role: i % 2 === 0 ? 'user' : 'assistant', content: message } : message;
    insert(database, 'messages', { session_id: id, timestamp: began + i, ...said });
  }
}

function insert(database: Database.Database, table: string, row: Row): void {
  const keys = Object.keys(row);
  const places = keys.map((key) => `@${key}`).join(', ');
  database.prepare(`INSERT INTO ${table} (${keys.join(', ')}) VALUES (${places})`).run(row);
}
