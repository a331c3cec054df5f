import type { Deps } from '../deps';
import { HermesctlError, type Warning } from '../errors';
import { assertNoLink } from '../files/durable-write';
import { withFileAsync } from '../files/open-file';
import { type IndexOutcome, patchIndexAfterSave } from '../index/reindex';
import { truthy } from '../json/python';
import { sessionNotFound } from '../listing/resolve-id';
import { type Location, profileHomeFor, DEFAULT_PROFILE } from '../location/location';
import { backupPath } from '../sidecar/backup';
import { assertStore, sessionIds } from '../sidecar/directory';
import { applyEdit } from '../sidecar/edit';
import { readSidecarMetadata, scanOpenSidecar, sidecarPath } from '../sidecar/read';
import { planRepairTurn } from '../sidecar/repair-turn';
import type { KeepReason } from '../session/stale-turn';
import type { Changed, ChangeTarget } from './sessions';

/** What became of a session that might have a stale pending turn. */
export interface RepairResult {
  session_id: string;
  repaired: boolean;
  /** Why it was left alone. */
  reason: KeepReason | null;
  source: 'core-transcript' | 'pending-turn' | null;
  messages_before: number;
  message_count: number;
  backup: string | null;
  index: IndexOutcome | null;
}

/** The ids that some session names as its parent. */
export type ParentIds = () => Promise<ReadonlySet<string>>;

/**
 * Finds, once and only if asked, which sessions others continue. Reads the
 * beginnings of all session files; one that is damaged names nobody.
 */
export function parentIds(location: Location, deps: Deps): ParentIds {
  let parents: ReadonlySet<string> | undefined;
  return async () => {
    if (parents) return parents;
    const found = new Set<string>();
    for (const id of sessionIds(deps.fs, location)) {
      try {
        const parent = readSidecarMetadata(deps.fs, location.sessionsDir.value, id)?.fields.get('parent_session_id');
        const value = parent?.value();
        if (typeof value === 'string' && value !== '') found.add(value);
      } catch (error) {
        if (!(error instanceof HermesctlError) || error.code !== 'SESSION_DAMAGED') throw error;
      }
      const pause = deps.breathe();
      if (pause) await pause;
    }
    return (parents = found);
  };
}

/**
 * Repairs the stale pending turn of one session. The store's lock must be held
 * unless it is a dry run. Throws as `planRepairTurn` and `applyEdit`.
 *
 * @param streamMayLive whether a server may be running a turn right now.
 */
export async function repairSession(
  target: ChangeTarget,
  id: string,
  { streamMayLive, parents }: { streamMayLive: boolean; parents: ParentIds },
  deps: Deps,
): Promise<Changed<RepairResult>> {
  const { location } = target;
  assertStore(deps.fs, location);
  const path = sidecarPath(location.sessionsDir.value, id);
  const done = await withFileAsync(deps.fs, path, async (file) => {
    const sidecar = scanOpenSidecar(file, id);
    const before = sidecar.transcript.count;
    const isPending = truthy(sidecar.fields.get('pending_user_message')?.value());
    const isContinued = isPending && (await parents()).has(id);
    const profile = sidecar.fields.get('profile')?.value();
    const profileHome = profileHomeFor(location, typeof profile === 'string' && profile ? profile : DEFAULT_PROFILE);
    const plan = planRepairTurn(file, sidecar, { profileHome, streamMayLive, isContinued }, deps);
    if (typeof plan === 'string') return { result: kept(id, plan, before), warnings: sidecar.warnings };

    assertNoLink(deps.fs, path);
    if (!target.dryRun) await applyEdit(plan.edit, deps);
    const index = target.dryRun ? null : await patchIndexAfterSave(location, [id], target.defaults, deps);
    const result: RepairResult = {
      session_id: id,
      repaired: true,
      reason: null,
      source: plan.source,
      messages_before: before,
      message_count: plan.messageCount,
      backup: backupPath(path),
      index,
    };
    return {
      result,
      warnings: plan.promptKept ? sidecar.warnings : [...sidecar.warnings, promptOnlyInBackup(id, path)],
    };
  });
  if (!done) throw sessionNotFound(id, location);
  return done;
}

function kept(id: string, reason: KeepReason, messages: number): RepairResult {
  return {
    session_id: id,
    repaired: false,
    reason,
    source: null,
    messages_before: messages,
    message_count: messages,
    backup: null,
    index: null,
  };
}

function promptOnlyInBackup(id: string, path: string): Warning {
  return {
    code: 'PROMPT_ONLY_IN_BACKUP',
    message: `The agent’s transcript of session ${id} does not have the prompt that was pending; ${backupPath(path)} keeps it.`,
    session_id: id,
    path: backupPath(path),
  };
}

/** @throws HermesctlError `SESSION_BUSY` where the one session that was named has a turn that may be alive. */
export function assertNotAlive({ session_id: id, reason }: RepairResult): void {
  if (reason !== 'too-young' && reason !== 'stream-alive') return;
  const why = reason === 'too-young' ? 'was sent less than 30 seconds ago' : 'may be running in a server';
  throw new HermesctlError('SESSION_BUSY', `The pending turn of session ${id} ${why}.`, {
    hint: 'Let it end, and try again.',
    details: { session_id: id, reason },
  });
}
