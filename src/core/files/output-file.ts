import { basename, dirname, join } from 'node:path';

import type { Deps } from '../deps';
import { HermesctlError, ioError, isSystemError } from '../errors';
import { syncDirectory } from './durable-write';
import type { FileSystem } from './file-system';

/** Transcripts are nobody else's business. */
const MODE = 0o600;

/**
 * A file outside of the store that a command makes, of any size: written under
 * another name beside it, put to the disk, and only then given its name. Where
 * that fails, or the command is interrupted, what was there before is still
 * there and nothing else.
 */
export class OutputFile {
  bytes = 0;
  private readonly temporary: string;
  private readonly fd: number;
  private open = true;

  /**
   * @param replace whether a file of that name may be replaced.
   * @throws HermesctlError `ALREADY_EXISTS`, `REFUSED` (something there that is no file), `IO_ERROR`.
   */
  constructor(
    readonly path: string,
    private readonly replace: boolean,
    private readonly deps: Deps,
  ) {
    this.assertMayWrite();
    const name = `.${basename(this.path)}.${deps.ids.uuidHex().slice(0, 8)}.tmp`;
    this.temporary = join(dirname(this.path), name);
    this.fd = this.named(() => deps.fs.openSync(this.temporary, 'wx', MODE));
  }

  write(bytes: Uint8Array): void {
    this.named(() => {
      for (let offset = 0; offset < bytes.length;) {
        const n = this.deps.fs.writeSync(this.fd, bytes, offset, bytes.length - offset);
        if (n === 0) throw new HermesctlError('IO_ERROR', `${this.path}: the disk takes no more bytes.`);
        offset += n;
      }
    });
    this.bytes += bytes.length;
  }

  /** Gives the file its name, durably. Throws as the constructor. */
  finish(): void {
    const { fs } = this.deps;
    this.named(() => {
      if (fs.fstatSync(this.fd).size !== this.bytes)
        throw new HermesctlError('IO_ERROR', `${this.path}: not all that was written is there.`);
      fs.fsyncSync(this.fd);
      this.close();
      if (this.replace || !this.link()) {
        this.assertMayWrite();
        fs.renameSync(this.temporary, this.path);
      }
      syncDirectory(fs, dirname(this.path));
    });
  }

  /** Takes away what was written, if it has no name yet. */
  discard(): void {
    try {
      this.close();
      this.deps.fs.rmSync(this.temporary, { force: true });
    } catch (error) {
      if (!isSystemError(error)) throw error; // the failure that led here is the one to tell
    }
  }

  private close(): void {
    if (!this.open) return;
    this.open = false;
    this.deps.fs.closeSync(this.fd);
  }

  /** A second name fails where one is there already, whoever made it meanwhile. False where the file system has no links. */
  private link(): boolean {
    const { fs } = this.deps;
    try {
      fs.linkSync(this.temporary, this.path);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      if (error.code === 'EEXIST') throw alreadyThere(this.path);
      return false;
    }
    fs.unlinkSync(this.temporary);
    return true;
  }

  private assertMayWrite(): void {
    const kind = kindAt(this.deps.fs, this.path);
    if (kind === 'none') return;
    if (kind !== 'file') {
      throw new HermesctlError('REFUSED', `${this.path} is no regular file, and is not replaced.`, {
        hint: 'Name another file; without --output, or with -, the export goes to standard output.',
        details: { path: this.path },
      });
    }
    if (!this.replace) throw alreadyThere(this.path);
  }

  private named<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw isSystemError(error) ? ioError(error, this.path) : error;
    }
  }
}

function alreadyThere(file: string): HermesctlError {
  return new HermesctlError('ALREADY_EXISTS', `${file} is there already.`, {
    hint: 'Name another file, or say --force to replace it.',
    details: { path: file },
  });
}

/** What has this name; a link is none of these. */
export function kindAt(fs: FileSystem, file: string): 'none' | 'file' | 'directory' | 'other' {
  try {
    const stats = fs.lstatSync(file, { throwIfNoEntry: false });
    if (!stats) return 'none';
    return stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other';
  } catch (error) {
    throw isSystemError(error) ? ioError(error, file) : error;
  }
}
