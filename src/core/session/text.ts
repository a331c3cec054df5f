import { pythonStr, strip, truthy } from '../json/python';
import type { RawJson } from '../json/raw';

/** What the agent's database has before content that is no string; the rest is its JSON (reference: hermes-agent §1.9). */
export const ENCODED_CONTENT = '\0json:';

const TEXT_PART_TYPES = new Set(['text', 'input_text', 'output_text']);
const TEXT_KEYS = ['text', 'content', 'input_text', 'output_text'] as const;

/**
 * The plain text of a message's content, as the server's retry and undo give
 * it: a string as it is; of a list of parts the text parts, joined by a space;
 * anything else as Python's `str()` shows it (`None` for null).
 */
export function contentText(content: RawJson | undefined): string {
  if (content === undefined) return '';
  const value = content.value();
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return pythonStr(content.text);
  return value.filter(isObject).filter(isTextPart).map(partText).join(' ');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTextPart(part: Record<string, unknown>): boolean {
  return !truthy(part['type']) || (typeof part['type'] === 'string' && TEXT_PART_TYPES.has(part['type'].toLowerCase()));
}

function partText(part: Record<string, unknown>): string {
  const text = TEXT_KEYS.map((key) => part[key]).find(truthy) ?? '';
  return typeof text === 'string' ? text : pythonStr(JSON.stringify(text));
}

export const DEFAULT_TITLE = 'Untitled';
const TITLE_LENGTH = 64;
const ATTACHED_FILES = '\n\n[Attached files: ';

/**
 * A title for a user's message: the first 64 characters of its text, without
 * the note about attached files; undefined when it has no text.
 */
export function titleFromContent(content: RawJson | undefined): string | undefined {
  if (content === undefined || content.value() === null) return undefined;
  const value = content.value();
  const text = Array.isArray(value) ? joinTextParts(value) : pythonStr(content.text);
  const title = strip(withoutAttachedFiles(text));
  return title === '' ? undefined : [...title].slice(0, TITLE_LENGTH).join('');
}

/** Without the note at its end, or before a line break there: files between brackets, of which none has another closing one. */
function withoutAttachedFiles(text: string): string {
  const last = text.length - (text.endsWith('\n') ? 2 : 1);
  if (text[last] !== ']') return text;
  const note = text.indexOf(ATTACHED_FILES, text.lastIndexOf(']', last - 1) + 1);
  return note < 0 || note + ATTACHED_FILES.length === last ? text : text.slice(0, note);
}

function joinTextParts(parts: unknown[]): string {
  return parts
    .filter(isObject)
    .filter((part) => part['type'] === 'text')
    .map((part) => (typeof part['text'] === 'string' ? part['text'] : ''))
    .join(' ');
}
