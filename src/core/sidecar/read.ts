import * as path from 'node:path';

import { HermesctlError, type Warning } from '../errors';
import type { FileSystem } from '../files/file-system';
import { type OpenFile, withFile } from '../files/open-file';
import type { FileStamp } from '../files/stamp';
import { type MemberSpan, readMetadataPrefix } from '../json/document';
import { FIRST_RECORD, MEMBER_RECORD, Names } from '../json/kernel';
import { KeyCursor, KnownKeys } from '../json/known-keys';
import { RawJson } from '../json/raw';
import { JsonReader, kindOf } from '../json/reader';
import { Window } from '../json/window';
import { type Fields, METADATA_FIELDS, METADATA_NEEDED, METADATA_STOPS, MetadataFields } from '../session/fields';
import { WRITER_ORDER } from '../session/writer';
import { EMPTY_TRANSCRIPT, type Landmark, readTranscriptFacts, type TranscriptFacts } from '../session/transcript';
import { asDamage, damaged } from './damage';

interface SidecarBase {
  id: string;
  path: string;
  stamp: FileStamp;
  /** The small top-level members (see METADATA_FIELDS), as spelled, last duplicate wins. */
  fields: Fields;
  warnings: Warning[];
}

/** A sidecar of which all was walked: what it holds is known, and where each part of it stands. */
export interface ScannedSidecar extends SidecarBase {
  readonly kind: 'scanned';
  transcript: TranscriptFacts;
  /** Places in its messages, in order; none in a small file. */
  landmarks: readonly Landmark[];
  /** All top-level members, duplicates included; made anew each time it is asked for. */
  readonly members: MemberSpan[];
  hasBom: boolean;
  /** Whether somewhere in it half a surrogate pair, `NaN` or an infinity stands. */
  mayHaveHazards: boolean;
}

/**
 * A sidecar of which only the beginning was read. It has no transcript to
 * write back, and its kind keeps it away from everything that saves.
 */
export interface SidecarMetadata extends SidecarBase {
  readonly kind: 'metadata-only';
  /** Known only where the file's layout made a full read necessary. */
  transcript: TranscriptFacts | undefined;
  /** Bytes of the file that were walked. */
  bytesRead: number;
}

export function sidecarPath(sessionsDir: string, id: string): string {
  if (sessionsDir !== lastDir) {
    lastDir = sessionsDir;
    lastBeginning = path.join(sessionsDir, path.sep);
  }
  return `${lastBeginning}${id}.json`;
}

/** The directory that was asked for last, normal: mostly it is the same one ten thousand times. */
let lastDir: string | undefined;
let lastBeginning = '';

/**
 * Reads a sidecar from end to end, keeping its metadata and the facts of its
 * transcript but no message. Undefined where there is no such file.
 *
 * @throws HermesctlError `SESSION_DAMAGED` with kind and byte offset, `IO_ERROR`.
 */
export function scanSidecar(
  fs: FileSystem,
  sessionsDir: string,
  id: string,
  window?: Window,
): ScannedSidecar | undefined {
  return withFile(fs, sidecarPath(sessionsDir, id), (file) => scanOpenSidecar(file, id, window));
}

/** {@link scanSidecar} of a file that is open already. */
export function scanOpenSidecar(file: OpenFile, id: string, window?: Window): ScannedSidecar {
  const fields = new MetadataFields();
  const found: (TakenMembers | MemberSpan)[] = [];
  let transcript = EMPTY_TRANSCRIPT;
  let landmarks: Landmark[] = [];
  try {
    const reader = readerOf(file, window);
    if (reader.lookAhead(1)[0] !== 0x7b) {
      reader.skipValue();
      throw damaged(file.path, id, 'not-an-object', 0);
    }
    reader.beginObject();
    const keys = new KeyCursor(KEYS);
    for (;;) {
      const taken = takeMembers(reader, keys, fields);
      if (taken) {
        found.push(taken);
        continue;
      }
      const flat = reader.flatMember(LARGE);
      if (flat) {
        const { key, value, keyStart, keyEnd, start, end } = flat;
        if (METADATA_FIELDS.has(key)) fields.setNamed(key, new RawJson(value));
        found.push({ key, keyStart, keyEnd, kind: kindOf(value.charCodeAt(0))!, start, end });
        continue;
      }
      if (!reader.nextMember()) break;
      const { keyStart, keyEnd } = reader;
      const key = reader.keyText();
      const kind = reader.peekKind();
      const start = reader.offset;
      if (key === 'messages') {
        landmarks = [];
        transcript = readMessages(reader, file, id, landmarks);
      } else if (METADATA_FIELDS.has(key)) fields.setNamed(key, RawJson.fromBytes(reader.capture()));
      else reader.skipValue();
      found.push({ key, keyStart, keyEnd, kind, start, end: reader.offset });
    }
    reader.finish();
    return {
      kind: 'scanned',
      id,
      path: file.path,
      stamp: file.stamp,
      fields,
      get members() {
        return found.flatMap((one) => ('names' in one ? spansOf(one) : one));
      },
      transcript,
      landmarks,
      hasBom: reader.hasBom,
      mayHaveHazards: reader.sawHazard,
      warnings: sidecarWarnings(file.path, id, fields, reader.hasBom),
    };
  } catch (error) {
    throw asDamage(error, file.path, id, file.stamp.size);
  }
}

/** Whatever has this key is read on its own. */
const MESSAGES = new Names('messages');
const LARGE: ReadonlySet<string> = new Set(['messages']);
const KEYS = new KnownKeys(WRITER_ORDER);

/** The members that can be had at once; undefined where there are none such. */
function takeMembers(reader: JsonReader, keys: KeyCursor, fields: MetadataFields): TakenMembers | undefined {
  const taken = reader.takeMembers(MESSAGES);
  if (taken === 0) return undefined;
  const { records, window, windowBase } = reader;
  const names = new Array<number | string>(taken);
  const places = new Array<number>(taken * PLACES_EACH);
  let n = 0;
  let place = 0;
  const end = FIRST_RECORD + taken * MEMBER_RECORD;
  for (let at = FIRST_RECORD; at < end; at += MEMBER_RECORD) {
    const key = keys.at(window, records[at] + 1, records[at + 1] - 1);
    const start = records[at + 2];
    names[n++] = key;
    places[place++] = records[at];
    places[place++] = records[at + 1];
    places[place++] = start;
    places[place++] = records[at + 3];
    places[place++] = window[start];
    if (typeof key === 'number' && MetadataFields.isAt(key)) {
      fields.set(key, RawJson.at(window, start, records[at + 3]));
    }
  }
  return { names, base: windowBase, places };
}

/** Members that were taken at once: put down in a form that costs little, since most who read a file do not ask for them. */
interface TakenMembers {
  /** By their place in the writer's order; of other keys the text. */
  names: (number | string)[];
  /** Five for each: the record, of which with `base` offsets in the document are made, and the first byte of the value. */
  places: number[];
  base: number;
}

function spansOf({ names, places, base }: TakenMembers): MemberSpan[] {
  return names.map((name, i) => {
    const [keyStart, keyEnd, start, end, first] = places.slice(i * PLACES_EACH, (i + 1) * PLACES_EACH);
    return {
      key: typeof name === 'number' ? WRITER_ORDER[name] : name,
      keyStart: base + keyStart,
      keyEnd: base + keyEnd,
      kind: kindOf(first)!,
      start: base + start,
      end: base + end,
    };
  });
}

const PLACES_EACH = MEMBER_RECORD + 1;

/** `messages` may be a list or, in old files, null; anything else is damage. */
function readMessages(reader: JsonReader, file: OpenFile, id: string, landmarks: Landmark[]): TranscriptFacts {
  const kind = reader.peekKind();
  if (kind === 'array') return readTranscriptFacts(reader, landmarks);
  if (kind === 'null') {
    reader.skipValue();
    return EMPTY_TRANSCRIPT;
  }
  throw damaged(file.path, id, 'messages-not-a-list', reader.offset);
}

/**
 * Reads only the metadata at the beginning of a sidecar, however large the
 * file. Where the layout is an older one (metadata after the messages, or not
 * all of what identifies a session before them) the file is read in full, as
 * the server does. Undefined where there is no such file.
 *
 * @throws HermesctlError `SESSION_DAMAGED`, `IO_ERROR`.
 */
export function readSidecarMetadata(fs: FileSystem, sessionsDir: string, id: string): SidecarMetadata | undefined {
  return withFile(fs, sidecarPath(sessionsDir, id), (file) => {
    let prefix;
    try {
      prefix = readMetadataPrefix(file.source, METADATA_STOPS);
    } catch (error) {
      if (error instanceof HermesctlError) throw error;
      return fromScan(scanOpenSidecar(file, id)); // it knows how to say what is wrong
    }
    if (prefix.stoppedAt === undefined || METADATA_NEEDED.some((key) => !prefix.members.has(key))) {
      return fromScan(scanOpenSidecar(file, id));
    }
    return {
      kind: 'metadata-only' as const,
      id,
      path: file.path,
      stamp: file.stamp,
      fields: prefix.members,
      transcript: undefined,
      bytesRead: prefix.bytes,
      warnings: sidecarWarnings(file.path, id, prefix.members, prefix.hasBom),
    };
  });
}

function fromScan({ id, path: file, stamp, fields, transcript, warnings }: ScannedSidecar): SidecarMetadata {
  return { kind: 'metadata-only', id, path: file, stamp, fields, transcript, warnings, bytesRead: Number(stamp.size) };
}

function sidecarWarnings(file: string, id: string, fields: Fields, hasBom: boolean): Warning[] {
  const warnings: Warning[] = [];
  if (hasBom) {
    warnings.push({
      code: 'BOM',
      message: `${file} begins with a byte-order mark: the server cannot load it.`,
      session_id: id,
      path: file,
    });
  }
  const inner = fields.get('session_id')?.value();
  if (typeof inner === 'string' && inner !== '' && inner !== id) {
    warnings.push({
      code: 'ID_MISMATCH',
      message: `${file} calls itself ${JSON.stringify(inner)}; it is listed by its file name.`,
      session_id: id,
      inner_session_id: inner,
      path: file,
    });
  }
  return warnings;
}

/** Small files in one read, large ones in pieces that stay in a processor's cache. */
function readerOf(file: OpenFile, window?: Window): JsonReader {
  const size = Number(file.stamp.size);
  const chunkSize = Math.min(CHUNK, Math.max(4096, size + 1));
  return new JsonReader(file.source, { chunkSize, window: window ?? Window.forSize(size, chunkSize) });
}

const CHUNK = 256 * 1024;
