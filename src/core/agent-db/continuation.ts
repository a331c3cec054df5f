import { strip, toFloat } from '../json/python';
import { plain, type SqlValue } from './values';

/** The columns that say how a session follows from its parent. */
export interface Link {
  source: SqlValue;
  session_source?: SqlValue;
  started_at: SqlValue;
  ended_at: SqlValue;
  end_reason: SqlValue;
}

/** Whether the second session is the next segment of the first one's conversation. */
export type ContinuationRule = (parent: Link, child: Link) => boolean;

/** How a conversation goes on in a session of its own. */
export const CONTINUED: ReadonlySet<unknown> = new Set<unknown>(['compression', 'cli_close']);

/**
 * Whether `child` is the next segment of its parent's conversation, by May's
 * rule (seed 001, which rows and lineage keys follow): the parent was
 * compressed or closed, and the child did not begin before that.
 */
export function continues(parent: Link, child: Link): boolean {
  if (!CONTINUED.has(plain(parent.end_reason))) return false;
  const ended = plain(parent.ended_at);
  if (ended === null) return true; // old databases do not record when
  const began = toFloat(plain(child.started_at) ?? 0);
  const end = toFloat(ended);
  return began !== undefined && end !== undefined && began >= end;
}

/**
 * The same by August's rule (reference: webui-store §5.3, which transcripts and
 * the lineage report follow): a fork, and a session of another source, is a
 * conversation of its own.
 */
export function continuesWithin(parent: Link, child: Link): boolean {
  if (lower(child.session_source) === 'fork') return false;
  const [from, to] = [lower(parent.source), lower(child.source)];
  if (from !== '' && to !== '' && from !== to) return false;
  return continues(parent, child);
}

export function lower(value: SqlValue | undefined): string {
  const text = plain(value);
  return text === null || text === 0 ? '' : strip(String(text)).toLowerCase();
}
