import { type FSWatcher, statSync, watch } from 'node:fs';
import * as path from 'node:path';

import type { WakeUp } from '../core/listing/watch';

/** A directory that is listened to, as the inode that it was then. */
interface Ear {
  watcher: FSWatcher;
  inode: bigint;
}

/**
 * Hears of changes by way of `fs.watch` (inotify and its like). There it has
 * its limits (a watch too many, a network disk, a directory that is another
 * one by now), and it is then deaf, without a word: it only hints.
 */
export class FileWakeUp implements WakeUp {
  private readonly ears = new Map<string, Ear>();
  private files: ReadonlySet<string> = new Set();
  private signal = new AbortController();

  constructor(private readonly watch_: typeof watch = watch) {}

  listen(files: readonly string[]): void {
    this.files = new Set(files);
    const directories = new Set(files.map((file) => path.dirname(file)));
    for (const directory of [...this.ears.keys()]) if (!directories.has(directory)) this.forget(directory);
    for (const directory of directories) this.listenAt(directory);
  }

  next(): AbortSignal {
    if (this.signal.signal.aborted) this.signal = new AbortController();
    return this.signal.signal;
  }

  /** Looks at once. */
  wake(): void {
    this.signal.abort();
  }

  close(): void {
    for (const directory of [...this.ears.keys()]) this.forget(directory);
  }

  private listenAt(directory: string): void {
    const inode = inodeOf(directory);
    if (this.ears.get(directory)?.inode === inode) return;
    this.forget(directory);
    if (inode === undefined) return;
    try {
      const watcher = this.watch_(directory, { persistent: false }, (_, name) => this.heard(directory, name));
      watcher.on('error', () => this.forget(directory));
      this.ears.set(directory, { watcher, inode });
    } catch {
      // Deaf: ENOSPC, EMFILE, or a file system that does not tell.
    }
  }

  private heard(directory: string, name: string | null): void {
    const isMeant =
      name === null ||
      this.files.has(path.join(directory, name)) ||
      // Of a directory that is itself among the files every session counts.
      (this.files.has(directory) && name.endsWith('.json'));
    if (isMeant) this.wake();
  }

  private forget(directory: string): void {
    const ear = this.ears.get(directory);
    this.ears.delete(directory);
    ear?.watcher.close();
  }
}

function inodeOf(directory: string): bigint | undefined {
  try {
    return statSync(directory, { bigint: true, throwIfNoEntry: false })?.ino;
  } catch {
    return undefined;
  }
}
