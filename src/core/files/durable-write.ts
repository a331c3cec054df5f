import * as path from 'node:path';

import type WriteFileAtomic from 'write-file-atomic';

import type { Deps } from '../deps';
import { HermesctlError, ioError, isSystemError } from '../errors';
import type { FileSystem } from './file-system';
import { type FileStamp, sameStamp, stampOf } from './stamp';

/** Where to write, and which version must still be there when the new one takes its place. */
export interface DurableTarget {
  path: string;
  expected: FileStamp | 'absent';
}

/** Hands the new content over, piece by piece. */
export type Payload = (write: (bytes: Uint8Array) => void) => void;

/** Writes another file with the same promises, while the one it is for waits to be replaced. */
export type WriteNow = (target: DurableTarget, payload: Payload) => FileStamp;

/**
 * What is done once the new version is whole and on the disk, and the old one
 * still in its place: keeping the old one. It gives the stamp that the old
 * version has by now.
 */
export type KeepOld = (writeNow: WriteNow) => FileStamp;

const NEW_FILE_MODE = 0o600;
const MODE_BITS = 0o7777;
const OWNER_MAY_WRITE = 0o200;

/**
 * Replaces a file so that a failure or a crash at any point leaves the old
 * version or the new one, whole: the only way in which hermesctl writes to a
 * store. The content goes to a temporary file beside the target, every byte
 * counted, and to the disk; then the target is compared with the version that
 * was read, and only an unchanged one is replaced; then the directory goes to
 * the disk. Mode and owner are kept; a new file gets 0600 and the owner of its
 * directory.
 *
 * With `keepOld` the old version is kept only when nothing can fail any more but
 * the renaming: a disk that is full costs no backup.
 *
 * write-file-atomic does the naming, renaming and cleaning up, in its only
 * safe form (docs/adr/0003): without data, the payload written by us in its
 * hook. Between our comparison and its rename lies a window of a few system
 * calls in which another program that takes no lock can still get in.
 *
 * @returns the stamp of the version written.
 * @throws HermesctlError `CHANGED_ON_DISK`, `REFUSED` (a link, an owner that cannot be kept), `IO_ERROR`; nothing is
 *   changed then, and no temporary file stays. An `IO_ERROR` after the rename has `saved: true` in its details.
 */
export async function durableWrite(
  target: DurableTarget,
  payload: Payload,
  deps: Deps,
  keepOld?: KeepOld,
): Promise<FileStamp> {
  const { default: writeFileAtomic } = await import('write-file-atomic');
  return writeNow(writeFileAtomic, target, payload, deps, keepOld);
}

function writeNow(
  writeFileAtomic: typeof WriteFileAtomic,
  target: DurableTarget,
  payload: Payload,
  deps: Deps,
  keepOld?: KeepOld,
): FileStamp {
  const { fs } = deps;
  let isInPlace = false;
  try {
    const { mode, owner } = modeAndOwner(target, deps);
    writeFileAtomic.sync(target.path, null as unknown as string, {
      mode,
      tmpfileCreated: (temporary: string) => {
        // Made with the mode that it will have; to be written it must be writable until write-file-atomic sets that again.
        if ((mode & OWNER_MAY_WRITE) === 0) fs.chmodSync(temporary, mode | OWNER_MAY_WRITE);
        writePayload(fs, temporary, payload, owner);
        assertUnchanged(fs, target);
        if (!keepOld) return;
        const expected = keepOld((other, content) => writeNow(writeFileAtomic, other, content, deps));
        assertUnchanged(fs, { path: target.path, expected });
      },
    });
    isInPlace = true;
    syncDirectory(fs, path.dirname(target.path));
    return stampOf(fs.lstatSync(target.path, { bigint: true }));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw isInPlace ? failedAfterSave(target.path, error) : ioError(error, target.path);
  }
}

/**
 * Refuses a symbolic link by the name of a file that is to be replaced.
 *
 * @throws HermesctlError `REFUSED`
 */
export function assertNoLink(fs: FileSystem, file: string): void {
  if (!fs.lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  throw new HermesctlError('REFUSED', `${file} is a symbolic link; replacing it would leave its target behind.`, {
    hint: 'Replace the link by the file that it names.',
    details: { path: file },
  });
}

const LOOK_FIRST =
  "Look before you repeat the command: the change is made. 'hermesctl reindex --check' tells whether the index agrees.";

/**
 * A failure after the new version took its place. Who repeats the command must
 * know that it was done: a second undo cuts another turn.
 */
export function failedAfterSave(file: string, cause: NodeJS.ErrnoException, hint = LOOK_FIRST): HermesctlError {
  const { message, details } = ioError(cause);
  return new HermesctlError('IO_ERROR', `${file} was saved, but what must follow failed: ${message}`, {
    hint,
    details: { ...details, path: file, saved: true },
    cause,
  });
}

interface Owner {
  uid: number;
  gid: number;
}

function modeAndOwner(target: DurableTarget, deps: Deps): { mode: number; owner: Owner } {
  const { fs, processes } = deps;
  assertNoLink(fs, target.path);
  const stats = fs.lstatSync(target.path, { throwIfNoEntry: false });
  const like = stats ?? fs.statSync(path.dirname(target.path));
  const owner = { uid: like.uid, gid: like.gid };
  if (stats && processes.uid !== undefined && processes.uid !== 0 && processes.uid !== owner.uid) {
    throw ownerNotKept(target.path, owner);
  }
  return { mode: stats ? stats.mode & MODE_BITS : NEW_FILE_MODE, owner };
}

function ownerNotKept(file: string, { uid, gid }: Owner): HermesctlError {
  return new HermesctlError(
    'REFUSED',
    `${file} belongs to user ${uid}, group ${gid}, which this user cannot give the new version.`,
    {
      hint: 'Run the command as the user that the server runs as, or as root.',
      details: { path: file, uid, gid },
    },
  );
}

function writePayload(fs: FileSystem, temporary: string, payload: Payload, owner: Owner): void {
  const fd = fs.openSync(temporary, 'r+');
  try {
    let total = 0;
    payload((bytes) => {
      writeFully(fs, fd, bytes);
      total += bytes.length;
    });
    const stats = fs.fstatSync(fd);
    if (stats.size !== total) {
      throw new HermesctlError('IO_ERROR', `${temporary}: ${total} bytes were written, ${stats.size} are there.`);
    }
    keepOwner(fs, fd, stats, owner, temporary);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** A short write is no error to the system: it is to a file that must be whole. */
function writeFully(fs: FileSystem, fd: number, bytes: Uint8Array): void {
  let offset = 0;
  while (offset < bytes.length) {
    const n = fs.writeSync(fd, bytes, offset, bytes.length - offset);
    if (n === 0) throw new HermesctlError('IO_ERROR', 'The disk takes no more bytes.');
    offset += n;
  }
}

function keepOwner(fs: FileSystem, fd: number, stats: Owner, owner: Owner, file: string): void {
  if (stats.uid === owner.uid && stats.gid === owner.gid) return;
  try {
    fs.fchownSync(fd, owner.uid, owner.gid);
  } catch (error) {
    if (isSystemError(error) && error.code === 'EPERM') throw ownerNotKept(file, owner);
    throw error;
  }
}

/** @throws HermesctlError `CHANGED_ON_DISK` where the file is not the version that was read. */
export function assertUnchanged(fs: FileSystem, target: DurableTarget): void {
  const stats = fs.lstatSync(target.path, { bigint: true, throwIfNoEntry: false });
  const unchanged =
    target.expected === 'absent'
      ? stats === undefined
      : stats !== undefined && sameStamp(stampOf(stats), target.expected);
  if (unchanged) return;
  throw new HermesctlError(
    'CHANGED_ON_DISK',
    `${target.path} was changed by another program meanwhile; nothing was written.`,
    {
      hint: 'Run the command again; if a server is using the store, stop it first.',
      details: { path: target.path },
    },
  );
}

/** Makes renames, links and removals in a directory survive a power cut. */
export function syncDirectory(fs: FileSystem, dir: string): void {
  const fd = fs.openSync(dir, 'r');
  try {
    fs.fsyncSync(fd);
  } catch (error) {
    // Some file systems cannot, and say so; they have no better to offer.
    if (!isSystemError(error) || !['EINVAL', 'ENOTSUP', 'EISDIR'].includes(error.code ?? '')) throw error;
  } finally {
    fs.closeSync(fd);
  }
}
