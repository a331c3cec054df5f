import type { OpenFile } from '../files/open-file';
import type { Span } from '../json/document';
import { FIRST_RECORD } from '../json/kernel';
import { RawJson } from '../json/raw';
import { JsonReader } from '../json/reader';
import type { Window } from '../json/window';
import { type Fields, METADATA_FIELDS, MetadataFields } from '../session/fields';
import { asDamage, damaged } from '../sidecar/damage';
import { readSpan } from '../sidecar/messages';
import { KEYS, MESSAGES } from '../sidecar/whole';
import type { Looked } from './candidates';
import { MESSAGE_MEMBERS, plainHit } from './plain-hits';
import { BATCH, type Hit, hitInTitle, MessageBatch, type Wanted, wantsMessages, wantsTitles } from './hit';

/** A session's file, walked from end to end: what it says of itself, and which messages are to be looked into. */
export interface Walked {
  fields: Fields;
  /** Items of `messages`. */
  count: number;
  /** Messages that may hold what is looked for. */
  messages: MarkedMessage[];
}

interface MarkedMessage extends Span {
  index: number;
  /** The hit that it is; null: none; undefined: it is to be decoded. */
  hit: Hit | null | undefined;
}

const CHUNK = 256 * 1024;

/**
 * Walks a session's file and notes which messages have a mark. Memory is that
 * of the places noted.
 *
 * @throws HermesctlError `SESSION_DAMAGED` with kind and byte offset, as reading it would.
 */
export function walkSession(file: OpenFile, looked: Looked, id: string, window: Window, wanted: Wanted): Walked {
  const fields = new MetadataFields();
  let transcript: Pick<Walked, 'count' | 'messages'> = { count: 0, messages: [] };
  try {
    const reader = new JsonReader(looked.source, {
      chunkSize: CHUNK,
      window,
      loaded: looked.isLoaded ? looked.size : undefined,
    });
    if (reader.lookAhead(1)[0] !== 0x7b) {
      reader.skipValue();
      throw damaged(file.path, id, 'not-an-object', 0);
    }
    reader.beginObject();
    for (;;) {
      const taken = reader.takeMembers(MESSAGES, KEYS);
      if (taken > 0) {
        fields.setTaken(reader.window, reader.records, taken);
        continue;
      }
      if (!reader.nextMember()) break;
      const key = reader.keyText();
      if (key === 'messages') transcript = walkMessages(reader, looked, file, id, wanted);
      else if (METADATA_FIELDS.has(key)) fields.setNamed(key, RawJson.fromBytes(reader.capture()));
      else reader.skipValue();
    }
    reader.finish();
    return { fields, ...transcript };
  } catch (error) {
    throw asDamage(error, file.path, id, file.stamp.size);
  }
}

/** The value at this place, as it is spelled. */
function valueAt(file: OpenFile, { source, bytes }: Looked, start: number, end: number): RawJson {
  return bytes ? new RawJson(bytes.toString('utf8', start, end)) : readSpan({ ...file, source }, { start, end });
}

function walkMessages(
  reader: JsonReader,
  { marks, candidates }: Looked,
  file: OpenFile,
  id: string,
  wanted: Wanted,
): Pick<Walked, 'count' | 'messages'> {
  const messages: Walked['messages'] = [];
  let count = 0;
  const kind = reader.peekKind();
  if (kind === 'null') {
    reader.skipValue();
    return { count, messages };
  }
  if (kind !== 'array') throw damaged(file.path, id, 'messages-not-a-list', reader.offset);
  reader.beginArray();
  for (;;) {
    const taken = reader.takeItems(MESSAGE_MEMBERS);
    if (taken > 0) {
      const { window, records, windowBase: base } = reader;
      const items = { window, records, base };
      for (let i = 0, at = FIRST_RECORD; i < taken; i++, at += MESSAGE_MEMBERS.itemWords) {
        const start = base + records[at];
        const end = base + records[at + 1];
        if (marks?.within(start, end)) {
          const hit = candidates && plainHit(items, at, count, candidates, wanted);
          messages.push({ index: count, start, end, hit });
        }
        count++;
      }
    } else if (!reader.nextItem()) return { count, messages };
    else {
      const { start, end } = reader.skipValue();
      if (marks?.within(start, end)) messages.push({ index: count, start, end, hit: undefined });
      count++;
    }
  }
}

/**
 * Gives the hits in a session that was walked and is still open, some at a
 * time, until no more are wanted: the title's comes first.
 *
 * @param looked told how many messages were looked into.
 */
export function giveHits(
  file: OpenFile,
  looked: Looked,
  { fields, messages }: Walked,
  wanted: Wanted,
  counted: (messages: number) => void,
  give: (hits: Hit[]) => boolean,
): void {
  const title = wantsTitles(wanted) ? hitInTitle(fields.get('title')?.value(), wanted) : undefined;
  if (title && !give([title])) return;
  if (!wantsMessages(wanted)) return;
  const batch = new MessageBatch(wanted, counted);
  // What fits one batch as a whole need not be measured.
  const isShort = looked.size < BATCH;
  for (const { index, start, end, hit } of messages) {
    let hits: Hit[] | undefined;
    if (hit !== undefined && isShort) hits = batch.addFound(hit, 0);
    else {
      const raw = valueAt(file, looked, start, end);
      hits = hit === undefined ? batch.add({ index, byteOffset: start, raw }) : batch.addFound(hit, raw.text.length);
    }
    if (hits && !give(hits)) return;
  }
  give(batch.end());
}
