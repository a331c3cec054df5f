import { HermesctlError } from '../core/errors';
import { AGENT_ROW_KEYS } from '../core/agent-db/row';
import type { RawJson } from '../core/json/raw';
import type { AgentPart } from '../core/listing/agent-rows';
import type { ListResult } from '../core/listing/list';
import { ROW_KEYS, type SessionRow } from '../core/session/row';
import type { Context } from './context';
import type { Fleet } from './fleet';
import type { OutputValue, Renderer } from './output/document';
import { showTable } from './result-fields';

export const DEFAULT_COLUMNS = ['session_id', 'title', 'message_count', 'last_message_at', 'model', 'profile'];

/** With those of the agent's database, where a session is from is worth a column. */
export const AGENT_COLUMNS = ['session_id', 'title', 'message_count', 'last_message_at', 'source_tag', 'model'];

/** Of several stores, where a session is stored comes before what is known of it. */
export const FLEET_COLUMNS = ['session_id', 'title', 'message_count', 'last_message_at', 'store'];

/** The columns that give way on a narrow terminal, the rightmost first. */
export const FLEXIBLE = ['title', 'workspace', 'model', 'store'];

/** What is shown of a list. */
export type Page = Pick<ListResult, 'rows' | 'items' | 'total'>;

export interface RowFaceFlags {
  columns?: string | undefined;
  ids?: boolean;
  null?: boolean;
  'no-header'?: boolean;
}

/** Whether {@link showRows} says how many there are in all. */
export function isTotalShown({ face, isTerminal }: Context, { ids }: RowFaceFlags, offset: number): boolean {
  return face === 'json' || (face === 'human' && !ids && (isTerminal || offset > 0));
}

/**
 * Shows rows in the face that was asked for: a table, tab-separated lines,
 * bare ids, one JSON document, or a JSON row a line.
 *
 * @param total (of a page) of all rows that match; only needed where {@link isTotalShown}.
 */
export async function showRows(
  context: Context,
  { rows, items, total }: Page,
  flags: RowFaceFlags,
  defaultColumns: readonly string[] = DEFAULT_COLUMNS,
  fleet?: Fleet,
): Promise<void> {
  const columns = chosenColumns(flags.columns, rows, fleet?.isMany ? ['store'] : []);
  const lineOf = (row: SessionRow, path: string, renderer: Renderer): string =>
    (columns === undefined ? row.line() : undefined) ?? renderer.entries(shownEntries(row, columns), path);
  await context.show({
    json: async (document) => {
      if (items && columns === undefined) document.itemsAtHand('sessions', items);
      else await document.array('sessions', rows, (row, path) => lineOf(row, path, document.renderer));
      if (total !== undefined) document.member('total', total);
      fleet?.show(document);
    },
    ndjson: () => {
      const renderer = context.renderer();
      rows.forEach((row, i) => {
        context.line(lineOf(row, `sessions[${i}]`, renderer));
      });
    },
    human: async () => {
      if (flags.ids) {
        for (const row of rows) context.terminal.stdout.write(`${row.id}${flags.null ? '\0' : '\n'}`);
        return;
      }
      const shown = columns ?? defaultColumns;
      const records = rows.map((row) => asRecord(row, shown));
      await showTable(context, shown, records, FLEXIBLE, !flags['no-header']);
      if (rows.length === 0) context.note(total ? `No sessions there: ${total} in all.` : 'No sessions.');
      else if (context.isTerminal && total !== undefined && rows.length < total) {
        context.note(`Showing ${rows.length} of ${total.toLocaleString('en-US')}.`);
      }
    },
  });
}

/** The members of a row in JSON: those that were chosen, else all it has. */
export function shownEntries(row: SessionRow, columns: readonly string[] | undefined): Iterable<[string, OutputValue]> {
  return columns === undefined ? row.entries() : columns.map((key) => [key, row.raw(key) ?? null]);
}

/** What is shown of a row: these of its values. */
export function asRecord(row: SessionRow, keys: readonly string[]): Map<string, RawJson> {
  const record = new Map<string, RawJson>();
  for (const key of keys) {
    const raw = row.raw(key);
    if (raw) record.set(key, raw);
  }
  return record;
}

/** @throws HermesctlError `USAGE` for a column that no row could have. */
export function chosenColumns(
  text: string | undefined,
  rows: readonly SessionRow[],
  added: readonly string[] = [],
): string[] | undefined {
  if (text === undefined) return undefined;
  const columns = text
    .split(',')
    .map((key) => key.trim())
    .filter((key) => key !== '');
  const known = new Set<string>([
    ...ROW_KEYS,
    ...AGENT_ROW_KEYS,
    ...added,
    ...rows.flatMap((row) => [...row.entries()].map(([key]) => key)),
  ]);
  const unknown = columns.filter((key) => !known.has(key));
  if (unknown.length === 0 && columns.length > 0) return columns;
  throw new HermesctlError(
    'USAGE',
    columns.length === 0 ? '--columns names no column.' : `No row has ${unknown.map((key) => `'${key}'`).join(', ')}.`,
    { hint: `Columns: ${[...known].join(', ')}.`, details: { columns: [...known] } },
  );
}

/** Says how the agent's databases were asked. */
export function noteAgentParts(context: Context, parts: readonly AgentPart[]): void {
  for (const { path, plan } of parts) context.note(`${path}: ${PLANS[plan]}.`);
}

const PLANS: Record<AgentPart['plan'], string> = {
  index: 'the last message of each session was looked up in the index of messages by session and time',
  pass: 'it has no index of messages by session and time, so all messages were passed over once; any hermes command that writes adds it',
  none: 'it has no messages that could be asked; counts are those that it records',
};
