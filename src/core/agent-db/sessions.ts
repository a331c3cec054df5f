import { toFloat } from '../json/python';
import { type ContinuationRule, continues } from './continuation';
import { countMessages } from './counts';
import type { AgentDatabase } from './database';
import type { AgentSession, SessionFacts } from './projection';
import { messageFacts, type SessionColumn, sessionColumns, storedSession, type StoredSession } from './stored';
import { unusable } from './unusable';
import { plain, type SqlRow } from './values';

/**
 * How the last activity of every session is found: `index`, a seek each in an
 * index by session and time; `pass`, one pass over all messages, for want of
 * that index; `none`, the messages cannot be asked.
 */
export type ActivityPlan = 'index' | 'pass' | 'none';

/**
 * Every session that is not the WebUI's own, with its last activity. Messages
 * are not counted: that would read all of them.
 *
 * @param wanted columns of `sessions` to read; the others are missing from the rows.
 * @throws HermesctlError `DATABASE_UNUSABLE`, also where sessions record no source: then the WebUI's own cannot be told.
 */
export async function loadSessions(
  database: AgentDatabase,
  wanted?: readonly SessionColumn[],
): Promise<{ rows: SessionFacts[]; plan: ActivityPlan }> {
  const columns = await sessionColumns(database, wanted);
  if (!(await database.columns('sessions')).has('source'))
    throw unusable(database.path, 'schema', "is of an old hermes-agent: it does not record a session's source");
  const plan = await activityPlan(database);
  const stored = (await database.all(await sessionsQuery(database, columns, plan))) as unknown as SessionFacts[];
  const rows = stored.filter((row) => typeof row.id === 'string');
  for (const row of rows) {
    const { any_message: any } = row as unknown as SqlRow;
    row.hasMessages = any === undefined ? row.last_activity !== null : Boolean(any);
  }
  if (plan === 'index') await lookForUntimedMessages(database, rows);
  return { rows, plan };
}

/** A session without a last activity may have messages nevertheless, in a database whose messages need no time. */
export async function lookForUntimedMessages(database: AgentDatabase, rows: readonly SessionFacts[]): Promise<void> {
  const untimed = rows.filter((row) => !row.hasMessages);
  const counts = await countMessages(
    database,
    untimed.map(({ id }) => id),
  );
  for (const row of untimed) row.hasMessages = (counts?.get(row.id) ?? 0) > 0;
}

/** How the last activity of every session can be found in this database. */
export async function activityPlan(database: AgentDatabase): Promise<ActivityPlan> {
  const columns = await database.columns('messages');
  if (!columns.has('session_id')) return 'none';
  if (!columns.has('timestamp')) return 'index';
  for (const index of await database.all('PRAGMA index_list(messages)')) {
    if (index['partial']) continue;
    const name = String(index['name']).replaceAll('"', '""');
    const [first, second] = await database.all(`PRAGMA index_info("${name}")`);
    if (first?.['name'] === 'session_id' && second?.['name'] === 'timestamp') return 'index';
  }
  return 'pass';
}

/** Which rows of `sessions s` are the agent's, not the WebUI's own. */
export const OF_THE_AGENT = "s.source IS NOT NULL AND s.source != 'webui'";

/** The statement of {@link loadSessions}. */
export async function sessionsQuery(database: AgentDatabase, columns: string, plan: ActivityPlan): Promise<string> {
  switch (plan) {
    case 'index': {
      const timed = (await database.columns('messages')).has('timestamp');
      const last = timed ? '(SELECT max(m.timestamp) FROM messages m WHERE m.session_id = s.id)' : 'NULL';
      return `SELECT ${columns}, ${last} AS last_activity FROM sessions s WHERE ${OF_THE_AGENT}`;
    }
    case 'pass': {
      // Counted here too: without an index, to ask for each session would be a pass for each.
      const users = (await database.columns('messages')).has('role')
        ? "count(CASE WHEN lower(role) = 'user' THEN 1 END)"
        : 'count(*)';
      return `SELECT ${columns}, latest.last_activity, coalesce(latest.users, 0) AS user_turns,
          latest.session_id IS NOT NULL AS any_message
        FROM sessions s LEFT JOIN (
          SELECT session_id, max(timestamp) AS last_activity, ${users} AS users FROM messages GROUP BY session_id
        ) latest ON latest.session_id = s.id WHERE ${OF_THE_AGENT}`;
    }
    case 'none': {
      const recorded = (await database.columns('sessions')).has('message_count')
        ? 'coalesce(s.message_count, 0) > 0'
        : '1';
      return `SELECT ${columns}, NULL AS last_activity, ${recorded} AS any_message
        FROM sessions s WHERE ${OF_THE_AGENT}`;
    }
  }
}

/**
 * One conversation by the id of its last segment, as {@link loadSessions} and
 * the projection would give it; also one of the WebUI's own, one without
 * messages, and one that others continue (as it was then). Undefined where
 * there is no such session. Throws as {@link AgentDatabase.all}.
 */
export async function readAgentSession(
  database: AgentDatabase,
  id: string,
  continued: ContinuationRule = continues,
): Promise<AgentSession | undefined> {
  const stored = await storedSession(database, id);
  if (stored === undefined) return undefined;
  const facts = await messageFacts(database, id);
  const tip = { ...stored, id, hasMessages: (facts?.count ?? 0) > 0, last_activity: facts?.lastActivity ?? null };
  const path = await segmentsUpTo(database, tip, continued);
  const [head] = path;
  const segments = [...path, ...(await emptySegmentsAfter(database, tip, continued))];
  return {
    head,
    tip,
    path: segments.map(({ id: segment }) => String(segment)),
    parentRoot: await parentRoot(database, head, continued),
  };
}

/** Segments that were begun after this one and have no messages yet: they belong to it. None where a later one has. */
async function emptySegmentsAfter(
  database: AgentDatabase,
  tip: SessionFacts,
  continued: ContinuationRule,
): Promise<StoredSession[]> {
  const columns = await sessionColumns(database);
  if (!(await database.columns('sessions')).has('parent_session_id')) return [];
  const sql = `SELECT ${columns} FROM sessions s WHERE s.parent_session_id = ?`;
  const segments: StoredSession[] = [];
  for (let current: StoredSession = tip; ; current = segments[segments.length - 1]) {
    const began = (row: StoredSession): number => toFloat(plain(row.started_at)) ?? 0;
    const [next] = ((await database.all(sql, current.id)) as StoredSession[])
      .filter((row) => isOfTheAgent(row) && continued(current, row))
      .sort((a, b) => began(b) - began(a));
    if (next === undefined || next.id === tip.id || segments.some(({ id }) => id === next.id)) return segments;
    if (((await messageFacts(database, next.id))?.count ?? 1) > 0) return [];
    segments.push(next);
  }
}

/** The segments of a conversation up to this one, oldest first. */
async function segmentsUpTo(
  database: AgentDatabase,
  last: SessionFacts,
  continued: ContinuationRule,
): Promise<SessionFacts[]> {
  const path = [last];
  for (;;) {
    const [head] = path;
    const parent = await parentOf(database, head);
    if (!parent || path.some((segment) => segment.id === parent.id) || !continued(parent, head)) return path;
    path.unshift(parent);
  }
}

async function parentRoot(
  database: AgentDatabase,
  head: SessionFacts,
  continued: ContinuationRule,
): Promise<string | undefined> {
  const id = plain(head.parent_session_id);
  if (id === null || id === '') return undefined;
  const parent = await parentOf(database, head);
  return parent ? (await segmentsUpTo(database, parent, continued))[0].id : String(id);
}

/** The parent, where it counts: to a session of the agent, the WebUI's own are not there. */
async function parentOf(database: AgentDatabase, child: SessionFacts): Promise<SessionFacts | undefined> {
  const id = child.parent_session_id;
  if (typeof id !== 'string' || id === '') return undefined;
  const parent = await storedSession(database, id);
  if (!parent || (isOfTheAgent(child) && !isOfTheAgent(parent))) return undefined;
  return { ...parent, id, hasMessages: false, last_activity: null };
}

function isOfTheAgent({ source }: Pick<SessionFacts, 'source'>): boolean {
  return source !== null && source !== 'webui';
}
