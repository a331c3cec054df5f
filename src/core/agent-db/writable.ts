import type BetterSqlite3 from 'better-sqlite3';

import type { Deps } from '../deps';
import { HermesctlError } from '../errors';
import { assertNotHeld } from './busy';
import { failedQuery, isSqliteError, unusable } from './unusable';

const BUSY_TIMEOUT_MS = 5000;

/** An agent database that is open for writing, in a transaction. */
export interface AgentTransaction {
  path: string;
  database: BetterSqlite3.Database;
}

/**
 * Does `work` in one `BEGIN IMMEDIATE` transaction, on the disk when this
 * returns, or leaves the database as it was (reference: hermes-agent §1.4,
 * §1.10). Unless `force`, nobody else may have it open, neither before it is
 * opened nor when the transaction is about to be committed.
 *
 * @param onCommit told when the commit is about to be made: a failure from then on leaves open whether it was.
 * @throws HermesctlError `SERVER_RUNNING`, `DATABASE_UNUSABLE`, `IO_ERROR`; the database is then unchanged.
 */
export async function withAgentTransaction<T>(
  path: string,
  force: boolean,
  deps: Deps,
  work: (transaction: AgentTransaction) => Promise<T>,
  onCommit: () => void = () => undefined,
): Promise<T> {
  const { default: Database } = await import('better-sqlite3');
  if (!force) await assertNotHeld(path, deps);
  let database: BetterSqlite3.Database | undefined;
  try {
    database = new Database(path, { fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
    // A commit that is told of must be on the disk; in WAL mode SQLite would only write it.
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    database.exec('BEGIN IMMEDIATE');
    const result = await work({ path, database });
    if (!force) await assertNotHeld(path, deps);
    onCommit();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database?.inTransaction) rollBack(database);
    throw isSqliteError(error) ? failedWrite(path, error.message, error) : error;
  } finally {
    database?.close();
  }
}

/**
 * Hands over the database, open for reading only: for planners that must see
 * what the transaction will see.
 *
 * @throws HermesctlError `DATABASE_UNUSABLE`
 */
export async function withReadHandle<T>(
  path: string,
  deps: Deps,
  use: (database: BetterSqlite3.Database) => T,
): Promise<T> {
  const { default: Database } = await import('better-sqlite3');
  // An empty file is no database to SQLite's reader either, but it would take away a log beside it.
  const stats = deps.fs.statSync(path);
  if (!stats.isFile()) throw unusable(path, 'not_a_file', 'is not a regular file');
  if (stats.size === 0) throw unusable(path, 'empty', 'is empty (0 bytes)');
  let database: BetterSqlite3.Database | undefined;
  try {
    database = new Database(path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
    database.exec('BEGIN'); // one moment's state for all that is read
    return use(database);
  } catch (error) {
    throw isSqliteError(error) ? failedQuery(path, error) : error;
  } finally {
    database?.close();
  }
}

/** Where this fails too, the next one to open the database rolls back. The failure that led here is the one to tell. */
function rollBack(database: BetterSqlite3.Database): void {
  try {
    database.exec('ROLLBACK');
  } catch (error) {
    if (!isSqliteError(error)) throw error;
  }
}

const ELSEWHERE =
  "Delete it with the agent itself ('hermes sessions delete ID'), or only from the store (--store-only).";

/** What a SQLite error means to a writer. */
function failedWrite(path: string, message: string, error: Error & { code: string }): HermesctlError {
  const { code } = error;
  const because = { cause: error, details: { path, sqlite: code } };
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    return new HermesctlError('SERVER_RUNNING', `The agent database ${path} is locked by another process.`, {
      hint: 'Try again when the agent is idle.',
      ...because,
    });
  }
  if (code === 'SQLITE_FULL' || code.startsWith('SQLITE_IOERR')) {
    return new HermesctlError(
      'IO_ERROR',
      `The agent database ${path} cannot be written: ${message} (${code}).`,
      because,
    );
  }
  if (code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_CANTOPEN') || code === 'SQLITE_PERM') {
    return new HermesctlError('IO_ERROR', `The agent database ${path} cannot be written: ${message} (${code}).`, {
      hint: 'Run hermesctl as the user that the agent runs as.',
      ...because,
    });
  }
  if (/no such (tokenizer|module)|vtable constructor failed/.test(message)) return lacksExtension(path, message, error);
  if (code.startsWith('SQLITE_CONSTRAINT')) {
    return new HermesctlError(
      'DATABASE_UNUSABLE',
      `The agent database ${path} refuses the change: ${message} (${code}).`,
      {
        hint: ELSEWHERE,
        ...because,
      },
    );
  }
  return failedQuery(path, error);
}

/** A full-text index that only the agent's own SQLite can write. */
export function lacksExtension(path: string, message: string, cause: Error): HermesctlError {
  return new HermesctlError(
    'DATABASE_UNUSABLE',
    `The agent database ${path} has a full-text index that this SQLite cannot write (${message}).`,
    { hint: ELSEWHERE, details: { path, reason: 'extension' }, cause },
  );
}
