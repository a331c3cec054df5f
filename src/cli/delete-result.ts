import type { DeleteResult } from '../core/changes/delete';
import type { UndeleteResult } from '../core/changes/undelete';
import { RawJson } from '../core/json/raw';
import type { Context } from './context';
import { showTable } from './result-fields';

const COLUMNS = ['session_id', 'item', 'amount', 'where'];

/** One line for each file with its bytes, each table with its rows, each child that stays: what is deleted, or comes back. */
export async function showItems(context: Context, results: readonly (DeleteResult | UndeleteResult)[]): Promise<void> {
  const lines = results.flatMap((result) => ('agent' in result ? itemsOfDelete(result) : itemsOfUndelete(result)));
  await showTable(
    context,
    COLUMNS,
    lines.map((line) => Object.fromEntries(line.map((value, i) => [COLUMNS[i], RawJson.of(value)]))),
    ['where'],
  );
}

type Line = [id: string, item: string, amount: number | null, where: string];

function itemsOfDelete({ session_id: id, store, agent }: DeleteResult): Line[] {
  return [
    ...filesOf(id, [...(store?.files ?? []), ...(agent?.files ?? [])]),
    ...rowsOf(id, agent?.rows ?? {}, agent?.database ?? ''),
    ...(agent?.detached ?? []).map((child): Line => [id, 'detached child', null, child]),
  ];
}

function itemsOfUndelete({ session_id: id, files, rows, database }: UndeleteResult): Line[] {
  const all: Line[] = rows === null && database !== null ? [[id, 'rows', null, database]] : [];
  return [...filesOf(id, files), ...all, ...rowsOf(id, rows ?? {}, database ?? '')];
}

function filesOf(id: string, files: readonly { path: string; kind: string; bytes: number }[]): Line[] {
  return files.map(({ path, kind, bytes }) => [id, kind, bytes, path]);
}

function rowsOf(id: string, rows: Record<string, number>, database: string): Line[] {
  return Object.entries(rows).map(([table, count]) => [id, `rows in ${table}`, count, database]);
}
