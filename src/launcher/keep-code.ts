import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';

import { aligned, cacheHome, ENTRY, FORMAT, HEAD, isOwnDirectory, type KeptCode, NAME, WORD } from './kept-code';

const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;
/** What other builds left behind goes when it was not used for so long. */
const STALE_MS = 30 * 24 * 3600 * 1000;

/**
 * Keeps what this run compiled beside what was kept of this part before.
 * Nothing that goes wrong here is a failure.
 *
 * @param generation how many runs that ended well are in it.
 */
export function keepCode({ directory, file, used, generation: before }: KeptCode, generation: number): void {
  quietly(() => {
    if (before === 0) prepare(directory);
    if (!isOwnDirectory(directory)) return;
    const scripts = used.map(([name, script]): [string, Buffer] => [name, script.createCachedData()]);
    replace(file, spell(generation, scripts));
  });
}

function prepare(directory: string): void {
  // Each one by itself: a home that is not there is not made.
  for (let made = cacheHome(); ; made = join(made, relative(made, directory).split(sep)[0])) {
    quietly(() => mkdirSync(made, { mode: DIRECTORY_MODE }));
    if (made === directory) break;
  }
  const all = dirname(directory);
  for (const name of readdirSync(all)) {
    const other = join(all, name);
    const isStale = Date.now() - lstatSync(other).mtimeMs > STALE_MS;
    if (other !== directory && isStale) rmSync(other, { recursive: true });
  }
}

/** A file's bytes. */
function spell(generation: number, scripts: readonly [name: string, data: Buffer][]): Buffer {
  const head = aligned(HEAD * WORD + scripts.length * ENTRY);
  const size = scripts.reduce((sum, [, { length }]) => sum + aligned(length), head);
  const bytes = Buffer.alloc(2 * size);
  [FORMAT, generation, scripts.length].forEach((word, i) => bytes.writeUInt32LE(word, i * WORD));
  let at = head;
  for (const [i, [name, data]] of scripts.entries()) {
    const entry = HEAD * WORD + i * ENTRY;
    bytes.write(name, entry, NAME, 'latin1');
    bytes.writeUInt32LE(data.length, entry + NAME);
    data.copy(bytes, at);
    at += aligned(data.length);
  }
  bytes.copy(bytes, size, 0, size);
  return bytes;
}

/** Replaces a file as a whole. It is not synced: a file that is not whole is not used. */
function replace(file: string, bytes: Buffer): void {
  const temporary = `${file}.${process.pid}`;
  try {
    const fd = openSync(temporary, 'wx', FILE_MODE);
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, file);
  } catch (error) {
    quietly(() => unlinkSync(temporary));
    throw error;
  }
}

function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // What is kept only makes it faster.
  }
}
