import { isDeepStrictEqual } from 'node:util';

import type { RawJson } from '../json/raw';
import { NULL } from '../json/raw';
import { type IndexEntry } from './rows-file';
import { rowOf } from './read';
import type { ComparedIndex } from './reindex';

/** One way in which the index and the session files disagree. */
export type Drift =
  | { session_id: string; kind: 'missing' }
  | { session_id: string; kind: 'ghost' }
  | { session_id: string; kind: 'duplicate' }
  | { session_id: string; kind: 'stale'; fields: Record<string, { old: RawJson; new: RawJson }> }
  /** Of the index as a whole: it cannot be used, or its rows stand in another order. */
  | { session_id: null; kind: 'unusable' | 'order' };

/**
 * How the index differs from what it should be, row by row: rows that
 * are missing, rows without a file, rows that stand there twice, and values
 * that the file tells otherwise; where all that is well, their order. Keys that hermesctl does not know are nobody's drift.
 */
export function driftOf(plan: ComparedIndex): Drift[] {
  const current = plan.current ?? [];
  const before = new Map(current.map((entry) => [entry.id, entry]));
  const after = new Map(plan.entries.map((entry) => [entry.id, entry]));
  const rows: Drift[] = [
    ...(plan.current === undefined && plan.stamp !== 'absent' ? [{ session_id: null, kind: 'unusable' } as const] : []),
    ...plan.added.map((id): Drift => ({ session_id: id, kind: 'missing' })),
    ...plan.removed.map((id): Drift => ({ session_id: id, kind: 'ghost' })),
    ...repeated(current).map((id): Drift => ({ session_id: id, kind: 'duplicate' })),
    ...plan.updated.flatMap((id): Drift[] => {
      const fields = staleFields(before.get(id)!, after.get(id)!);
      return Object.keys(fields).length === 0 ? [] : [{ session_id: id, kind: 'stale', fields }];
    }),
  ];
  const inOrder = plan.entries.every(({ id }, i) => current[i]?.id === id);
  return rows.length === 0 && !inOrder ? [{ session_id: null, kind: 'order' }] : rows;
}

function repeated(entries: readonly IndexEntry[]): string[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const { id } of entries) (seen.has(id) ? twice : seen).add(id);
  return [...twice];
}

function staleFields(before: IndexEntry, after: IndexEntry): Record<string, { old: RawJson; new: RawJson }> {
  const old = rowOf(before.text!)!;
  const fields: Record<string, { old: RawJson; new: RawJson }> = {};
  for (const [key, value] of rowOf(after.text!)!.entries()) {
    if (!isDeepStrictEqual(old.value(key), value.value())) fields[key] = { old: old.raw(key) ?? NULL, new: value };
  }
  return fields;
}
