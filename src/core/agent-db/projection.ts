import { toFloat } from '../json/python';
import { type ContinuationRule, continues } from './continuation';
import type { StoredSession } from './stored';
import { plain, type SqlValue } from './values';

/** A stored session and what its messages tell. */
export interface SessionFacts extends StoredSession {
  id: string;
  hasMessages: boolean;
  /** The latest timestamp of its messages, active or not; null where there is none. */
  last_activity: SqlValue;
  /** Turns of the user, where they were counted on the way. */
  user_turns?: SqlValue;
}

/** One conversation of the agent: a session, or a chain of sessions that continue one another. */
export interface AgentSession {
  /** The first segment: it gives title, source, beginning and parent. */
  head: SessionFacts;
  /** The last segment that has messages: it gives id, model, counts, end and last activity. */
  tip: SessionFacts;
  /** Ids of the segments, oldest first. */
  path: string[];
  /** Where the conversation was started from another session: the first segment of that one; else undefined. */
  parentRoot: string | undefined;
}

/** Later than any clock that works shows; beyond it, a time says nothing. In epoch seconds: the year 5138. */
const LATEST = 1e11;

/**
 * When a conversation was last active, in epoch seconds: its last message, else
 * its beginning; 0 where neither is a time that can be.
 */
export function activityOf({ head, tip }: Pick<AgentSession, 'head' | 'tip'>): number {
  return timeIn(tip.last_activity) ?? timeIn(head.started_at) ?? 0;
}

/** A time in epoch seconds, where this is one. */
export function timeIn(value: SqlValue): number | undefined {
  const time = typeof value === 'number' ? value : toFloat(plain(value));
  return time !== undefined && time > 0 && time < LATEST ? time : undefined;
}

/**
 * Collapses chains of sessions into conversations, by seed 001's projection
 * (May): of several continuations of one session the one that began last is
 * followed; a conversation none of whose segments has messages is left out.
 * The most recently active comes first.
 *
 * @param continued which session goes on with which: May's rule unless another is given.
 */
export function project(rows: readonly SessionFacts[], continued: ContinuationRule = continues): AgentSession[] {
  const chains = new Chains(rows, continued);
  const sessions: AgentSession[] = [];
  for (const row of rows) {
    if (!chains.isHead(row)) continue;
    const path = chains.follow(row);
    const tip = path.findLast((segment) => segment.hasMessages);
    if (tip) sessions.push({ head: row, tip, path: path.map(({ id }) => id), parentRoot: chains.parentRoot(row) });
  }
  const activity = new Map(sessions.map((session) => [session, activityOf(session)]));
  return sessions.sort((a, b) => activity.get(b)! - activity.get(a)!);
}

/** How the given sessions follow from one another. */
class Chains {
  private readonly byId: Map<string, SessionFacts>;
  private readonly next = new Map<string, SessionFacts[]>();
  private readonly roots = new Map<string, string>();

  constructor(
    rows: readonly SessionFacts[],
    private readonly rule: ContinuationRule,
  ) {
    this.byId = new Map(rows.map((row) => [row.id, row]));
    for (const row of rows) {
      const parent = this.continued(row);
      if (!parent) continue;
      const siblings = this.next.get(parent.id);
      if (siblings) siblings.push(row);
      else this.next.set(parent.id, [row]);
    }
    const began = (row: SessionFacts): number => toFloat(plain(row.started_at)) ?? 0;
    for (const siblings of this.next.values()) siblings.sort((a, b) => began(b) - began(a));
  }

  /** Where parents go in a circle, which only a damaged database has, one of them stands for the head it lacks. */
  isHead(row: SessionFacts): boolean {
    return this.continued(row) === undefined || this.rootOf(row.id) === row.id;
  }

  /** The segments from this head on. */
  follow(head: SessionFacts): SessionFacts[] {
    const path = [head];
    const seen = new Set([head.id]);
    for (;;) {
      const next = this.next.get(path[path.length - 1].id)?.find((row) => !seen.has(row.id));
      if (next === undefined) return path;
      path.push(next);
      seen.add(next.id);
    }
  }

  /** The conversation that this one was started from, where it names a parent; the parent need not be there. */
  parentRoot(head: SessionFacts): string | undefined {
    const parent = plain(head.parent_session_id);
    if (parent === null || parent === '' || this.continued(head)) return undefined;
    return this.rootOf(String(parent));
  }

  /** The session that this one continues. */
  private continued(row: SessionFacts): SessionFacts | undefined {
    const parent = typeof row.parent_session_id === 'string' ? this.byId.get(row.parent_session_id) : undefined;
    return parent && this.rule(parent, row) ? parent : undefined;
  }

  /** The first segment of a session's conversation; of a circle the member with the least id. */
  private rootOf(id: string): string {
    const walked: string[] = [];
    const seen = new Set<string>();
    let at = id;
    let root = this.roots.get(at);
    while (root === undefined) {
      if (seen.has(at)) {
        root = walked.slice(walked.indexOf(at)).reduce((least, member) => (member < least ? member : least));
        break;
      }
      seen.add(at);
      walked.push(at);
      const row = this.byId.get(at);
      const parent = row && this.continued(row);
      if (parent === undefined) {
        root = at;
        break;
      }
      at = parent.id;
      root = this.roots.get(at);
    }
    for (const member of walked) this.roots.set(member, root);
    return root;
  }
}
