import * as path from 'node:path';

import type BetterSqlite3 from 'better-sqlite3';

import type { Deps } from '../deps';
import { HermesctlError, isSystemError } from '../errors';

/** Who holds a lock, as told to those who wait. */
export interface LockHolder {
  pid: number;
  host: string;
  command: string;
  /** Epoch seconds. */
  since: number;
}

const LOCK_FILE = '.hermesctl-lock.db';
const HOLDER_FILE = '.hermesctl-lock.json';
const POLL_SECONDS = 0.05;

/**
 * Runs `work` while this process alone, of all hermesctl processes, may change
 * the store. The lock is SQLite's on a tiny database beside the store: the
 * kernel holds it and frees it when the process dies, however it dies. A
 * server takes no such lock; what it writes meanwhile is noticed by the
 * comparison in {@link durableWrite}.
 *
 * @param waitSeconds how long to wait for another holder.
 * @throws HermesctlError `LOCKED` with the holder, `IO_ERROR` where the lock file cannot be made.
 */
export async function withStoreLock<T>(
  stateDir: string,
  waitSeconds: number,
  deps: Deps,
  work: () => Promise<T>,
): Promise<T> {
  const database = await openLockDatabase(path.join(stateDir, LOCK_FILE), stateDir, deps);
  try {
    await acquire(database, stateDir, waitSeconds, deps);
    const holderFile = path.join(stateDir, HOLDER_FILE);
    try {
      writeHolder(holderFile, deps);
      return await work();
    } finally {
      removeHolder(holderFile, deps);
    }
  } finally {
    database.close();
  }
}

async function openLockDatabase(file: string, dir: string, deps: Deps): Promise<BetterSqlite3.Database> {
  const { default: Database } = await import('better-sqlite3');
  let database: BetterSqlite3.Database | undefined;
  try {
    database = new Database(file, { timeout: 0 });
    giveToOwnerOf(dir, file, deps);
    return database;
  } catch (error) {
    database?.close();
    throw new HermesctlError('IO_ERROR', `The store's lock ${file} cannot be opened: ${(error as Error).message}.`, {
      hint: 'The state directory must be writable for a command that changes the store.',
      details: { path: file },
      cause: error,
    });
  }
}

/** Made by root on another user's store, the lock must not lock that user out. By name: a descriptor would drop SQLite's lock. */
function giveToOwnerOf(dir: string, file: string, deps: Deps): void {
  if (deps.processes.uid !== 0) return;
  const { uid, gid } = deps.fs.statSync(dir);
  const own = deps.fs.statSync(file);
  if (own.uid !== uid || own.gid !== gid) deps.fs.chownSync(file, uid, gid);
}

async function acquire(database: BetterSqlite3.Database, dir: string, waitSeconds: number, deps: Deps): Promise<void> {
  const deadline = deps.clock.now() + waitSeconds;
  for (;;) {
    try {
      // Nothing is ever written to it. A journal on the disk would need room on a full one, and stay behind after a kill.
      database.pragma('journal_mode = MEMORY');
      database.exec('BEGIN EXCLUSIVE');
      return;
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      if (typeof code !== 'string' || !code.startsWith('SQLITE_BUSY'))
        throw lockFailed(error, path.join(dir, LOCK_FILE));
    }
    if (deps.clock.now() >= deadline) throw locked(dir, waitSeconds, deps);
    await deps.clock.sleep(POLL_SECONDS);
  }
}

function lockFailed(error: unknown, file: string): unknown {
  const { code, message } = error as { code?: unknown; message: string };
  if (typeof code !== 'string') return error;
  return new HermesctlError('IO_ERROR', `The store's lock ${file} cannot be taken: ${message} (${code}).`, {
    ...(code === 'SQLITE_NOTADB' ? { hint: 'Nothing is kept in it: remove it while no hermesctl runs.' } : {}),
    details: { path: file },
    cause: error,
  });
}

function locked(dir: string, waitSeconds: number, deps: Deps): HermesctlError {
  const holder = readHolder(path.join(dir, HOLDER_FILE), deps);
  const who = holder
    ? `process ${holder.pid} on ${holder.host} ('${holder.command}'), since ${new Date(holder.since * 1000).toISOString()}`
    : 'another hermesctl';
  return new HermesctlError('LOCKED', `The store is locked by ${who}; waited ${waitSeconds} s.`, {
    hint: 'Wait for it to end, or wait longer with --lock-wait.',
    details: { holder: holder ?? null },
  });
}

/**
 * For the message only: the lock itself is the kernel's. So this file needs no
 * durability, and may be missing or old; a disk too full for it must not stop
 * gc-tmp, which makes room.
 */
function writeHolder(file: string, deps: Deps): void {
  const holder: LockHolder = { ...deps.processes.self, since: deps.clock.now() };
  try {
    deps.fs.writeFileSync(file, `${JSON.stringify(holder)}\n`, { mode: 0o600 });
    giveToOwnerOf(path.dirname(file), file, deps);
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

function removeHolder(file: string, deps: Deps): void {
  try {
    deps.fs.unlinkSync(file);
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

function readHolder(file: string, deps: Deps): LockHolder | undefined {
  try {
    return JSON.parse(deps.fs.readFileSync(file, 'utf8')) as LockHolder;
  } catch {
    return undefined;
  }
}
