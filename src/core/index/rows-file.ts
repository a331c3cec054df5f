import type { Deps } from '../deps';
import { durableWrite } from '../files/durable-write';
import type { FileStamp } from '../files/stamp';
import { toFloat } from '../json/python';
import type { SessionRow } from '../session/row';
import { rowText } from './row-text';

/** A row of the index as it stands, or will stand, in the file. */
export interface IndexEntry {
  id: string;
  /** Epoch seconds, to sort by; 0 where the row has none. */
  updatedAt: number;
  /** The row's JSON text, indented for its place in the list. */
  text: Buffer;
}

/** The entry of a computed row, laid out as the server lays it out. */
export function entryOf(row: SessionRow): IndexEntry {
  return { id: row.id, updatedAt: sortTime(row), text: Buffer.from(rowText(row), 'utf8') };
}

/** What a row is sorted by: times of mixed types, which stop the server's rebuild, are compared as numbers. */
export function sortTime(row: SessionRow): number {
  const time = toFloat(row.value('updated_at'));
  return time !== undefined && Number.isFinite(time) ? time : 0;
}

/** The server's order: last updated first. Ties by id, so that a rebuild always gives the same file. */
export function sortEntries(entries: IndexEntry[]): IndexEntry[] {
  return entries.sort((a, b) => b.updatedAt - a.updatedAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

/**
 * Writes the index durably, rows in the order given. The store's lock must be held.
 *
 * @throws HermesctlError `CHANGED_ON_DISK`, `REFUSED`, `IO_ERROR`
 */
export async function writeIndexFile(
  path: string,
  expected: FileStamp | 'absent',
  entries: readonly IndexEntry[],
  deps: Deps,
): Promise<void> {
  await durableWrite({ path, expected }, (write) => indexBytes(entries, write), deps);
}

const COLLECT = 64 * 1024;

function indexBytes(entries: readonly IndexEntry[], write: (bytes: Uint8Array) => void): void {
  let pieces: Buffer[] = [];
  let size = 0;
  const put = (bytes: Buffer): void => {
    pieces.push(bytes);
    size += bytes.length;
    if (size < COLLECT) return;
    write(Buffer.concat(pieces));
    pieces = [];
    size = 0;
  };
  const between = Buffer.from(',\n  ');
  put(Buffer.from(entries.length === 0 ? '[' : '[\n  '));
  entries.forEach(({ text }, i) => {
    if (i > 0) put(between);
    put(text);
  });
  put(Buffer.from(entries.length === 0 ? ']' : '\n]'));
  write(Buffer.concat(pieces));
}
