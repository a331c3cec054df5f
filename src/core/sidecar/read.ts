import * as path from 'node:path';

import { HermesctlError, type Warning } from '../errors';
import type { FileSystem } from '../files/file-system';
import { type OpenFile, withFile } from '../files/open-file';
import type { FileStamp } from '../files/stamp';
import { type MemberSpan, readMetadataPrefix } from '../json/document';
import { FIRST_RECORD, MEMBER_RECORD, UNKNOWN_KEY } from '../json/kernel';
import { RawJson } from '../json/raw';
import { type ByteSource, JsonReader, kindOf } from '../json/reader';
import { Window } from '../json/window';
import { type Fields, METADATA_FIELDS, METADATA_NEEDED, METADATA_STOPS, MetadataFields } from '../session/fields';
import { WRITER_ORDER } from '../session/writer';
import { EMPTY_TRANSCRIPT, type Landmark, readTranscriptFacts, type TranscriptFacts } from '../session/transcript';
import { asDamage, damaged } from './damage';
import { KEYS, MESSAGES, type Parts, walkWhole } from './whole';

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

/** What a row of the index is made of. */
export type ScannedForRow = Pick<ScannedSidecar, 'id' | 'stamp' | 'fields' | 'transcript' | 'warnings'>;

/** A class, so that ten thousand of them are of one shape, with one getter. */
class Scanned implements ScannedSidecar {
  readonly kind = 'scanned';
  readonly path: string;
  readonly stamp: FileStamp;
  readonly warnings: Warning[];

  constructor(
    file: OpenFile,
    readonly id: string,
    readonly fields: Fields,
    private readonly found: readonly (TakenMembers | MemberSpan)[],
    readonly transcript: TranscriptFacts,
    readonly landmarks: readonly Landmark[],
    readonly hasBom: boolean,
    readonly mayHaveHazards: boolean,
  ) {
    this.path = file.path;
    this.stamp = file.stamp;
    this.warnings = sidecarWarnings(file.path, id, fields, hasBom);
  }

  get members(): MemberSpan[] {
    return this.found.flatMap((one) => ('records' in one ? spansOf(one) : one));
  }
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

/** {@link scanSidecar} for who makes a row of it and nothing else. */
export function scanForRow(
  fs: FileSystem,
  sessionsDir: string,
  id: string,
  window?: Window,
): ScannedForRow | undefined {
  return withFile(fs, sidecarPath(sessionsDir, id), (file) => walk(file, id, window, false));
}

/** {@link scanSidecar} of a file that is open already. */
export function scanOpenSidecar(file: OpenFile, id: string, window?: Window): ScannedSidecar {
  return walk(file, id, window, true);
}

/** @param keepsMembers whether anybody will ask where the members are. */
function walk(file: OpenFile, id: string, window: Window | undefined, keepsMembers: boolean): Scanned {
  const found: (TakenMembers | MemberSpan)[] = [];
  const whole = window && walkWhole(file, window, keepsMembers ? partsInto(found, window.low) : undefined);
  if (whole) return new Scanned(file, id, whole.fields, found, whole.transcript, [], false, whole.mayHaveHazards);
  found.length = 0;
  const fields = new MetadataFields();
  let transcript = EMPTY_TRANSCRIPT;
  let landmarks: Landmark[] = [];
  try {
    const reader = readerOf(file, window);
    if (reader.lookAhead(1)[0] !== 0x7b) {
      reader.skipValue();
      throw damaged(file.path, id, 'not-an-object', 0);
    }
    reader.beginObject();
    for (;;) {
      // One of the two is there, by whether there is a kernel.
      const flat = reader.flatMember(LARGE);
      if (flat) {
        const { key, value, keyStart, keyEnd, start, end } = flat;
        if (METADATA_FIELDS.has(key)) fields.setNamed(key, new RawJson(value));
        if (keepsMembers) found.push({ key, keyStart, keyEnd, kind: kindOf(value.charCodeAt(0))!, start, end });
        continue;
      }
      const taken = reader.takeMembers(MESSAGES, KEYS);
      if (taken > 0) {
        fields.setTaken(reader.window, reader.records, taken);
        if (keepsMembers) found.push(takenMembers(reader.window, reader.records, taken, reader.windowBase));
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
      if (keepsMembers) found.push({ key, keyStart, keyEnd, kind, start, end: reader.offset });
    }
    reader.finish();
    return new Scanned(file, id, fields, found, transcript, landmarks, reader.hasBom, reader.sawHazard);
  } catch (error) {
    throw asDamage(error, file.path, id, file.stamp.size);
  }
}

/** What is walked over message by message. */
const LARGE: ReadonlySet<string> = new Set(['messages']);

/** Keeps the parts of a document that stands in the window from `low` on. */
function partsInto(found: (TakenMembers | MemberSpan)[], low: number): Parts {
  return {
    members: (window, records, taken) => found.push(takenMembers(window, records, taken, -low)),
    messages: (keyStart, keyEnd, start, end) =>
      found.push({
        key: 'messages',
        keyStart: keyStart - low,
        keyEnd: keyEnd - low,
        kind: 'array',
        start: start - low,
        end: end - low,
      }),
  };
}

function takenMembers(window: Buffer, records: Int32Array, taken: number, base: number): TakenMembers {
  const end = FIRST_RECORD + taken * MEMBER_RECORD;
  const others: string[] = [];
  for (let at = FIRST_RECORD; at < end; at += MEMBER_RECORD) {
    if ((records[at + 4] & 0xff) !== UNKNOWN_KEY) continue;
    others.push(window.toString('utf8', records[at] + 1, records[at + 1] - 1));
  }
  return { records: records.slice(FIRST_RECORD, end), base, others };
}

/** Members that were taken at once: put down in a form that costs little, since most who read a file do not ask for them. */
interface TakenMembers {
  /** As the kernel made them. With `base` their places are offsets in the document. */
  records: Int32Array;
  base: number;
  /** The keys that are none of the writer's, in order. */
  others: string[];
}

function spansOf({ records, base, others }: TakenMembers): MemberSpan[] {
  const spans: MemberSpan[] = [];
  let nextOther = 0;
  for (let at = 0; at < records.length; at += MEMBER_RECORD) {
    const [keyStart, keyEnd, start, end, what] = records.subarray(at, at + MEMBER_RECORD);
    const place = what & 0xff;
    spans.push({
      key: place === UNKNOWN_KEY ? others[nextOther++] : WRITER_ORDER[place],
      keyStart: base + keyStart,
      keyEnd: base + keyEnd,
      kind: kindOf(what >>> 8)!,
      start: base + start,
      end: base + end,
    });
  }
  return spans;
}

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
function readerOf({ source, stamp }: OpenFile, window?: Window): JsonReader {
  const size = Number(stamp.size);
  const chunkSize = Math.min(CHUNK, Math.max(4096, size + 1));
  const whole: ByteSource = {
    read(into, offset, length, position) {
      // As many bytes as it has: to be told that nothing follows is a call into the system for every file.
      return position === size && size > 0 ? 0 : source.read(into, offset, length, position);
    },
  };
  return new JsonReader(whole, { chunkSize, window: window ?? Window.forSize(size, chunkSize) });
}

const CHUNK = 256 * 1024;
