import { toFloat, truthy } from '../json/python';
import type { Span } from '../json/document';
import { FIRST_RECORD, Names } from '../json/kernel';
import { isPlainTime, plainString } from '../json/plain';
import { RawJson } from '../json/raw';
import { type ByteSource, bytesSource, JsonReader } from '../json/reader';
import { Window } from '../json/window';
import type { Landmark } from '../session/transcript';
import type { Splice } from '../json/splice';

/** Where an array of messages is cut: before the user message that begins the turns to go. */
export interface Cut {
  /** Messages that stay. */
  kept: number;
  removed: number;
  /** The user message at which it is cut. */
  userMessage: Span;
  /**
   * Time of the last message that stays, in epoch seconds, as the server
   * stamps it: its `timestamp` as a float; 0 where there is none.
   */
  watermark: number;
  splice: Splice;
}

interface Candidate {
  index: number;
  span: Span;
  /** End of the message before it, or the position behind the opening bracket. */
  keepEnd: number;
  watermark: number;
}

/**
 * Finds where to cut the array of messages at `array` so that its last `turns`
 * user messages, and all that follows the first of them, go. Walks the array
 * once and keeps no message. Undefined where it has no user message;
 * `{ turnsFound }` where it has fewer than that.
 *
 * @param from a place in the array that has more than enough turns behind it: its beginning is not walked then.
 */
export function findCut(source: ByteSource, array: Span, turns: number, from?: Landmark): Cut | { turnsFound: number } {
  const start = from?.offset ?? array.start;
  const reader = new JsonReader(source, {
    start,
    chunkSize: CHUNK,
    window: Window.forSize(array.end - start, CHUNK),
  });
  const candidates: Candidate[] = [];
  let found = from?.userCount ?? 0;
  let count = from?.count ?? 0;
  let previousEnd = from?.offset ?? array.start + 1;
  let previousTime: () => number = () => 0;
  const add = (start: number, end: number, isUser: boolean, time: () => number): void => {
    if (isUser) {
      found++;
      candidates.push({ index: count, span: { start, end }, keepEnd: previousEnd, watermark: previousTime() });
      if (candidates.length > turns) candidates.shift();
    }
    previousEnd = end;
    previousTime = time;
    count++;
  };
  if (from) reader.resumeArray();
  else reader.beginArray();
  for (;;) {
    const taken = reader.takeItems(WANTED);
    for (let i = 0, at = FIRST_RECORD; i < taken; i++, at += WANTED.itemWords) {
      const { isUser, time } = takenRoleAndTime(reader.window, reader.records, at);
      const { windowBase: base, records } = reader;
      add(base + records[at], base + records[at + 1], isUser, time);
    }
    if (taken > 0) {
      const last = previousTime();
      previousTime = () => last; // the window moves on
      continue;
    }
    if (!reader.nextItem()) break;
    const start = reader.offset;
    const { role, time } = readRoleAndTime(reader);
    add(start, reader.offset, role === 'user', () => time);
  }
  const [first] = candidates;
  if (candidates.length < turns) return { turnsFound: found };
  // An emptied array is written `[]`, whatever stood between its brackets.
  const end = first.index === 0 ? array.end - 1 : previousEnd;
  return {
    kept: first.index,
    removed: count - first.index,
    userMessage: first.span,
    watermark: first.watermark,
    splice: { start: first.keepEnd, end, text: '' },
  };
}

/**
 * The last of these places from which {@link findCut} finds what it finds from
 * the beginning: with the turns behind it, and another message before them.
 */
export function landmarkBefore(landmarks: readonly Landmark[], userCount: number, turns: number): Landmark | undefined {
  const last = landmarks.findLastIndex((landmark) => userCount - landmark.userCount >= turns);
  // The first message behind a place could be the one to cut at, and the time of the one before it is wanted.
  return last > 0 ? landmarks[last - 1] : undefined;
}

const CHUNK = 256 * 1024;
const WANTED = new Names('role', 'timestamp');

/** Of a message that was walked over; its time is only made a number where it is asked for. */
function takenRoleAndTime(window: Buffer, records: Int32Array, at: number): { isUser: boolean; time: () => number } {
  const role = records[at + 2] === 0 ? null : plainString(window, records[at + 2], records[at + 3]);
  const [start, end] = [records[at + 4], records[at + 5]];
  if (role !== undefined && (start === 0 || isPlainTime(window, start, end))) {
    const time = (): number => (start === 0 ? 0 : Number(window.toString('latin1', start, end)));
    return { isUser: role === 'user', time };
  }
  const message = window.subarray(records[at], records[at + 1]);
  const full = readRoleAndTime(new JsonReader(bytesSource(message), { chunkSize: message.length }));
  return { isUser: full.role === 'user', time: () => full.time };
}

function readRoleAndTime(reader: JsonReader): { role: unknown; time: number } {
  if (reader.peekKind() !== 'object') {
    reader.skipValue();
    return { role: undefined, time: 0 };
  }
  let role: unknown;
  let timestamp: unknown;
  reader.beginObject();
  while (reader.nextMember()) {
    if (reader.keyIs('role')) role = RawJson.fromBytes(reader.capture()).value();
    else if (reader.keyIs('timestamp')) timestamp = RawJson.fromBytes(reader.capture()).value();
    else reader.skipValue();
  }
  const time = truthy(timestamp) ? toFloat(timestamp) : undefined;
  return { role, time: time !== undefined && Number.isFinite(time) ? time : 0 };
}
