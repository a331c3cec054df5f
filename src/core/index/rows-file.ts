import type { Deps } from '../deps';
import { assertUnchanged, durableWrite } from '../files/durable-write';
import { changedWhileRead, type OpenFile, readSpan, withFile } from '../files/open-file';
import type { FileStamp } from '../files/stamp';
import { toFloat } from '../json/python';
import { JsonReader } from '../json/reader';
import { JsonSyntaxError } from '../json/syntax-error';
import type { RowDefaults, RowSource, SessionRow } from '../session/row';
import { rowOf } from './read';
import { compactRowText } from './row-text';
import { scanRows } from './scan';
import { TextStore } from './text-store';

/** A row of the index as it stands, or will stand, in the file. */
export interface IndexEntry {
  id: string;
  /** Epoch seconds, to sort by; 0 where the row has none. */
  updatedAt: number;
  /** The row's JSON text, indented for its place in the list; undefined where it was not asked for: it stands at `place`. */
  text: Buffer | undefined;
  /** Where the row stands in the index that was read; undefined for a new one. */
  place?: Place;
}

interface Place {
  /** Byte offsets in the file, end exclusive. */
  start: number;
  end: number;
  /** Whether nothing but what separates two rows is between it and the row before. */
  isNextToLast: boolean;
}

/** The index as it was read. */
export interface CurrentIndex {
  stamp: FileStamp | 'absent';
  /** Undefined where the index is missing or cannot be used. */
  entries: IndexEntry[] | undefined;
  /** Where among the entries each session's last one is. */
  lastOf: ReadonlyMap<string, number>;
}

export const NO_INDEX: CurrentIndex = { stamp: 'absent', entries: undefined, lastOf: new Map() };

/**
 * Whether a row's text is wanted too, or the text that it has, where somebody
 * has one. The bytes are only lent.
 */
export type KeepText = (id: string, bytes: () => Buffer) => boolean | Buffer;

/**
 * Reads the index, of most rows no more than id, time and place. A broken one
 * has no entries.
 *
 * @param onBytes is shown all bytes that are read.
 * @throws HermesctlError `IO_ERROR`
 */
export function readEntries(
  path: string,
  deps: Deps,
  keepText: KeepText,
  onBytes?: (bytes: Buffer) => void,
): CurrentIndex {
  return withFile(deps.fs, path, (file) => readOpenEntries(file, keepText, onBytes)) ?? NO_INDEX;
}

/** {@link readEntries} of an index that is open already. */
export function readOpenEntries(file: OpenFile, keepText: KeepText, onBytes?: (bytes: Buffer) => void): CurrentIndex {
  const entries: IndexEntry[] = [];
  const texts = new TextStore();
  const isPlain = scanRows(
    file.source,
    ['session_id', 'updated_at'],
    (row) => {
      const id = String(row.value(0) ?? '');
      const { start, end, isNextToLast } = row;
      const kept = keepText(id, () => row.bytes());
      const text = kept === true ? texts.copy(row.bytes()) : kept === false ? undefined : kept;
      entries.push({ id, updatedAt: timeOf(row.value(1)), text, place: { start, end, isNextToLast } });
    },
    onBytes ? { onBytes } : {},
  );
  const usable = isPlain ? entries : readSlowly(file);
  const lastOf = usable ? lastPlaces(usable) : new Map<string, number>();
  if (isPlain && lastOf.size < entries.length) keepTextsOfRepeated(entries, lastOf, file);
  return { stamp: file.stamp, entries: usable, lastOf };
}

function lastPlaces(entries: readonly IndexEntry[]): Map<string, number> {
  const lastOf = new Map<string, number>();
  for (let i = 0; i < entries.length; i++) lastOf.set(entries[i].id, i);
  return lastOf;
}

/**
 * Whether an index is byte for byte the list of these rows, which have their
 * texts. To compare it costs a fraction of taking it apart.
 *
 * @param onBytes is shown all bytes that are read.
 */
export function isListOf(entries: readonly IndexEntry[], file: OpenFile, onBytes: (bytes: Buffer) => void): boolean {
  if (file.stamp.size !== BigInt(lengthOfList(entries))) return false;
  const reading = new Comparison(file, onBytes);
  if (entries.length === 0) return reading.goesOnWith(EMPTY);
  for (let i = 0; i < entries.length; i++) {
    if (!reading.goesOnWith(i === 0 ? BEFORE_FIRST : BETWEEN) || !reading.goesOnWith(entries[i].text!)) return false;
  }
  return reading.goesOnWith(AFTER_LAST);
}

/** A file that is compared, from its beginning on, with one piece after the other. */
class Comparison {
  private bytes = Buffer.allocUnsafe(COMPARE);
  private at = 0;
  private filled = 0;
  private offset = 0;

  constructor(
    private readonly file: OpenFile,
    private readonly onBytes: (bytes: Buffer) => void,
  ) {}

  goesOnWith(piece: Buffer): boolean {
    const { length } = piece;
    while (this.filled - this.at < length) if (!this.readOn(length)) return false;
    const { at } = this;
    this.at += length;
    return this.bytes.compare(piece, 0, length, at, at + length) === 0;
  }

  private readOn(wanted: number): boolean {
    const { bytes, at, filled } = this;
    if (wanted > bytes.length) this.bytes = Buffer.allocUnsafe(2 * wanted);
    bytes.copy(this.bytes, 0, at, filled);
    this.filled -= at;
    this.at = 0;
    const n = this.file.source.read(this.bytes, this.filled, this.bytes.length - this.filled, this.offset);
    if (n > 0) this.onBytes(this.bytes.subarray(this.filled, this.filled + n));
    this.filled += n;
    this.offset += n;
    return n > 0;
  }
}

function lengthOfList(entries: readonly IndexEntry[]): number {
  if (entries.length === 0) return EMPTY.length;
  const around = BEFORE_FIRST.length + (entries.length - 1) * BETWEEN.length + AFTER_LAST.length;
  return entries.reduce((sum, { text }) => sum + text!.length, around);
}

/** Of a session that stands there twice all rows are looked at. */
function keepTextsOfRepeated(
  entries: readonly IndexEntry[],
  lastOf: ReadonlyMap<string, number>,
  file: OpenFile,
): void {
  const keep = (entry: IndexEntry): void => {
    entry.text ??= readSpan(file, entry.place!.start, entry.place!.end);
  };
  entries.forEach((entry, i) => {
    const last = lastOf.get(entry.id)!;
    if (last === i) return;
    keep(entry);
    keep(entries[last]);
  });
}

/** The rows by the reader that takes any document; undefined where it is no list of objects, or none that the server can load. */
function readSlowly(file: OpenFile): IndexEntry[] | undefined {
  try {
    const reader = new JsonReader(file.source);
    if (reader.hasBom) return undefined;
    const entries: IndexEntry[] = [];
    reader.beginArray();
    while (reader.nextItem()) {
      const text = reader.capture();
      const row = rowOf(text);
      if (row === undefined) return undefined;
      entries.push({ id: row.id, updatedAt: sortTime(row), text });
    }
    reader.finish();
    return entries;
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
}

/** The entry of a session's compact row, laid out as the server lays it out. */
export function entryOf(
  source: RowSource,
  defaults: RowDefaults,
  texts: TextStore = new TextStore(),
): IndexEntry & { text: Buffer } {
  const { text, updatedAt } = compactRowText(source, defaults, texts);
  return { id: source.id, updatedAt: timeOf(updatedAt.value()), text };
}

/** What a row is sorted by: times of mixed types, which stop the server's rebuild, are compared as numbers. */
export function sortTime(row: SessionRow): number {
  return timeOf(row.value('updated_at'));
}

function timeOf(updatedAt: unknown): number {
  const time = toFloat(updatedAt);
  return time !== undefined && Number.isFinite(time) ? time : 0;
}

/** The server's order: last updated first. Ties by id, so that a rebuild always gives the same file. */
export function sortEntries(entries: IndexEntry[]): IndexEntry[] {
  return entries.sort((a, b) => b.updatedAt - a.updatedAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

/**
 * Writes the index durably, rows in the order given; those without a text of
 * their own as they stand in the version that was read. The store's lock must
 * be held.
 *
 * @param onBytes is shown all bytes that are written.
 * @throws HermesctlError `CHANGED_ON_DISK`, `REFUSED`, `IO_ERROR`
 */
export async function writeIndexFile(
  path: string,
  expected: FileStamp | 'absent',
  entries: readonly IndexEntry[],
  deps: Deps,
  onBytes: (bytes: Uint8Array) => void = () => undefined,
): Promise<void> {
  await durableWrite(
    { path, expected },
    (write) => {
      const put = (bytes: Uint8Array): void => {
        onBytes(bytes);
        write(bytes);
      };
      const putAll = (old?: OpenFile): void => {
        for (const piece of pieces(entries, old)) put(piece);
      };
      if (entries.every(({ text }) => text !== undefined)) putAll();
      else {
        assertUnchanged(deps.fs, { path, expected });
        withFile(deps.fs, path, putAll);
      }
    },
    deps,
  );
}

const COLLECT = 64 * 1024;
const COMPARE = 256 * 1024;
const COPY = 1024 * 1024;
const BEFORE_FIRST = Buffer.from('[\n  ');
const BETWEEN = Buffer.from(',\n  ');
const AFTER_LAST = Buffer.from('\n]');

const EMPTY = Buffer.from('[]');

/**
 * The list as it is written: texts from memory in pieces that are worth a
 * write, rows that stand in the old file next to one another in one stretch.
 * A piece holds until the next one is asked for.
 */
function* pieces(entries: readonly IndexEntry[], old?: OpenFile): Generator<Buffer> {
  let texts: Buffer[] = [];
  let size = 0;
  const collected = (): Buffer => {
    const piece = Buffer.concat(texts, size);
    texts = [];
    size = 0;
    return piece;
  };
  const add = (bytes: Buffer): void => {
    texts.push(bytes);
    size += bytes.length;
  };
  if (entries.length === 0) yield EMPTY;
  for (let i = 0; i < entries.length; i++) {
    add(i === 0 ? BEFORE_FIRST : BETWEEN);
    const { text, place } = entries[i];
    if (text !== undefined) {
      add(text);
      if (size >= COLLECT) yield collected();
    } else {
      const { start } = place!;
      let { end } = place!;
      for (;;) {
        const next = entries[i + 1] as IndexEntry | undefined;
        if (next?.text !== undefined || !next?.place?.isNextToLast) break;
        if (next.place.start - end !== BETWEEN.length) break;
        ({ end } = next.place);
        i++;
      }
      yield collected();
      yield* span(old!, start, end);
    }
  }
  if (entries.length > 0) add(AFTER_LAST);
  if (size > 0) yield collected();
}

function* span(file: OpenFile, start: number, end: number): Generator<Buffer> {
  const buffer = Buffer.allocUnsafe(Math.min(COPY, end - start));
  for (let at = start; at < end;) {
    const n = file.source.read(buffer, 0, Math.min(buffer.length, end - at), at);
    if (n === 0) throw changedWhileRead(file.path);
    yield buffer.subarray(0, n);
    at += n;
  }
}
