import { toFloat, truthy } from '../json/python';
import type { RawJson } from '../json/raw';
import { messageTime } from './transcript';

/**
 * A piece of a message for reading: text, something that is no text (with the address of a picture, or the path of a
 * file, that it names), or a tool's name and arguments.
 */
export type MessagePart =
  | { kind: 'text'; text: string }
  | { kind: 'attachment'; label: string; url?: string; path?: string }
  | { kind: 'tool-call'; name: string; input: string };

/** A message taken apart for a person to read. */
export interface ReadableMessage {
  index: number;
  role: string;
  /** Epoch seconds, where it records one. */
  at: number | undefined;
  parts: MessagePart[];
  /** The tool that answered, for a tool's result. */
  toolName: string | undefined;
  /** The server's marks: interrupted, recovered, an error. */
  marks: string[];
}

const MARKS: readonly [string, string][] = [
  ['_error', 'error'],
  ['_partial', 'partial'],
  ['_recovered', 'recovered'],
];

/** Takes a stored message apart. What is no object is shown as it is, as nobody's turn. */
export function readableMessage(index: number, raw: RawJson): ReadableMessage {
  const value = raw.value();
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return {
      index,
      role: 'unknown',
      at: undefined,
      parts: [{ kind: 'text', text: raw.text }],
      toolName: undefined,
      marks: [],
    };
  }
  const message = value as Record<string, unknown>;
  const name = message['tool_name'] ?? message['name'];
  return {
    index,
    role: typeof message['role'] === 'string' ? message['role'] : 'unknown',
    at: messageTime(toFloat(message['_ts']), message['timestamp']),
    parts: [
      ...contentParts(message['content']),
      ...toolCalls(message['tool_calls']),
      ...attachments(message['attachments']),
    ],
    toolName: message['role'] === 'tool' ? text(name, 'tool') : undefined,
    marks: MARKS.filter(([key]) => truthy(message[key])).map(([, mark]) => mark),
  };
}

function contentParts(content: unknown): MessagePart[] {
  if (content === null || content === undefined || content === '') return [];
  if (typeof content === 'string') return [{ kind: 'text', text: content }];
  if (!Array.isArray(content)) return [contentPart(content)];
  return content.map(contentPart);
}

function contentPart(part: unknown): MessagePart {
  if (typeof part === 'string') return { kind: 'text', text: part };
  if (typeof part === 'object' && part !== null && !Array.isArray(part)) {
    const { type, text: partText, content, input_text: input, output_text: output } = part as Record<string, unknown>;
    const found = [partText, content, input, output].find((value) => typeof value === 'string');
    if (found !== undefined) return { kind: 'text', text: found };
    const url = pictureUrl(part as Record<string, unknown>);
    return { kind: 'attachment', label: text(type, 'object'), ...(url === undefined ? {} : { url }) };
  }
  return { kind: 'text', text: JSON.stringify(part) };
}

/** The address in a part that is a picture, in the shapes of OpenAI and Anthropic. */
function pictureUrl(part: Record<string, unknown>): string | undefined {
  const { image_url: image, source, url } = part;
  const inner = typeof image === 'object' && image !== null ? (image as { url?: unknown }).url : image;
  if (typeof source === 'object' && source !== null) {
    const { media_type: type, data, url: address } = source as Record<string, unknown>;
    if (typeof type === 'string' && typeof data === 'string') return `data:${type};base64,${data}`;
    if (typeof address === 'string') return address;
  }
  return [inner, url].find((value): value is string => typeof value === 'string');
}

function toolCalls(calls: unknown): MessagePart[] {
  if (!Array.isArray(calls)) return [];
  return calls.map((call: unknown): MessagePart => {
    const { function: fn, name, arguments: args } = (call ?? {}) as Record<string, unknown>;
    const inner = (typeof fn === 'object' && fn !== null ? fn : {}) as Record<string, unknown>;
    const input = inner['arguments'] ?? args ?? '';
    return {
      kind: 'tool-call',
      name: text(inner['name'] ?? name, 'tool'),
      input: typeof input === 'string' ? input : JSON.stringify(input),
    };
  });
}

function attachments(list: unknown): MessagePart[] {
  if (!Array.isArray(list)) return [];
  return list.map((item: unknown): MessagePart => {
    const { name, path } = (typeof item === 'object' && item !== null ? item : {}) as Record<string, unknown>;
    const label = text(typeof item === 'string' ? item : (name ?? path), 'file');
    return { kind: 'attachment', label, ...(typeof path === 'string' ? { path } : {}) };
  });
}

function text(value: unknown, otherwise: string): string {
  return typeof value === 'string' && value !== '' ? value : otherwise;
}
