import { HermesctlError, type Warning } from '../errors';
import type { FileSystem } from '../files/file-system';
import type { FileStamp } from '../files/stamp';
import type { Window } from '../json/window';
import type { RowDefaults } from '../session/row';
import { scanForRow } from '../sidecar/read';
import { entryOf } from './rows-file';
import type { TextStore } from './text-store';

/** What is to be read. */
export interface ReadJob {
  sessionsDir: string;
  defaults: RowDefaults;
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
  { sessionsDir, defaults }: ReadJob,
  id: string,
  window: Window | undefined,
  texts: TextStore,
  now: () => number,
): FileRow {
  try {
    const began = now();
    const sidecar = scanForRow(fs, sessionsDir, id, window);
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
