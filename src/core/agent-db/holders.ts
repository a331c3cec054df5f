import * as path from 'node:path';

import type { Deps } from '../deps';
import { isSystemError } from '../errors';

/** A process that has the database, or a file that SQLite keeps beside it, open. */
export interface Holder {
  pid: number;
  /** The files it has open, as the kernel names them. */
  files: string[];
}

const BESIDE = ['', '-wal', '-shm', '-journal'];
const DELETED = ' (deleted)';

/**
 * The other processes that hold the database open, from `/proc/PID/fd`
 * (reference: hermes-agent §1.4). Processes of other users that may not be
 * looked into are not among them. Undefined where there is no `/proc`: then
 * nobody can tell.
 */
export function holdersOf(database: string, deps: Deps): Holder[] | undefined {
  const processes = list(deps, '/proc')?.filter((name) => /^\d+$/.test(name));
  if (processes === undefined || processes.length === 0) return undefined;
  const real = realPath(database, deps);
  const names = new Set(BESIDE.map((suffix) => path.basename(real) + suffix));
  const inodes = new Set(BESIDE.map((suffix) => inode(real + suffix, deps)).filter((id) => id !== undefined));
  const isHeld = (fd: string, target: string): boolean => {
    const file = target.endsWith(DELETED) ? target.slice(0, -DELETED.length) : target;
    if (!names.has(path.basename(file))) return false;
    // By name for a file that was unlinked, by inode for one that a container knows by another path.
    return BESIDE.some((suffix) => file === real + suffix) || inodes.has(inode(fd, deps) ?? '');
  };
  const holders: Holder[] = [];
  for (const pid of processes.map(Number).filter((id) => id !== deps.processes.self.pid)) {
    const files = (list(deps, `/proc/${pid}/fd`) ?? [])
      .map((fd) => ({ fd: `/proc/${pid}/fd/${fd}`, target: link(`/proc/${pid}/fd/${fd}`, deps) }))
      .filter(({ fd, target }) => target !== undefined && isHeld(fd, target))
      .map(({ target }) => target!);
    if (files.length > 0) holders.push({ pid, files: [...new Set(files)].sort() });
  }
  return holders;
}

/** Processes and their files come and go while they are looked at, and some may not be looked at. */
function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}

const list = (deps: Deps, dir: string): string[] | undefined => quietly(() => deps.fs.readdirSync(dir));

const link = (file: string, deps: Deps): string | undefined => quietly(() => deps.fs.readlinkSync(file));

const realPath = (file: string, deps: Deps): string => quietly(() => deps.fs.realpathSync(file)) ?? file;

function inode(file: string, deps: Deps): string | undefined {
  const stats = quietly(() => deps.fs.statSync(file, { bigint: true }));
  return stats && `${stats.dev}:${stats.ino}`;
}
