import type { AgentDatabase } from './database';

const CHUNK = 500;

/**
 * Messages of each of these sessions, of any role, active or not; undefined
 * where the messages cannot be asked. Read from the index alone.
 *
 * @throws HermesctlError `DATABASE_UNUSABLE`
 */
export async function countMessages(
  database: AgentDatabase,
  ids: readonly string[],
): Promise<Map<string, number> | undefined> {
  if (!(await database.columns('messages')).has('session_id')) return undefined;
  const counts = new Map(ids.map((id) => [id, 0]));
  for (let at = 0; at < ids.length; at += CHUNK) {
    const chunk = ids.slice(at, at + CHUNK);
    const places = chunk.map(() => '?').join(', ');
    const sql = `SELECT session_id, count(*) AS n FROM messages WHERE session_id IN (${places}) GROUP BY session_id`;
    for (const row of await database.all(sql, ...chunk)) counts.set(String(row['session_id']), Number(row['n']));
  }
  return counts;
}

/**
 * Turns of the user in a session, counted up to `atMost`; all that are recorded
 * where the messages cannot be asked or record no role. Throws as {@link countMessages}.
 */
export async function countUserTurns(
  database: AgentDatabase,
  session: { id: string; recorded: number },
  atMost: number,
): Promise<number> {
  const columns = await database.columns('messages');
  if (!columns.has('session_id')) return session.recorded;
  const isUser = columns.has('role') ? "AND lower(role) = 'user'" : '';
  const turns = `SELECT 1 FROM messages WHERE session_id = ? ${isUser} LIMIT ?`;
  const row = await database.first(`SELECT count(*) AS n FROM (${turns})`, session.id, BigInt(atMost));
  return Number(row?.['n']);
}
