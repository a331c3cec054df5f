import { dirname } from 'node:path';

import type { Deps } from '../deps';
import { HermesctlError, isSystemError } from '../errors';
import { assertUnchanged, durableWrite, type Payload, syncDirectory, type WriteNow } from '../files/durable-write';
import { type OpenFile, withFile } from '../files/open-file';
import { type FileStamp, stampOf } from '../files/stamp';
import { truthy } from '../json/python';
import { writeSpliced } from '../json/splice';
import { isGeneration } from '../session/writer';
import { scanOpenSidecar, type ScannedSidecar } from './read';

export function backupPath(sidecarFile: string): string {
  return `${sidecarFile}.bak`;
}

/** What there is to know of a session's backup before it is replaced or brought back. */
export type BackupState =
  | { state: 'none' }
  | { state: 'damaged'; path: string; error: HermesctlError }
  | { state: 'good'; path: string; sidecar: ScannedSidecar };

/** Looks at `<id>.json.bak`. Reads only. */
export function readBackup(deps: Deps, sidecarFile: string, id: string): BackupState {
  const file = backupPath(sidecarFile);
  try {
    const sidecar = withFile(deps.fs, file, (open) => scanOpenSidecar(open, id));
    return sidecar ? { state: 'good', path: file, sidecar } : { state: 'none' };
  } catch (error) {
    if (error instanceof HermesctlError && error.code === 'SESSION_DAMAGED')
      return { state: 'damaged', path: file, error };
    throw error;
  }
}

/**
 * Refuses to replace a backup that may be all that is left of messages: one
 * that holds more than the live file without the live file saying that it was
 * meant to shrink, and one that cannot be read.
 *
 * @throws HermesctlError `REFUSED`
 */
export function assertBackupMayGo(deps: Deps, live: ScannedSidecar): void {
  const backup = readBackup(deps, live.path, live.id);
  if (backup.state === 'none') return;
  if (backup.state === 'damaged') {
    throw new HermesctlError('REFUSED', `${backup.path} cannot be read, and would be replaced.`, {
      hint: 'Move it aside if you do not need it.',
      details: { session_id: live.id, path: backup.path },
    });
  }
  const more = backup.sidecar.transcript.count - live.transcript.count;
  if (more <= 0 || isMeantToBeSmaller(live, backup.sidecar)) return;
  throw new HermesctlError(
    'REFUSED',
    `${backup.path} holds ${more} more messages than session ${live.id}, and would be replaced.`,
    {
      hint: `'hermesctl sessions restore ${live.id} --from-bak' brings them back; 'hermesctl doctor --repair' mends all such sessions.`,
      details: {
        session_id: live.id,
        path: backup.path,
        messages: live.transcript.count,
        backup_messages: backup.sidecar.transcript.count,
      },
    },
  );
}

/**
 * Refuses to replace any backup by a damaged file: beside that it may be all there is.
 *
 * @throws HermesctlError `REFUSED`
 */
export function assertNoBackup(deps: Deps, sidecarFile: string, id: string): void {
  const backup = readBackup(deps, sidecarFile, id);
  if (backup.state === 'none') return;
  throw new HermesctlError('REFUSED', `Session ${id} is damaged, and ${backup.path} would be replaced by it.`, {
    hint: `'hermesctl sessions restore ${id} --from-bak' brings the backup back; or move it aside.`,
    details: { session_id: id, path: backup.path },
  });
}

/**
 * Whether a live file is smaller than its backup on purpose, by the server's
 * rules (reference: webui-store §9.1): a cut or a clear that the backup knows
 * nothing of. A compression is not looked for: where in doubt, the backup stays.
 */
export function isMeantToBeSmaller(live: ScannedSidecar, backup: ScannedSidecar): boolean {
  const at = (sidecar: ScannedSidecar, key: string): unknown => sidecar.fields.get(key)?.value();
  const generation = at(live, 'intentional_shrink_generation');
  if (isGeneration(generation)) {
    const older = at(backup, 'intentional_shrink_generation') ?? null;
    if (older === null || (isGeneration(older) && older !== generation)) return true;
  }
  const clear = at(live, 'clear_generation');
  const isQuiet = ['active_stream_id', 'pending_user_message', 'pending_started_at'].every(
    (key) => !truthy(at(live, key)),
  );
  return (
    typeof clear === 'string' &&
    truthy(clear) &&
    (live.transcript.count > 0 || isQuiet) &&
    at(backup, 'clear_generation') !== clear &&
    at(live, 'truncation_watermark') === 0 &&
    at(live, 'truncation_boundary') === 0
  );
}

/**
 * Keeps the bytes of a session file as its `.json.bak`, on the disk, as the last
 * thing before the file is replaced. Where the file system has hard links the backup is one: the
 * old version only gets a second name. Else it is copied.
 *
 * @returns the stamp that the live file has now: a new name changes its change time.
 * @throws HermesctlError `CHANGED_ON_DISK`, `IO_ERROR`
 */
export function keepBackup(file: OpenFile, writeNow: WriteNow, deps: Deps): FileStamp {
  const backup = backupPath(file.path);
  const aside = `${backup}.${parseInt(deps.ids.uuidHex().slice(0, 8), 16)}`;
  if (linkTo(aside, file, deps) === undefined) {
    writeNow({ path: backup, expected: versionAt(backup, deps) }, wholeOf(file));
    return file.stamp;
  }
  try {
    moveOnto(aside, backup, deps);
  } catch (error) {
    removeQuietly(aside, deps);
    throw error;
  }
  return restamp(file, deps);
}

/**
 * Gives the version of a session file that is open a second name, durably, or
 * a whole copy where the file system has no links.
 *
 * @returns the stamp that the live file has now.
 * @throws HermesctlError `CHANGED_ON_DISK`, `REFUSED`, `IO_ERROR`
 */
export async function setAside(aside: string, file: OpenFile, deps: Deps): Promise<FileStamp> {
  const stamp = linkTo(aside, file, deps);
  try {
    if (stamp === undefined) await durableWrite({ path: aside, expected: versionAt(aside, deps) }, wholeOf(file), deps);
    else syncDirectory(deps.fs, dirname(aside));
  } catch (error) {
    removeQuietly(aside, deps);
    throw error;
  }
  return stamp ?? file.stamp;
}

/**
 * A second name for the version of a session file that is open; undefined
 * where the file system has no links.
 *
 * @throws HermesctlError `CHANGED_ON_DISK` where the name stands for another version by now.
 */
function linkTo(path: string, file: OpenFile, deps: Deps): FileStamp | undefined {
  try {
    deps.fs.linkSync(file.path, path);
  } catch (error) {
    if (isSystemError(error) && NO_LINKS.has(error.code ?? '')) return undefined;
    throw error;
  }
  try {
    return restamp(file, deps);
  } catch (error) {
    removeQuietly(path, deps);
    throw error;
  }
}

/**
 * The stamp of a version whose names were changed: that changes ctime, and
 * nothing else may have changed.
 */
function restamp(file: OpenFile, deps: Deps): FileStamp {
  const stats = deps.fs.lstatSync(file.path, { bigint: true, throwIfNoEntry: false });
  const expected = stats ? { ...file.stamp, ctimeNs: stats.ctimeNs } : file.stamp;
  assertUnchanged(deps.fs, { path: file.path, expected });
  return expected;
}

const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS']);

/** Renames a version set aside over the backup, durably. Where that fails it is still aside. */
export function moveOnto(aside: string, backup: string, deps: Deps): void {
  deps.fs.renameSync(aside, backup);
  // Gone, unless both names were one file already: then a rename does nothing.
  removeQuietly(aside, deps);
  syncDirectory(deps.fs, dirname(backup));
}

function versionAt(path: string, deps: Deps): FileStamp | 'absent' {
  const stats = deps.fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stats ? stampOf(stats) : 'absent';
}

/** All bytes of an open file. */
function wholeOf(file: OpenFile): Payload {
  return (write) => writeSpliced(file.source, Number(file.stamp.size), [], write);
}

/** What cannot be removed now is left for gc-tmp; the failure that led here is the one to tell. */
export function removeQuietly(path: string, deps: Deps): void {
  try {
    deps.fs.unlinkSync(path);
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}
