import type BetterSqlite3 from 'better-sqlite3';

import type { Deps } from '../deps';
import type { HermesctlError } from '../errors';
import { failedQuery, isSqliteError } from './unusable';
import type { SqlRow, SqlValue } from './values';

const IO_RETRIES = 3;
const IO_RETRY_SECONDS = 0.05;

/**
 * An agent database that is open for reading. Each statement sees the state of
 * one moment; nothing is held between two of them, so that whoever reads slowly
 * (a pager) never keeps the agent from writing.
 */
export class AgentDatabase {
  private readonly known = new Map<string, ReadonlySet<string>>();
  private readonly prepared = new Map<string, { statement: BetterSqlite3.Statement; columns: string[] }>();

  /**
   * @param path the database as the caller named it, for messages.
   */
  constructor(
    readonly path: string,
    private readonly handle: BetterSqlite3.Database,
    private readonly deps: Pick<Deps, 'clock'>,
  ) {
    handle.defaultSafeIntegers(true);
  }

  /**
   * The rows of a query, in memory. An I/O error is tried again three times: it
   * comes up while a writer starts or ends the write-ahead log.
   *
   * @throws HermesctlError `DATABASE_UNUSABLE`
   */
  async all(sql: string, ...params: SqlValue[]): Promise<SqlRow[]> {
    try {
      return await retryingIo(this.deps, () => {
        const { statement, columns } = this.statement(sql);
        return asObjects(columns, statement.all(...params) as SqlValue[][]);
      });
    } catch (error) {
      throw this.failure(error);
    }
  }

  /** The first row of a query; undefined where there is none. Throws as {@link all}. */
  async first(sql: string, ...params: SqlValue[]): Promise<SqlRow | undefined> {
    return (await this.all(sql, ...params))[0];
  }

  /**
   * Does `work`, whose statements all see the state of one moment. For a few
   * quick ones: until they are done, an agent without a write-ahead log waits.
   */
  async atOneMoment<T>(work: () => Promise<T>): Promise<T> {
    this.handle.exec('BEGIN'); // takes nothing yet: that is for the first statement
    try {
      return await work();
    } finally {
      if (this.handle.inTransaction) this.handle.exec('ROLLBACK');
    }
  }

  /**
   * The columns that a table really has, whatever `schema_version` says; none
   * where there is no such table. Throws as {@link all}.
   */
  async columns(table: 'sessions' | 'messages'): Promise<ReadonlySet<string>> {
    let columns = this.known.get(table);
    if (columns === undefined) {
      const rows = await this.all(`PRAGMA table_info(${table})`);
      columns = new Set(rows.map((row) => String(row['name'])));
      this.known.set(table, columns);
    }
    return columns;
  }

  private statement(sql: string): { statement: BetterSqlite3.Statement; columns: string[] } {
    let known = this.prepared.get(sql);
    if (known === undefined) {
      const statement = this.handle.prepare(sql).raw(true);
      known = { statement, columns: statement.columns().map(({ name }) => name) };
      this.prepared.set(sql, known);
    }
    return known;
  }

  private failure(error: unknown): HermesctlError | Error {
    return isSqliteError(error) ? failedQuery(this.path, error) : (error as Error);
  }
}

/** The driver makes objects too, but for thousands of rows that takes twice as long. */
function asObjects(columns: readonly string[], rows: readonly SqlValue[][]): SqlRow[] {
  return rows.map((values) => {
    const row: SqlRow = {};
    for (let i = 0; i < columns.length; i++) row[columns[i]] = values[i];
    return row;
  });
}

/** Does `work`, again where SQLite says "disk I/O error": at most three times, 50 ms apart. Never again on a lock. */
export async function retryingIo<T>(deps: Pick<Deps, 'clock'>, work: () => T): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return work();
    } catch (error) {
      if (tries >= IO_RETRIES || !isSqliteError(error) || !error.code.startsWith('SQLITE_IOERR')) throw error;
    }
    await deps.clock.sleep(IO_RETRY_SECONDS);
  }
}
