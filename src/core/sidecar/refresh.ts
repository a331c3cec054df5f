import { isDeepStrictEqual } from 'node:util';

import type { OpenFile } from '../files/open-file';
import { decodeJson } from '../json/decode';
import { arrayItemSpans, type Span, topLevelSpans } from '../json/document';
import { formatJson } from '../json/format';
import { truthy } from '../json/python';
import { RawJson } from '../json/raw';
import { bytesSource } from '../json/reader';
import { memberSplices, type Splice } from '../json/splice';
import { ENCODED_CONTENT } from '../session/text';
import { readSpan } from './messages';

/** How a stored transcript stands to the one that it was imported from. */
export type TranscriptComparison =
  /** They say the same. */
  | { state: 'same' }
  /** The stored one is the beginning of the other. */
  | { state: 'behind' }
  /** As long, and only without the tool fields that older imports left out; the splices add them. */
  | { state: 'without-tools'; splices: Splice[] }
  /** Neither is the beginning of the other, or the stored one goes on: somebody wrote to it here. */
  | { state: 'diverged' };

/** What the two stores keep differently of one message: it says nothing about the conversation. */
const BOOKKEEPING = [
  'timestamp',
  '_ts',
  'api_content',
  '_state_db_row_id',
  '_db_row_id',
  'state_db_row_id',
  // The server's own import leaves these out.
  'display_kind',
  'display_metadata',
];
const TOOL_FIELDS = ['tool_calls', 'tool_call_id', 'tool_name', 'name'];
/** Of a message's members in the server's layout. */
const MEMBER_DEPTH = 3;

type Message = Record<string, unknown>;

/**
 * Compares a stored transcript with the agent's, message by message (reference:
 * webui-store §6), without holding either.
 *
 * @param array the stored `messages` in `file`.
 * @param freshCount messages that `fresh` gives.
 */
export async function compareTranscripts(
  file: OpenFile,
  array: Span,
  fresh: AsyncIterable<RawJson>,
  freshCount: number,
): Promise<TranscriptComparison> {
  const incoming = fresh[Symbol.asyncIterator]();
  const splices: Splice[] = [];
  let count = 0;
  let equal = true;
  let storedHasTools = false;
  try {
    for (const span of arrayItemSpans(file.source, array.start)) {
      const next = await incoming.next();
      if (next.done) return { state: 'diverged' };
      count++;
      const stored = readSpan(file, span);
      const [ours, theirs] = [stored.value(), next.value.value()];
      storedHasTools ||= hasToolFields(ours);
      if (isDeepStrictEqual(comparable(ours), comparable(theirs))) continue;
      equal = false;
      if (!isDeepStrictEqual(comparable(ours, TOOL_FIELDS), comparable(theirs, TOOL_FIELDS)))
        return { state: 'diverged' };
      splices.push(...toolFieldSplices(stored, span, next.value));
    }
  } finally {
    await incoming.return?.(undefined);
  }
  if (equal) return { state: count === freshCount ? 'same' : 'behind' };
  return count === freshCount && !storedHasTools ? { state: 'without-tools', splices } : { state: 'diverged' };
}

/** A message without what may differ between two copies of it. What is no object is itself. */
function comparable(message: unknown, without: readonly string[] = []): unknown {
  if (!isMessage(message)) return message;
  const rest: Message = Object.fromEntries(
    Object.entries(message).filter(([key]) => !BOOKKEEPING.includes(key) && !without.includes(key)),
  );
  const { content } = rest;
  // The server imports it undecoded.
  if (typeof content === 'string' && content.startsWith(ENCODED_CONTENT)) rest['content'] = decodedContent(content);
  return rest;
}

function decodedContent(content: string): unknown {
  try {
    return decodeJson(content.slice(ENCODED_CONTENT.length));
  } catch {
    return content;
  }
}

function hasToolFields(message: unknown): boolean {
  if (!isMessage(message)) return false;
  if (message['role'] === 'assistant') return truthy(message['tool_calls']);
  return message['role'] === 'tool' && ['tool_call_id', 'tool_name', 'name'].some((key) => truthy(message[key]));
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The splices of the file that give a stored message the tool fields of the fresh one. */
function toolFieldSplices(stored: RawJson, { start }: Span, fresh: RawJson): Splice[] {
  const bytes = Buffer.from(stored.text, 'utf8');
  const members = topLevelSpans(bytesSource(bytes));
  const freshBytes = Buffer.from(fresh.text, 'utf8');
  const added = new Map<string, string>();
  const text = (from: number, to: number): string => bytes.toString('utf8', from, to);
  const onLines = members.length > 0 && text(0, members[0].keyStart).includes('\n');
  for (const { key, start: from, end } of topLevelSpans(bytesSource(freshBytes))) {
    if (!TOOL_FIELDS.includes(key)) continue;
    const value = freshBytes.toString('utf8', from, end);
    added.set(key, onLines ? formatJson(value, MEMBER_DEPTH) : value);
  }
  const order = members.map(({ key }) => key);
  return memberSplices(members, added, [...order, ...TOOL_FIELDS], text).map((splice) => ({
    ...splice,
    start: splice.start + start,
    end: splice.end + start,
  }));
}

/** Depth of a message in the server's layout. */
const ITEM_DEPTH = 2;

/**
 * The splice that puts messages at the end of a stored array, laid out as the
 * array is; an empty one gets the server's layout.
 */
export function appendedMessages(file: OpenFile, array: Span, messages: readonly RawJson[]): Splice {
  let previous: Span | undefined;
  let last: Span | undefined;
  for (const { start, end } of arrayItemSpans(file.source, array.start)) {
    previous = last;
    last = { start, end };
  }
  const formatted = (raw: RawJson): string => formatJson(raw.text, ITEM_DEPTH);
  if (!last) {
    const text = messages.map((raw) => `\n    ${formatted(raw)}`).join(',');
    return { start: array.start + 1, end: array.end - 1, text: messages.length > 0 ? `${text}\n  ` : '' };
  }
  const between = previous
    ? readSpan(file, { start: previous.end, end: last.start }).text
    : `,${readSpan(file, { start: array.start + 1, end: last.start }).text || ' '}`;
  const item = between.includes('\n') ? formatted : (raw: RawJson): string => raw.text;
  return { start: last.end, end: last.end, text: messages.map((raw) => between + item(raw)).join('') };
}
