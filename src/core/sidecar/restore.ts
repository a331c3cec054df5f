import type { Deps } from '../deps';
import { HermesctlError } from '../errors';
import { assertNoLink, assertUnchanged, durableWrite } from '../files/durable-write';
import { type OpenFile, withFileAsync } from '../files/open-file';
import { type FileStamp, stampOf } from '../files/stamp';
import { writeSpliced } from '../json/splice';
import { backupPath, copyOnto, linkAside, moveOnto, readBackup } from './backup';
import { assertMayChange } from './edit';
import { type ScannedSidecar, scanSidecar, sidecarPath } from './read';

/** A restore from the backup, decided: the two versions change places. */
export interface RestorePlan {
  id: string;
  path: string;
  backup: string;
  /** Version of the live file; absent where only the backup is left. */
  live: FileStamp | 'absent';
  backupStamp: FileStamp;
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
    messagesBefore: before,
    messagesAfter: after,
  };
}

/** The live version: what it holds where it can be read, and its stamp in any case. */
function liveVersion(
  sessionsDir: string,
  id: string,
  deps: Deps,
): { sidecar?: ScannedSidecar; stamp: FileStamp | 'absent' } {
  try {
    const sidecar = scanSidecar(deps.fs, sessionsDir, id);
    return sidecar ? { sidecar, stamp: sidecar.stamp } : { stamp: 'absent' };
  } catch (error) {
    if (!(error instanceof HermesctlError) || error.code !== 'SESSION_DAMAGED') throw error;
    const stats = deps.fs.lstatSync(sidecarPath(sessionsDir, id), { bigint: true });
    return { stamp: stampOf(stats) };
  }
}

/**
 * Makes the two versions change places: the live one is set aside under a name
 * of its own, the backup's bytes become the live file, and what was set aside
 * becomes the backup. Cut off anywhere, both versions are still there. The
 * store's lock must be held.
 *
 * @throws HermesctlError `CHANGED_ON_DISK`, `REFUSED`, `IO_ERROR`
 */
export async function applyRestore(plan: RestorePlan, deps: Deps): Promise<void> {
  const done = await withFileAsync(deps.fs, plan.backup, async (backup) => {
    assertUnchanged(deps.fs, { path: plan.backup, expected: plan.backupStamp });
    const swapped = await withFileAsync(deps.fs, plan.path, async (live) => {
      assertUnchanged(deps.fs, { path: plan.path, expected: plan.live });
      const aside = linkAside(live, deps);
      await replaceLive(plan, aside?.stamp ?? live.stamp, backup, deps);
      if (aside) moveOnto(aside.path, plan.backup, deps);
      else await copyOnto(plan.backup, live, deps);
      return true;
    });
    if (!swapped) await replaceLive(plan, 'absent', backup, deps);
    return true;
  });
  if (!done) assertUnchanged(deps.fs, { path: plan.backup, expected: plan.backupStamp });
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
