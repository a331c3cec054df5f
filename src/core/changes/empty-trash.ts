import * as path from 'node:path';

import type { Deps } from '../deps';
import { HermesctlError, ioError, isSystemError } from '../errors';
import { namesInTrash, readEntry, removeEntry, type TrashEntry, trashRoot } from './trash';

/** One deletion in the trash, and what is to become of it, or became. */
export interface TrashOutcome {
  name: string;
  /** Null where nobody can tell any more. */
  session_id: string | null;
  bytes: number;
  /** Seconds since it was deleted. */
  ageSeconds: number;
  pattern: 'trash';
  action: 'remove' | 'keep';
  /** Why it is kept: `unfinished` may still be wanted, to go on or to go back. */
  reason?: 'too-young' | 'unfinished' | 'not-readable';
  removed: boolean;
  error?: string;
}

/**
 * Plans which deletions to forget: those of at least `olderThan` seconds ago,
 * unless they were cut off. Reads only.
 *
 * @throws HermesctlError `IO_ERROR`
 */
export function planEmptyTrash(stateDir: string, olderThan: number, deps: Deps): TrashOutcome[] {
  return namesInTrash(stateDir, deps).flatMap((name) => judge(stateDir, name, olderThan, deps));
}

function judge(stateDir: string, name: string, olderThan: number, deps: Deps): TrashOutcome[] {
  const dir = path.join(trashRoot(stateDir), name);
  const stats = deps.fs.lstatSync(dir, { throwIfNoEntry: false });
  if (!stats?.isDirectory()) return [];
  const entry = readQuietly(stateDir, name, deps);
  const since = (entry && entry !== 'damaged' ? entry.manifest.deleted_at : undefined) ?? stats.mtimeMs / 1000;
  const ageSeconds = Math.max(0, deps.clock.now() - since);
  const reason = entry === 'damaged' ? 'not-readable' : reasonToKeep(entry, ageSeconds, olderThan);
  return [
    {
      name,
      session_id: entry && entry !== 'damaged' ? entry.manifest.session_id : null,
      bytes: bytesBelow(dir, deps),
      ageSeconds,
      pattern: 'trash',
      action: reason === undefined ? 'remove' : 'keep',
      ...(reason === undefined ? {} : { reason }),
      removed: false,
    },
  ];
}

function reasonToKeep(
  entry: TrashEntry | undefined,
  ageSeconds: number,
  olderThan: number,
): 'too-young' | 'unfinished' | undefined {
  if (entry && ['begun', 'restoring'].includes(entry.manifest.state)) return 'unfinished';
  return ageSeconds < olderThan ? 'too-young' : undefined;
}

function readQuietly(stateDir: string, name: string, deps: Deps): TrashEntry | 'damaged' | undefined {
  try {
    return readEntry(stateDir, name, deps);
  } catch (error) {
    if (error instanceof HermesctlError) return 'damaged';
    throw error;
  }
}

function bytesBelow(file: string, deps: Deps): number {
  const stats = deps.fs.lstatSync(file, { throwIfNoEntry: false });
  if (!stats?.isDirectory()) return stats?.size ?? 0;
  return deps.fs.readdirSync(file).reduce((sum, name) => sum + bytesBelow(path.join(file, name), deps), 0);
}

/** Forgets what was planned, for good; what cannot be removed does not stop the rest. The store's lock must be held. */
export async function applyEmptyTrash(
  stateDir: string,
  plan: readonly TrashOutcome[],
  deps: Deps,
): Promise<TrashOutcome[]> {
  const outcomes: TrashOutcome[] = [];
  for (const one of plan) {
    outcomes.push(one.action === 'remove' ? remove(stateDir, one, deps) : one);
    const pause = deps.breathe();
    if (pause) await pause;
  }
  return outcomes;
}

function remove(stateDir: string, outcome: TrashOutcome, deps: Deps): TrashOutcome {
  const dir = path.join(trashRoot(stateDir), outcome.name);
  try {
    removeEntry(dir, deps);
    return { ...outcome, removed: true };
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return { ...outcome, error: ioError(error, dir).message };
  }
}
