import { RawJson } from '../json/raw';

/** A value as SQLite keeps it: a column's declared type binds nobody. Integers are exact, reals are numbers. */
export type SqlValue = null | bigint | number | string | Buffer;

/** A row of a query, by column. */
export type SqlRow = Record<string, SqlValue>;

/** A value as JSON: an integer without a point, a real always with one (as Python shows it), bytes as their text. */
export function sqlJson(value: SqlValue | undefined): RawJson {
  if (typeof value === 'bigint') return new RawJson(value.toString());
  if (typeof value === 'number') return RawJson.float(value);
  if (Buffer.isBuffer(value)) return RawJson.of(value.toString('utf8'));
  return RawJson.of(value);
}

/** The value for deciding: integers as numbers, bytes as text. */
export function plain(value: SqlValue | undefined): null | number | string {
  if (typeof value === 'bigint') return Number(value);
  if (Buffer.isBuffer(value)) return value.toString('utf8');
  return value ?? null;
}
