import { messageTime } from '../session/transcript';

/** Where in a session a text stands. */
export const PLACES = ['title', 'content', 'tools', 'reasoning'] as const;
export type Place = (typeof PLACES)[number];

/** What is searched unless places are named. */
export const DEFAULT_PLACES: readonly Place[] = ['title', 'content', 'tools'];

/** A text of a message. */
export interface MessageText {
  in: Exclude<Place, 'title'>;
  text: string;
  /** The tool that was called or answered. */
  tool: string | undefined;
}

type Fields = Record<string, unknown>;

/** A message's role as it is searched by; `unknown` for what is no message. */
export function roleOf(message: unknown): string {
  const role = isObject(message) ? message['role'] : undefined;
  return typeof role === 'string' ? role : 'unknown';
}

/** A message's time in epoch seconds, where it records one. */
export function timeOf(message: unknown): number | undefined {
  return isObject(message) ? messageTime(message['_ts'], message['timestamp']) : undefined;
}

/**
 * The texts of a message that can be searched: the strings in it that somebody
 * said, thought, or gave to a tool or got from one. Not its keys, numbers, ids,
 * or data of images.
 */
export function* textsOf(message: unknown): Generator<MessageText> {
  if (typeof message === 'string') yield { in: 'content', text: message, tool: undefined };
  if (!isObject(message)) return;
  const isResult = message['role'] === 'tool';
  const tool = isResult ? nameOf(message['tool_name'] ?? message['name']) : undefined;
  for (const part of partsOf(message['content'])) {
    yield isResult ? { in: 'tools', text: part.text, tool: part.tool ?? tool } : part;
  }
  if (tool !== undefined) yield { in: 'tools', text: tool, tool };
  yield* callsOf(message['tool_calls']);
  yield* attachmentsOf(message['attachments']);
  for (const key of ['reasoning', 'reasoning_content', 'reasoning_details']) {
    for (const text of stringsIn(message[key], isSaid)) yield { in: 'reasoning', text, tool: undefined };
  }
}

const TEXT_KEYS = ['text', 'content', 'input_text', 'output_text'];

function* partsOf(content: unknown): Generator<MessageText> {
  if (typeof content === 'string') yield { in: 'content', text: content, tool: undefined };
  else if (Array.isArray(content)) for (const part of content) yield* partOf(part);
  else yield* partOf(content);
}

/** A part of a content: a text, or a tool's call or result where an API keeps those among them. */
function* partOf(part: unknown): Generator<MessageText> {
  if (typeof part === 'string') yield { in: 'content', text: part, tool: undefined };
  if (!isObject(part)) return;
  const type = String(part['type']);
  if (type.startsWith('tool') || type.startsWith('function')) {
    const tool = nameOf(part['name']);
    if (tool !== undefined) yield { in: 'tools', text: tool, tool };
    for (const key of ['input', 'arguments'])
      for (const text of stringsIn(part[key])) yield { in: 'tools', text, tool };
    for (const key of ['content', 'output', 'text'])
      for (const text of stringsIn(part[key], isSaid)) yield { in: 'tools', text, tool };
    return;
  }
  if (type === 'thinking') {
    for (const text of stringsIn(part['thinking'])) yield { in: 'reasoning', text, tool: undefined };
  }
  for (const key of TEXT_KEYS) {
    const text = part[key];
    if (typeof text === 'string') yield { in: 'content', text, tool: undefined };
  }
}

function* callsOf(calls: unknown): Generator<MessageText> {
  if (!Array.isArray(calls)) return;
  for (const call of calls) {
    if (!isObject(call)) continue;
    const inner = isObject(call['function']) ? call['function'] : call;
    const tool = nameOf(inner['name']);
    if (tool !== undefined) yield { in: 'tools', text: tool, tool };
    for (const key of ['arguments', 'input', 'args'])
      for (const text of stringsIn(inner[key])) yield { in: 'tools', text, tool };
  }
}

function* attachmentsOf(list: unknown): Generator<MessageText> {
  if (!Array.isArray(list)) return;
  for (const item of list) {
    const values: unknown[] = isObject(item) ? [item['name'], item['path']] : [item];
    for (const text of values) if (typeof text === 'string') yield { in: 'content', text, tool: undefined };
  }
}

/** Kinds of parts of which an API makes a content, a tool's result or a thought. */
const PART =
  /^(?:(?:input_|output_)?(?:text|image)|image_url|base64|document|reasoning|redacted_thinking|summary|thinking)/;
/** Members of those that are no text: kinds, ids, and data. */
const NO_TEXT: ReadonlySet<string> = new Set([
  'type',
  'id',
  'data',
  'encrypted_content',
  'format',
  'image_url',
  'media_type',
  'signature',
]);

/** Whether a member of an object in a result or a thought is text; in any other object all may be. */
const isSaid = ({ type }: Fields, key: string): boolean =>
  !(NO_TEXT.has(key) && typeof type === 'string' && PART.test(type));

/**
 * All strings in a value, however deep. Not by recursion: a stored value may be nested deeper than the stack.
 *
 * @param isText whether a member of an object counts.
 */
function* stringsIn(value: unknown, isText?: (object: Fields, key: string) => boolean): Generator<string> {
  const open: unknown[] = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next === 'string') yield next;
    else if (typeof next === 'object' && next !== null) {
      const object = next as Fields;
      const keys = Object.keys(object);
      for (const key of keys.reverse()) if (isText === undefined || isText(object, key)) open.push(object[key]);
    }
  }
}

function nameOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
