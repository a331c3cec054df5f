import type { Deps } from '../deps';
import { HermesctlError, isSystemError } from '../errors';
import { assertNoLink, assertUnchanged, durableWrite, failedAfterSave } from '../files/durable-write';
import { type OpenFile, withFileAsync } from '../files/open-file';
import { sameContent } from '../files/same-content';
import { type FileStamp, stampOf } from '../files/stamp';
import { writeSpliced } from '../json/splice';
import { backupPath, moveOnto, readBackup, removeQuietly, setAside } from './backup';
import { assertMayChange } from './edit';
import { type ScannedSidecar, scanSidecar, sidecarPath } from './read';

/** Where the live version is while it is no longer live and not yet the backup. gc-tmp knows the name. */
export function asidePath(sidecarFile: string): string {
  return `${sidecarFile}.aside`;
}

/** A restore from the backup, decided: the two versions change places. */
export interface RestorePlan {
  id: string;
  path: string;
  backup: string;
  /** Version of the live file; absent where only the backup is left. */
  live: FileStamp | 'absent';
  backupStamp: FileStamp;
  /**
   * What an earlier restore left aside: nothing; a second copy of the live
   * version, to be removed; or the version that was live, which only has to
   * become the backup for that restore to be done.
   */
  aside: 'none' | 'superfluous' | 'unfinished';
  /** Messages before and after. */
  messagesBefore: number;
  messagesAfter: number;
}

/**
 * Plans to bring back the version of a session that its `.json.bak` holds,
 * byte for byte, its stamps included. The version that is live becomes the
 * backup, so that nothing is lost. A live file that is damaged or missing may
 * be replaced; one with more messages than the backup may not.
 *
 * @throws HermesctlError `SESSION_NOT_FOUND` (no backup), `SESSION_DAMAGED` (the backup), `REFUSED`, `SESSION_BUSY`, `READ_ONLY_SESSION`.
 */
export function planRestore(sessionsDir: string, id: string, force: boolean, deps: Deps): RestorePlan {
  const path = sidecarPath(sessionsDir, id);
  assertNoLink(deps.fs, path);
  const backup = readBackup(deps, path, id);
  if (backup.state === 'damaged') throw backup.error;
  if (backup.state === 'none') {
    throw new HermesctlError('SESSION_NOT_FOUND', `There is no backup ${backupPath(path)}.`, {
      details: { session_id: id, path: backupPath(path) },
    });
  }
  const live = liveVersion(sessionsDir, id, deps);
  if (live.sidecar) assertMayChange(live.sidecar, { force });
  const before = live.sidecar?.transcript.count ?? 0;
  const after = backup.sidecar.transcript.count;
  if (after < before) {
    throw new HermesctlError(
      'REFUSED',
      `${backup.path} holds ${after} messages, session ${id} has ${before}: restoring it would lose some.`,
      {
        hint: `Compare them first: 'hermesctl show ${id}' and the file itself.`,
        details: { session_id: id, messages: before, backup_messages: after },
      },
    );
  }
  return {
    id,
    path,
    backup: backup.path,
    live: live.stamp,
    backupStamp: backup.sidecar.stamp,
    aside: asideState(path, deps),
    messagesBefore: before,
    messagesAfter: after,
  };
}

/** @throws HermesctlError `REFUSED` where what is aside is neither live nor was replaced by the backup: it may be all there is of it. */
function asideState(path: string, deps: Deps): RestorePlan['aside'] {
  const { fs } = deps;
  const aside = asidePath(path);
  if (fs.lstatSync(aside, { throwIfNoEntry: false }) === undefined) return 'none';
  if (sameContent(fs, aside, path)) return 'superfluous';
  if (sameContent(fs, backupPath(path), path)) return 'unfinished';
  throw new HermesctlError('REFUSED', `${aside} holds a version that a restore left there, and would be replaced.`, {
    hint: 'Move it aside if you do not need it.',
    details: { path: aside },
  });
}

/** The live version: what it holds where it can be read, and its stamp in any case. */
function liveVersion(
  sessionsDir: string,
  id: string,
  deps: Deps,
): { sidecar?: ScannedSidecar; stamp: FileStamp | 'absent' } {
  const stats = deps.fs.lstatSync(sidecarPath(sessionsDir, id), { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return { stamp: 'absent' };
  try {
    const sidecar = scanSidecar(deps.fs, sessionsDir, id);
    return sidecar ? { sidecar, stamp: sidecar.stamp } : { stamp: 'absent' };
  } catch (error) {
    if (!(error instanceof HermesctlError) || error.code !== 'SESSION_DAMAGED') throw error;
    return { stamp: stampOf(stats) };
  }
}

/**
 * Makes the two versions change places: the live one is set aside under a name
 * of its own, the backup's bytes become the live file, and what was set aside
 * becomes the backup. Cut off anywhere, both versions are still there, and
 * the same command finishes what was begun. The store's lock must be held.
 *
 * @throws HermesctlError `CHANGED_ON_DISK`, `REFUSED`, `IO_ERROR`
 */
export async function applyRestore(plan: RestorePlan, deps: Deps): Promise<void> {
  const done = await withFileAsync(deps.fs, plan.backup, async (backup) => {
    assertUnchanged(deps.fs, { path: plan.backup, expected: plan.backupStamp });
    const swapped = await withFileAsync(deps.fs, plan.path, async (live) => {
      assertUnchanged(deps.fs, { path: plan.path, expected: plan.live });
      if (plan.aside !== 'unfinished') await swapLive(plan, live, backup, deps);
      makeBackup(plan, deps);
      return true;
    });
    if (!swapped) await replaceLive(plan, 'absent', backup, deps);
    return true;
  });
  if (!done) assertUnchanged(deps.fs, { path: plan.backup, expected: plan.backupStamp });
}

/** The backup's bytes become the live file; the live version stays aside. */
async function swapLive(plan: RestorePlan, live: OpenFile, backup: OpenFile, deps: Deps): Promise<void> {
  const aside = asidePath(plan.path);
  if (plan.aside === 'superfluous') deps.fs.unlinkSync(aside);
  const stamp = await setAside(aside, live, deps);
  try {
    await replaceLive(plan, stamp, backup, deps);
  } catch (error) {
    if (!(error instanceof HermesctlError && error.details['saved'])) removeQuietly(aside, deps);
    throw error;
  }
}

function makeBackup(plan: RestorePlan, deps: Deps): void {
  try {
    moveOnto(asidePath(plan.path), plan.backup, deps);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw failedAfterSave(plan.path, error, 'Run the command again: it finishes what is left to do.');
  }
}

async function replaceLive(
  plan: RestorePlan,
  expected: FileStamp | 'absent',
  backup: OpenFile,
  deps: Deps,
): Promise<void> {
  const size = Number(backup.stamp.size);
  await durableWrite({ path: plan.path, expected }, (write) => writeSpliced(backup.source, size, [], write), deps);
}
