import * as path from 'node:path';

import type { Deps } from '../deps';
import { HermesctlError, ioError, isSystemError } from '../errors';
import { type FileStamp, sameStamp, stampOf } from '../files/stamp';
import { holdersOf } from './holders';
import { unusable } from './unusable';

const MAX_COPY_BYTES = 1024n ** 3n;

/**
 * Hands `use` a copy of a database and its write-ahead log, in a directory of
 * its own that is removed afterwards. For a database beside which SQLite cannot
 * write. Only of one that nobody has open, that is unchanged when the copy is
 * made, and that has, with its log, at most 1 GiB. No SQLite handle of this
 * process may be open on it.
 *
 * @throws HermesctlError `DATABASE_UNUSABLE`, `IO_ERROR` where there is no room.
 */
export async function withPrivateCopy<T>(database: string, deps: Deps, use: (copy: string) => Promise<T>): Promise<T> {
  const before = stamps(database, deps);
  const bytes = (before.database?.size ?? 0n) + (before.wal?.size ?? 0n);
  if (bytes > MAX_COPY_BYTES)
    throw unusable(database, 'too_large', `is in a read-only directory and too large to copy (${bytes} bytes)`);
  const pids = (holdersOf(database, deps) ?? []).map(({ pid }) => pid);
  if (pids.length > 0) {
    const what = `is in a directory that is read-only for this user, and process ${pids.join(', ')} has it open`;
    throw unusable(database, 'in_use', what, { details: { pids } });
  }
  const dir = makeDirectory(deps);
  try {
    const copy = path.join(dir, 'state.db');
    copyFile(database, copy, deps);
    if (before.wal) copyFile(`${database}-wal`, `${copy}-wal`, deps);
    if (!same(before, stamps(database, deps)))
      throw unusable(database, 'changing', 'changed while it was copied, from a directory that is read-only here');
    return await use(copy);
  } finally {
    deps.fs.rmSync(dir, { recursive: true, force: true });
  }
}

interface Stamps {
  database: FileStamp | undefined;
  wal: FileStamp | undefined;
}

function stamps(database: string, deps: Deps): Stamps {
  const stamp = (file: string): FileStamp | undefined => {
    const stats = deps.fs.statSync(file, { bigint: true, throwIfNoEntry: false });
    return stats && stampOf(stats);
  };
  return { database: stamp(database), wal: stamp(`${database}-wal`) };
}

function same(a: Stamps, b: Stamps): boolean {
  const equal = (x?: FileStamp, y?: FileStamp): boolean => (x && y ? sameStamp(x, y) : x === y);
  return equal(a.database, b.database) && equal(a.wal, b.wal);
}

function makeDirectory(deps: Deps): string {
  try {
    return deps.fs.mkdtempSync(path.join(deps.temporaryRoot, 'hermesctl-'));
  } catch (error) {
    throw isSystemError(error) ? ioError(error) : error;
  }
}

function copyFile(from: string, to: string, deps: Deps): void {
  try {
    deps.fs.copyFileSync(from, to);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.code === 'ENOSPC') {
      throw new HermesctlError('IO_ERROR', `There is no room for a private copy of ${from} in ${path.dirname(to)}.`, {
        hint: 'TMPDIR names the directory for it.',
        details: { path: from },
        cause: error,
      });
    }
    throw ioError(error, from);
  }
}
