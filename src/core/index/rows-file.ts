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

/**
 * Reads the index, of most rows no more than id, time and place. A broken one
 * has no entries.
 *
 * @param keepsText whether a row's text is wanted too. The bytes are only lent.
 * @param onBytes is shown all bytes that are read.
 * @throws HermesctlError `IO_ERROR`
 */
export function readEntries(
  path: string,
  deps: Deps,
  keepsText: (id: string, bytes: () => Buffer) => boolean,
  onBytes?: (bytes: Buffer) => void,
): CurrentIndex {
  const current = withFile(deps.fs, path, (file): CurrentIndex => {
    const entries: IndexEntry[] = [];
    const texts = new TextStore();
    const isPlain = scanRows(
      file.source,
      ['session_id', 'updated_at'],
      (row) => {
        const id = String(row.value(0) ?? '');
        const { start, end, isNextToLast } = row;
        const text = keepsText(id, () => row.bytes()) ? texts.copy(row.bytes()) : undefined;
        entries.push({ id, updatedAt: timeOf(row.value(1)), text, place: { start, end, isNextToLast } });
      },
      onBytes ? { onBytes } : {},
    );
    const usable = isPlain ? entries : readSlowly(file);
    const lastOf = new Map<string, number>();
    for (let i = 0; i < (usable?.length ?? 0); i++) lastOf.set(usable![i].id, i);
    if (isPlain && lastOf.size < entries.length) keepTextsOfRepeated(entries, lastOf, file);
    return { stamp: file.stamp, entries: usable, lastOf };
  });
  return current ?? { stamp: 'absent', entries: undefined, lastOf: new Map() };
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

/** The rows by the reader that takes any document; undefined where it is no list of objects. */
function readSlowly(file: OpenFile): IndexEntry[] | undefined {
  try {
    const reader = new JsonReader(file.source);
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
      if (entries.every(({ text }) => text !== undefined)) writeEntries(entries, put);
      else {
        assertUnchanged(deps.fs, { path, expected });
        withFile(deps.fs, path, (file) => writeEntries(entries, put, file));
      }
    },
    deps,
  );
}

const COLLECT = 64 * 1024;
const COPY = 1024 * 1024;
const BEFORE_FIRST = Buffer.from('[\n  ');
const BETWEEN = Buffer.from(',\n  ');
const AFTER_LAST = Buffer.from('\n]');

/**
 * Writes the list: texts from memory in pieces that are worth a write, rows
 * that stand in the old file next to one another in one stretch.
 */
function writeEntries(entries: readonly IndexEntry[], write: (bytes: Uint8Array) => void, old?: OpenFile): void {
  let pieces: Buffer[] = [];
  let size = 0;
  const flush = (): void => {
    if (size > 0) write(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces));
    pieces = [];
    size = 0;
  };
  const put = (bytes: Buffer): void => {
    pieces.push(bytes);
    size += bytes.length;
    if (size >= COLLECT) flush();
  };
  if (entries.length === 0) put(Buffer.from('[]'));
  for (let i = 0; i < entries.length; i++) {
    put(i === 0 ? BEFORE_FIRST : BETWEEN);
    const { text, place } = entries[i];
    if (text !== undefined) put(text);
    else {
      const { start } = place!;
      let { end } = place!;
      for (;;) {
        const next = entries[i + 1] as IndexEntry | undefined;
        if (next?.text !== undefined || !next?.place?.isNextToLast) break;
        if (next.place.start - end !== BETWEEN.length) break;
        ({ end } = next.place);
        i++;
      }
      flush();
      copySpan(old!, start, end, write);
    }
  }
  if (entries.length > 0) put(AFTER_LAST);
  flush();
}

function copySpan(file: OpenFile, start: number, end: number, write: (bytes: Uint8Array) => void): void {
  const buffer = Buffer.allocUnsafe(Math.min(COPY, end - start));
  for (let at = start; at < end;) {
    const n = file.source.read(buffer, 0, Math.min(buffer.length, end - at), at);
    if (n === 0) throw changedWhileRead(file.path);
    write(buffer.subarray(0, n));
    at += n;
  }
}
