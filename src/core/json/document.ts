import { FIRST_RECORD, Names } from './kernel';
import { RawJson } from './raw';
import { type ByteSource, type JsonKind, JsonReader, type JsonReaderOptions, kindOf } from './reader';

/** Where a value stands in the document: absolute byte offsets, end exclusive. */
export interface Span {
  start: number;
  end: number;
}

/** A member of the document's top-level object, located but not parsed. */
export interface MemberSpan extends Span {
  key: string;
  /** Span of the key, quotes included. */
  keyStart: number;
  keyEnd: number;
  kind: JsonKind;
}

/**
 * Spans of all members of the top-level object, in the document's order,
 * duplicates included (Python's rule is that the last one counts). Nothing is
 * parsed but the keys.
 *
 * @throws JsonSyntaxError where the document breaks or is not an object.
 */
export function topLevelSpans(source: ByteSource, options?: JsonReaderOptions): MemberSpan[] {
  const reader = new JsonReader(source, options);
  const members: MemberSpan[] = [];
  reader.beginObject();
  while (reader.nextMember()) {
    const { keyStart, keyEnd } = reader;
    const key = reader.keyText();
    const kind = reader.peekKind();
    members.push({ key, keyStart, keyEnd, kind, ...reader.skipValue() });
  }
  reader.finish();
  return members;
}

/**
 * Spans of the items of the array that begins at `start`, one at a time, so
 * that an array of any length costs no memory.
 *
 * @param options.resumeAt the end of an item: only those behind it are given.
 * @throws JsonSyntaxError where the array breaks or is none.
 */
export function* arrayItemSpans(
  source: ByteSource,
  start = 0,
  options: JsonReaderOptions & { resumeAt?: number } = {},
): Generator<Span & { kind: JsonKind }> {
  const { resumeAt } = options;
  const reader = new JsonReader(source, { ...options, start: resumeAt ?? start });
  if (resumeAt === undefined) reader.beginArray();
  else reader.resumeArray();
  for (;;) {
    const taken = reader.takeItems(NO_NAMES);
    const { window, windowBase: base } = reader;
    for (let i = 0, at = FIRST_RECORD; i < taken; i++, at += NO_NAMES.itemWords) {
      const { records } = reader;
      yield { kind: kindOf(window[records[at]])!, start: base + records[at], end: base + records[at + 1] };
    }
    if (taken > 0) continue;
    if (!reader.nextItem()) return;
    const kind = reader.peekKind();
    yield { kind, ...reader.skipValue() };
  }
}

const NO_NAMES = new Names();

export interface MetadataPrefix {
  /** The members before the stop, last duplicate wins, each as it is spelled. */
  members: Map<string, RawJson>;
  /** The key that reading stopped at, or undefined where the whole object was read. */
  stoppedAt: string | undefined;
  hasBom: boolean;
  /** How many bytes of the document were walked. */
  bytes: number;
}

/**
 * Reads the members of the top-level object up to (not including) the first
 * one named in `stopAt`. What follows is not looked at, so that it may be
 * broken; the source is read in chunks, with no limit on the prefix.
 *
 * @throws JsonSyntaxError where the prefix breaks or the document is no object.
 */
export function readMetadataPrefix(
  source: ByteSource,
  stopAt: ReadonlySet<string>,
  options: JsonReaderOptions = {},
): MetadataPrefix {
  const reader = new JsonReader(source, { chunkSize: 8 * 1024, ...options });
  const members = new Map<string, RawJson>();
  let stoppedAt: string | undefined;
  reader.beginObject();
  for (;;) {
    const flat = reader.flatMember(stopAt);
    if (flat) {
      members.set(flat.key, new RawJson(flat.value));
      continue;
    }
    if (!reader.nextMember()) break;
    const key = reader.keyText();
    if (stopAt.has(key)) {
      stoppedAt = key;
      break;
    }
    members.set(key, RawJson.fromBytes(reader.capture()));
  }
  if (stoppedAt === undefined) reader.finish();
  return { members, stoppedAt, hasBom: reader.hasBom, bytes: reader.offset };
}
