import { HermesctlError, type Warning } from '../errors';
import type { FileSystem } from '../files/file-system';
import type { FileStamp } from '../files/stamp';
import type { Window } from '../json/window';
import type { RowDefaults } from '../session/row';
import { scanSidecar } from '../sidecar/read';
import { entryOf } from './rows-file';
import type { TextStore } from './text-store';

/** What is to be read, by whatever thread. Can be handed from one to another. */
export interface ReadJob {
  sessionsDir: string;
  defaults: RowDefaults;
  ids: readonly string[];
}

/** What a session file gave for the index; undefined where there is none of this name. */
export type FileRow =
  | { entry: ReturnType<typeof entryOf>; stamp: FileStamp; began: number; warnings: Warning[] }
  | { damaged: Warning }
  | undefined;

/**
 * Reads one session file of a job and makes its row.
 *
 * @param texts where the row's text is kept.
 * @param now the time in epoch seconds.
 */
export function readFileRow(
  fs: FileSystem,
  { sessionsDir, defaults }: Pick<ReadJob, 'sessionsDir' | 'defaults'>,
  id: string,
  window: Window | undefined,
  texts: TextStore,
  now: () => number,
): FileRow {
  try {
    const began = now();
    const sidecar = scanSidecar(fs, sessionsDir, id, window);
    if (!sidecar) return undefined;
    const { stamp, warnings } = sidecar;
    return { entry: entryOf(sidecar, defaults, texts), stamp, began, warnings };
  } catch (error) {
    if (!(error instanceof HermesctlError)) throw error;
    return { damaged: unusable(id, error) };
  }
}

/** What is told of a file that cannot be used. */
export function unusable(id: string, error: HermesctlError): Warning {
  return { code: error.code, message: error.message, session_id: id, ...error.details };
}

/** Files that are taken at once by one of several threads. */
const SHARE = 32;

/**
 * Hands out the files of a job to the threads that read them, each to one of
 * them: a counter in shared memory.
 */
export class Shares {
  private readonly next: Int32Array;

  constructor(
    private readonly count: number,
    readonly counter = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
  ) {
    this.next = new Int32Array(counter);
  }

  /** The next files that nobody has, from `from` up to `to`; undefined where there are none left. */
  take(): { from: number; to: number } | undefined {
    const from = Atomics.add(this.next, 0, SHARE);
    return from >= this.count ? undefined : { from, to: Math.min(this.count, from + SHARE) };
  }
}

/** What a thread that helps with a job is started with. */
export interface ReadShare {
  job: ReadJob;
  counter: SharedArrayBuffer;
}

/** Rows on their way from one thread to another: all texts in one piece of memory, which changes hands without being copied. */
export interface PackedRows {
  rows: { place: number; row: FileRow; length: number }[];
  texts: Uint8Array;
}

export function packRows(rows: readonly { place: number; row: FileRow }[]): PackedRows {
  const lengthOf = (row: FileRow): number => (row && 'entry' in row ? row.entry.text.length : 0);
  const texts = new Uint8Array(rows.reduce((sum, { row }) => sum + lengthOf(row), 0));
  let at = 0;
  const packed = rows.map(({ place, row }) => {
    const length = lengthOf(row);
    if (!row || !('entry' in row)) return { place, row, length };
    texts.set(row.entry.text, at);
    at += length;
    return { place, row: { ...row, entry: { ...row.entry, text: NOTHING } }, length };
  });
  return { rows: packed, texts };
}

const NOTHING = Buffer.alloc(0);

export function unpackRows({ rows, texts }: PackedRows, put: (place: number, row: FileRow) => void): void {
  let at = texts.byteOffset;
  for (const { place, row, length } of rows) {
    if (row && 'entry' in row) row.entry.text = Buffer.from(texts.buffer as ArrayBuffer, at, length);
    at += length;
    put(place, row);
  }
}
