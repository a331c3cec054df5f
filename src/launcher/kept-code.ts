import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, realpathSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import type { Script } from 'node:vm';

import { userHome } from './user-home';

/** What kept code is of. */
export interface CodePlace {
  /** Tells one build of the program from another. */
  program: string;
  /** The part of it that is used: a name that can be a file's. */
  part: string;
}

const OTHERS_MAY_WRITE = 0o022;

/*
 * A file is a value, twice. The value: words that say its format, how many runs
 * that ended well are in it, and how many scripts; of each script its name,
 * filled up with zeros, and the length of its code; then the codes, each
 * aligned as V8 wants it.
 */
export const FORMAT = 0x68637463;
/** Words before the names. */
export const HEAD = 3;
export const WORD = 4;
/** Bytes of a name. */
export const NAME = 24;
export const ENTRY = NAME + WORD;
export const ALIGNMENT = 8;

export const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

const PIECE = 256 * 1024;
let piece: Buffer | undefined;

/**
 * Memory for a part of a file, until somebody asks for it again. To be given
 * new memory by the system takes longer than the reading itself.
 */
function pieceOfMemory(): Buffer {
  return (piece ??= Buffer.allocUnsafeSlow(PIECE));
}

/** The text of a file, a character for each byte. */
export function latin1Of(filename: string): string {
  const memory = pieceOfMemory();
  const fd = openSync(filename, 'r');
  try {
    let text = '';
    for (let length; (length = readSync(fd, memory)) > 0;) text += memory.toString('latin1', 0, length);
    return text;
  } finally {
    closeSync(fd);
  }
}

/**
 * V8's code cache of the program, in files of this user's own. V8 checks that
 * it belongs to this version of V8, these flags and a source of this length,
 * but not the code itself, and a wrong byte in it crashes the process. So it is
 * used only where it is whole and nobody else can have made it: file and
 * directory belong to the effective user, nobody else may write them, and no
 * link leads to them. Nothing that goes wrong here is a failure.
 *
 * Whether it is whole is told by a second copy: comparing the two is many times
 * faster at start-up than a checksum in JavaScript, and as sure. Few and long
 * functions, because each one that runs is compiled at every start.
 */
export class KeptCode {
  /** Scripts that were compiled, by their names. */
  readonly used: [name: string, script: Script][] = [];
  /** How many runs that ended well are in what is kept; 0 also where nothing is. */
  generation = 0;
  /** When it was written, in milliseconds since 1970. */
  writtenAt = 0;
  private bytes: Buffer | undefined;

  private constructor(
    readonly directory: string,
    readonly file: string,
  ) {
    try {
      if (isOwnDirectory(directory)) this.bytes = this.read();
    } catch {
      // It is made anew.
    }
  }

  /** What is kept of this part; undefined where nothing can be kept. */
  static of({ program, part }: CodePlace): KeptCode | undefined {
    const { env, execArgv, versions, arch } = process;
    if (process.geteuid === undefined || env['HERMESCTL_NO_CODE_CACHE']) return undefined;
    const flags = execArgv.length === 0 && !env['NODE_OPTIONS'] ? '' : `-${nameOf(env['NODE_OPTIONS'], execArgv)}`;
    const directory = join(cacheHome(), 'hermesctl', 'code', `${program}-${versions.v8}-${arch}${flags}`);
    return new KeptCode(directory, `${directory}/${part}`);
  }

  /** For V8; undefined where nothing of this script is kept. */
  dataOf(name: string): Buffer | undefined {
    const { bytes } = this;
    if (!bytes) return undefined;
    const count = bytes.readUInt32LE(2 * WORD);
    for (let i = 0, at = aligned(HEAD * WORD + count * ENTRY); i < count; i++) {
      const entry = HEAD * WORD + i * ENTRY;
      const length = bytes.readUInt32LE(entry + NAME);
      if (at + length > bytes.length) return undefined;
      if (bytes.toString('latin1', entry, entry + NAME) === name.padEnd(NAME, '\0'))
        return bytes.subarray(at, at + length);
      at += aligned(length);
    }
    return undefined;
  }

  /** The value that the file keeps, where it is whole and this user's own. */
  private read(): Buffer | undefined {
    const fd = openSync(this.file, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile() || !isOwn(stats) || stats.size === 0 || stats.size % (2 * ALIGNMENT) !== 0) return undefined;
      const size = stats.size / 2;
      // Memory of its own, so that it begins at an aligned address.
      const bytes = Buffer.allocUnsafeSlow(size);
      if (readSync(fd, bytes) !== size) return undefined;
      const memory = pieceOfMemory();
      for (let at = 0; at < size;) {
        const length = readSync(fd, memory);
        if (length === 0 || at + length > size || bytes.compare(memory, 0, length, at, at + length) !== 0)
          return undefined;
        at += length;
      }
      if (bytes.readUInt32LE(0) !== FORMAT) return undefined;
      this.generation = bytes.readUInt32LE(WORD);
      this.writtenAt = stats.mtimeMs;
      return bytes;
    } finally {
      closeSync(fd);
    }
  }
}

/** The rule of `cacheDir` in src/core/location, which is not loaded yet. */
export function cacheHome(): string {
  const { XDG_CACHE_HOME: set } = process.env;
  if (set?.startsWith('/')) return join(set);
  return join(userHome(), process.platform === 'darwin' ? 'Library/Caches' : '.cache');
}

export function isOwnDirectory(directory: string): boolean {
  const stats = lstatSync(directory);
  return stats.isDirectory() && isOwn(stats) && realpathSync.native(directory) === directory;
}

function isOwn(stats: Stats): boolean {
  return stats.uid === process.geteuid?.() && (stats.mode & OTHERS_MAY_WRITE) === 0;
}

/** A short name for what changes V8's flags (FNV-1a). */
function nameOf(options = '', flags: readonly string[]): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from([options, ...flags].join(' ').trim())) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16);
}
