import type BetterSqlite3 from 'better-sqlite3';

import { decodeJson } from '../json/decode';
import { toFloat } from '../json/python';
import { plain, type SqlRow, type SqlValue } from './values';

/** Which rows of `sessions` go with one session, and which only lose their parent. */
export interface Family {
  /** The session itself, if it has a row, then the delegates that go with it. */
  removed: string[];
  /** Children that stay, as sessions of their own, and the parent each had. */
  detached: { id: string; parent: string }[];
  /** The sessions that the conversations of the removed ones began with: what a turn's lease is kept under. */
  roots: string[];
}

interface Member {
  id: string;
  parent: string | null;
  source: SqlValue;
  endReason: SqlValue;
  startedAt: SqlValue;
  endedAt: SqlValue;
  /** Markers of `model_config`; null where it says nothing. */
  delegateFrom: unknown;
  branchedFrom: unknown;
  resetFrom: unknown;
  isConfigKnown: boolean;
}

const WANTED = ['model_config', 'source', 'end_reason', 'started_at', 'ended_at'];
const MAX_HOPS = 100;

/**
 * Finds the family of a session, by the server's rules, which are the more
 * careful ones (reference: webui-store §12, hermes-agent §1.7): delegates go
 * with whoever sent them, by their marker or, in rows older than it, by the
 * source `subagent`; what may be a branch, or the continuation of a compressed
 * conversation, stays, with all that hangs below it.
 *
 * @param columns of the table `sessions`.
 */
export function familyOf(database: BetterSqlite3.Database, columns: ReadonlySet<string>, id: string): Family {
  const members = readMembers(database, columns);
  const byId = new Map(members.map((member) => [member.id, member]));
  const kept = keptBelow(members, byId, id);
  const removed = new Set([id]);
  for (let frontier = new Set([id]); frontier.size > 0;) {
    const next = members.filter(
      (member) => !removed.has(member.id) && !kept.has(member.id) && goesWith(member, frontier),
    );
    frontier = new Set(next.map((member) => member.id));
    frontier.forEach((one) => removed.add(one));
  }
  const rows = [...removed].filter((one) => byId.has(one));
  const detached = members
    .filter((member) => member.parent !== null && removed.has(member.parent) && !removed.has(member.id))
    .map((member) => ({ id: member.id, parent: member.parent! }));
  return { removed: rows, detached, roots: [...new Set(rows.map((one) => rootOf(byId.get(one)!, byId)))] };
}

function readMembers(database: BetterSqlite3.Database, columns: ReadonlySet<string>): Member[] {
  const parent = columns.has('parent_session_id') ? 'parent_session_id' : 'NULL AS parent_session_id';
  const rest = WANTED.map((name) => (columns.has(name) ? name : `NULL AS ${name}`));
  const rows = database.prepare(`SELECT id, ${[parent, ...rest].join(', ')} FROM sessions`).all() as SqlRow[];
  return rows.flatMap((row) => (typeof row['id'] === 'string' ? [memberOf(row['id'], row)] : []));
}

function memberOf(id: string, row: SqlRow): Member {
  const text = plain(row['model_config']);
  let config: unknown = text === null || text === '' ? {} : undefined;
  try {
    config ??= decodeJson(String(text));
  } catch {
    // Nobody can tell what it said.
  }
  const isConfigKnown = typeof config === 'object' && config !== null && !Array.isArray(config);
  const at = (key: string): unknown => (isConfigKnown ? (config as Record<string, unknown>)[key] : undefined) ?? null;
  const parent = row['parent_session_id'];
  return {
    id,
    parent: typeof parent === 'string' ? parent : null,
    source: row['source'],
    endReason: row['end_reason'],
    startedAt: row['started_at'],
    endedAt: row['ended_at'],
    delegateFrom: at('_delegate_from'),
    branchedFrom: at('_branched_from'),
    resetFrom: at('_reset_from'),
    isConfigKnown,
  };
}

/** The row that a session's kind is told by: the one its marker names, else its parent's. */
function lineageParent(member: Member, byId: ReadonlyMap<string, Member>): Member | undefined {
  if (member.delegateFrom !== null) return byId.get(String(member.delegateFrom));
  return member.parent === null ? undefined : byId.get(member.parent);
}

/** Whether a session is, or may be, a branch or a continuation. */
function mayStandAlone(member: Member, byId: ReadonlyMap<string, Member>): boolean {
  if (member.branchedFrom !== null) return true;
  const parent = lineageParent(member, byId);
  if (parent?.endReason === 'compression') return true;
  if (parent?.endReason !== 'branched') return false;
  const [began, ended] = [member.startedAt, parent.endedAt].map((time) => toFloat(plain(time)));
  return began === undefined || ended === undefined || began >= ended;
}

/** What stays in any case: sessions that may stand alone, with everything below them. */
function keptBelow(members: readonly Member[], byId: ReadonlyMap<string, Member>, id: string): Set<string> {
  const kept = new Set(
    members.filter((member) => member.id !== id && mayStandAlone(member, byId)).map((member) => member.id),
  );
  const childrenOf = byParent(members);
  for (const one of kept) for (const child of childrenOf.get(one) ?? []) if (child.id !== id) kept.add(child.id);
  return kept;
}

function byParent(members: readonly Member[]): Map<string | null, Member[]> {
  const groups = new Map<string | null, Member[]>();
  for (const member of members) {
    const siblings = groups.get(member.parent);
    if (siblings) siblings.push(member);
    else groups.set(member.parent, [member]);
  }
  return groups;
}

function goesWith(member: Member, frontier: ReadonlySet<string>): boolean {
  if (member.delegateFrom !== null) return frontier.has(String(member.delegateFrom));
  return member.source === 'subagent' && member.isConfigKnown && member.parent !== null && frontier.has(member.parent);
}

/** The first session of a conversation: up through parents that were compressed, as long as nothing says otherwise. */
function rootOf(member: Member, byId: ReadonlyMap<string, Member>): string {
  let at = member;
  const seen = new Set([at.id]);
  for (let hops = 0; hops < MAX_HOPS; hops++) {
    const parent = at.parent === null ? undefined : byId.get(at.parent);
    const isOther = [at.delegateFrom, at.branchedFrom, at.resetFrom].some((marker) => marker === at.parent);
    if (!parent || parent.endReason !== 'compression' || isOther || seen.has(parent.id)) break;
    seen.add(parent.id);
    at = parent;
  }
  return at.id;
}
