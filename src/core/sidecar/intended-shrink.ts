import { isDeepStrictEqual } from 'node:util';

import type { OpenFile } from '../files/open-file';
import { arrayItemSpans } from '../json/document';
import { memberOf } from '../json/member';
import { strip } from '../json/python';
import { isGeneration } from '../session/writer';
import { contentText } from '../session/text';
import { readSpan } from './messages';
import type { ScannedSidecar } from './read';

/** A session file that is open, and what is in it. */
export interface OpenSidecar {
  file: OpenFile;
  sidecar: ScannedSidecar;
}

/** Why a session holds less than its backup although nothing was lost. */
export type IntendedShrink = 'clear' | 'compress' | 'cut';

/**
 * Whether the server would leave a session alone whose backup holds more
 * messages (reference: webui-store §9.1, exemptions): it was cleared, its
 * context was compressed, or it was cut on purpose. Where this is in doubt
 * messages were lost.
 */
export function intendedShrink(live: OpenSidecar, backup: OpenSidecar): IntendedShrink | undefined {
  if (isCleared(live, backup.sidecar)) return 'clear';
  if (isCompressed(live) && isFromBefore(live, backup)) return 'compress';
  return isCut(live.sidecar, backup.sidecar) ? 'cut' : undefined;
}

const at = (sidecar: ScannedSidecar, key: string): unknown => sidecar.fields.get(key)?.value();
const has = (sidecar: ScannedSidecar, key: string): boolean => sidecar.members.some((member) => member.key === key);
const count = ({ file, sidecar }: OpenSidecar, key: string): number | undefined => {
  const member = sidecar.members.findLast((candidate) => candidate.key === key);
  if (member?.kind !== 'array') return undefined;
  let items = 0;
  for (const span of arrayItemSpans(file.source, member.start)) items += span.end > span.start ? 1 : 0;
  return items;
};

/** What a session that was cleared and not used since records, each of it. */
const CLEARED: readonly (readonly [key: string, value: unknown])[] = [
  ['truncation_watermark', 0],
  ['truncation_boundary', 0],
  ['active_stream_id', null],
  ['pending_user_message', null],
  ['pending_attachments', []],
  ['pending_started_at', null],
  ['pending_user_source', null],
];

function isCleared(open: OpenSidecar, backup: ScannedSidecar): boolean {
  const live = open.sidecar;
  const clear = at(live, 'clear_generation');
  if (typeof clear !== 'string' || clear === '' || at(backup, 'clear_generation') === clear) return false;
  if (live.transcript.count > 0) return at(live, 'truncation_watermark') === 0 && at(live, 'truncation_boundary') === 0;
  if (count(open, 'messages') !== 0 || count(open, 'context_messages') !== 0) return false;
  return CLEARED.every(([key, value]) => has(live, key) && isDeepStrictEqual(at(live, key), value));
}

/** A context that was compressed: by hand, or shorter than the transcript with the marks of it. */
function isCompressed(live: OpenSidecar): boolean {
  const text = (key: string): string => strip(String(at(live.sidecar, key) ?? ''));
  if (text('compression_anchor_mode').toLowerCase() === 'manual') return true;
  const context = count(live, 'context_messages');
  if (context === undefined || context >= live.sidecar.transcript.count) return false;
  const hasAnchor =
    text('compression_anchor_summary') !== '' && (at(live.sidecar, 'compression_anchor_message_key') ?? null) !== null;
  return hasAnchor || (at(live.sidecar, 'truncation_watermark') ?? null) !== null;
}

/** The backup has the long context from before the compression, and not the mark that one leaves. */
function isFromBefore(live: OpenSidecar, backup: OpenSidecar): boolean {
  if (hasCompactionMark(backup)) return false;
  return (count(backup, 'context_messages') ?? 0) > (count(live, 'context_messages') ?? 0);
}

function hasCompactionMark({ file, sidecar }: OpenSidecar): boolean {
  const context = sidecar.members.findLast((member) => member.key === 'context_messages');
  if (context?.kind !== 'array') return false;
  for (const span of arrayItemSpans(file.source, context.start)) {
    if (span.kind !== 'object') continue;
    const message = readSpan(file, span);
    const role = memberOf(message, 'role')?.value();
    if (typeof role !== 'string' || role === '' || role === 'tool') continue;
    const text = contentText(memberOf(message, 'content')).toLowerCase().trimStart();
    if (/^\[context compaction/.test(text)) return true;
    const isSummary = memberOf(message, '_compressed_summary')?.value();
    if (isSummary === true && text.startsWith('context compaction')) return true;
  }
  return false;
}

function isCut(live: ScannedSidecar, backup: ScannedSidecar): boolean {
  const generation = at(live, 'intentional_shrink_generation');
  if (!isGeneration(generation)) return false;
  const older = at(backup, 'intentional_shrink_generation') ?? null;
  return older === null || (isGeneration(older) && older !== generation);
}
