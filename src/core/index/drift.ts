import { isDeepStrictEqual } from 'node:util';

import type { RawJson } from '../json/raw';
import { NULL } from '../json/raw';
import { type IndexEntry } from './rows-file';
import { type ReindexPlan, rowOf } from './reindex';

/** One way in which the index and the session files disagree. */
export type Drift =
  | { session_id: string; kind: 'missing' }
  | { session_id: string; kind: 'ghost' }
  | { session_id: string; kind: 'stale'; fields: Record<string, { old: RawJson; new: RawJson }> };

/**
 * How the index differs from what a plan would write, row by row: rows that
 * are missing, rows without a file, and values that the file tells otherwise.
 * Keys that hermesctl does not know are nobody's drift.
 */
export function driftOf(plan: ReindexPlan): Drift[] {
  const before = new Map(plan.current.map((entry) => [entry.id, entry]));
  const after = new Map(plan.entries.map((entry) => [entry.id, entry]));
  return [
    ...plan.added.map((id): Drift => ({ session_id: id, kind: 'missing' })),
    ...plan.removed.map((id): Drift => ({ session_id: id, kind: 'ghost' })),
    ...plan.updated.flatMap((id): Drift[] => {
      const fields = staleFields(before.get(id)!, after.get(id)!);
      return Object.keys(fields).length === 0 ? [] : [{ session_id: id, kind: 'stale', fields }];
    }),
  ];
}

function staleFields(before: IndexEntry, after: IndexEntry): Record<string, { old: RawJson; new: RawJson }> {
  const old = rowOf(before.text)!;
  const fields: Record<string, { old: RawJson; new: RawJson }> = {};
  for (const [key, value] of rowOf(after.text)!.entries()) {
    if (!isDeepStrictEqual(old.value(key), value.value())) fields[key] = { old: old.raw(key) ?? NULL, new: value };
  }
  return fields;
}
