import { Names } from '../json/kernel';
import { isPlainTime, plainNumber, plainString } from '../json/plain';
import type { Candidates } from './candidates';
import { SpelledExcerpt } from './excerpt';
import type { Hit, Wanted } from './hit';

/*
 * Nearly every message is spelled plainly: an object with a role, a time, and a
 * content that is one string. Hits in such a one are made of places in the
 * file's bytes, and nothing is decoded. Whatever is not plain, or not certain,
 * is for hit.ts, which knows all messages.
 */

/** The members of a message that a hit in its content is made of. */
export const MESSAGE_MEMBERS = new Names('role', 'content', 'timestamp', '_ts', 'tool_name', 'name');
/** Where in a record the places of each begin. */
const [ROLE, CONTENT, TIMESTAMP, TS, TOOL_NAME, NAME] = [2, 4, 6, 8, 10, 12];

/** What a walk took at once of a transcript. */
export interface TakenItems {
  window: Buffer;
  records: Int32Array;
  /** Makes offsets in the file of places in the window. */
  base: number;
}

/**
 * The hit that a message is, by the record that the walk made of it; null where
 * it is none; undefined where only the decoded message can tell.
 *
 * @param at where its record begins.
 */
export function plainHit(
  { window, records, base }: TakenItems,
  at: number,
  index: number,
  candidates: Candidates,
  wanted: Wanted,
): Hit | null | undefined {
  const byteOffset = base + records[at];
  const behind = base + records[at + 1];
  const match = candidates.next(byteOffset);
  if (match >= behind) return null; // it was marked because of what stands beside it

  const content = records[at + CONTENT];
  if (content === 0 || window[content] !== QUOTE) return undefined;
  const start = base + content + 1;
  const end = base + records[at + CONTENT + 1] - 1;
  // In anything but the content it may be a text, or nothing at all.
  if (match < start || match >= end) return undefined;
  const excerpt = excerptAt(candidates, start, end, wanted.context);
  const matches = wanted.counted ? countFrom(candidates, end) : 1;
  if (excerpt === undefined || matches === undefined || candidates.next(end) < behind) return undefined;

  const role = stringAt(window, records, at + ROLE);
  const time = records[at + TS] === 0 ? at + TIMESTAMP : at + TS;
  if (role === undefined || !isTimeOrNone(window, records, time)) return undefined;
  const isResult = role === 'tool';
  const name = records[at + TOOL_NAME] === 0 ? at + NAME : at + TOOL_NAME;
  const tool = isResult ? stringAt(window, records, name) : undefined;
  if (isResult && records[name] !== 0 && !tool) return undefined;

  const place = isResult ? 'tools' : 'content';
  if (!wanted.places.has(place) || (wanted.roles && !wanted.roles.has(role))) return null;
  const seconds = records[time] === 0 ? undefined : plainNumber(window, records[time], records[time + 1]);
  return { in: place, index, role, at: seconds, tool, excerpt, matches, byteOffset };
}

function stringAt(window: Buffer, records: Int32Array, place: number): string | undefined {
  return records[place] === 0 ? undefined : plainString(window, records[place], records[place + 1]);
}

function isTimeOrNone(window: Buffer, records: Int32Array, place: number): boolean {
  return records[place] === 0 || isPlainTime(window, records[place], records[place + 1]);
}

/**
 * The candidate that was asked for last, with what stands around it in the
 * string between these places; undefined where it may be no match, or where
 * anything in there may be spelled in another way than `JSON.stringify`'s.
 */
function excerptAt(
  { bytes, at, end: behind }: Candidates,
  start: number,
  end: number,
  context: number,
): SpelledExcerpt | undefined {
  if (!isMatch(bytes, at, behind)) return undefined;
  const from = backBy(bytes, at, start, context);
  const to = onBy(bytes, behind, end, context);
  return from < 0 || to < 0 ? undefined : new SpelledExcerpt(bytes, from, at, behind, to);
}

/** How many matches there are from the last candidate on, up to this end; undefined where one may be none. */
function countFrom(candidates: Candidates, end: number): number | undefined {
  let count = 0;
  for (let { at } = candidates; at < end; at = candidates.next(candidates.end)) {
    if (!isMatch(candidates.bytes, at, candidates.end)) return undefined;
    count++;
  }
  return count;
}

/** Whether a candidate is certainly a match: it does not begin inside an escape, and none in it is odd. */
function isMatch(bytes: Buffer, start: number, end: number): boolean {
  if (bytes[start - 1] === BACKSLASH || mayBeDigit(bytes, start)) return false;
  for (let at = start; at < end; at++) {
    if (bytes[at] === BACKSLASH && isOdd(bytes[++at])) return false;
  }
  return true;
}

/** Whether here may be one of the four digits of an escape. */
function mayBeDigit(bytes: Buffer, at: number): boolean {
  for (let u = at - 4; u < at; u++) if (bytes[u] === SMALL_U && bytes[u - 1] === BACKSLASH) return true;
  return false;
}

/** Whether what stands behind a backslash may have been spelled in another way: by `JSON.stringify` it is. */
const isOdd = (escaped: number): boolean => escaped === SMALL_U || escaped === SLASH;

/** So many UTF-16 code units back inside a string, but half a character; -1 where an odd escape is among them. */
function backBy(bytes: Buffer, from: number, start: number, units: number): number {
  let at = from;
  let left = units;
  let code = bytes[at - 1];
  while (at > start && left > 0) {
    const before = bytes[at - 2];
    if (code < 0x80 && before !== BACKSLASH) {
      at--;
      left--;
      code = before;
      continue;
    }
    let begin = at - 1;
    if (code >= 0x80) {
      while ((bytes[begin] & 0xc0) === 0x80) begin--;
      left -= unitsOf(bytes[begin]);
      if (left < 0) break;
    } else {
      left--;
      if (code === BACKSLASH || isEscaped(bytes, begin, start)) {
        if (isOdd(code)) return -1;
        begin--;
      }
    }
    at = begin;
    code = bytes[at - 1];
  }
  return mayBeDigit(bytes, at) ? -1 : at;
}

/** The same onwards. */
function onBy(bytes: Buffer, from: number, end: number, units: number): number {
  let at = from;
  for (let left = units; at < end && left > 0;) {
    const code = bytes[at];
    let behind = at + 1;
    if (code >= 0x80) while ((bytes[behind] & 0xc0) === 0x80) behind++;
    else if (code === BACKSLASH && isOdd(bytes[behind++])) return -1;
    left -= unitsOf(code);
    if (left >= 0) at = behind;
  }
  return at;
}

/** Of the character whose first byte this is. */
const unitsOf = (first: number): number => (first >= 0xf0 ? 2 : 1);

function isEscaped(bytes: Buffer, at: number, start: number): boolean {
  let first = at;
  while (first > start && bytes[first - 1] === BACKSLASH) first--;
  return (at - first) % 2 === 1;
}

const QUOTE = 0x22;
const SLASH = 0x2f;
const BACKSLASH = 0x5c;
const SMALL_U = 0x75;
