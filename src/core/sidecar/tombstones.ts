import * as path from 'node:path';

import type { Deps } from '../deps';
import { HermesctlError, isSystemError, type Warning } from '../errors';
import { assertUnchanged, durableWrite, syncDirectory } from '../files/durable-write';
import { withFile } from '../files/open-file';
import type { FileStamp } from '../files/stamp';
import { decodeJson } from '../json/decode';
import { formatJson } from '../json/format';

/** The files in which the server remembers sessions that are not to come back. */
export const TOMBSTONE_FILES = ['_deleted_webui_sessions.json', '_pruned_webui_orphans.json'] as const;

interface Tombstones {
  path: string;
  stamp: FileStamp;
  ids: string[];
}

/**
 * The ids in one tombstone file; undefined where there is no such file.
 *
 * @throws HermesctlError `STORE_DAMAGED`, `IO_ERROR`
 */
export function readTombstones(sessionsDir: string, name: string, deps: Deps): Tombstones | undefined {
  const file = path.join(sessionsDir, name);
  return withFile(deps.fs, file, ({ stamp }) => {
    const text = deps.fs.readFileSync(file, 'utf8');
    let value: unknown;
    try {
      value = decodeJson(text);
    } catch (error) {
      throw broken(file, error);
    }
    const ids = Array.isArray(value) ? (value as unknown[]) : (value as { ids?: unknown } | null)?.ids;
    if (!Array.isArray(ids)) throw broken(file);
    return { path: file, stamp, ids: ids.filter((id): id is string => typeof id === 'string') };
  });
}

/**
 * To be called before a session is saved: a store whose tombstones are broken
 * is found out while nothing is changed yet.
 *
 * @throws HermesctlError `STORE_DAMAGED`, `IO_ERROR`
 */
export function assertTombstonesUsable(sessionsDir: string, deps: Deps): void {
  for (const name of TOMBSTONE_FILES) readTombstones(sessionsDir, name, deps);
}

/**
 * {@link removeTombstones} after a save. The save stands whatever happens here,
 * and a live session beats its tombstone: a failure is a warning.
 */
export async function removeTombstonesAfterSave(sessionsDir: string, id: string, deps: Deps): Promise<Warning[]> {
  try {
    await removeTombstones(sessionsDir, id, deps);
    return [];
  } catch (error) {
    if (!(error instanceof HermesctlError) && !isSystemError(error)) throw error;
    return [
      {
        code: 'TOMBSTONE_NOT_REMOVED',
        message: `Session ${id} was saved, but is still recorded as deleted: ${error.message}`,
        session_id: id,
      },
    ];
  }
}

/**
 * Forgets that a session was deleted: a session that lives has no tombstone.
 * The store's lock must be held.
 *
 * @throws HermesctlError `STORE_DAMAGED`, `CHANGED_ON_DISK`, `IO_ERROR`
 */
export async function removeTombstones(sessionsDir: string, id: string, deps: Deps): Promise<void> {
  for (const name of TOMBSTONE_FILES) {
    const tombstones = readTombstones(sessionsDir, name, deps);
    if (!tombstones?.ids.includes(id)) continue;
    const ids = tombstones.ids.filter((other) => other !== id).sort();
    if (ids.length === 0) {
      removeFile(tombstones, deps);
      continue;
    }
    const text = formatJson(JSON.stringify({ version: 1, ids }));
    await durableWrite(
      { path: tombstones.path, expected: tombstones.stamp },
      (write) => write(Buffer.from(text)),
      deps,
    );
  }
}

/** Whether a session is recorded as deleted. Throws as {@link readTombstones}. */
export function isTombstoned(sessionsDir: string, id: string, deps: Deps): boolean {
  return readTombstones(sessionsDir, TOMBSTONE_FILES[0], deps)?.ids.includes(id) ?? false;
}

/** The server too leaves no file that records nothing. */
function removeFile({ path: file, stamp }: Tombstones, deps: Deps): void {
  assertUnchanged(deps.fs, { path: file, expected: stamp });
  deps.fs.unlinkSync(file);
  syncDirectory(deps.fs, path.dirname(file));
}

/** The server keeps so many, and of more those that come last in the order of their ids (reference: webui-store §2.2). */
const TOMBSTONE_CAP = 1000;

/**
 * Records that a session was deleted, so that a server neither restores its
 * backup nor makes it anew from the agent's database. Written as the server
 * writes it. The store's lock must be held.
 *
 * @returns ids that had to be forgotten because there are too many: never the one recorded now.
 * @throws HermesctlError `STORE_DAMAGED`, `CHANGED_ON_DISK`, `REFUSED`, `IO_ERROR`
 */
export async function addTombstone(sessionsDir: string, id: string, deps: Deps): Promise<string[]> {
  const [name] = TOMBSTONE_FILES;
  const old = readTombstones(sessionsDir, name, deps);
  if (old?.ids.includes(id)) return [];
  const others = [...new Set(old?.ids)].filter((other) => other.trim() !== '').sort();
  const forgotten = others.slice(0, Math.max(0, others.length + 1 - TOMBSTONE_CAP));
  const ids = [...others.slice(forgotten.length), id].sort();
  const text = formatJson(JSON.stringify({ version: 1, ids }));
  await durableWrite(
    { path: path.join(sessionsDir, name), expected: old?.stamp ?? 'absent' },
    (write) => write(Buffer.from(text)),
    deps,
  );
  return forgotten;
}

function broken(file: string, cause?: unknown): HermesctlError {
  return new HermesctlError('STORE_DAMAGED', `${file} is not a list of deleted sessions.`, {
    hint: 'Move it aside; sessions that were deleted may then be listed again.',
    details: { path: file },
    cause,
  });
}
