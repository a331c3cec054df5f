import * as path from 'node:path';

import type BetterSqlite3 from 'better-sqlite3';

import type { Deps } from '../deps';
import { HermesctlError, ioError, isSystemError } from '../errors';
import { copyWithJournal } from './ledger-copy';
import { SCHEMA, SCHEMA_VERSION } from './ledger-rows';

/** `HCTM`: what SQLite's own shell shows of a ledger that lost its name. */
const APPLICATION_ID = 0x4843544d;
/** How long one call may block this process; between calls it can be interrupted. */
const BUSY_MS = 100;
const POLL_SECONDS = 0.02;

/** The ledger's database of a store: beside the sessions, not among them. */
export function ledgerPath(stateDir: string): string {
  return path.join(stateDir, '.hermesctl-memory.db');
}

/** The database of a ledger: opened, closed, and its transactions. What is in it is the business of others. */
export class LedgerFile {
  private constructor(
    readonly path: string,
    readonly database: BetterSqlite3.Database,
    private readonly deps: Deps,
    private readonly waitSeconds: number,
  ) {}

  /**
   * Opens a ledger to write, and makes it where there is none.
   *
   * @throws HermesctlError `LOCKED`, `DATABASE_UNUSABLE`, `IO_ERROR`.
   */
  static async open(stateDir: string, waitSeconds: number, deps: Deps): Promise<LedgerFile> {
    const file = ledgerPath(stateDir);
    createEmpty(file, stateDir, deps);
    const opened = await LedgerFile.connect(file, waitSeconds, deps, false);
    try {
      // EXTRA is FULL that also makes the end of the journal durable: without it a power cut takes back what was said to be done.
      await opened.whenFree(() => opened.database.pragma('synchronous = EXTRA'));
      await opened.makeTables();
      return opened;
    } catch (error) {
      opened.close();
      throw error;
    }
  }

  /**
   * Opens a ledger to look at it; undefined where there is none. Nothing is
   * created, and nothing is written: where a writer died in the midst of a
   * write, what was there before is made out in a copy.
   *
   * @throws HermesctlError `LOCKED`, `DATABASE_UNUSABLE`, `IO_ERROR`.
   */
  static async openToRead(stateDir: string, waitSeconds: number, deps: Deps): Promise<LedgerFile | undefined> {
    const file = ledgerPath(stateDir);
    if (isAbsent(file, deps)) return undefined;
    try {
      return await LedgerFile.openVersion(file, waitSeconds, deps, true);
    } catch (error) {
      if (!needsRollback(error)) throw error;
    }
    const { copy, remove } = copyWithJournal(file, deps);
    try {
      // The first look undoes what was half-written; after that SQLite needs the file, and not its name.
      return await LedgerFile.openVersion(copy, waitSeconds, deps, false);
    } finally {
      remove();
    }
  }

  private static async openVersion(
    file: string,
    waitSeconds: number,
    deps: Deps,
    readonly: boolean,
  ): Promise<LedgerFile | undefined> {
    const opened = await LedgerFile.connect(file, waitSeconds, deps, readonly);
    try {
      if ((await opened.read(() => opened.version())) === SCHEMA_VERSION) return opened;
    } catch (error) {
      opened.close();
      throw error;
    }
    opened.close(); // somebody is about to fill it
    return undefined;
  }

  private static async connect(file: string, waitSeconds: number, deps: Deps, readonly: boolean): Promise<LedgerFile> {
    const { default: Database } = await import('better-sqlite3');
    try {
      const database = new Database(file, { timeout: BUSY_MS, readonly, fileMustExist: true });
      return new LedgerFile(file, database, deps, waitSeconds);
    } catch (error) {
      throw named(error, file);
    }
  }

  close(): void {
    this.database.close();
  }

  /** A consistent copy in a file that is not there yet, whoever writes meanwhile. */
  copyTo(file: string): Promise<void> {
    return this.whenFree(() => void this.database.prepare('VACUUM INTO ?').run(file));
  }

  read<T>(work: () => T): Promise<T> {
    const transaction = this.database.transaction(work);
    return this.whenFree(() => transaction.deferred());
  }

  write<T>(work: () => T): Promise<T> {
    const transaction = this.database.transaction(work);
    return this.whenFree(() => transaction.immediate());
  }

  /** Runs one transaction, again for as long as others are in the way. */
  private async whenFree<T>(transaction: () => T): Promise<T> {
    const { clock } = this.deps;
    const deadline = clock.now() + this.waitSeconds;
    for (;;) {
      try {
        return transaction();
      } catch (error) {
        if (!isBusy(error)) throw named(error, this.path);
      }
      if (clock.now() >= deadline) {
        throw new HermesctlError('LOCKED', `The ledger ${this.path} is in use; waited ${this.waitSeconds} s.`, {
          hint: 'Wait for the others to end, or wait longer with --lock-wait.',
          details: { path: this.path },
        });
      }
      await clock.sleep(POLL_SECONDS);
    }
  }

  private async makeTables(): Promise<void> {
    if ((await this.read(() => this.version())) === SCHEMA_VERSION) return;
    await this.write(() => {
      if (this.version() === SCHEMA_VERSION) return; // another process was quicker
      this.database.exec(SCHEMA);
      this.database.pragma(`application_id = ${APPLICATION_ID}`);
      this.database.pragma(`user_version = ${SCHEMA_VERSION}`);
    });
  }

  /** 0 of one that is not made yet. */
  private version(): number {
    const version = this.database.pragma('user_version', { simple: true }) as number;
    if (version === SCHEMA_VERSION) return version;
    const tables = this.database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() as number;
    if (version === 0 && tables === 0) return version;
    throw new HermesctlError(
      'DATABASE_UNUSABLE',
      `${this.path} is not a ledger of this hermesctl (version ${version}, not ${SCHEMA_VERSION}).`,
      { hint: 'If a newer hermesctl made it, use that one.', details: { path: this.path, version } },
    );
  }
}

function isAbsent(file: string, deps: Deps): boolean {
  try {
    const stats = deps.fs.statSync(file, { throwIfNoEntry: false });
    return stats === undefined || stats.size === 0; // empty: somebody is about to fill it
  } catch (error) {
    throw isSystemError(error) ? ioError(error, file) : error;
  }
}

/** Makes the file before SQLite does: nobody else may read it, and made by root it must not lock the store's user out. */
function createEmpty(file: string, dir: string, deps: Deps): void {
  const { fs, processes } = deps;
  const { O_CREAT, O_EXCL, O_WRONLY } = fs.constants;
  try {
    const fd = fs.openSync(file, O_CREAT | O_EXCL | O_WRONLY, 0o600);
    try {
      if (processes.uid !== 0) return;
      const { uid, gid } = fs.statSync(dir);
      fs.fchownSync(fd, uid, gid);
    } finally {
      fs.closeSync(fd);
    }
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.code !== 'EEXIST') throw ioError(error, file);
  }
}

function sqliteCode(error: unknown): string {
  const { code } = error as { code?: unknown };
  return error instanceof Error && typeof code === 'string' && code.startsWith('SQLITE_') ? code : '';
}

function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(sqliteCode(error)) && sqliteCode(error) !== 'SQLITE_BUSY_SNAPSHOT';
}

function needsRollback(error: unknown): boolean {
  return error instanceof HermesctlError && error.details['sqlite'] === 'SQLITE_READONLY_ROLLBACK';
}

function named(error: unknown, file: string): unknown {
  const sqlite = sqliteCode(error);
  if (sqlite === '') return error;
  const isDisk = /^SQLITE_(IOERR|FULL|CANTOPEN|READONLY|PERM)/.test(sqlite);
  const hint = isDisk
    ? 'The state directory must be writable, and have room.'
    : `Put the file aside: 'hermesctl memory scan' makes a new ledger from the sessions. Turns that were marked and are not in the sessions are lost by that.`;
  return new HermesctlError(
    isDisk ? 'IO_ERROR' : 'DATABASE_UNUSABLE',
    `The ledger ${file} cannot be used: ${(error as Error).message} (${sqlite}).`,
    { hint, details: { path: file, sqlite }, cause: error },
  );
}
