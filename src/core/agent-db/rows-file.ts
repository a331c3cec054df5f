import type BetterSqlite3 from 'better-sqlite3';

import { HermesctlError, ioError, isSystemError } from '../errors';
import type { FileSystem } from '../files/file-system';
import type { CutOff } from './cut-off-index';
import type { DoomedRows } from './deletion';
import { encodeRow, type RowValue, selection } from './row-values';
import { quoted, type Table } from './tables';
import type { SqlValue } from './values';

/*
 * The rows of deleted sessions, one JSON document a line: a header; for each
 * table its shape, then its rows; the children that lost their parent; the messages
 * that an index held only in part; an end
 * that counts the rows, without which the file is not whole.
 */
const FORMAT = 'hermesctl-rows-1';

export type RowsLine =
  | { format: typeof FORMAT; database: string }
  | { table: string; columns: string[]; hidden_rowid: boolean }
  | { row: RowValue[]; rowid?: string }
  | { detached: { id: string; parent: string }[] }
  | { cut_off: CutOff[] }
  | { end: { rows: number } };

/** Spells the rows that are to be deleted, all columns of each, in the order in which they can be put back. */
export function writeRows(
  database: BetterSqlite3.Database,
  path: string,
  doomed: DoomedRows,
  write: (bytes: Uint8Array) => void,
): void {
  const put = (line: RowsLine): void => write(Buffer.from(`${JSON.stringify(line)}\n`, 'utf8'));
  const isUtf8 = database.pragma('encoding', { simple: true }) === 'UTF-8';
  put({ format: FORMAT, database: path });
  let rows = 0;
  for (const { table, where, chunks } of doomed.exported) {
    put({ table: table.name, columns: table.columns, hidden_rowid: table.hasHiddenRowid });
    for (const { pairs, rowid } of selectRows(database, table, where, chunks)) {
      put({ row: encodeRow(pairs, isUtf8), ...(rowid === undefined ? {} : { rowid }) });
      rows++;
    }
  }
  put({ detached: doomed.family.detached });
  if (doomed.cutOff.length > 0) put({ cut_off: doomed.cutOff });
  put({ end: { rows } });
}

function* selectRows(
  database: BetterSqlite3.Database,
  table: Table,
  where: (marks: string) => string,
  chunks: readonly (readonly string[])[],
): Generator<{ pairs: SqlValue[]; rowid: string | undefined }> {
  const rowid = table.hasHiddenRowid ? 'rowid, ' : '';
  const order = table.hasHiddenRowid ? 'rowid' : table.primaryKey.map(quoted).join(', ');
  for (const chunk of chunks) {
    const marks = chunk.map(() => '?').join(',');
    const query = `SELECT ${rowid}${selection(table)} FROM ${quoted(table.name)} WHERE ${where(marks)} ORDER BY ${order}`;
    const statement = database.prepare(query).raw().safeIntegers();
    for (const values of statement.iterate(...chunk) as IterableIterator<SqlValue[]>) {
      yield table.hasHiddenRowid
        ? { pairs: values.slice(1), rowid: String(values[0]) }
        : { pairs: values, rowid: undefined };
    }
  }
}

const PIECE = 1024 * 1024;

/**
 * The lines of a rows file, one at a time.
 *
 * @throws HermesctlError `STORE_DAMAGED` where it is not whole, `IO_ERROR`.
 */
export function* readRows(fs: FileSystem, file: string): Generator<RowsLine> {
  let rows = 0;
  let isWhole = false;
  for (const text of linesOf(fs, file)) {
    const line = parse(text, file);
    if ('row' in line) rows++;
    if ('end' in line) isWhole = line.end.rows === rows;
    yield line;
  }
  if (!isWhole) throw damagedRows(file);
}

function parse(text: string, file: string): RowsLine {
  try {
    return JSON.parse(text) as RowsLine;
  } catch (error) {
    throw damagedRows(file, error);
  }
}

function damagedRows(file: string, cause?: unknown): HermesctlError {
  return new HermesctlError('STORE_DAMAGED', `${file} is not whole: rows cannot be brought back from it.`, {
    details: { path: file },
    cause,
  });
}

function* linesOf(fs: FileSystem, file: string): Generator<string> {
  let fd: number;
  try {
    fd = fs.openSync(file, 'r');
  } catch (error) {
    throw isSystemError(error) ? ioError(error, file) : error;
  }
  try {
    const piece = Buffer.allocUnsafe(PIECE);
    let rest: Buffer[] = [];
    for (let n = fs.readSync(fd, piece, 0, PIECE, null); n > 0; n = fs.readSync(fd, piece, 0, PIECE, null)) {
      let from = 0;
      for (let at = piece.indexOf(10, from); at >= 0 && at < n; at = piece.indexOf(10, from)) {
        yield Buffer.concat([...rest, piece.subarray(from, at)]).toString('utf8');
        rest = [];
        from = at + 1;
      }
      if (from < n) rest.push(Buffer.from(piece.subarray(from, n)));
    }
    if (rest.length > 0) yield Buffer.concat(rest).toString('utf8');
  } finally {
    fs.closeSync(fd);
  }
}
