import { truthy } from '../json/python';
import { lower } from './continuation';
import type { AgentSession } from './projection';
import { normalizedSource } from './sources';
import { plain, type SqlValue } from './values';

/**
 * Whether a conversation is shown unless all are asked for, by August's rule
 * (reference: webui-store §5.3): of the sessions of a terminal those that were
 * tried and left are hidden, which is to say ended, without a title of their
 * own and with fewer than two turns of the user.
 *
 * @param userTurns tells how many turns of the user it has, up to so many. Only asked where it matters.
 */
export async function isVisible(
  session: AgentSession,
  userTurns: (atMost: number) => Promise<number>,
): Promise<boolean> {
  const { head, tip } = session;
  const { raw_source: source, session_source: kind } = normalizedSource(head.source);
  if (kind !== 'cli' || source === 'tui') return true;
  if (source === 'acp') return (await userTurns(1)) > 0;
  if (tip !== head || !hasDefaultTitle(session)) return true;
  const turns = await userTurns(2);
  const isOpen = tip.ended_at === null && !truthy(plain(tip.end_reason));
  return turns > 1 || (isOpen && turns > 0);
}

/** By what it depends whether a conversation of this source is shown: `isVisible`, before there is one. */
export function visibilityOf(source: SqlValue): 'shown' | 'named' | 'unknown' {
  const { raw_source: raw, session_source: kind } = normalizedSource(source);
  if (kind !== 'cli' || raw === 'tui') return 'shown';
  return raw === 'cli' ? 'named' : 'unknown';
}

/** Whether the title is one that no person and no model gave. */
function hasDefaultTitle({ head, tip }: AgentSession): boolean {
  const title = lower(head.title) || lower(tip.title);
  if (['', 'untitled', 'cli'].includes(title)) return true;
  const { source_label: label } = normalizedSource(head.source);
  return ['cli', lower(head.source), label.toLowerCase()].some((name) => title === `${name} session`);
}
