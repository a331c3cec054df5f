import type { Deps } from '../deps';
import { HermesctlError, type Warning } from '../errors';
import { Window } from '../json/window';
import type { Location } from '../location/location';
import { compactRow, type RowDefaults } from '../session/row';
import { scanSidecar } from '../sidecar/read';
import type { KnownRows } from './known-rows';
import { entryOf, type IndexEntry } from './rows-file';

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
 * Reads session files, one after the other, and makes their rows. A file that
 * cannot be used is told of, and stops none of the others; one that is gone by
 * now is passed over.
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
  const read: ReadRows = { files: ids.length, entries: [], damaged: [], warnings: [] };
  const window = ids.length >= MANY ? Window.fast() : undefined;
  for (const [done, id] of ids.entries()) {
    try {
      const began = deps.clock.now();
      const sidecar = scanSidecar(deps.fs, location.sessionsDir.value, id, window);
      if (sidecar) {
        const entry = entryOf(compactRow(sidecar, defaults));
        read.entries.push(entry);
        read.warnings.push(...sidecar.warnings);
        // What there is to warn of is found again by reading.
        if (sidecar.warnings.length === 0) known?.learn(entry, sidecar.stamp, began);
      }
    } catch (error) {
      if (!(error instanceof HermesctlError)) throw error;
      read.damaged.push(unusable(id, error));
    }
    deps.progress(done + 1, ids.length);
    const pause = deps.breathe();
    if (pause) await pause;
  }
  return read;
}

/** What is told of a file that cannot be used. */
export function unusable(id: string, error: HermesctlError): Warning {
  return { code: error.code, message: error.message, session_id: id, ...error.details };
}
