import { toFloat, truthy } from '../json/python';
import { RawJson } from '../json/raw';
import { type ByteSource, JsonReader } from '../json/reader';
import type { Span } from '../json/document';
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
 */
export function findCut(source: ByteSource, array: Span, turns: number): Cut | { turnsFound: number } {
  const reader = new JsonReader(source, { start: array.start });
  const candidates: Candidate[] = [];
  let found = 0;
  let count = 0;
  let previousEnd = array.start + 1;
  let previousTime = 0;
  reader.beginArray();
  while (reader.nextItem()) {
    const start = reader.offset;
    const { role, time } = readRoleAndTime(reader);
    const end = reader.offset;
    if (role === 'user') {
      found++;
      candidates.push({ index: count, span: { start, end }, keepEnd: previousEnd, watermark: previousTime });
      if (candidates.length > turns) candidates.shift();
    }
    previousEnd = end;
    previousTime = time;
    count++;
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
