import { HermesctlError } from '../errors';
import { quoted, type Table } from './tables';
import type { SqlValue } from './values';

/**
 * A value of a row as JSON that gives back the very same value: null, a number
 * for an integer that JavaScript holds exactly, a string for text; else an
 * object with one member: `i` a larger integer, `r` a real, `b` bytes in
 * Base64, `t` text that is not UTF-8, its bytes in Base64.
 */
export type RowValue = null | number | string | { i: string } | { r: string } | { b: string } | { t: string };

/** What to select so that {@link encodeRow} gets each value with its type, and of text its very bytes. */
export function selection({ columns }: Pick<Table, 'columns'>): string {
  return columns
    .map((name) => {
      const column = quoted(name);
      return `typeof(${column}), CASE typeof(${column}) WHEN 'text' THEN CAST(${column} AS BLOB) ELSE ${column} END`;
    })
    .join(', ');
}

/** @param pairs type and value of each column, as {@link selection} gives them in raw mode with safe integers. */
export function encodeRow(pairs: readonly SqlValue[], isUtf8: boolean): RowValue[] {
  return Array.from({ length: pairs.length / 2 }, (_, i) => encode(String(pairs[2 * i]), pairs[2 * i + 1], isUtf8));
}

function encode(type: string, value: SqlValue, isUtf8: boolean): RowValue {
  switch (type) {
    case 'null':
      return null;
    case 'integer':
      return Number.isSafeInteger(Number(value)) ? Number(value) : { i: String(value) };
    case 'real':
      return { r: Object.is(value, -0) ? '-0' : String(value) };
    case 'text':
      return encodeText(bytesOf(value), isUtf8);
    default:
      return { b: bytesOf(value).toString('base64') };
  }
}

/** A blob without bytes may come as null. */
function bytesOf(value: SqlValue): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.alloc(0);
}

function encodeText(bytes: Buffer, isUtf8: boolean): RowValue {
  const text = bytes.toString('utf8');
  return isUtf8 && Buffer.from(text, 'utf8').equals(bytes) ? text : { t: bytes.toString('base64') };
}

/** What to bind for a value, and where. */
export function bound(value: RowValue): { sql: '?' | 'CAST(? AS TEXT)'; value: SqlValue } {
  if (value === null || typeof value === 'string') return { sql: '?', value };
  if (typeof value === 'number') return { sql: '?', value: BigInt(value) };
  if ('i' in value) return { sql: '?', value: BigInt(value.i) };
  if ('r' in value) return { sql: '?', value: Number(value.r) };
  if ('b' in value) return { sql: '?', value: Buffer.from(value.b, 'base64') };
  if ('t' in value) return { sql: 'CAST(? AS TEXT)', value: Buffer.from(value.t, 'base64') };
  throw new HermesctlError('STORE_DAMAGED', 'A row in the trash holds a value that nobody can read.');
}
