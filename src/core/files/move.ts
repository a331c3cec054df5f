import * as path from 'node:path';

import type { Deps } from '../deps';
import { HermesctlError, isSystemError } from '../errors';
import { syncDirectory } from './durable-write';
import { sameContent } from './same-content';

const MODE_BITS = 0o7777;
const PIECE = 1024 * 1024;

/**
 * Moves a file or a symbolic link to a name that is free. Across file systems
 * it is copied, synced and only then removed; cut off there, both are whole.
 * The directories are the caller's to sync.
 *
 * @throws a system error, `HermesctlError` where it is neither a file nor a link.
 */
export function moveFile(from: string, to: string, deps: Deps): void {
  try {
    deps.fs.renameSync(from, to);
  } catch (error) {
    if (!isSystemError(error) || error.code !== 'EXDEV') throw error;
    copyWhole(from, to, deps);
    deps.fs.unlinkSync(from);
  }
}

/**
 * Like {@link moveFile}, and never over a file that came to be there: the new
 * name is made as a link, which fails where there is one. What is there with
 * the same content counts as moved.
 *
 * @throws HermesctlError `ALREADY_EXISTS` where another file has the name; a system error.
 */
export function moveIntoPlace(from: string, to: string, deps: Deps): void {
  const { fs } = deps;
  if (fs.lstatSync(to, { throwIfNoEntry: false })) {
    if (!isSame(from, to, deps)) throw taken(to);
  } else if (!linked(from, to, deps)) {
    moveFile(from, to, deps);
    return;
  }
  fs.unlinkSync(from);
}

/** False where the file system makes no link of it: then it has to be moved. */
function linked(from: string, to: string, { fs }: Deps): boolean {
  // A link to a symbolic link is one to its target on some systems.
  if (fs.lstatSync(from).isSymbolicLink()) return false;
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.code === 'EEXIST') throw taken(to);
    if (['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS'].includes(error.code ?? '')) return false;
    throw error;
  }
}

/** Whether two names stand for the same content: of a link, where it leads. */
export function isSame(a: string, b: string, deps: Deps): boolean {
  const [first, second] = [a, b].map((file) => deps.fs.lstatSync(file, { throwIfNoEntry: false }));
  if (!first || !second) return false;
  if (first.isSymbolicLink() || second.isSymbolicLink()) {
    const links = first.isSymbolicLink() && second.isSymbolicLink();
    return links && deps.fs.readlinkSync(a) === deps.fs.readlinkSync(b);
  }
  return first.isFile() && second.isFile() && sameContent(deps.fs, a, b);
}

function taken(file: string): HermesctlError {
  return new HermesctlError('ALREADY_EXISTS', `${file} is there already, and is another one.`, {
    hint: 'Move it aside first.',
    details: { path: file },
  });
}

/** A whole copy, on the disk, under its name only when it is whole: mode, owner and times are kept as far as may be. */
function copyWhole(from: string, to: string, deps: Deps): void {
  const { fs } = deps;
  const stats = fs.lstatSync(from);
  if (stats.isSymbolicLink()) {
    fs.symlinkSync(fs.readlinkSync(from), to);
    syncDirectory(fs, path.dirname(to));
    return;
  }
  if (!stats.isFile())
    throw new HermesctlError('REFUSED', `${from} is not a regular file, and cannot be moved to another file system.`, {
      details: { path: from },
    });
  const part = `${to}.part`;
  const source = fs.openSync(from, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
  try {
    const target = fs.openSync(part, 'w', 0o600);
    try {
      const total = copyBytes(source, target, deps);
      if (fs.fstatSync(target).size !== total || total !== stats.size)
        throw new HermesctlError('CHANGED_ON_DISK', `${from} changed while it was copied.`, {
          details: { path: from },
        });
      if (deps.processes.uid === 0) fs.fchownSync(target, stats.uid, stats.gid);
      fs.fchmodSync(target, stats.mode & MODE_BITS);
      fs.futimesSync(target, stats.atimeMs / 1000, stats.mtimeMs / 1000);
      fs.fsyncSync(target);
    } finally {
      fs.closeSync(target);
    }
  } finally {
    fs.closeSync(source);
  }
  fs.renameSync(part, to);
  syncDirectory(fs, path.dirname(to));
}

function copyBytes(source: number, target: number, { fs }: Deps): number {
  const piece = Buffer.allocUnsafe(PIECE);
  let total = 0;
  for (;;) {
    const n = fs.readSync(source, piece, 0, piece.length, null);
    if (n === 0) return total;
    for (let at = 0; at < n;) {
      const written = fs.writeSync(target, piece, at, n - at);
      if (written === 0) throw new HermesctlError('IO_ERROR', 'The disk takes no more bytes.');
      at += written;
    }
    total += n;
  }
}
