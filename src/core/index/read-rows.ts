import type { Deps } from '../deps';
import type { Warning } from '../errors';
import { Window } from '../json/window';
import type { Location } from '../location/location';
import type { RowDefaults } from '../session/row';
import { readFileRow } from './file-rows';
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
  const window = ids.length >= MANY ? Window.fast() : undefined;
  const texts = new TextStore();
  const job = { sessionsDir: location.sessionsDir.value, defaults };
  const read: ReadRows = { files: ids.length, entries: [], damaged: [], warnings: [] };
  for (const [done, id] of ids.entries()) {
    const row = readFileRow(deps.fs, job, id, window, texts, () => deps.clock.now());
    if (row && 'damaged' in row) read.damaged.push(row.damaged);
    else if (row) {
      read.entries.push(row.entry);
      read.warnings.push(...row.warnings);
      // What there is to warn of is found again by reading.
      if (row.warnings.length === 0) known?.learn(row.entry, row.stamp, row.began);
    }
    deps.progress(done + 1, ids.length);
    const pause = deps.breathe();
    if (pause) await pause;
  }
  return read;
}
