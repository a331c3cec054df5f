import type { Deps, Thread } from '../deps';
import type { Warning } from '../errors';
import { Window } from '../json/window';
import type { Location } from '../location/location';
import type { RowDefaults } from '../session/row';
import {
  type FileRow,
  type PackedRows,
  readFileRow,
  type ReadJob,
  type ReadShare,
  Shares,
  unpackRows,
} from './file-rows';
import type { KnownRows } from './known-rows';
import type { IndexEntry } from './rows-file';
import { TextStore } from './text-store';

/** What session files gave for the index. */
export interface ReadRows {
  /** Files that were read. */
  files: number;
  entries: IndexEntry[];
  damaged: Warning[];
  warnings: Warning[];
}

/** So many files are read in one window. */
const MANY = 16;

/**
 * Reads session files and makes their rows. A file that cannot be used is told
 * of, and stops none of the others; one that is gone by now is passed over.
 * Of many bytes another thread reads its share; what it gives is the same, and
 * what it should not come to give is read here.
 *
 * @param known is told which version of which file gave which row.
 */
export async function readRows(
  ids: readonly string[],
  location: Location,
  defaults: RowDefaults,
  deps: Deps,
  known?: KnownRows,
): Promise<ReadRows> {
  const job: ReadJob = { sessionsDir: location.sessionsDir.value, defaults, ids };
  return collected(ids, await fileRows(job, deps), known);
}

/** A thread is worth its start where so many times the bytes that it costs are left. */
const WORTH_A_THREAD = 2;

async function fileRows(job: ReadJob, deps: Deps): Promise<FileRow[]> {
  const { ids } = job;
  const { threads } = deps;
  const window = ids.length >= MANY ? Window.fast() : undefined;
  const shares = new Shares(ids.length);
  const texts = new TextStore();
  const rows: FileRow[] = [];
  const isThere = new Uint8Array(ids.length);
  let done = 0;
  let bytes = 0;
  const put = (place: number, row: FileRow): void => {
    rows[place] = row;
    isThere[place] = 1;
    done++;
  };
  const read = async (place: number): Promise<void> => {
    const row = readFileRow(deps.fs, job, ids[place], window, texts, () => deps.clock.now());
    if (row && 'stamp' in row) bytes += Number(row.stamp.size);
    put(place, row);
    deps.progress(done, ids.length);
    const pause = deps.breathe();
    if (pause) await pause;
  };
  let thread: Thread | undefined;
  let mayStart = threads !== undefined;
  try {
    for (let share = shares.take(); share; share = shares.take()) {
      for (let place = share.from; place < share.to; place++) await read(place);
      if (!mayStart || bytes < threads!.costInBytes) continue;
      mayStart = false;
      const left = (bytes / done) * (ids.length - done);
      if (left < WORTH_A_THREAD * threads!.costInBytes) continue;
      const data: ReadShare = { job, counter: shares.counter };
      thread = threads!.start('scan', data, (message) => unpackRows(message as PackedRows, put));
    }
    await thread?.done;
  } finally {
    thread?.stop();
  }
  // What a thread took and did not bring back.
  for (let place = 0; place < ids.length; place++) if (!isThere[place]) await read(place);
  return rows;
}

/** In the order of the files, whoever read them. */
function collected(ids: readonly string[], rows: readonly FileRow[], known?: KnownRows): ReadRows {
  const read: ReadRows = { files: ids.length, entries: [], damaged: [], warnings: [] };
  for (const row of rows) {
    if (row === undefined) continue;
    if ('damaged' in row) read.damaged.push(row.damaged);
    else {
      read.entries.push(row.entry);
      read.warnings.push(...row.warnings);
      // What there is to warn of is found again by reading.
      if (row.warnings.length === 0) known?.learn(row.entry, row.stamp, row.began);
    }
  }
  return read;
}
