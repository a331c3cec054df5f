import { HermesctlError } from '../errors';
import { Needle } from '../json/kernel';
import { type Outline, outlineOf } from './expression';

/** What is looked for, ready to be used. */
export interface Pattern {
  /** Finds it in decoded text. Global; `lastIndex` is the user's. */
  text: RegExp;
  /**
   * Finds each place in the bytes of a JSON document, read as Latin-1, that may
   * spell it: never fewer. Undefined where nothing can be said from the bytes.
   */
  bytes: RegExp | undefined;
  /** The same over a JSON document as text. */
  json: RegExp | undefined;
  /** No match of `bytes` is longer than this. */
  longest: number;
  /** Whether `bytes` finds the whole of it, and not only how it begins or a part: but for escapes, bytes tell all. */
  isWhole: boolean;
  /** What `bytes` finds, for a kernel; undefined where that cannot look for it. */
  needle: Needle | undefined;
  /** Whether every file is to be walked, also where the bytes show that it holds nothing. */
  walksAll: boolean;
  /** The engine takes no more than some times so many steps to look through a text of so many characters. */
  steps: (length: number) => number;
}

export interface PatternOptions {
  ignoreCase: boolean;
}

/** More would make an expression that the engine refuses; nobody types so much. */
const MAX_LENGTH = 1000;
/** What holds the whole text holds its beginning: enough to rule documents out, and it bounds the expression. */
const PREFIX = 64;

/**
 * Looks for this text as it stands. Without regard to case where it is asked
 * for: a letter and its other case, one for one (`ß` is not `SS`), as `i`
 * means it in JavaScript. Characters are compared as they are, not normalized.
 *
 * @throws HermesctlError `USAGE` for a text that is empty or too long.
 */
export function literalPattern(text: string, { ignoreCase }: PatternOptions): Pattern {
  if (text === '') throw new HermesctlError('USAGE', 'The text to look for is empty.');
  if (text.length > MAX_LENGTH) {
    throw new HermesctlError(
      'USAGE',
      `The text to look for has ${text.length} characters; ${MAX_LENGTH} are allowed.`,
      {
        hint: 'Look for a part of it.',
      },
    );
  }
  const start = [...text].slice(0, PREFIX);
  const inJson = (raw: (char: string) => string): RegExp => {
    const { plain, escaped } = spellings(start, ignoreCase, raw);
    return new RegExp(escaped === undefined ? plain : `${plain}|${escaped}`, 'g');
  };
  return {
    text: new RegExp(literally(text), ignoreCase ? 'gi' : 'g'),
    bytes: inJson(asBytes),
    json: inJson(literally),
    longest: start.length * LONGEST_SPELLING,
    isWhole: start.join('') === text && text.isWellFormed(),
    needle: Needle.of(text, ignoreCase),
    walksAll: false,
    steps: (length) => length * text.length,
  };
}

/**
 * Looks for a JavaScript regular expression, by lines (`^` and `$`) and in
 * Unicode. What it finds must have at least one character.
 *
 * @throws HermesctlError `USAGE` for what is none.
 */
export function expressionPattern(source: string, { ignoreCase }: PatternOptions): Pattern {
  if (source === '') throw new HermesctlError('USAGE', 'The expression to look for is empty.');
  const expression = expressionOf(source, ignoreCase);
  const { literal, isLiteral, ways, repetitions } = outlineOf(source, ignoreCase) ?? UNKNOWN;
  // What it matches holds this text: where that cannot be, there is nothing to decode.
  const held = literal.length > 1 ? literalPattern(literal.slice(0, MAX_LENGTH), { ignoreCase }) : undefined;
  return {
    text: expression,
    bytes: held?.bytes,
    json: held?.json,
    longest: held?.longest ?? 0,
    isWhole: isLiteral && (held?.isWhole ?? false),
    needle: held?.needle,
    walksAll: true,
    steps: (length) => ways * source.length * length ** (repetitions + 1),
  };
}

function expressionOf(source: string, ignoreCase: boolean): RegExp {
  try {
    return new RegExp(source, ignoreCase ? 'gimu' : 'gmu');
  } catch (error) {
    const reason = (error as Error).message.replace(/^Invalid regular expression: /, '');
    throw new HermesctlError('USAGE', `This is no regular expression: ${reason}.`, {
      hint: "JavaScript's are meant, with the flag u: only what has a meaning may stand behind a backslash. Without --regex the text is looked for as it stands.",
      cause: error,
    });
  }
}

const UNKNOWN: Outline = { literal: '', isLiteral: false, ways: Infinity, repetitions: 0 };

/** Of a character beyond the BMP: two escapes. */
const LONGEST_SPELLING = 12;

/**
 * All ways in which JSON may spell these characters. An escape in place of an
 * ASCII character is rare, but allowed: rather than in each place, which would
 * slow the look at every byte, each is looked for by itself, as a sign that the
 * text may be there. Of other characters either spelling is common.
 */
function spellings(
  chars: readonly string[],
  ignoreCase: boolean,
  raw: (char: string) => string,
): { plain: string; escaped: string | undefined } {
  const codes = new Set<string>();
  const plain = chars.map((char) => {
    const cases = ignoreCase ? casesOf(char) : [char];
    if (char.charCodeAt(0) >= 0x80) return `(?:${cases.map((one) => `${raw(one)}|${unicodeEscape(one)}`).join('|')})`;
    for (const one of cases) codes.add(anyCase(hex(one.charCodeAt(0), 2)));
    return cases.length > 1 ? `[${cases.join('')}]` : asciiInJson(char);
  });
  return { plain: plain.join(''), escaped: codes.size > 0 ? `\\\\u00(?:${[...codes].join('|')})` : undefined };
}

const SHORT_ESCAPES: Record<string, string> = { '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't' };

function asciiInJson(char: string): string {
  if (char === '"') return '\\\\"';
  if (char === '\\') return '\\\\\\\\';
  if (char === '/') return '\\\\?\\/';
  const short = SHORT_ESCAPES[char];
  return short === undefined ? literally(char) : `\\\\${short}`;
}

function asBytes(char: string): string {
  return [...Buffer.from(char, 'utf8')].map((byte) => `\\x${hex(byte, 2)}`).join('');
}

/** The escapes of a character's code units, their digits in any case. */
function unicodeEscape(char: string): string {
  let out = '';
  for (let i = 0; i < char.length; i++) out += `\\\\u${anyCase(hex(char.charCodeAt(i), 4))}`;
  return out;
}

const hex = (code: number, digits: number): string => code.toString(16).padStart(digits, '0');
const anyCase = (digits: string): string => digits.replace(/[a-f]/g, (c) => `[${c}${c.toUpperCase()}]`);

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, (char) => `\\x${hex(char.charCodeAt(0), 2)}`);
}

/** All characters that the engine takes for this one where case does not matter, itself included. */
function casesOf(char: string): string[] {
  if (char.length > 1) return [char]; // beyond the BMP the engine compares halves, which have no case
  if (char.charCodeAt(0) < 0x80) return [...new Set([char, char.toLowerCase(), char.toUpperCase()])];
  if (char.toLowerCase() === char.toUpperCase()) return [char];
  const same = new RegExp(literally(char), 'i');
  const found: string[] = [];
  for (let code = 0x80; code < 0x10000; code++) {
    const other = String.fromCharCode(code);
    if (same.test(other)) found.push(other);
  }
  return found;
}
