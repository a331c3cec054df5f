import type BetterSqlite3 from 'better-sqlite3';

import type { Warning } from '../errors';
import { HermesctlError } from '../errors';
import type { FileSystem } from '../files/file-system';
import { reindexCutOff } from './cut-off-index';
import { bound, encodeRow, type RowValue, selection } from './row-values';
import { readRows } from './rows-file';
import { quoted, type Table, tableOf } from './tables';
import { isSqliteError, unusable } from './unusable';
import type { SqlRow, SqlValue } from './values';

/** What putting rows back came to. */
export interface Restored {
  /** Rows put back, by table. */
  rows: Record<string, number>;
  warnings: Warning[];
}

interface Progress extends Restored {
  /** Sessions put back. */
  sessions: string[];
  /** Of them, those that came back without their title. */
  untitled: Set<string>;
}

/**
 * Whether the rows of a file are gone from the database: whether the deletion
 * that wrote it was ever committed, and has not been undone. Told by the
 * messages, whose numbers are never used again, or by the session itself.
 */
export function areRowsGone(database: BetterSqlite3.Database, fs: FileSystem, file: string): boolean {
  let look: ((row: RowValue[]) => boolean) | undefined;
  for (const line of readRows(fs, file)) {
    if ('table' in line) look = finderOf(database, line.table, line.columns);
    else if ('row' in line && look?.(line.row)) return false;
  }
  return true;
}

/** Tells whether a row is there; undefined for tables that tell nothing. */
function finderOf(
  database: BetterSqlite3.Database,
  table: string,
  columns: readonly string[],
): ((row: RowValue[]) => boolean) | undefined {
  const keys = table === 'messages' ? ['id', 'session_id'] : table === 'sessions' ? ['id', 'started_at'] : [];
  const there = new Set(tableOf(database, table)?.columns);
  if (keys.length === 0 || !keys.every((key) => columns.includes(key) && there.has(key))) return undefined;
  const statement = database.prepare(`SELECT 1 FROM ${table} WHERE ${keys.map((key) => `${key} IS ?`).join(' AND ')}`);
  const at = keys.map((key) => columns.indexOf(key));
  return (row) => statement.get(...at.map((i) => bound(row[i]).value)) !== undefined;
}

/**
 * Puts the rows of a file back as they were: every column, the numbers that no
 * column shows, the full-text indexes by their triggers, and the children that
 * had been detached. To be called in a transaction.
 *
 * @param mayKeep rows that are there already and differ stay as they are, with a warning; else they are a failure.
 * @throws HermesctlError `ALREADY_EXISTS`, `DATABASE_UNUSABLE`, `STORE_DAMAGED`
 */
export function putBack(
  { database, path }: { database: BetterSqlite3.Database; path: string },
  fs: FileSystem,
  file: string,
  mayKeep: boolean,
): Restored {
  database.pragma('defer_foreign_keys = ON');
  const isUtf8 = database.pragma('encoding', { simple: true }) === 'UTF-8';
  const restored: Progress = { rows: {}, warnings: [], sessions: [], untitled: new Set() };
  let writer: TableWriter | undefined;
  for (const line of readRows(fs, file)) {
    if ('table' in line) writer = new TableWriter(database, path, line, isUtf8, restored);
    else if ('row' in line) writer?.put(line.row, line.rowid, mayKeep);
    else if ('detached' in line) attach(database, line.detached);
  }
  // Triggers may have touched what was put in: it must be what it was.
  let checked: TableWriter | undefined;
  for (const line of readRows(fs, file)) {
    if ('table' in line) checked = new TableWriter(database, path, line, isUtf8, restored);
    else if ('row' in line) checked?.mend(line.row, line.rowid, mayKeep);
    else if ('cut_off' in line && !mayKeep) reindexCutOff(database, line.cut_off, 'cut-off');
  }
  forgetLostParents(database, restored);
  return { rows: restored.rows, warnings: restored.warnings };
}

class TableWriter {
  private readonly table: Table;
  private readonly statements = new Map<string, BetterSqlite3.Statement>();

  constructor(
    private readonly database: BetterSqlite3.Database,
    path: string,
    shape: { table: string; columns: string[] },
    private readonly isUtf8: boolean,
    private readonly restored: Progress,
  ) {
    const table = tableOf(database, shape.table);
    const missing = shape.columns.filter((column) => !table?.columns.includes(column));
    if (!table || missing.length > 0)
      throw unusable(
        path,
        'schema',
        `has no ${table ? `column ${missing.join(', ')} in` : 'table'} ${shape.table} any more`,
      );
    this.table = { ...table, columns: shape.columns };
  }

  put(row: RowValue[], rowid: string | undefined, mayKeep: boolean): void {
    const there = this.find(row, rowid);
    // A number that no column shows is nobody's name.
    if (there !== undefined && (this.table.primaryKey.length > 0 || JSON.stringify(there) === JSON.stringify(row))) {
      if (JSON.stringify(there) === JSON.stringify(row) || this.table.name === 'system_prompts') return;
      if (!mayKeep) throw this.taken(row);
      this.restored.warnings.push({
        code: 'ROW_KEPT',
        message: `A row of ${this.table.name} is there already and stays; the trash keeps the other.`,
        table: this.table.name,
      });
      return;
    }
    this.insert(row, rowid);
    if (this.table.name === 'sessions') this.restored.sessions.push(this.idOf(row));
    this.restored.rows[this.table.name] = (this.restored.rows[this.table.name] ?? 0) + 1;
  }

  /** Sets a row that triggers changed to what it was. */
  mend(row: RowValue[], rowid: string | undefined, mayKeep: boolean): void {
    const there = this.find(row, rowid);
    if (mayKeep || there === undefined || JSON.stringify(there) === JSON.stringify(row)) return;
    if (this.table.name === 'system_prompts' || this.table.primaryKey.length === 0) return;
    if (this.table.name === 'sessions' && this.restored.untitled.has(this.idOf(row))) return;
    const values = row.map(bound);
    const sets = this.table.columns.map((column, i) => `${quoted(column)} = ${values[i].sql}`).join(', ');
    const key = this.key(row, rowid);
    this.statement(`UPDATE ${quoted(this.table.name)} SET ${sets} WHERE ${key.sql}`).run(
      ...values.map(({ value }) => value),
      ...key.values,
    );
  }

  /** The row with the same key, or undefined. */
  private find(row: RowValue[], rowid: string | undefined): RowValue[] | undefined {
    const key = this.key(row, rowid);
    if (key.sql === '') return undefined;
    const query = `SELECT ${selection(this.table)} FROM ${quoted(this.table.name)} WHERE ${key.sql}`;
    const found = this.statement(query, true).get(...key.values) as SqlValue[] | undefined;
    return found && encodeRow(found, this.isUtf8);
  }

  private key(row: RowValue[], rowid: string | undefined): { sql: string; values: SqlValue[] } {
    const { primaryKey, columns } = this.table;
    if (primaryKey.length > 0) {
      const values = primaryKey.map((column) => bound(row[columns.indexOf(column)]));
      const sql = primaryKey.map((column, i) => `${quoted(column)} IS ${values[i].sql}`).join(' AND ');
      return { sql, values: values.map(({ value }) => value) };
    }
    return rowid === undefined ? { sql: '', values: [] } : { sql: 'rowid = ?', values: [BigInt(rowid)] };
  }

  private insert(row: RowValue[], rowid: string | undefined): void {
    const isFree =
      rowid !== undefined &&
      this.table.hasHiddenRowid &&
      this.statement(`SELECT 1 FROM ${quoted(this.table.name)} WHERE rowid = ?`).get(BigInt(rowid)) === undefined;
    const columns = [...(isFree ? ['rowid'] : []), ...this.table.columns.map(quoted)];
    const values = [...(isFree ? [{ sql: '?', value: BigInt(rowid) }] : []), ...row.map(bound)];
    const marks = values.map(({ sql }) => sql).join(', ');
    const statement = this.statement(
      `INSERT INTO ${quoted(this.table.name)} (${columns.join(', ')}) VALUES (${marks})`,
    );
    try {
      statement.run(...values.map(({ value }) => value));
    } catch (error) {
      const title = this.table.name === 'sessions' ? this.table.columns.indexOf('title') : -1;
      if (!isSqliteError(error) || !/sessions\.title/.test(error.message) || title < 0 || row[title] === null)
        throw error;
      const id = this.idOf(row);
      this.restored.untitled.add(id);
      this.restored.warnings.push({
        code: 'TITLE_TAKEN',
        message: `Another session has the title ${JSON.stringify(row[title])} by now: ${id} comes back without one in the agent's database.`,
        session_id: id,
        title: row[title],
      });
      this.insert(row.with(title, null), rowid);
    }
  }

  private idOf(row: RowValue[]): string {
    return String(row[this.table.columns.indexOf('id')]);
  }

  private statement(sql: string, raw = false): BetterSqlite3.Statement {
    let statement = this.statements.get(sql);
    if (statement === undefined) {
      statement = this.database.prepare(sql).safeIntegers();
      if (raw) statement.raw();
      this.statements.set(sql, statement);
    }
    return statement;
  }

  private taken(row: RowValue[]): HermesctlError {
    const key = this.table.primaryKey.map((column) => row[this.table.columns.indexOf(column)]);
    return new HermesctlError(
      'ALREADY_EXISTS',
      `The agent database has another row ${JSON.stringify(key)} in ${this.table.name} by now.`,
      {
        hint: 'The session was made again since. Delete that one first, or restore only the files (--store-only).',
        details: { table: this.table.name, key },
      },
    );
  }
}

/** Children that still stand alone get their parent back. */
function attach(database: BetterSqlite3.Database, detached: readonly { id: string; parent: string }[]): void {
  if (detached.length === 0) return;
  const statement = database.prepare(
    'UPDATE sessions SET parent_session_id = ? WHERE id = ? AND parent_session_id IS NULL',
  );
  for (const { id, parent } of detached) statement.run(parent, id);
}

/** A parent that was deleted meanwhile cannot be referred to. */
function forgetLostParents(database: BetterSqlite3.Database, { sessions, warnings }: Progress): void {
  if (!tableOf(database, 'sessions')?.columns.includes('parent_session_id')) return;
  const find = database.prepare(
    `SELECT parent_session_id AS parent FROM sessions AS s WHERE id = ? AND parent_session_id IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM sessions WHERE id = s.parent_session_id)`,
  );
  const forget = database.prepare('UPDATE sessions SET parent_session_id = NULL WHERE id = ?');
  for (const id of sessions) {
    const lost = find.get(id) as SqlRow | undefined;
    if (!lost) continue;
    forget.run(id);
    warnings.push({
      code: 'PARENT_GONE',
      message: `Session ${id} comes back without its parent ${String(lost['parent'])}, which is gone.`,
      session_id: id,
      parent_session_id: lost['parent'],
    });
  }
}
