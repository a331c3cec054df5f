import { SPACES } from '../json/python';
import { CONTINUED } from './continuation';
import type { AgentDatabase } from './database';
import { type SessionFacts, timeIn } from './projection';
import { activityPlan, lookForUntimedMessages, OF_THE_AGENT } from './sessions';
import { type SessionColumn, sessionColumns } from './stored';
import type { SqlRow, SqlValue } from './values';

/**
 * What is known of the sessions of one source before any of them is looked at:
 * `hidden`, none is shown; `shown`, each is; `named`, each that bears a name of
 * its own is, any other by its turns; `unknown`, each must be looked at.
 */
export type SourceRule = 'hidden' | 'shown' | 'named' | 'unknown';

/** Which conversations are wanted. */
export interface Leading {
  /** So many of the most recently active, */
  count: number;
  /** … or all that were active since then, in epoch seconds, and none of the others. */
  since: number | undefined;
  /** Whether to tell how many others are shown. */
  total: boolean;
  rule: (source: SqlValue) => SourceRule;
  /** Sessions that must be looked at whatever their source is. */
  known: ReadonlySet<string>;
  /** Whether a run of a cron job must be looked at that records another source. */
  cronRuns: boolean;
  columns: readonly SessionColumn[] | undefined;
}

/** The sessions that the wanted conversations are made of. */
export interface LeadingSessions {
  rows: SessionFacts[];
  /** Further conversations that are shown; 0 where that was not asked. */
  others: number;
  /** At least `count` of those that are shown were active since then, or that is what was asked; in epoch seconds. */
  bound: number;
}

/**
 * The sessions that the most recently active conversations are made of. The
 * last activity of every session is looked up for that, but most of them are
 * only passed over by SQLite itself or, where the total is wanted, counted in
 * `others`: each is a conversation of its
 * own, shown, and less recently active than `count` of those in `rows`. Whatever
 * is less plain is in `rows`, for the caller to decide: a session that continues
 * or is continued, that is pinned or archived, whose name may be nobody's, that
 * has no messages, or a time that is none.
 *
 * Undefined where the database cannot be asked so: for want of an index, or of a
 * column.
 *
 * @throws HermesctlError `DATABASE_UNUSABLE`
 */
export async function leadingSessions(database: AgentDatabase, wanted: Leading): Promise<LeadingSessions | undefined> {
  if (!(await canLead(database))) return undefined;
  return database.atOneMoment(async () => {
    const isQuick = !wanted.total && (await areSessionsIndexed(database));
    const { asked, bound } = await askedOf(database, wanted, isQuick ? SOURCE_NAMES : SOURCES);
    if (isQuick) return { rows: await latestOf(database, asked, bound, wanted.columns), others: 0, bound };
    const { sql, params } = await leadingQuery(database, asked, bound);
    const found = await database.all(sql, ...params);
    const rows = await factsOf(database, found, wanted.columns);
    const others = wanted.total ? asked.all - found.filter(({ counted }) => Boolean(counted)).length : 0;
    return { rows, others, bound };
  });
}

async function askedOf(
  database: AgentDatabase,
  wanted: Leading,
  sql: string,
): Promise<{ asked: Asked; bound: number }> {
  const sources = (await database.all(sql)).map(({ source, n }) => ({ source, n, rule: wanted.rule(source) }));
  const of = (...rules: SourceRule[]): SqlValue[] =>
    sources.filter(({ rule }) => rules.includes(rule)).map(({ source }) => source);
  const asked: Asked = {
    all: sources.filter(({ rule }) => rule !== 'hidden').reduce((sum, { n }) => sum + Number(n), 0),
    hidden: of('hidden'),
    named: of('named'),
    unknown: of('unknown'),
    known: JSON.stringify(await rowidsOf(database, wanted.known)),
    cronRuns: wanted.cronRuns,
  };
  return { asked, bound: wanted.since ?? (await leastOf(database, asked, of('shown', 'named'), wanted.count)) };
}

/** What the statements are asked with. */
interface Asked {
  /** Sessions of the sources that are not hidden; 0 where they were not counted. */
  all: number;
  /** Sources, by their rule. */
  hidden: SqlValue[];
  named: SqlValue[];
  unknown: SqlValue[];
  /** Row numbers, as JSON. */
  known: string;
  cronRuns: boolean;
}

/** A statement and what its places stand for. */
interface Query {
  sql: string;
  params: SqlValue[];
}

const NEEDED = {
  sessions: ['id', 'source', 'title', 'parent_session_id', 'started_at', 'ended_at', 'end_reason'],
  messages: ['session_id', 'timestamp', 'role'],
} as const;

/** Whether everything is there that makes it quick: the columns, an index of sessions by id, one of messages by session and time. */
async function canLead(database: AgentDatabase): Promise<boolean> {
  for (const table of ['sessions', 'messages'] as const) {
    const columns = await database.columns(table);
    if (!NEEDED[table].every((column) => columns.has(column))) return false;
  }
  const info = await database.all('PRAGMA table_info(sessions)');
  const [list] = await database.all('PRAGMA table_list(sessions)');
  const isKeyedById = info.every(({ name, pk }) => Number(pk) === (name === 'id' ? 1 : 0));
  return isKeyedById && Number(list?.['wr']) === 0 && (await activityPlan(database)) === 'index';
}

/** The statement by which the sources are counted. */
export const SOURCES = `SELECT source, count(*) AS n FROM sessions s WHERE ${OF_THE_AGENT} GROUP BY source`;

/** The statement by which the sources are only named: a seek each, in an index of theirs. */
const SOURCE_NAMES = `WITH RECURSIVE named(source) AS (
    SELECT min(source) FROM sessions
    UNION ALL SELECT (SELECT min(s.source) FROM sessions s WHERE s.source > named.source) FROM named WHERE named.source IS NOT NULL
  ) SELECT s.source, 0 AS n FROM named s WHERE ${OF_THE_AGENT}`;

const LAST = '(SELECT m.timestamp FROM messages m WHERE m.session_id = s.id ORDER BY m.timestamp DESC LIMIT 1)';

const CONTINUED_LIST = [...CONTINUED].map((reason) => `'${String(reason)}'`).join(', ');
const IS_CONTINUED = (session: string): string => `CAST(${session}.end_reason AS TEXT) IN (${CONTINUED_LIST})`;

const places = (values: readonly unknown[]): string => values.map(() => '?').join(', ');

async function rowidsOf(database: AgentDatabase, ids: ReadonlySet<string>): Promise<number[]> {
  if (ids.size === 0) return [];
  const sql = `SELECT s.rowid AS r FROM json_each(?) j CROSS JOIN sessions s ON s.id = j.value WHERE ${OF_THE_AGENT}`;
  return (await database.all(sql, JSON.stringify([...ids]))).map(({ r }) => Number(r));
}

/**
 * A time that at least `count` shown conversations reach, near the latest such:
 * that of sessions that began last. 0 where there are not so many.
 */
async function leastOf(
  database: AgentDatabase,
  asked: Asked,
  sources: readonly SqlValue[],
  count: number,
): Promise<number> {
  const special = await specialities(database, asked);
  // By the index of beginnings, where there is one, and by no other.
  const sql = `SELECT ${LAST} AS last FROM (
      SELECT s.id FROM sessions s
      WHERE +s.source IN (${places(sources)}) AND s.title IS NOT NULL AND +s.parent_session_id IS NULL
        AND NOT coalesce(${IS_CONTINUED('s')}, 0) AND NOT (${special.sql})
      ORDER BY s.started_at DESC LIMIT ?
    ) s`;
  const rows = await database.all(sql, ...sources, ...special.params, BigInt(2 * count));
  const times = rows.map(({ last }) => timeIn(last)).filter((time) => time !== undefined);
  return times.sort((a, b) => b - a)[count - 1] ?? 0;
}

/** By which a session is one to be looked at, apart from what other sessions make of it. Never null. */
async function specialities(database: AgentDatabase, { named, unknown, known, cronRuns }: Asked): Promise<Query> {
  const columns = await database.columns('sessions');
  const flags = ['archived', 'pinned'].filter((flag) => columns.has(flag));
  const conditions = [
    "typeof(s.id) != 'text'",
    ...(cronRuns ? ["s.id BETWEEN 'cron_' AND 'cron`'"] : []),
    ...flags.map((flag) => `coalesce(s.${flag} != 0, 0)`),
    `(s.title IS NOT NULL AND (typeof(s.title) != 'text' OR s.title = 'Untitled'))`,
  ];
  const params: SqlValue[] = [];
  if (named.length > 0) {
    conditions.push(`(s.title IS NOT NULL AND s.source IN (${places(named)}) AND length(trim(s.title, ?)) < 12)`);
    params.push(...named, SPACES);
  }
  if (unknown.length > 0) {
    conditions.push(`s.source IN (${places(unknown)})`);
    params.push(...unknown);
  }
  if (known !== '[]') {
    conditions.push('s.rowid IN (SELECT value FROM json_each(?))');
    params.push(known);
  }
  return { sql: conditions.join(' OR '), params };
}

/**
 * The statement that finds the sessions to be looked at. The last activity is a
 * column of an inner query that is limited (to nothing), which keeps SQLite from
 * looking it up wherever it is named.
 */
export async function leadingQuery(database: AgentDatabase, asked: Asked, bound: number): Promise<Query> {
  const special = await specialities(database, asked);
  const { hidden, named } = asked;
  const turn = "FROM messages m WHERE m.session_id = s.id AND lower(m.role) = 'user'";
  const byTurns =
    named.length === 0
      ? ''
      : `WHEN s.title IS NULL AND s.source IN (${places(named)}) THEN
          CASE WHEN s.ended_at IS NULL AND s.end_reason IS NULL THEN EXISTS (SELECT 1 ${turn})
          ELSE EXISTS (SELECT 1 ${turn} LIMIT 1 OFFSET 1) END`;
  const sql = `
    WITH pairs(child, parent) AS MATERIALIZED (
      SELECT c.rowid, p.rowid FROM sessions c CROSS JOIN sessions p ON p.id = c.parent_session_id
      WHERE c.parent_session_id IS NOT NULL AND ${IS_CONTINUED('p')}
    ), linked(r) AS MATERIALIZED (SELECT child FROM pairs UNION ALL SELECT parent FROM pairs)
    SELECT r, last, counted FROM (
      SELECT s.rowid AS r, s.source NOT IN (${places(hidden)}) AS counted, ${LAST} AS last,
        CASE WHEN s.rowid IN linked OR ${special.sql} THEN 0 ${byTurns} ELSE 1 END AS plain
      FROM sessions s NOT INDEXED
      WHERE ${OF_THE_AGENT} AND (s.source NOT IN (${places(hidden)}) OR s.rowid IN linked) LIMIT -1
    ) WHERE (plain AND last > 0 AND last < ?) IS NOT TRUE`;
  return { sql, params: [...hidden, ...special.params, ...(byTurns === '' ? [] : named), ...hidden, bound] };
}

/** Whether sessions are found by their parent, and what sources there are, without a look at all of them. */
async function areSessionsIndexed(database: AgentDatabase): Promise<boolean> {
  const sql = `SELECT c.name FROM pragma_index_list('sessions') l, pragma_index_info(l.name) c
    WHERE NOT l.partial AND c.seqno = 0`;
  const indexed = new Set((await database.all(sql)).map(({ name }) => name));
  return indexed.has('parent_session_id') && indexed.has('source');
}

/**
 * The statement that finds what was active since then, or is pinned, or has a
 * time that is none, and all that goes on with these or that they go on with:
 * of a chain, the last segment tells the time. Whatever these were started from
 * comes along too, since a row names the first segment of that. Of a source
 * that is hidden only a segment that goes on with another can be such a last
 * one. BETWEEN looks the time up once.
 */
async function latestQuery(database: AgentDatabase, { hidden }: Asked, bound: number, columns: string): Promise<Query> {
  const pinned = (await database.columns('sessions')).has('pinned') ? 'coalesce(s.pinned != 0, 0)' : '0';
  const sql = `
    WITH RECURSIVE kin(r) AS (
      SELECT s.rowid FROM sessions s NOT INDEXED
      WHERE ${OF_THE_AGENT} AND (s.source NOT IN (${places(hidden)}) OR s.parent_session_id IS NOT NULL AND EXISTS (
        SELECT 1 FROM sessions p WHERE p.id = s.parent_session_id AND ${IS_CONTINUED('p')}
      )) AND (${pinned} OR (${LAST} BETWEEN ? AND ?) IS NOT TRUE)
      UNION SELECT p.rowid FROM kin CROSS JOIN sessions c ON c.rowid = kin.r
        CROSS JOIN sessions p ON p.id = c.parent_session_id
      UNION SELECT c.rowid FROM kin CROSS JOIN sessions p ON p.rowid = kin.r AND ${IS_CONTINUED('p')}
        CROSS JOIN sessions c ON c.parent_session_id = p.id
    )
    SELECT ${columns}, ${LAST} AS last_activity FROM kin CROSS JOIN sessions s ON s.rowid = kin.r
    WHERE ${OF_THE_AGENT} ORDER BY s.rowid`;
  // What BETWEEN ends with is passed over: the greatest number below the bound.
  return { sql, params: [...hidden, Number.MIN_VALUE, bound * (1 - Number.EPSILON)] };
}

async function latestOf(
  database: AgentDatabase,
  asked: Asked,
  bound: number,
  wanted: readonly SessionColumn[] | undefined,
): Promise<SessionFacts[]> {
  const { sql, params } = await latestQuery(database, asked, bound, await sessionColumns(database, wanted));
  const facts = ((await database.all(sql, ...params)) as unknown as SessionFacts[]).filter(
    ({ id }) => typeof id === 'string',
  );
  for (const row of facts) row.hasMessages = row.last_activity !== null;
  await lookForUntimedMessages(database, facts);
  return facts;
}

async function factsOf(
  database: AgentDatabase,
  found: readonly SqlRow[],
  wanted: readonly SessionColumn[] | undefined,
): Promise<SessionFacts[]> {
  const last = new Map(found.map((row) => [row['r'], row['last']]));
  const columns = await sessionColumns(database, wanted);
  const sql = `SELECT s.rowid AS r, ${columns} FROM json_each(?) j CROSS JOIN sessions s ON s.rowid = j.value`;
  const rows = await database.all(sql, `[${[...last.keys()].join()}]`);
  const facts = rows
    .filter(({ id }) => typeof id === 'string')
    .map(({ r, ...stored }) => {
      const lastActivity = last.get(r) ?? null;
      return { ...stored, last_activity: lastActivity, hasMessages: lastActivity !== null } as SessionFacts;
    });
  await lookForUntimedMessages(database, facts);
  return facts;
}
