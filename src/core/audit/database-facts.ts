import type { AgentDatabase } from '../agent-db/database';
import { withAgentDatabase } from '../agent-db/open';
import { plain } from '../agent-db/values';
import type { Deps } from '../deps';
import { HermesctlError } from '../errors';
import { strip } from '../json/python';

/** What an audit knows of one session of the agent database. */
export interface DatabaseSession {
  id: string;
  source: string | null;
  title: string | null;
  parentId: string | null;
  /** Rows of messages, and those that are not taken back. */
  messages: number;
  active: number;
  /** Epoch seconds of the latest message; null where there is none. */
  lastAt: number | null;
}

export type DatabaseFacts =
  | { state: 'missing'; path: string }
  | { state: 'unusable'; path: string; error: HermesctlError }
  | {
      state: 'good';
      path: string;
      sessions: ReadonlyMap<string, DatabaseSession>;
      /** Without one the database says nothing about which sessions there are. */
      hasSessionsTable: boolean;
      /** What `PRAGMA quick_check` complains of; nothing where that was not wanted. */
      complaints: string[];
      /** Search tables that cannot be asked, and why. */
      brokenSearch: { table: string; reason: string }[];
    };

/**
 * Reads what an audit needs of the agent database: never writes, and closes it.
 *
 * @param quickCheck whether SQLite is to check all of it.
 */
export async function readDatabaseFacts(path: string, quickCheck: boolean, deps: Deps): Promise<DatabaseFacts> {
  try {
    return await withAgentDatabase(path, deps, async (database) => ({
      state: 'good',
      path,
      sessions: await sessionsOf(database),
      hasSessionsTable: (await database.columns('sessions')).has('id'),
      ...(await checkedBy(database, quickCheck)),
    }));
  } catch (error) {
    if (!(error instanceof HermesctlError) || error.code !== 'DATABASE_UNUSABLE') throw error;
    if (error.details['reason'] === 'missing') return { state: 'missing', path };
    return { state: 'unusable', path, error };
  }
}

export type GoodFacts = Extract<DatabaseFacts, { state: 'good' }>;

async function sessionsOf(database: AgentDatabase): Promise<Map<string, DatabaseSession>> {
  const columns = await database.columns('sessions');
  const counts = await messageCounts(database);
  const sessions = new Map<string, DatabaseSession>();
  if (!columns.has('id')) return sessions;
  const wanted = ['source', 'title', 'parent_session_id'].map((name) => (columns.has(name) ? name : `NULL AS ${name}`));
  for (const row of await database.all(`SELECT id, ${wanted.join(', ')} FROM sessions`)) {
    const id = strip(String(plain(row['id']) ?? ''));
    if (id === '') continue;
    const text = (key: string): string | null => {
      const value = plain(row[key]);
      return value === null ? null : String(value);
    };
    const count = counts.get(id) ?? { messages: 0, active: 0, lastAt: null };
    sessions.set(id, {
      id,
      source: text('source'),
      title: text('title'),
      parentId: text('parent_session_id'),
      ...count,
    });
  }
  return sessions;
}

type Counts = Pick<DatabaseSession, 'messages' | 'active' | 'lastAt'>;

async function messageCounts(database: AgentDatabase): Promise<Map<string, Counts>> {
  const columns = await database.columns('messages');
  const counts = new Map<string, Counts>();
  if (!columns.has('session_id')) return counts;
  // Before the column there was no taking back, and on some databases it may be null.
  const active = columns.has('active') ? 'sum(coalesce(active, 1) <> 0)' : 'count(*)';
  const last = columns.has('timestamp') ? 'max(timestamp)' : 'NULL';
  const sql = `SELECT session_id, count(*) AS messages, ${active} AS active, ${last} AS last FROM messages GROUP BY session_id`;
  for (const row of await database.all(sql)) {
    const at = plain(row['last']);
    counts.set(String(plain(row['session_id'])), {
      messages: Number(row['messages']),
      active: Number(row['active']),
      lastAt: typeof at === 'number' ? at : null,
    });
  }
  return counts;
}

/** SQLite's own check looks into search tables too; those can be made anew, and are told apart. */
async function checkedBy(
  database: AgentDatabase,
  quickCheck: boolean,
): Promise<Pick<GoodFacts, 'complaints' | 'brokenSearch'>> {
  const complaints = quickCheck ? await complaintsOf(database) : [];
  const brokenSearch = await brokenSearchOf(database);
  for (const reason of complaints) {
    const table = SEARCH_COMPLAINT.exec(reason)?.groups?.['table'];
    if (table !== undefined && !brokenSearch.some((one) => one.table === table)) brokenSearch.push({ table, reason });
  }
  return { complaints: complaints.filter((reason) => !SEARCH_COMPLAINT.test(reason)), brokenSearch };
}

/** Both forms in which it says so. */
const SEARCH_COMPLAINT = /fts[345]\b.* table (?:"|main\.)?(?<table>[^"\s]+)/i;

/** A database that is too damaged to be checked says so in the error. */
async function complaintsOf(database: AgentDatabase): Promise<string[]> {
  try {
    const rows = await database.all('PRAGMA quick_check(20)');
    return rows.map((row) => String(Object.values(row)[0])).filter((line) => line !== 'ok');
  } catch (error) {
    if (!(error instanceof HermesctlError)) throw error;
    return [error.message];
  }
}

/** Asks each full-text table once. A tokenizer that is not built in here is no damage. */
async function brokenSearchOf(database: AgentDatabase): Promise<{ table: string; reason: string }[]> {
  const tables = await database.all(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND lower(sql) LIKE 'create virtual table%using fts5%' ORDER BY name",
  );
  const broken: { table: string; reason: string }[] = [];
  for (const { name } of tables) {
    const table = String(plain(name));
    const quoted = `"${table.replaceAll('"', '""')}"`;
    try {
      await database.all(`SELECT rowid FROM ${quoted} WHERE ${quoted} MATCH 'hermes' LIMIT 1`);
    } catch (error) {
      if (!(error instanceof HermesctlError)) throw error;
      if (!/no such tokenizer|no such module/.test(error.message)) broken.push({ table, reason: error.message });
    }
  }
  return broken;
}
