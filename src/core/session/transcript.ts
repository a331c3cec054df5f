import { strip, toFloat, truthy } from '../json/python';
import { RawJson } from '../json/raw';
import { type ByteSource, JsonReader } from '../json/reader';
import { Window } from '../json/window';

/** What a row needs to know of a transcript. */
export interface TranscriptFacts {
  /** Items of `messages`, whatever they are. */
  count: number;
  /** Messages that are objects and whose role is exactly `user`. */
  userCount: number;
  /**
   * Time of the last message, in epoch seconds: from the end, the first that
   * has one, passing over tool results and interrupted answers without text.
   */
  lastAt: number | undefined;
}

/** A place behind a message of a transcript, from which it can be walked again without its beginning. */
export interface Landmark extends TranscriptFacts {
  /** Absolute byte offset of the end of the message; the facts are of the messages up to there. */
  offset: number;
}

export const EMPTY_TRANSCRIPT: TranscriptFacts = { count: 0, userCount: 0, lastAt: undefined };

/**
 * Reads the array of messages that comes next, one message at a time, keeping
 * none. A message that is not an object is counted and is nobody's turn.
 *
 * @param landmarks gets a place now and then.
 * @throws JsonSyntaxError where the array breaks.
 */
export function readTranscriptFacts(reader: JsonReader, landmarks: Landmark[] = []): TranscriptFacts {
  reader.beginArray();
  return readOn(reader, { ...EMPTY_TRANSCRIPT }, landmarks);
}

const CHUNK = 256 * 1024;
const CLOSING = 0x5d;

/**
 * The facts of the messages of an array up to one of them, as if it ended there.
 *
 * @param start of the array.
 * @param end of the last of the messages, or behind the opening bracket: it was walked before.
 * @param landmarks places in this array.
 */
export function factsUpTo(
  source: ByteSource,
  start: number,
  end: number,
  landmarks: readonly Landmark[],
): TranscriptFacts {
  const from = landmarks.findLast(({ offset }) => offset <= end);
  const begin = from?.offset ?? start;
  const closed: ByteSource = {
    read(into, intoOffset, length, position) {
      if (position < end) return source.read(into, intoOffset, Math.min(length, end - position), position);
      if (position > end || length === 0) return 0;
      into[intoOffset] = CLOSING;
      return 1;
    },
  };
  const reader = new JsonReader(closed, { start: begin, chunkSize: CHUNK, window: Window.forSize(end - begin, CHUNK) });
  if (!from) return readTranscriptFacts(reader);
  reader.resumeArray();
  const { count, userCount, lastAt } = from;
  return readOn(reader, { count, userCount, lastAt }, []);
}

/** Adds the facts of the messages that follow in an array that was entered. */
function readOn(reader: JsonReader, facts: TranscriptFacts, landmarks: Landmark[]): TranscriptFacts {
  for (;;) {
    const taken = reader.takeMessages();
    if (taken > 0) {
      const { users, lastTime } = reader.messageFacts;
      facts.count += taken;
      facts.userCount += users;
      facts.lastAt = lastTime ?? facts.lastAt;
      landmarks.push({ offset: reader.offset, ...facts });
    } else if (!reader.nextItem()) return facts;
    else if (reader.peekKind() === 'object') add(facts, readMessageFacts(reader));
    else {
      facts.count++;
      reader.skipValue();
    }
  }
}

function add(facts: TranscriptFacts, message: MessageFacts): void {
  facts.count++;
  if (message.role === 'user') facts.userCount++;
  if (message.countsAsActivity && message.at !== undefined) facts.lastAt = message.at;
}

interface MessageFacts {
  role: unknown;
  at: number | undefined;
  countsAsActivity: boolean;
}

function readMessageFacts(reader: JsonReader): MessageFacts {
  let role: unknown;
  let ts: unknown;
  let timestamp: unknown;
  let partial = false;
  let saysSomething = false;
  reader.beginObject();
  for (;;) {
    const flat = reader.flatMember();
    if (!flat && !reader.nextMember()) break;
    const is = (name: string): boolean => (flat ? flat.key === name : reader.keyIs(name));
    const value = (): unknown => (flat ? new RawJson(flat.value) : RawJson.fromBytes(reader.capture())).value();
    if (is('role')) role = value();
    else if (is('timestamp')) timestamp = value();
    else if (is('_ts')) ts = value();
    else if (is('_partial')) partial = truthy(value());
    else if (is('content')) saysSomething = flat ? spellsText(flat.value) : readHasText(reader);
    else if (!flat) reader.skipValue();
  }
  const emptyPartial = role === 'assistant' && partial && !saysSomething;
  return { role, at: messageTime(ts, timestamp), countsAsActivity: role !== 'tool' && !emptyPartial };
}

/**
 * A message's time in epoch seconds: `_ts`, else `timestamp`; numbers and
 * numeric strings. Zero, what is no number and what is not finite are no time.
 */
export function messageTime(ts: unknown, timestamp: unknown): number | undefined {
  const time = toFloat(truthy(ts) ? ts : timestamp);
  return time !== undefined && Number.isFinite(time) && time !== 0 ? time : undefined;
}

/** Steps over the content that comes next and tells whether it holds text. Mostly one look at its first byte. */
function readHasText(reader: JsonReader): boolean {
  if (reader.peekKind() === 'string' && isVisible(reader.lookAhead(2)[1])) {
    reader.skipValue();
    return true;
  }
  return hasText(RawJson.fromBytes(reader.capture()).value());
}

/** The same of content that is at hand as it is spelled. */
function spellsText(content: string): boolean {
  return (content.startsWith('"') && isVisible(content.charCodeAt(1))) || hasText(new RawJson(content).value());
}

/** Whether a string that begins with this byte says something: it stands for itself, and is no white space. */
const isVisible = (first: number): boolean => first > 0x20 && first < 0x7f && first !== 0x22 && first !== 0x5c;

/** Whether a message’s content says anything. */
export function hasText(content: unknown): boolean {
  if (typeof content === 'string') return strip(content) !== '';
  if (!Array.isArray(content)) return truthy(content);
  return content.some((part: unknown) => {
    if (typeof part === 'string') return strip(part) !== '';
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return truthy(part);
    const { type, text, content: inner } = part as Record<string, unknown>;
    const value = truthy(text) ? text : inner;
    return type === 'text' && (typeof value === 'string' ? strip(value) !== '' : truthy(value));
  });
}
