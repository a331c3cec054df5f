import * as path from 'node:path';

import type { Deps } from '../deps';
import { isSystemError } from '../errors';

const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;
const OTHERS_MAY_WRITE = 0o022;

/**
 * A directory of the user's own for what can be made again. What somebody else
 * owns or may write, and what is a link, is not believed; nothing that goes
 * wrong here is a failure.
 */
export class OwnDirectory {
  constructor(
    readonly path: string,
    private readonly deps: Deps,
  ) {}

  /** Makes the directory where it is missing; whether it can be used. */
  prepare(): boolean {
    this.quietly(() => this.deps.fs.mkdirSync(this.path, { recursive: true, mode: DIRECTORY_MODE }));
    return this.isOwn(this.path);
  }

  /** The names in it; none where it cannot be read, or is not the user's own: a link leads to files of somebody else. */
  names(): string[] {
    if (!this.isOwn(this.path)) return [];
    return this.quietly(() => this.deps.fs.readdirSync(this.path)) ?? [];
  }

  /** The regular files in it with such names, and their sizes. */
  files(names: RegExp): { name: string; bytes: number }[] {
    return this.names().flatMap((name) => {
      const stats = names.test(name) ? this.quietly(() => this.deps.fs.lstatSync(this.pathOf(name))) : undefined;
      return stats?.isFile() ? [{ name, bytes: stats.size }] : [];
    });
  }

  /** Removes the directory, where it is empty and the user's own. */
  removeItself(): void {
    if (this.isOwn(this.path)) this.quietly(() => this.deps.fs.rmdirSync(this.path));
  }

  pathOf(name: string): string {
    return path.join(this.path, name);
  }

  /** The bytes of a file; undefined where there is none that can be believed. */
  read(name: string): Buffer | undefined {
    if (!this.isOwn(this.path) || !this.isOwn(this.pathOf(name))) return undefined;
    return this.quietly(() => this.deps.fs.readFileSync(this.pathOf(name)));
  }

  /** Marks a file as used now. */
  touch(name: string): void {
    const now = this.deps.clock.now();
    this.quietly(() => this.deps.fs.utimesSync(this.pathOf(name), now, now));
  }

  /** Replaces a file as a whole; whether that could be done. A crash may leave the old one, and a file to be cleared. */
  write(name: string, content: string | Uint8Array): boolean {
    if (!this.prepare()) return false;
    const { fs, ids } = this.deps;
    const temporary = this.pathOf(`${name}.${ids.uuidHex()}`);
    const done = this.quietly(() => {
      fs.writeFileSync(temporary, content, { mode: FILE_MODE, flag: 'wx' });
      fs.renameSync(temporary, this.pathOf(name));
      return true;
    });
    if (!done) this.quietly(() => fs.unlinkSync(temporary));
    return done ?? false;
  }

  /** Size and time of the last use (epoch seconds); undefined where there is no such file. */
  describe(name: string): { bytes: number; usedAt: number } | undefined {
    const stats = this.quietly(() => this.deps.fs.lstatSync(this.pathOf(name)));
    return stats && { bytes: stats.size, usedAt: stats.mtimeMs / 1000 };
  }

  /** Whether it was removed. */
  remove(name: string): boolean {
    return this.quietly(() => (this.deps.fs.unlinkSync(this.pathOf(name)), true)) ?? false;
  }

  /** Whether only this user can have written it. */
  private isOwn(file: string): boolean {
    const { fs, processes } = this.deps;
    const stats = this.quietly(() => fs.lstatSync(file));
    if (!stats || stats.isSymbolicLink()) return false;
    return processes.uid === undefined || (stats.uid === processes.uid && (stats.mode & OTHERS_MAY_WRITE) === 0);
  }

  private quietly<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (isSystemError(error)) return undefined;
      throw error;
    }
  }
}
