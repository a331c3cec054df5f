import type { SessionRow } from '../session/row';

/** What happened to one row of a list between two answers. */
export interface RowChange {
  kind: 'added' | 'changed' | 'removed';
  id: string;
  /** The row as it is now; of one that was removed, as it was. */
  row: SessionRow;
  /** Of a changed row: the keys whose values are others, that came or that went. */
  keys?: string[];
}

/**
 * What turns one answer into the next: first the rows that are gone, then those
 * that came or changed, in the order of the list. Values are compared as they
 * are spelled. A row that only changes its place is none: the order follows from
 * the rows.
 *
 * @param columns the keys that count; undefined: all of them.
 */
export function rowChanges(
  before: readonly SessionRow[],
  after: readonly SessionRow[],
  columns?: readonly string[],
): RowChange[] {
  if (before === after) return [];
  const known = new Map(before.map((row) => [row.id, row]));
  const ids = new Set(after.map(({ id }) => id));
  const gone = before.filter(({ id }) => !ids.has(id)).map((row): RowChange => ({ kind: 'removed', id: row.id, row }));
  const rest = after.flatMap((row): RowChange[] => {
    const { id } = row;
    const old = known.get(id);
    if (old === undefined) return [{ kind: 'added', id, row }];
    const keys = changedKeys(old, row, columns);
    return keys.length === 0 ? [] : [{ kind: 'changed', id, row, keys }];
  });
  return [...gone, ...rest];
}

function changedKeys(before: SessionRow, after: SessionRow, columns: readonly string[] | undefined): string[] {
  if (before === after) return [];
  const keys = columns ?? new Set([...before.entries(), ...after.entries()].map(([key]) => key));
  return [...keys].filter((key) => before.raw(key)?.text !== after.raw(key)?.text);
}
