import type { AgentDatabase } from './database';
import { unusable } from './unusable';
import type { SqlRow, SqlValue } from './values';

/** What hermesctl asks of `sessions`; what a database does not have is null. */
const COLUMNS = [
  'id',
  'source',
  'session_source',
  'title',
  'model',
  'message_count',
  'started_at',
  'ended_at',
  'end_reason',
  'parent_session_id',
  'user_id',
  'chat_id',
  'chat_type',
  'thread_id',
  'session_key',
  'platform',
  'input_tokens',
  'output_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'estimated_cost_usd',
  'actual_cost_usd',
  'cwd',
  'archived',
  'pinned',
] as const;

export type SessionColumn = (typeof COLUMNS)[number];

/** A row of `sessions` as it is stored. Times are epoch seconds where they are what they should be. */
export type StoredSession = Record<SessionColumn, SqlValue>;

/** What the projection and most filters need of a session: of many, the rest is only read for those that are shown. */
export const OUTLINE: readonly SessionColumn[] = [
  'id',
  'source',
  'title',
  'message_count',
  'started_at',
  'ended_at',
  'end_reason',
  'parent_session_id',
  'archived',
  'pinned',
];

/** Without these a row says nothing (reference: webui-store §5.3). */
const NEEDED = ['id', 'started_at'] as const;

/**
 * The select list that reads a {@link StoredSession} from `sessions s`.
 *
 * @throws HermesctlError `DATABASE_UNUSABLE` where there is no such table, or not the least of its columns.
 */
export async function sessionColumns(
  database: AgentDatabase,
  wanted: readonly SessionColumn[] = COLUMNS,
): Promise<string> {
  const columns = await database.columns('sessions');
  const missing = NEEDED.filter((column) => !columns.has(column));
  if (columns.size === 0) throw unusable(database.path, 'schema', 'has no table of sessions');
  if (missing.length > 0) throw unusable(database.path, 'schema', `has no sessions.${missing.join(', sessions.')}`);
  return wanted.map((name) => (columns.has(name) ? `s.${name}` : `NULL AS ${name}`)).join(', ');
}

/** The row of this session; undefined where there is none. The id is any text. */
export async function storedSession(database: AgentDatabase, id: SqlValue): Promise<StoredSession | undefined> {
  const columns = await sessionColumns(database);
  return (await database.first(`SELECT ${columns} FROM sessions s WHERE s.id = ?`, id)) as StoredSession | undefined;
}

/** What the messages of one session tell. */
export interface MessageFacts {
  /** Messages of any role, active or not (seed 001). */
  count: number;
  users: number;
  /** The latest timestamp; null where there are no messages. */
  lastActivity: SqlValue;
}

/** Counts and last activity of one session; undefined where the messages cannot be asked. */
export async function messageFacts(database: AgentDatabase, id: SqlValue): Promise<MessageFacts | undefined> {
  const columns = await database.columns('messages');
  if (!columns.has('session_id')) return undefined;
  const users = columns.has('role') ? "count(CASE WHEN lower(role) = 'user' THEN 1 END)" : 'count(*)';
  const last = columns.has('timestamp') ? 'max(timestamp)' : 'NULL';
  const sql = `SELECT count(*) AS count, ${users} AS users, ${last} AS last FROM messages WHERE session_id = ?`;
  const row = (await database.first(sql, id)) as SqlRow;
  return { count: Number(row['count']), users: Number(row['users']), lastActivity: row['last'] };
}
