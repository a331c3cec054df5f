import type { OpenFile } from '../files/open-file';
import type { Span } from '../json/document';
import { RawJson } from '../json/raw';
import { JsonReader } from '../json/reader';
import type { Window } from '../json/window';
import { METADATA_FIELDS } from '../session/fields';
import { asDamage, damaged } from '../sidecar/damage';
import { readSpan } from '../sidecar/messages';
import type { Looked } from './candidates';
import { type Hit, hitInTitle, MessageBatch, type Wanted, wantsMessages, wantsTitles } from './hit';

/** A session's file, walked from end to end: what it says of itself, and which messages are to be looked into. */
export interface Walked {
  fields: ReadonlyMap<string, RawJson>;
  /** Items of `messages`. */
  count: number;
  /** Messages that may hold what is looked for. */
  messages: (Span & { index: number })[];
}

const CHUNK = 256 * 1024;

/**
 * Walks a session's file and notes which messages have a mark. Memory is that
 * of the places noted.
 *
 * @throws HermesctlError `SESSION_DAMAGED` with kind and byte offset, as reading it would.
 */
export function walkSession(file: OpenFile, { source, marks }: Looked, id: string, window: Window): Walked {
  const fields = new Map<string, RawJson>();
  let transcript: Pick<Walked, 'count' | 'messages'> = { count: 0, messages: [] };
  try {
    const reader = new JsonReader(source, { chunkSize: CHUNK, window });
    if (reader.lookAhead(1)[0] !== 0x7b) {
      reader.skipValue();
      throw damaged(file.path, id, 'not-an-object', 0);
    }
    reader.beginObject();
    while (reader.nextMember()) {
      const key = reader.keyText();
      if (key === 'messages') transcript = walkMessages(reader, marks, file, id);
      else if (METADATA_FIELDS.has(key)) fields.set(key, RawJson.fromBytes(reader.capture()));
      else reader.skipValue();
    }
    reader.finish();
    return { fields, ...transcript };
  } catch (error) {
    throw asDamage(error, file.path, id, file.stamp.size);
  }
}

function walkMessages(
  reader: JsonReader,
  marks: Looked['marks'],
  file: OpenFile,
  id: string,
): Pick<Walked, 'count' | 'messages'> {
  const messages: Walked['messages'] = [];
  let count = 0;
  const kind = reader.peekKind();
  if (kind === 'null') reader.skipValue();
  else if (kind !== 'array') throw damaged(file.path, id, 'messages-not-a-list', reader.offset);
  else {
    reader.beginArray();
    for (; reader.nextItem(); count++) {
      const { start, end } = reader.skipValue();
      if (marks?.within(start, end)) messages.push({ index: count, start, end });
    }
  }
  return { count, messages };
}

/**
 * The hits in a session that was walked and is still open, some at a time: the
 * title's comes first.
 *
 * @param decoded told how many messages were decoded.
 */
export function* hitsInSession(
  file: OpenFile,
  { source }: Looked,
  { fields, messages }: Walked,
  wanted: Wanted,
  decoded: (messages: number) => void,
): Generator<Hit[]> {
  const title = wantsTitles(wanted) ? hitInTitle(fields.get('title')?.value(), wanted) : undefined;
  if (title) yield [title];
  if (!wantsMessages(wanted)) return;
  const batch = new MessageBatch(wanted, decoded);
  for (const { index, start, end } of messages) {
    const hits = batch.add({ index, byteOffset: start, raw: readSpan({ ...file, source }, { start, end }) });
    if (hits) yield hits;
  }
  yield batch.end();
}
