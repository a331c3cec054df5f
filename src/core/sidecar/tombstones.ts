import * as path from 'node:path';

import type { Deps } from '../deps';
import { HermesctlError } from '../errors';
import { durableWrite } from '../files/durable-write';
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
    let value: unknown;
    try {
      value = decodeJson(deps.fs.readFileSync(file, 'utf8'));
    } catch (error) {
      throw broken(file, error);
    }
    const ids = Array.isArray(value) ? (value as unknown[]) : (value as { ids?: unknown } | null)?.ids;
    if (!Array.isArray(ids)) throw broken(file);
    return { path: file, stamp, ids: ids.filter((id): id is string => typeof id === 'string') };
  });
}

/** @throws HermesctlError `STORE_DAMAGED`, `IO_ERROR` */
export function assertTombstonesReadable(sessionsDir: string, deps: Deps): void {
  for (const name of TOMBSTONE_FILES) readTombstones(sessionsDir, name, deps);
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
    const text = formatJson(JSON.stringify({ version: 1, ids }));
    await durableWrite(
      { path: tombstones.path, expected: tombstones.stamp },
      (write) => write(Buffer.from(text)),
      deps,
    );
  }
}

function broken(file: string, cause?: unknown): HermesctlError {
  return new HermesctlError('STORE_DAMAGED', `${file} is not a list of deleted sessions.`, {
    hint: 'Move it aside; sessions that were deleted may then be listed again.',
    details: { path: file },
    cause,
  });
}
