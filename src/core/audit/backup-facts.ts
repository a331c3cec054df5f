import type { Deps } from '../deps';
import { HermesctlError } from '../errors';
import { type OpenFile, withFile } from '../files/open-file';
import type { FileStamp } from '../files/stamp';
import type { Window } from '../json/window';
import { backupPath } from '../sidecar/backup';
import { type IntendedShrink, intendedShrink } from '../sidecar/intended-shrink';
import { scanOpenSidecar, type ScannedSidecar, sidecarPath } from '../sidecar/read';
import { isStoreId } from '../session/id';

/** What an audit knows of the `.json.bak` of a session. */
export type BackupFacts =
  | { state: 'good'; path: string; stamp: FileStamp; messages: number }
  | { state: 'bad'; path: string; error: HermesctlError };

const SUFFIX = '.json.bak';

/** The sessions that have a backup, from the names in `sessions/`. */
export function idsWithBackup(names: readonly string[]): string[] {
  return names
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => name.slice(0, -SUFFIX.length))
    .filter(isStoreId);
}

/** Reads a session's backup; undefined where it is gone. */
export function readBackupFacts(sessionsDir: string, id: string, deps: Deps, window?: Window): BackupFacts | undefined {
  const path = backupPath(sidecarPath(sessionsDir, id));
  try {
    return withFile(deps.fs, path, (file) => {
      const { stamp, transcript } = scanOpenSidecar(file, id, window);
      return { state: 'good', path, stamp, messages: transcript.count };
    });
  } catch (error) {
    if (!(error instanceof HermesctlError)) throw error;
    return { state: 'bad', path, error };
  }
}

/** Why the live file that is open holds less than its backup; undefined where messages were lost. */
export function shrinkOf(file: OpenFile, sidecar: ScannedSidecar, deps: Deps): IntendedShrink | undefined {
  const path = backupPath(sidecar.path);
  return withFile(deps.fs, path, (backup) =>
    intendedShrink({ file, sidecar }, { file: backup, sidecar: scanOpenSidecar(backup, sidecar.id) }),
  );
}
