import { HermesctlError } from '../errors';
import { strip } from '../json/python';
import { RawJson } from '../json/raw';
import { isWellFormed } from '../json/well-formed';
import { ENCODED_CONTENT } from '../session/text';
import { continuesWithin, type Link } from './continuation';
import type { AgentDatabase } from './database';
import { storedSession } from './stored';
import { quoted } from './tables';
import { plain, sqlJson, type SqlRow, type SqlValue } from './values';

const NEEDED = ['session_id', 'role', 'content', 'timestamp'] as const;

/** Shown where they hold something, in this order (reference: webui-store §6). */
const OPTIONAL = [
  'tool_call_id',
  'tool_calls',
  'tool_name',
  'reasoning',
  'reasoning_details',
  'codex_reasoning_items',
  'reasoning_content',
  'codex_message_items',
  'api_content',
  'display_kind',
  'display_metadata',
] as const;

/** Stored as JSON text. */
const AS_JSON = new Set<string>([
  'tool_calls',
  'reasoning_details',
  'codex_reasoning_items',
  'codex_message_items',
  'display_metadata',
]);

const MAX_SEGMENTS = 20;
const PAGE = 64;

/** A session's transcript: which messages it has is decided, what they say is read as it is asked for. */
export interface AgentTranscript {
  /** Ids of the sessions that it is stitched of, oldest first; the last one is the session asked for. */
  segments: string[];
  /** Messages in it. */
  count: number;
  /**
   * The messages from the `from`-th (0 is the first) on, one at a time; memory is that of a page of them.
   *
   * @throws HermesctlError `CHANGED_ON_DISK` where one of them was removed meanwhile, `DATABASE_UNUSABLE`.
   */
  messages: (from?: number) => AsyncGenerator<RawJson>;
}

/**
 * The transcript of an agent session as August's WebUI imports it (reference:
 * webui-store §6): the segments that it continues stitched before it, active
 * rows only, in the order in which they were written, each with its tool and
 * reasoning fields, JSON decoded. Empty where there is no such session, or no
 * table that could hold messages. Usable as long as the database is open.
 *
 * @param options.stitched false: only the session's own messages.
 */
export async function readTranscript(
  database: AgentDatabase,
  id: string,
  { stitched = true }: { stitched?: boolean } = {},
): Promise<AgentTranscript> {
  const segments = stitched ? await segmentsOf(database, id) : [id];
  const columns = await database.columns('messages');
  const rowids = NEEDED.every((column) => columns.has(column)) ? await rowidsOf(database, segments, columns) : [];
  return { segments, count: rowids.length, messages: (from = 0) => read(database, rowids.slice(from), columns) };
}

/** The session and those that it continues, oldest first. Bounded, and safe where parents go in a circle. */
async function segmentsOf(database: AgentDatabase, id: string): Promise<string[]> {
  const columns = await database.columns('sessions');
  const segments = [id];
  if (!['id', 'parent_session_id', 'end_reason', 'started_at', 'source'].every((column) => columns.has(column)))
    return segments;
  let current: (Link & { parent_session_id: SqlValue }) | undefined = await storedSession(database, id);
  for (let hops = 0; current && hops < MAX_SEGMENTS; hops++) {
    const parentId = current.parent_session_id;
    if (typeof parentId !== 'string' || parentId === '' || segments.includes(parentId)) break;
    const parent = await storedSession(database, parentId);
    if (parent === undefined || !continuesWithin(parent, current)) break;
    segments.unshift(parentId);
    current = parent;
  }
  return segments;
}

/** Which rows, decided at one moment. In the order of `id`: clocks go back, numbers do not. */
async function rowidsOf(
  database: AgentDatabase,
  segments: string[],
  columns: ReadonlySet<string>,
): Promise<SqlValue[]> {
  const active = columns.has('active') ? 'AND (active IS NULL OR active != 0)' : '';
  const order = columns.has('id') ? 'id' : 'timestamp';
  const places = segments.map(() => '?').join(', ');
  const sql = `SELECT rowid AS at FROM messages WHERE session_id IN (${places}) ${active} ORDER BY ${order}`;
  return (await database.all(sql, ...segments)).map((row) => row['at']);
}

async function* read(
  database: AgentDatabase,
  rowids: readonly SqlValue[],
  columns: ReadonlySet<string>,
): AsyncGenerator<RawJson> {
  const wanted = ['role', 'content', 'timestamp', ...['id', ...OPTIONAL].filter((column) => columns.has(column))];
  for await (const row of readRows(database, rowids, wanted)) yield messageOf(row);
}

/** These rows of `messages`, in this order, a page at a time. */
async function* readRows(
  database: AgentDatabase,
  rowids: readonly SqlValue[],
  wanted: readonly string[],
): AsyncGenerator<SqlRow> {
  const places = Array.from({ length: PAGE }, () => '?').join(', ');
  const sql = `SELECT rowid AS at, ${wanted.map(quoted).join(', ')} FROM messages WHERE rowid IN (${places})`;
  for (let start = 0; start < rowids.length; start += PAGE) {
    const page = rowids.slice(start, start + PAGE);
    const padding = Array.from({ length: PAGE - page.length }, () => null);
    const rows = new Map((await database.all(sql, ...page, ...padding)).map((row) => [row['at'], row]));
    for (const rowid of page) {
      const row = rows.get(rowid);
      if (row === undefined) throw removedMeanwhile(database.path);
      yield row;
    }
  }
}

/** Made by the agent from the others, for its own lists. */
const DERIVED: ReadonlySet<string> = new Set(['display_identity', 'display_order']);

/**
 * The active messages of one session with every column that its row has, as the
 * agent's own export gives them: content and tool calls decoded, all else as it
 * is stored. Throws as {@link AgentTranscript.messages}.
 */
export async function* storedMessages(database: AgentDatabase, id: string): AsyncGenerator<RawJson> {
  const columns = await database.columns('messages');
  if (!NEEDED.every((column) => columns.has(column))) return;
  const wanted = [...columns].filter((column) => !DERIVED.has(column));
  for await (const row of readRows(database, await rowidsOf(database, [id], columns), wanted)) {
    const fields = wanted.map((column) => `${JSON.stringify(column)}:${storedValue(column, row[column]).text}`);
    yield new RawJson(`{${fields.join(',')}}`);
  }
}

function storedValue(column: string, value: SqlValue): RawJson {
  if (column === 'content') return contentOf(value);
  return column === 'tool_calls' && value !== null && value !== '' ? decoded(value) : sqlJson(value);
}

function removedMeanwhile(path: string): HermesctlError {
  return new HermesctlError('CHANGED_ON_DISK', `The agent removed messages from ${path} while they were read.`, {
    hint: 'Run the command again.',
    details: { path },
  });
}

/** A message as the WebUI keeps it, from a row of `messages`. */
function messageOf(row: SqlRow): RawJson {
  const fields: [string, RawJson][] = [
    ['role', sqlJson(row['role'])],
    ['content', contentOf(row['content'])],
    ['timestamp', sqlJson(row['timestamp'])],
  ];
  for (const column of OPTIONAL) {
    const value = row[column];
    if (value === undefined || value === null || value === '') continue;
    fields.push([column, AS_JSON.has(column) ? decoded(value) : sqlJson(value)]);
  }
  if (typeof row['api_content'] === 'string' && row['api_content'] !== '' && row['id'] != null)
    fields.push(['_state_db_row_id', sqlJson(row['id'])]);
  if (row['role'] === 'tool' && row['tool_name']) fields.push(['name', sqlJson(row['tool_name'])]);
  return new RawJson(`{${fields.map(([key, raw]) => `${JSON.stringify(key)}: ${raw.text}`).join(', ')}}`);
}

function contentOf(value: SqlValue): RawJson {
  const text = plain(value);
  if (typeof text !== 'string' || !text.startsWith(ENCODED_CONTENT)) return sqlJson(value);
  const json = text.slice(ENCODED_CONTENT.length);
  return isWellFormed(json) ? new RawJson(json) : sqlJson(value);
}

/** JSON text as its value; what is none stays a string. Old rows were encoded twice. */
function decoded(value: SqlValue): RawJson {
  const text = plain(value);
  if (typeof text !== 'string') return sqlJson(value);
  const json = strip(text);
  if (json === '') return new RawJson('null');
  if (!isWellFormed(json)) return RawJson.of(text);
  const inner = json.startsWith('"') ? strip(JSON.parse(json) as string) : '';
  return new RawJson(/^[[{]/.test(inner) && isWellFormed(inner) ? inner : json);
}
