import { toFloat } from '../json/python';
import { RawJson } from '../json/raw';
import { continuesWithin } from './continuation';
import type { AgentDatabase } from './database';
import { sessionColumns, storedSession, type StoredSession } from './stored';
import { plain, sqlJson } from './values';

const MAX_HOPS = 20;

/** A session in a lineage. Times are epoch seconds as stored. */
export interface LineageEntry {
  session_id: string;
  /** `tip`: the one asked for; `hidden_segment`: it continues this one; `child_session`: started from a segment. */
  role: 'tip' | 'hidden_segment' | 'child_session';
  title: RawJson;
  source: RawJson;
  started_at: RawJson;
  /** When it ended, else when it began. */
  updated_at: RawJson;
  end_reason: RawJson;
  /** Whether it has not ended. */
  active: boolean;
  archived: boolean;
  /** The segment that a child was started from. Not in August's report. */
  parent_session_id: string | null;
}

/** The ancestry of a session and what was started from it (reference: webui-store §9.3). */
export interface LineageReport {
  mutation: false;
  found: true;
  session_id: string;
  /** The first segment. */
  lineage_key: string;
  tip_session_id: string;
  total_segments: number;
  materialized_segments: number;
  /** From the session asked for back to the first. */
  segments: LineageEntry[];
  /** Of each segment, the latest first. */
  children: LineageEntry[];
  /** Whether a person should look: parents in a circle, too many segments, or the conversation goes on elsewhere. */
  manual_review: boolean;
}

/**
 * The report for this session; undefined where the database does not know it,
 * or is too old to know parents.
 *
 * @throws HermesctlError `DATABASE_UNUSABLE`
 */
export async function lineageReport(database: AgentDatabase, id: string): Promise<LineageReport | undefined> {
  const columns = await database.columns('sessions');
  if (!['id', 'parent_session_id', 'end_reason'].every((column) => columns.has(column))) return undefined;
  const target = await storedSession(database, id);
  if (!target) return undefined;
  const { segments, review } = await segmentsOf(database, target);
  const ids = new Set(segments.map((segment) => String(segment.id)));
  const children: LineageEntry[] = [];
  let goesOnElsewhere = false;
  for (const segment of segments) {
    for (const child of await childrenOf(database, segment)) {
      if (ids.has(String(child.id))) continue;
      if (continuesWithin(segment, child)) goesOnElsewhere = true;
      else children.push(entry(child, 'child_session'));
    }
  }
  return {
    mutation: false,
    found: true,
    session_id: id,
    lineage_key: String(segments[segments.length - 1].id),
    tip_session_id: id,
    total_segments: segments.length,
    materialized_segments: segments.length,
    segments: segments.map((segment, i) => entry(segment, i === 0 ? 'tip' : 'hidden_segment')),
    children,
    manual_review: review || goesOnElsewhere,
  };
}

async function segmentsOf(
  database: AgentDatabase,
  target: StoredSession,
): Promise<{ segments: StoredSession[]; review: boolean }> {
  const segments = [target];
  for (let hop = 0; hop < MAX_HOPS; hop++) {
    const current = segments[segments.length - 1];
    const parentId = plain(current.parent_session_id);
    if (parentId === null || parentId === '') return { segments, review: false };
    if (segments.some((segment) => plain(segment.id) === parentId)) return { segments, review: true };
    const parent = await storedSession(database, current.parent_session_id);
    if (!parent || !continuesWithin(parent, current)) return { segments, review: false };
    segments.push(parent);
  }
  return { segments, review: true };
}

async function childrenOf(database: AgentDatabase, { id }: StoredSession): Promise<StoredSession[]> {
  const columns = await sessionColumns(database);
  const sql = `SELECT ${columns} FROM sessions s WHERE s.parent_session_id = ?`;
  const children = (await database.all(sql, id)) as StoredSession[];
  const began = (row: StoredSession): number => toFloat(plain(row.started_at)) ?? 0;
  return children.sort((a, b) => began(b) - began(a));
}

function entry(row: StoredSession, role: LineageEntry['role']): LineageEntry {
  return {
    session_id: String(row.id),
    role,
    title: sqlJson(row.title),
    source: sqlJson(row.source),
    started_at: sqlJson(row.started_at),
    updated_at: sqlJson(row.ended_at ?? row.started_at),
    end_reason: sqlJson(row.end_reason),
    active: row.ended_at === null,
    archived: false,
    parent_session_id: row.parent_session_id === null ? null : String(plain(row.parent_session_id)),
  };
}
