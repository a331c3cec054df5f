import type { RawJson } from '../core/json/raw';
import { renderJson } from '../core/json/render';
import { toFloat } from '../core/json/python';
import type { Context } from './context';
import { columnsThatFit, renderTable } from './output/table';
import { fuzzyTime, isoTime, localTime } from './output/time';
import { visibleLine } from './output/visible';

/** The keys of the store whose values are times in epoch seconds. */
export const TIME_FIELDS: ReadonlySet<string> = new Set([
  'created_at',
  'updated_at',
  'last_message_at',
  'pending_started_at',
  'worktree_created_at',
  'share_created_at',
  'used_at',
  'started_at',
  'ended_at',
]);

/** Of a cost in US dollars, for people. */
const COST_DIGITS = 4;

/** A value as one line of text: strings bare, times readable, the rest as it is spelled. */
async function cellText(context: Context, key: string, raw: RawJson | undefined): Promise<string> {
  const seconds = context.isTerminal && TIME_FIELDS.has(key) ? toFloat(raw?.value()) : undefined;
  return seconds === undefined ? pipeText(context, key, raw) : fuzzyTime(seconds, context.deps.clock.now());
}

/** The same for a script, which gets exact times. */
function pipeText(context: Context, key: string, raw: RawJson | undefined): string {
  if (raw === undefined) return '';
  const value = raw.value();
  if (value === null) return '';
  const seconds = TIME_FIELDS.has(key) ? toFloat(value) : undefined;
  return seconds === undefined ? visibleLine(plainText(context, key, raw, value)) : isoTime(seconds);
}

/** A string bare, anything else as it is spelled, on one line; for people without the noise of a sum of floats. */
function plainText(context: Context, key: string, raw: RawJson, value: unknown): string {
  if (context.isTerminal && key === 'estimated_cost' && typeof value === 'number' && Number.isFinite(value)) {
    return String(Number(value.toFixed(COST_DIGITS)));
  }
  if (context.isTerminal && key === 'store') return context.storeNames.get(String(value)) ?? String(value);
  return typeof value === 'string' ? value : renderJson(raw.text, { keepNonFinite: true });
}

export type TableRecord = Pick<ReadonlyMap<string, RawJson>, 'get'> | Record<string, RawJson>;

/**
 * Records as rows: a table for people, tab-separated lines without a header in
 * a pipe. `flexible` columns may be cut on a narrow terminal.
 */
export async function showTable(
  context: Context,
  keys: readonly string[],
  records: Iterable<TableRecord> | AsyncIterable<TableRecord>,
  flexible: readonly string[],
  header = true,
): Promise<void> {
  if (!context.isTerminal) {
    const line = (record: TableRecord): void =>
      context.line(keys.map((key) => pipeText(context, key, valueAt(record, key))).join('\t'));
    // What is there already is not waited for: that is felt with a hundred rows.
    if (Symbol.asyncIterator in records) for await (const record of records) line(record);
    else for (const record of records) line(record);
    return;
  }
  const { lines, leftOut } = await tableLines(context, keys, records, flexible, header);
  for (const line of lines) context.line(line);
  if (leftOut.length > 0) context.note(`Too narrow here for: ${leftOut.join(', ')}.`);
}

/** The lines of such a table, none without records, and the keys that the terminal has no room for. */
export async function tableLines(
  context: Context,
  keys: readonly string[],
  records: Iterable<TableRecord> | AsyncIterable<TableRecord>,
  flexible: readonly string[],
  header: boolean,
): Promise<{ lines: string[]; leftOut: readonly string[] }> {
  const rows: string[][] = [];
  for await (const record of records) rows.push(await cellsOf(context, keys, record));
  if (rows.length === 0) return { lines: [], leftOut: [] };
  const columns = keys.map((key) => ({
    header: HEADERS[key] ?? key.toUpperCase().replaceAll('_', ' '),
    flexible: flexible.includes(key) || (key === 'session_id' && ('last' as const)),
    align: NUMERIC.test(key) ? ('right' as const) : ('left' as const),
  }));
  const { bold, dim } = context.colors;
  const paint = (text: string, row: number, column: number): string =>
    row < 0 ? bold(text) : column === 0 ? dim(text) : text;
  const fit = columnsThatFit(columns, rows, context.terminal, header);
  const shown = rows.map((row) => row.slice(0, fit));
  const table = await renderTable(columns.slice(0, fit), shown, context.terminal, paint, header);
  return { lines: table.split('\n'), leftOut: keys.slice(fit) };
}

function cellsOf(context: Context, keys: readonly string[], record: TableRecord): Promise<string[]> {
  return Promise.all(keys.map((key) => cellText(context, key, valueAt(record, key))));
}

function valueAt(record: TableRecord, key: string): RawJson | undefined {
  return record instanceof Map ? (record.get(key) as RawJson | undefined) : (record as Record<string, RawJson>)[key];
}

/** Where the key's own words would take the room that titles need. */
const HEADERS: Record<string, string> = {
  message_count: 'MESSAGES',
  last_message_at: 'LAST MESSAGE',
  input_tokens: 'INPUT',
  output_tokens: 'OUTPUT',
  total_tokens: 'TOTAL',
  estimated_cost: 'COST',
};

const NUMERIC = /(tokens|count|cost|percent|length)$/;

/** `key  value` lines for one record: aligned and coloured for people, tab-separated in a pipe. */
export function showRecord(context: Context, record: Record<string, RawJson>): void {
  const widest = Math.max(...Object.keys(record).map((key) => key.length));
  for (const [key, raw] of Object.entries(record)) {
    const value = raw.value();
    const seconds = TIME_FIELDS.has(key) ? toFloat(value) : undefined;
    let text = value === null ? '' : plainText(context, key, raw, value);
    if (seconds !== undefined) text = context.isTerminal ? localTime(seconds) : isoTime(seconds);
    text = visibleLine(text);
    context.line(
      context.isTerminal
        ? `${context.colors.dim(key.padEnd(widest))}  ${text || context.colors.dim('-')}`
        : `${key}\t${text}`,
    );
  }
}
