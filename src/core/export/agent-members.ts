import { normalizedSource } from '../agent-db/sources';
import { truthy } from '../json/python';
import { RawJson } from '../json/raw';
import { bytesSource, JsonReader } from '../json/reader';
import type { ScannedSidecar } from '../sidecar/read';
import type { NewMembers } from '../session/create';

/** The member of a session file that holds the agent's own row that it was imported from, without its messages. */
export const AGENT_MEMBER = 'agent_session';

/** The columns of an agent's session, as they are spelled. */
export type AgentColumns = ReadonlyMap<string, RawJson>;

/** The members of a JSON object, the last one of duplicates. */
export function columnsOf(object: RawJson): AgentColumns {
  const reader = new JsonReader(bytesSource(Buffer.from(object.text, 'utf8')));
  const columns = new Map<string, RawJson>();
  reader.beginObject();
  while (reader.nextMember()) columns.set(reader.keyText(), RawJson.fromBytes(reader.capture()));
  return columns;
}

/** What a session file takes over from the agent's row as it is. */
const TAKEN_OVER: readonly (readonly [key: string, column: string])[] = [
  ['parent_session_id', 'parent_session_id'],
  ['input_tokens', 'input_tokens'],
  ['output_tokens', 'output_tokens'],
  ['cache_read_tokens', 'cache_read_tokens'],
  ['cache_write_tokens', 'cache_write_tokens'],
  ['user_id', 'user_id'],
  ['chat_id', 'chat_id'],
  ['chat_type', 'chat_type'],
  ['thread_id', 'thread_id'],
  ['session_key', 'session_key'],
];

const FALLBACK_TITLE = 'CLI Session';
const UNKNOWN_MODEL = 'unknown';

/**
 * What a session file says of a session by the agent's row of it, as JSON
 * texts, as an import from the agent's database would (reference: webui-store
 * §6). What the agent does not tell is not there.
 *
 * @param firstWords title where the row has none.
 */
export function membersFromAgent(columns: AgentColumns, firstWords?: string): NewMembers {
  const at = (column: string): unknown => columns.get(column)?.value();
  const text = (column: string): string | undefined => {
    const value = at(column);
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const time = (...names: string[]): string | undefined => {
    const name = names.find((column) => typeof at(column) === 'number' && Number.isFinite(at(column)));
    return name === undefined ? undefined : columns.get(name)!.text;
  };
  const members: NewMembers = new Map([
    ['title', JSON.stringify(text('title') ?? firstWords ?? FALLBACK_TITLE)],
    ['model', JSON.stringify(text('model') ?? UNKNOWN_MODEL)],
    ['pinned', String(truthy(at('pinned')))],
    ['archived', String(truthy(at('archived')))],
    ['is_cli_session', 'true'],
  ]);
  const put = (key: string, value: string | undefined): void => {
    if (value !== undefined) members.set(key, value);
  };
  const created = time('started_at');
  put('created_at', created);
  put('updated_at', time('last_activity_at', 'ended_at') ?? created);
  put('workspace', text('cwd') === undefined ? undefined : JSON.stringify(text('cwd')));
  put('profile', text('profile_name') === undefined ? undefined : JSON.stringify(text('profile_name')));
  put('estimated_cost', time('actual_cost_usd', 'estimated_cost_usd'));
  const source = text('source');
  if (source !== undefined) {
    const { raw_source, session_source, source_label } = normalizedSource(source);
    for (const [key, value] of Object.entries({ source_tag: source, raw_source, session_source, source_label })) {
      members.set(key, JSON.stringify(value));
    }
  }
  for (const [key, column] of TAKEN_OVER) {
    const raw = columns.get(column);
    if (raw !== undefined && raw.value() !== null) members.set(key, raw.text);
  }
  return members;
}

/** What shows that somebody changed an imported session. A server that saves it leaves the agent's row out anyway. */
const TELLING = ['title', 'model', 'pinned', 'archived', 'updated_at', 'parent_session_id'] as const;

/** Whether a session file still says what the agent's row said when it was imported. */
export function stillSays(row: RawJson, { fields, transcript }: ScannedSidecar): boolean {
  const columns = columnsOf(row);
  const members = membersFromAgent(columns);
  if (!truthy(columns.get('title')?.value())) members.delete('title'); // it was made of the first words
  const says = (key: string): unknown => fields.get(key)?.value() ?? null;
  const isSame = TELLING.every((key) => {
    const text = members.get(key);
    return text === undefined || says(key) === new RawJson(text).value();
  });
  return isSame && fields.get('message_count')?.value() === transcript.count;
}
