import { truthy } from '../json/python';
import { RawJson } from '../json/raw';
import { continues } from './continuation';
import type { AgentDatabase } from './database';
import { sessionColumns, type StoredSession } from './stored';
import { plain, type SqlRow, sqlJson } from './values';

/** Ids in one statement: older builds of SQLite take no more than 999. */
const CHUNK = 500;
const MAX_HOPS = 20;

/**
 * What the agent's database knows of the ancestry of the WebUI's sessions, as
 * keys for their rows (seed 001, May's `read_session_lineage_metadata`). A
 * session that continues another gets `_lineage_root_id` and
 * `_compression_segment_count`; one that was started from another
 * `relationship_type`, `parent_title`, `parent_source` and
 * `_parent_lineage_root_id`; both `parent_session_id`. No entry where nothing
 * is known.
 *
 * @throws HermesctlError `DATABASE_UNUSABLE`
 */
export async function readLineageKeys(
  database: AgentDatabase,
  ids: readonly string[],
): Promise<Map<string, Record<string, RawJson>>> {
  const columns = await database.columns('sessions');
  if (!columns.has('parent_session_id') || !columns.has('end_reason')) return new Map();
  const rows = await withAncestors(database, ids);
  const keys = new Map<string, Record<string, RawJson>>();
  for (const id of ids) {
    const known = keysOf(id, rows);
    if (known) keys.set(id, known);
  }
  return keys;
}

/** The rows of these sessions and of what they descend from, some hops up. */
async function withAncestors(database: AgentDatabase, ids: readonly string[]): Promise<Map<string, StoredSession>> {
  const rows = new Map<string, StoredSession>();
  let wanted = [...new Set(ids)];
  for (let hop = 0; hop < MAX_HOPS && wanted.length > 0; hop++) {
    for (const row of await sessionsById(database, wanted)) rows.set(String(row.id), row);
    const parents = wanted.map((id) => parentId(rows.get(id))).filter((id) => id !== undefined && !rows.has(id));
    wanted = [...new Set(parents as string[])];
  }
  return rows;
}

/** The stored rows of these sessions; in no order, and without those that are not there. */
export async function sessionsById(database: AgentDatabase, ids: readonly string[]): Promise<StoredSession[]> {
  const columns = await sessionColumns(database);
  const found: SqlRow[] = [];
  for (let at = 0; at < ids.length; at += CHUNK) {
    const chunk = ids.slice(at, at + CHUNK);
    const places = chunk.map(() => '?').join(', ');
    found.push(...(await database.all(`SELECT ${columns} FROM sessions s WHERE s.id IN (${places})`, ...chunk)));
  }
  return found as StoredSession[];
}

function keysOf(id: string, rows: ReadonlyMap<string, StoredSession>): Record<string, RawJson> | undefined {
  const row = rows.get(id);
  const parent = rows.get(parentId(row) ?? '');
  if (!row || !parent) return undefined;
  const parentKey = { parent_session_id: sqlJson(row.parent_session_id) };
  if (!continues(parent, row)) {
    return {
      ...parentKey,
      relationship_type: RawJson.of('child_session'),
      parent_title: sqlJson(parent.title),
      parent_source: sqlJson(parent.source),
      _parent_lineage_root_id: RawJson.of(ancestry(String(parent.id), rows)[0]),
    };
  }
  const segments = ancestry(id, rows);
  if (segments.length === 1) return parentKey;
  return {
    ...parentKey,
    _lineage_root_id: RawJson.of(segments[0]),
    _compression_segment_count: RawJson.of(segments.length),
  };
}

/** The session and those that it continues, oldest first. */
function ancestry(id: string, rows: ReadonlyMap<string, StoredSession>): string[] {
  const segments = [id];
  for (;;) {
    const row = rows.get(segments[0]);
    const parent = rows.get(parentId(row) ?? '');
    if (!row || !parent || segments.includes(String(parent.id)) || !continues(parent, row)) return segments;
    segments.unshift(String(parent.id));
  }
}

function parentId(row: StoredSession | undefined): string | undefined {
  const id = plain(row?.parent_session_id);
  return truthy(id) ? String(id) : undefined;
}
