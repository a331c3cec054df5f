import type BetterSqlite3 from 'better-sqlite3';

import { type CutOff, findCutOff, indexesOfMessages, reindexCutOff } from './cut-off-index';
import { type Family, familyOf } from './family';
import { quoted, referencesToSessions, type Table, tableOf, tablesOf } from './tables';
import { isSqliteError, unusable } from './unusable';
import type { SqlRow } from './values';
import { lacksExtension } from './writable';

/** SQLite takes so many parameters in any build. */
const CHUNK = 900;

/** Tables that hold rows of a session beside `sessions`, which the agent keeps by these names. Never `conversation_generations`. */
const BY_SESSION = ['messages', 'session_model_usage', 'compression_locks', 'telegram_dm_topic_bindings'];

/** Columns of `sessions` that hold the hash of a row of `system_prompts`. */
const PROMPT_COLUMNS = ['system_prompt_hash', 'tool_names'];

/** Some rows of one table. */
export interface RowSet {
  table: Table;
  /** The condition, given the marks for its parameters. */
  where: (marks: string) => string;
  /** The parameters, in groups that one statement takes. */
  chunks: string[][];
}

/** Everything in an agent database that goes when a session goes. */
export interface DoomedRows {
  family: Family;
  /** In the order in which rows can be put back: system prompts, sessions, the rest. */
  exported: RowSet[];
  /** In the order in which rows can be deleted; of the system prompts those that nothing else refers to. */
  deleted: RowSet[];
  /** Messages that have to be indexed anew before they are deleted. */
  cutOff: CutOff[];
}

/**
 * Finds all that goes when a session goes (reference: hermes-agent §1.10).
 *
 * @throws HermesctlError `DATABASE_UNUSABLE` where the schema lacks what is needed, or another table refers to sessions
 *   in a way that could not be undone.
 */
export function findDoomed(database: BetterSqlite3.Database, path: string, id: string): DoomedRows {
  const sessions = tableOf(database, 'sessions');
  if (!sessions?.columns.includes('id')) throw unusable(path, 'schema', 'has no table of sessions');
  const columns = new Set(sessions.columns);
  const family = familyOf(database, columns, id);
  const names = tablesOf(database);
  const ids = chunked(family.removed);
  const references = referencesToSessions(database, names).filter(({ table }) => table !== 'sessions');
  assertUndoable(database, path, references, ids);
  const others = [
    ...BY_SESSION.map((table) => ({ table, column: 'session_id' })),
    ...references.filter(({ onDelete }) => onDelete === 'CASCADE'),
  ].flatMap(({ table, column }) => rowsOf(database, names, table, column, ids));
  const own: RowSet = { table: sessions, where: (marks) => `id IN (${marks})`, chunks: ids };
  const rest = others.filter(({ table }, i) => others.findIndex((other) => other.table.name === table.name) === i);
  const prompts = promptsOf(database, names, columns, ids);
  const unused = prompts.map((set) => withoutUsed(database, set, columns, family.removed));
  if (family.removed.length > 0) assertIndexesWritable(database, path);
  const cutOff = findCutOff(database, path, family);
  return { family, exported: [...prompts, own, ...rest], deleted: [...rest, own, ...unused], cutOff };
}

function chunked(ids: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(ids.length / CHUNK) }, (_, i) => ids.slice(i * CHUNK, (i + 1) * CHUNK));
}

function rowsOf(
  database: BetterSqlite3.Database,
  names: ReadonlySet<string>,
  name: string,
  column: string,
  chunks: string[][],
): RowSet[] {
  const table = names.has(name) ? tableOf(database, name) : undefined;
  if (!table?.columns.includes(column)) return [];
  return [{ table, where: (marks) => `${quoted(column)} IN (${marks})`, chunks }];
}

/** What SQLite itself would empty or set null in tables that nobody here knows could not be put back. */
function assertUndoable(
  database: BetterSqlite3.Database,
  path: string,
  references: readonly { table: string; column: string; onDelete: string }[],
  chunks: readonly string[][],
): void {
  for (const { table, column, onDelete } of references) {
    if (onDelete === 'CASCADE' || BY_SESSION.includes(table)) continue;
    const isUsed = chunks.some(
      (chunk) =>
        database
          .prepare(
            `SELECT 1 FROM ${quoted(table)} WHERE ${quoted(column)} IN (${chunk.map(() => '?').join(',')}) LIMIT 1`,
          )
          .get(...chunk) !== undefined,
    );
    if (isUsed) throw unusable(path, 'schema', `has a table ${table} that refers to the session and is not known here`);
  }
}

function promptsOf(
  database: BetterSqlite3.Database,
  names: ReadonlySet<string>,
  columns: ReadonlySet<string>,
  ids: readonly string[][],
): RowSet[] {
  const referring = PROMPT_COLUMNS.filter((column) => columns.has(column));
  const table = names.has('system_prompts') && referring.length > 0 ? tableOf(database, 'system_prompts') : undefined;
  if (!table?.columns.includes('hash')) return [];
  const hashes = new Set<string>();
  for (const chunk of ids) {
    const query = `SELECT ${referring.join(', ')} FROM sessions WHERE id IN (${chunk.map(() => '?').join(',')})`;
    for (const row of database.prepare(query).all(...chunk) as SqlRow[])
      referring.forEach((column) => typeof row[column] === 'string' && hashes.add(row[column]));
  }
  return [{ table, where: (marks) => `hash IN (${marks})`, chunks: chunked([...hashes].sort()) }];
}

/** Of the prompts those that only sessions that go refer to. */
function withoutUsed(
  database: BetterSqlite3.Database,
  prompts: RowSet,
  columns: ReadonlySet<string>,
  removed: readonly string[],
): RowSet {
  const gone = new Set(removed);
  const refers = PROMPT_COLUMNS.filter((column) => columns.has(column)).map((column) => `${column} = :hash`);
  const statement = database.prepare(`SELECT id FROM sessions WHERE ${refers.join(' OR ')}`);
  const isUnused = (hash: string): boolean =>
    (statement.all({ hash }) as SqlRow[]).every(({ id }) => gone.has(String(id)));
  return {
    ...prompts,
    chunks: prompts.chunks.map((chunk) => chunk.filter(isUnused)).filter(({ length }) => length > 0),
  };
}

/** How many rows of each table go. */
export function countDoomed(database: BetterSqlite3.Database, doomed: DoomedRows): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { table, where, chunks } of doomed.deleted) {
    let count = 0;
    for (const chunk of chunks) {
      const query = `SELECT count(*) AS n FROM ${quoted(table.name)} WHERE ${where(chunk.map(() => '?').join(','))}`;
      count += Number((database.prepare(query).get(...chunk) as SqlRow)['n']);
    }
    if (count > 0) counts[table.name] = count;
  }
  return counts;
}

/**
 * Deletes the rows, children first, and lets the children that stay go. To be
 * called in a transaction with foreign keys on.
 *
 * @returns how many rows of each table went.
 */
export function deleteDoomed(database: BetterSqlite3.Database, doomed: DoomedRows): Record<string, number> {
  const counts: Record<string, number> = {};
  reindexCutOff(database, doomed.cutOff, 'whole');
  const detach = doomed.family.detached.length > 0 ? database.prepare(DETACH) : undefined;
  for (const { id } of doomed.family.detached) detach?.run(id);
  detachRemoved(database, doomed);
  for (const { table, where, chunks } of doomed.deleted) {
    for (const chunk of chunks) {
      const condition = where(chunk.map(() => '?').join(','));
      const { changes } = database.prepare(`DELETE FROM ${quoted(table.name)} WHERE ${condition}`).run(...chunk);
      if (changes > 0) counts[table.name] = (counts[table.name] ?? 0) + changes;
    }
  }
  return counts;
}

const DETACH = 'UPDATE sessions SET parent_session_id = NULL WHERE id = ?';

/** Sessions that go may be in different statements: none may still name another as its parent. */
function detachRemoved(database: BetterSqlite3.Database, { family }: DoomedRows): void {
  if (family.removed.length <= CHUNK) return;
  const detach = database.prepare(DETACH);
  family.removed.forEach((id) => detach.run(id));
}

/**
 * Finds out, by reading only, whether this SQLite can keep the full-text
 * indexes of the messages up to date: one may need a tokenizer that only the
 * agent has.
 *
 * @throws HermesctlError `DATABASE_UNUSABLE`
 */
function assertIndexesWritable(database: BetterSqlite3.Database, path: string): void {
  for (const { name } of indexesOfMessages(database)) {
    try {
      database.prepare(`SELECT 1 FROM ${quoted(name)} LIMIT 0`).all();
    } catch (error) {
      if (isSqliteError(error) && error.code === 'SQLITE_ERROR') throw lacksExtension(path, error.message, error);
      throw error;
    }
  }
}
