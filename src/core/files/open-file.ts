import { HermesctlError, ioError, isSystemError } from '../errors';
import type { ByteSource } from '../json/reader';
import { isTooLong } from '../json/too-long';
import type { FileSystem } from './file-system';
import { type FileStamp, stampOf } from './stamp';

/** A regular file, open for reading: one version of it, whatever is renamed over its name meanwhile. */
export interface OpenFile {
  path: string;
  source: ByteSource;
  stamp: FileStamp;
}

/**
 * Opens a regular file, hands it to `use` and closes it, whatever happens.
 * Gives undefined where there is no such file.
 *
 * @throws HermesctlError `IO_ERROR` where it cannot be read, is no regular file, or holds a value that is too long for a text.
 */
export function withFile<T>(fs: FileSystem, path: string, use: (file: OpenFile) => T): T | undefined {
  const fd = openExisting(fs, path);
  if (fd === undefined) return undefined;
  try {
    return use(openFile(fs, fd, path));
  } catch (error) {
    throw asFailure(error, path);
  } finally {
    closeQuietly(fs, fd);
  }
}

/** Like {@link withFile}, for work that lets signals in or hands out its result piece by piece. */
export async function withFileAsync<T>(
  fs: FileSystem,
  path: string,
  use: (file: OpenFile) => Promise<T>,
): Promise<T | undefined> {
  const fd = openExisting(fs, path);
  if (fd === undefined) return undefined;
  try {
    return await use(openFile(fs, fd, path));
  } catch (error) {
    throw asFailure(error, path);
  } finally {
    closeQuietly(fs, fd);
  }
}

/**
 * The bytes between two offsets that the file had when it was opened.
 *
 * @throws HermesctlError `CHANGED_ON_DISK` where they are gone: somebody writes to it instead of replacing it.
 */
export function readSpan({ path, source }: OpenFile, start: number, end: number): Buffer {
  const bytes = Buffer.allocUnsafe(end - start);
  for (let filled = 0; filled < bytes.length;) {
    const n = source.read(bytes, filled, bytes.length - filled, start + filled);
    if (n === 0) throw changedWhileRead(path);
    filled += n;
  }
  return bytes;
}

export function changedWhileRead(path: string): HermesctlError {
  return new HermesctlError('CHANGED_ON_DISK', `${path} was changed by another program while it was read.`, {
    hint: 'Run the command again.',
    details: { path },
  });
}

/** A file may hold what no text of JavaScript can: that says nothing of the others. */
function asFailure(error: unknown, path: string): unknown {
  if (isSystemError(error)) return ioError(error, path);
  if (!isTooLong(error)) return error;
  return new HermesctlError('IO_ERROR', `${path} holds a value of more than 512 MB, which is too long to be read.`, {
    details: { path },
    cause: error,
  });
}

/** Of a file that was only read, a failing close tells nothing: what was done with it stands. */
function closeQuietly(fs: FileSystem, fd: number): void {
  try {
    fs.closeSync(fd);
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

function openExisting(fs: FileSystem, path: string): number | undefined {
  try {
    // Not blocking: a FIFO by a session's name must not hang a listing.
    return fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return undefined;
    throw isSystemError(error) ? ioError(error, path) : error;
  }
}

function openFile(fs: FileSystem, fd: number, path: string): OpenFile {
  const stats = fs.fstatSync(fd, { bigint: true });
  if (!stats.isFile()) {
    throw new HermesctlError('IO_ERROR', `${path} is not a regular file.`, {
      hint: 'Move it aside; an index is made anew from the session files.',
      details: { path },
    });
  }
  const source: ByteSource = {
    read: (into, offset, length, position) => fs.readSync(fd, into, offset, length, position),
  };
  return { path, source, stamp: stampOf(stats) };
}
