import type BetterSqlite3 from 'better-sqlite3';

import type { SqlRow } from './values';

/** A table as the database really has it, whatever `schema_version` says. */
export interface Table {
  name: string;
  /** Columns that are stored and can be written, in order. */
  columns: string[];
  /** Columns of the primary key, in its order; none where there is no declared one. */
  primaryKey: string[];
  /** Whether rows have a number of their own that no column shows. */
  hasHiddenRowid: boolean;
}

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The names of all ordinary tables. */
export function tablesOf(database: BetterSqlite3.Database): Set<string> {
  const rows = database
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'")
    .all() as SqlRow[];
  return new Set(rows.map((row) => String(row['name'])));
}

/** A table's shape; undefined where there is no such table. */
export function tableOf(database: BetterSqlite3.Database, name: string): Table | undefined {
  const columns = database.prepare(`PRAGMA table_info(${quoted(name)})`).all() as SqlRow[];
  if (columns.length === 0) return undefined;
  const key = columns.filter((row) => Number(row['pk']) > 0).sort((a, b) => Number(a['pk']) - Number(b['pk']));
  const [list] = database.prepare(`PRAGMA table_list(${quoted(name)})`).all() as SqlRow[];
  const isRowidAlias = key.length === 1 && /^integer$/i.test(String(key[0]['type']));
  return {
    name,
    columns: columns.map((row) => String(row['name'])),
    primaryKey: key.map((row) => String(row['name'])),
    hasHiddenRowid: Number(list?.['wr'] ?? 0) === 0 && !isRowidAlias && !columns.some((row) => row['name'] === 'rowid'),
  };
}

/** A column that refers to `sessions`, and what SQLite does with its rows when the session goes. */
export interface Reference {
  table: string;
  column: string;
  onDelete: string;
}

/** All foreign keys that refer to the table `sessions`. */
export function referencesToSessions(database: BetterSqlite3.Database, tables: Iterable<string>): Reference[] {
  return [...tables].flatMap((table) =>
    (database.prepare(`PRAGMA foreign_key_list(${quoted(table)})`).all() as SqlRow[])
      .filter((row) => String(row['table']).toLowerCase() === 'sessions')
      .map((row) => ({ table, column: String(row['from']), onDelete: String(row['on_delete']).toUpperCase() })),
  );
}
