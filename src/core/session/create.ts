import { HermesctlError } from '../errors';
import { formatJson } from '../json/format';
import { PathTracker } from '../json/path-tracker';
import { RawJson } from '../json/raw';
import { bytesSource, JsonReader } from '../json/reader';
import { JsonSyntaxError } from '../json/syntax-error';
import { nextToken } from '../json/tokens';
import { isStoreId } from './id';
import { floatText, WRITER_FIELDS, WRITER_ORDER } from './writer';

/** A new session's members, each as JSON text. */
export type NewMembers = Map<string, string>;

/** What a new session takes from its surroundings where it is not told. */
export interface CreateDefaults {
  id: string;
  workspace: string;
  model: string;
  profile: string;
  /** Epoch seconds. */
  now: number;
}

type Kind = 'string' | 'number' | 'boolean' | 'list' | 'object';

/** What a field may hold, besides null. Fields that are not here may hold anything. */
const TYPES: ReadonlyMap<string, Kind> = new Map(
  Object.entries<Kind>({
    session_id: 'string',
    title: 'string',
    workspace: 'string',
    created_workspace: 'string',
    model: 'string',
    model_provider: 'string',
    created_at: 'number',
    updated_at: 'number',
    pinned: 'boolean',
    archived: 'boolean',
    project_id: 'string',
    profile: 'string',
    input_tokens: 'number',
    output_tokens: 'number',
    estimated_cost: 'number',
    cache_read_tokens: 'number',
    cache_write_tokens: 'number',
    personality: 'string',
    active_stream_id: 'string',
    pending_user_message: 'string',
    pending_attachments: 'list',
    pending_started_at: 'number',
    truncation_watermark: 'number',
    truncation_boundary: 'number',
    parent_session_id: 'string',
    is_cli_session: 'boolean',
    source_tag: 'string',
    raw_source: 'string',
    session_source: 'string',
    source_label: 'string',
    read_only: 'boolean',
    enabled_toolsets: 'list',
    composer_draft: 'object',
    messages: 'list',
    tool_calls: 'list',
    context_messages: 'list',
    anchor_activity_scenes: 'object',
  }),
);

const NOT_NULL: ReadonlySet<string> = new Set(['title', 'workspace', 'created_at', 'updated_at', 'messages']);
const MAX_TITLE_BYTES = 4096;

/**
 * Reads the description of a session: a JSON object whose values are kept as
 * they are spelled.
 *
 * @throws HermesctlError `USAGE` naming the byte or the path in the input that is wrong.
 */
export function parseNewSession(input: Uint8Array): NewMembers {
  const members: NewMembers = new Map();
  try {
    const reader = new JsonReader(bytesSource(input));
    if (reader.peekKind() !== 'object') throw wrong('', 'is not a JSON object');
    reader.beginObject();
    while (reader.nextMember()) members.set(reader.keyText(), RawJson.fromBytes(reader.capture()).text);
    reader.finish();
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new HermesctlError('USAGE', `The input is not JSON: ${error.reason} (byte ${error.offset}).`, {
      details: { offset: error.offset },
    });
  }
  for (const [key, text] of members) check(key, text);
  return members;
}

function check(key: string, text: string): void {
  const kind = TYPES.get(key);
  refuseLoneSurrogates(key, text);
  if (text === 'null') {
    if (NOT_NULL.has(key)) throw wrong(key, 'must not be null');
    return;
  }
  if (kind !== undefined && kindOf(text) !== kind) throw wrong(key, `is not a ${kind}`);
  if (kind === 'number' && !Number.isFinite(Number(text))) throw wrong(key, 'is not a finite number');
  if (key === 'session_id' && !isStoreId(JSON.parse(text) as string)) throw wrong(key, 'cannot be a session id');
  if (key === 'title' && Buffer.byteLength(JSON.parse(text) as string) > MAX_TITLE_BYTES) {
    throw wrong(key, `is longer than ${MAX_TITLE_BYTES} bytes`);
  }
  if (key === 'messages' || key === 'context_messages') checkMessages(key, text);
}

function kindOf(text: string): Kind | 'null' {
  switch (text[0]) {
    case '"':
      return 'string';
    case '{':
      return 'object';
    case '[':
      return 'list';
    case 't':
    case 'f':
      return 'boolean';
    default:
      return text === 'null' ? 'null' : 'number';
  }
}

function checkMessages(key: string, text: string): void {
  const messages = new RawJson(text).value() as unknown[];
  messages.forEach((message, i) => {
    if (typeof message !== 'object' || message === null || Array.isArray(message))
      throw wrong(`${key}[${i}]`, 'is not an object');
    const { role, timestamp } = message as Record<string, unknown>;
    if (typeof role !== 'string' || role === '')
      throw wrong(`${key}[${i}].role`, 'is not a role (user, assistant, tool …)');
    if (timestamp !== undefined && timestamp !== null && typeof timestamp !== 'number') {
      throw wrong(`${key}[${i}].timestamp`, 'is not a number');
    }
  });
}

/** Half of a character that UTF-8 cannot hold: the server loads it and can then never save the session again. */
function refuseLoneSurrogates(key: string, text: string): void {
  const what = 'holds half a surrogate pair, which cannot be stored as UTF-8';
  if (!key.isWellFormed()) throw wrong(key, what);
  const path = new PathTracker();
  for (let token = nextToken(text, 0); token; token = nextToken(text, token.end)) {
    const word = text.slice(token.start, token.end);
    path.step(word);
    if (!word.startsWith('"') || !word.includes('\\')) continue;
    if (!(JSON.parse(word) as string).isWellFormed()) throw wrong(key + path.toString(), what);
  }
}

function wrong(path: string, what: string): HermesctlError {
  return new HermesctlError('USAGE', `${path === '' ? 'The input' : path} ${what}.`, { details: { path } });
}

/** The file of a new session but for its messages: what comes before them and what after. */
export interface SessionFrame {
  /** Up to and with `"messages": `. */
  head: string;
  tail: string;
}

/**
 * The file of a new session: all fields in the writer's order, defaults where
 * nothing is told (seed 001's `new_session`), unknown fields at the end.
 */
export function newSessionText(given: NewMembers, defaults: CreateDefaults): string {
  const messages = given.get('messages') ?? '[]';
  const { head, tail } = newSessionFrame(given, defaults, (new RawJson(messages).value() as unknown[]).length);
  return head + formatJson(messages, 1) + tail;
}

/** {@link newSessionText} around messages that are too many to be one text. */
export function newSessionFrame(given: NewMembers, defaults: CreateDefaults, messageCount: number): SessionFrame {
  const members: NewMembers = new Map(WRITER_FIELDS);
  const now = floatText(defaults.now);
  members.set('session_id', JSON.stringify(defaults.id));
  members.set('workspace', JSON.stringify(defaults.workspace));
  members.set('model', JSON.stringify(defaults.model));
  members.set('profile', JSON.stringify(defaults.profile));
  members.set('created_at', now);
  members.set('updated_at', now);
  for (const [key, text] of given) members.set(key, text);
  if (!given.has('created_workspace')) members.set('created_workspace', members.get('workspace')!);
  if (!given.has('updated_at') && given.has('created_at')) members.set('updated_at', given.get('created_at')!);
  members.set('message_count', String(messageCount));
  const extra = [...members.keys()].filter((key) => !WRITER_ORDER.includes(key));
  const keys = [...WRITER_ORDER, ...extra];
  const line = (key: string): string => `\n  ${JSON.stringify(key)}: `;
  const lines = (some: string[]): string[] => some.map((key) => line(key) + formatJson(members.get(key)!, 1));
  const at = keys.indexOf('messages');
  return {
    head: `{${[...lines(keys.slice(0, at)), line('messages')].join(',')}`,
    tail: `${keys
      .slice(at + 1)
      .map((key) => `,${lines([key])[0]}`)
      .join('')}\n}`,
  };
}
