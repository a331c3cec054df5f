import {
  closeSync,
  constants,
  type Stats,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import type { Script } from 'node:vm';

import { piecesOf } from './scratch';
import { userHome } from './user-home';

/** What kept code is of. */
export interface CachePlace {
  /** Tells one build of the program from another. */
  program: string;
  /** The part of it that is used: a name that can be a file's. */
  part: string;
}

const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;
const OTHERS_MAY_WRITE = 0o022;
/** So many runs that ended well add what they compiled, and later one a day: each may go another way. */
const GENERATIONS = 3;
const DAY_MS = 24 * 3600 * 1000;
/** What other builds left behind goes when it was not used for so long. */
const STALE_MS = 30 * 24 * 3600 * 1000;

/** What a file says of itself: how many runs that ended well are in it, and where each script's code is. */
interface Kept {
  generation: number;
  scripts: Map<string, Buffer>;
  /** Whether it was written more than a day ago. */
  isOld: boolean;
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
 * faster at start-up than a checksum in JavaScript, and as sure.
 */
export class CodeCache {
  private readonly used: [name: string, script: Script][] = [];

  private constructor(
    private readonly directory: string,
    private readonly file: string,
    private readonly kept: Kept | undefined,
  ) {}

  /** What is kept of this part; undefined where nothing can be kept. */
  static of({ program, part }: CachePlace): CodeCache | undefined {
    if (process.geteuid === undefined || process.env['HERMESCTL_NO_CODE_CACHE']) return undefined;
    const flags = [process.env['NODE_OPTIONS'] ?? '', ...process.execArgv].join(' ').trim();
    const version = `${process.versions.v8}-${process.arch}${flags === '' ? '' : `-${nameOf(flags)}`}`;
    const directory = join(cacheHome(), 'hermesctl', 'code', `${program}-${version}`);
    const file = join(directory, part);
    const kept = quietly(() => (isOwnDirectory(directory) ? read(file) : undefined));
    return new CodeCache(directory, file, kept);
  }

  /** For V8; undefined where nothing of this script is kept. */
  dataOf(name: string): Buffer | undefined {
    return this.kept?.scripts.get(name);
  }

  /** Told of each script that was compiled. */
  compiled(name: string, script: Script): void {
    this.used.push([name, script]);
  }

  /**
   * Keeps what this run compiled, where there was nothing that could be used,
   * or nothing of many runs yet, or of none for a day. A run that failed has
   * not come far: it adds nothing.
   */
  keep(isWell: boolean): void {
    const generation = this.kept?.generation ?? 0;
    const isUsable = this.used.every(([name, script]) => this.dataOf(name) && !script.cachedDataRejected);
    if (isUsable && (!isWell || (generation >= GENERATIONS && !this.kept?.isOld))) return;
    quietly(() => {
      if (generation === 0) this.prepare();
      if (!isOwnDirectory(this.directory)) return;
      const scripts = new Map(this.used.map(([name, script]) => [name, script.createCachedData()]));
      replace(this.file, spell({ generation: isWell ? Math.min(generation + 1, GENERATIONS) : generation, scripts }));
    });
  }

  private prepare(): void {
    // Each one by itself: a home that is not there is not made.
    for (let made = cacheHome(); ; made = join(made, relative(made, this.directory).split(sep)[0])) {
      quietly(() => mkdirSync(made, { mode: DIRECTORY_MODE }));
      if (made === this.directory) break;
    }
    const all = dirname(this.directory);
    for (const name of readdirSync(all)) {
      const other = join(all, name);
      const isStale = Date.now() - lstatSync(other).mtimeMs > STALE_MS;
      if (other !== this.directory && isStale) rmSync(other, { recursive: true });
    }
  }
}

/** The rule of `cacheDir` in src/core/location, which is not loaded yet. */
function cacheHome(): string {
  const { XDG_CACHE_HOME: set } = process.env;
  if (set && isAbsolute(set)) return set;
  return join(userHome(), ...(process.platform === 'darwin' ? ['Library', 'Caches'] : ['.cache']));
}

function isOwnDirectory(directory: string): boolean {
  const stats = lstatSync(directory);
  return stats.isDirectory() && isOwn(stats) && realpathSync.native(directory) === directory;
}

function isOwn(stats: Stats): boolean {
  return stats.uid === process.geteuid?.() && (stats.mode & OTHERS_MAY_WRITE) === 0;
}

const FORMAT = 0x68637463;
/** Words before the names: format, generation, number of scripts. */
const HEAD = 3;
/** Bytes of a script's entry: its name, and the length of its code. */
const NAME = 24;
const ENTRY = NAME + 4;
/** V8 wants its data aligned. */
const ALIGNMENT = 8;

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** A file's bytes: the value, twice. */
function spell({ generation, scripts }: Omit<Kept, 'isOld'>): Buffer {
  const head = aligned(HEAD * 4 + scripts.size * ENTRY);
  const size = [...scripts.values()].reduce((sum, { length }) => sum + aligned(length), head);
  const bytes = Buffer.alloc(2 * size);
  [FORMAT, generation, scripts.size].forEach((word, i) => bytes.writeUInt32LE(word, i * 4));
  let at = head;
  for (const [i, [name, data]] of [...scripts].entries()) {
    const entry = HEAD * 4 + i * ENTRY;
    bytes.write(name, entry, NAME, 'latin1');
    bytes.writeUInt32LE(data.length, entry + NAME);
    data.copy(bytes, at);
    at += aligned(data.length);
  }
  bytes.copy(bytes, size, 0, size);
  return bytes;
}

/** What a file keeps, where it is whole and this user's own. */
function read(file: string): Kept | undefined {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile() || !isOwn(stats) || stats.size % (2 * ALIGNMENT) !== 0) return undefined;
    const size = stats.size / 2;
    // Memory of its own, so that it begins at an aligned address.
    const bytes = Buffer.allocUnsafeSlow(size);
    if (readSync(fd, bytes) !== size || !follows(fd, bytes)) return undefined;
    if (bytes.readUInt32LE(0) !== FORMAT) return undefined;
    const isOld = Date.now() - stats.mtimeMs > DAY_MS;
    const kept: Kept = { generation: bytes.readUInt32LE(4), scripts: new Map(), isOld };
    const count = bytes.readUInt32LE(8);
    let at = aligned(HEAD * 4 + count * ENTRY);
    for (let i = 0; i < count; i++) {
      const entry = HEAD * 4 + i * ENTRY;
      const end = bytes.indexOf(0, entry);
      const name = bytes.toString('latin1', entry, Math.min(end, entry + NAME));
      const length = bytes.readUInt32LE(entry + NAME);
      if (at + length > size) return undefined;
      kept.scripts.set(name, bytes.subarray(at, at + length));
      at += aligned(length);
    }
    return kept;
  } finally {
    closeSync(fd);
  }
}

/** Whether the rest of a file is the same as these bytes. */
function follows(fd: number, bytes: Buffer): boolean {
  let at = 0;
  for (const piece of piecesOf(fd)) {
    const end = at + piece.length;
    if (end > bytes.length || piece.compare(bytes, at, end) !== 0) return false;
    at = end;
  }
  return at === bytes.length;
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

/** A short name for a text (FNV-1a). */
function nameOf(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16);
}

function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
