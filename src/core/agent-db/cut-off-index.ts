import type BetterSqlite3 from 'better-sqlite3';

import { HermesctlError } from '../errors';
import type { Family } from './family';
import { quoted, tableOf } from './tables';
import type { SqlRow, SqlValue } from './values';

/*
 * SQLite before 3.47 or so indexed text for the trigram tokenizer only up to a
 * NUL character, and content that is no string begins with one. A newer SQLite
 * that deletes such a message takes more words off the index's totals than were
 * ever counted; when they fall below zero, every deletion fails as "malformed",
 * the agent's too. So such messages are indexed anew before they are deleted,
 * and cut off again after they are put back: by the index's own commands.
 */

/** Messages that one full-text index holds only up to a NUL. */
export interface CutOff {
  index: string;
  ids: string[];
}

interface FullTextIndex {
  name: string;
  tokenize: string;
  /** Whether the text is in another table, so that the index can be told to forget it. */
  isExternal: boolean;
}

/** The full-text indexes that triggers keep up to date with the messages. */
export function indexesOfMessages(database: BetterSqlite3.Database): FullTextIndex[] {
  const tables = database
    .prepare(
      `SELECT name, sql FROM sqlite_master AS t WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%' AND EXISTS
         (SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'messages' AND instr(sql, t.name) > 0)`,
    )
    .all() as { name: string; sql: string }[];
  return tables.map(({ name, sql }) => ({
    name,
    tokenize: /tokenize\s*=\s*("[^"]*"|'(?:[^']|'')*'|\w+)/i.exec(sql)?.[1] ?? 'unicode61',
    isExternal: /\bcontent\s*=/i.test(sql),
  }));
}

/**
 * Finds what an older SQLite has cut off, of the messages of these sessions.
 *
 * @throws HermesctlError `DATABASE_UNUSABLE` where such a message is in an index that keeps its own text, or agrees with
 *   neither version: deleting it would do harm.
 */
export function findCutOff(database: BetterSqlite3.Database, path: string, { removed }: Family): CutOff[] {
  const withNul = messagesWithNul(database, removed);
  if (withNul.length === 0) return [];
  return indexesOfMessages(database)
    .filter(({ name }) => tableOf(database, `${name}_docsize`))
    .map((index) => {
      const measure = new Measure(database, index);
      const ids = withNul.filter((id) => measure.isCutOff(id, path));
      measure.close();
      return { index: index.name, ids: ids.map(String) };
    })
    .filter(({ ids }) => ids.length > 0);
}

/** Indexes the messages whole, as this SQLite would have; or, the other way round, only up to a NUL again. */
export function reindexCutOff(
  database: BetterSqlite3.Database,
  cutOff: readonly CutOff[],
  how: 'whole' | 'cut-off',
): void {
  const indexes = indexesOfMessages(database);
  for (const { index: name, ids } of cutOff) {
    const index = indexes.find((one) => one.name === name);
    if (!index?.isExternal) continue;
    const measure = new Measure(database, index);
    for (const id of ids) measure.reindex(BigInt(id), how);
    measure.close();
  }
}

function messagesWithNul(database: BetterSqlite3.Database, sessions: readonly string[]): bigint[] {
  const there = new Set(tableOf(database, 'messages')?.columns);
  const columns = ['content', 'tool_name', 'tool_calls'].filter((column) => there.has(column));
  if (columns.length === 0 || !there.has('id')) return [];
  // Text functions stop at the NUL that is looked for.
  const hasNul = columns.map((column) => `instr(CAST(${column} AS BLOB), x'00') > 0`).join(' OR ');
  const find = database.prepare(`SELECT id FROM messages WHERE session_id = ? AND (${hasNul})`).pluck().safeIntegers();
  return sessions.flatMap((id) => find.all(id) as bigint[]);
}

/** Counts words as this SQLite counts them, in a scratch index that is made like the one in question. */
class Measure {
  private readonly scratch: BetterSqlite3.Database;
  private readonly columns: string[];

  constructor(
    private readonly database: BetterSqlite3.Database,
    private readonly index: FullTextIndex,
  ) {
    this.columns = tableOf(database, index.name)?.columns ?? [];
    this.scratch = new (database.constructor as typeof BetterSqlite3)(':memory:');
    this.scratch.exec(
      `CREATE VIRTUAL TABLE f USING fts5(${this.columns.map(quoted).join(', ')}, tokenize=${index.tokenize})`,
    );
  }

  close(): void {
    this.scratch.close();
  }

  isCutOff(id: bigint, path: string): boolean {
    const recorded = this.recorded(id);
    const values = this.values(id);
    if (recorded === undefined || values === undefined || recorded === this.count(values)) return false;
    if (this.index.isExternal && recorded === this.count(values.map(upToNul))) return true;
    throw new HermesctlError(
      'DATABASE_UNUSABLE',
      `The full-text index ${this.index.name} of ${path} was written by another version of SQLite and does not agree with message ${id}; deleting it would damage the index.`,
      {
        hint: "Run 'hermes sessions optimize-storage' first, delete it with the agent itself, or use --store-only.",
        details: { path, reason: 'index', index: this.index.name, message: String(id) },
      },
    );
  }

  reindex(id: bigint, how: 'whole' | 'cut-off'): void {
    const values = this.values(id);
    if (values === undefined || this.recorded(id) === undefined) return;
    const cut = values.map(upToNul);
    const [old, fresh] = how === 'whole' ? [cut, values] : [values, cut];
    const { columns } = this;
    const { name } = this.index;
    const [list, marks] = [columns.map(quoted).join(', '), columns.map(() => '?').join(', ')];
    this.database
      .prepare(`INSERT INTO ${quoted(name)} (${quoted(name)}, rowid, ${list}) VALUES ('delete', ?, ${marks})`)
      .run(id, ...old);
    this.database.prepare(`INSERT INTO ${quoted(name)} (rowid, ${list}) VALUES (?, ${marks})`).run(id, ...fresh);
  }

  /** How many words of each column the index says it holds of a message; undefined where it holds none of it. */
  private recorded(id: bigint): string | undefined {
    const size = this.database.prepare(`SELECT hex(sz) FROM ${quoted(`${this.index.name}_docsize`)} WHERE id = ?`);
    return size.pluck().get(id) as string | undefined;
  }

  private values(id: bigint): SqlValue[] | undefined {
    const query = `SELECT ${this.columns.map(quoted).join(', ')} FROM ${quoted(this.index.name)} WHERE rowid = ?`;
    return this.database.prepare(query).raw().get(id) as SqlValue[] | undefined;
  }

  private count(values: readonly SqlValue[]): string {
    this.scratch.prepare(`INSERT INTO f VALUES (${values.map(() => '?').join(', ')})`).run(...values);
    const row = this.scratch.prepare('SELECT id, hex(sz) AS sz FROM f_docsize').get() as SqlRow;
    this.scratch.prepare('DELETE FROM f WHERE rowid = ?').run(row['id']);
    return String(row['sz']);
  }
}

function upToNul(value: SqlValue): SqlValue {
  return typeof value === 'string' && value.includes('\0') ? value.slice(0, value.indexOf('\0')) : value;
}
