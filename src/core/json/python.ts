import { DEEPEST } from './format';
import { pythonFloat, type RawJson } from './raw';
import { tokensOf } from './tokens';

/*
 * What Python's built-ins make of a decoded JSON value. The store's rules are
 * written in terms of them ("falsy", `str()`, `float()`, `int()`, `strip()`),
 * so they are here once, under their own names.
 */

/** Python's truth of a JSON value. */
export function truthy(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 0 || value === '') return false;
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === 'object') return Object.keys(value).length > 0;
  return true;
}

/** {@link truthy} of a value as it is spelled; only of numbers, and of containers with something between their brackets, it is decoded. */
export function isTruthy(raw: RawJson): boolean {
  const { text } = raw;
  const first = text.charCodeAt(0);
  // A number that begins so is not zero, unless it has an exponent far below it.
  if (first >= 0x31 && first <= 0x39) return !text.includes('-') || truthy(raw.value());
  switch (first) {
    case 0x6e: // null
    case 0x66: // false
      return false;
    case 0x74: // true
      return true;
    case 0x22: // a string
      return text.length > 2;
    case 0x5b: // a list
    case 0x7b: // an object
      return text.length > 2 && truthy(raw.value());
    default:
      return truthy(raw.value());
  }
}

/** The characters that Python's `str.strip()` removes. */
export const SPACES =
  '\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000';
const IS_SPACE: ReadonlySet<number> = new Set([...SPACES].map((char) => char.charCodeAt(0)));

/** By hand: an expression for the end tries every run of white space in between, which may be a megabyte. */
export function strip(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && IS_SPACE.has(text.charCodeAt(start))) start++;
  while (start < end && IS_SPACE.has(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** There is one way to read what it matches, so that it is quick to say no. */
const FLOAT =
  /^[+-]?(?:(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?|inf(?:inity)?|nan)$/i;

/** `float(value)`, or undefined where Python raises. */
export function toFloat(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value !== 'string') return undefined;
  const text = strip(value);
  if (!FLOAT.test(text)) return undefined;
  const word = text.toLowerCase().replaceAll('_', '');
  if (word.endsWith('nan')) return NaN;
  if (word.includes('inf')) return word.startsWith('-') ? -Infinity : Infinity;
  return Number(word);
}

/** `int(value)` (towards zero), or undefined where Python raises. */
export function toInt(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? Math.trunc(value) : undefined;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value !== 'string') return undefined;
  const text = strip(value);
  if (!/^[+-]?\d+(?:_\d+)*$/.test(text)) return undefined;
  const number = Number(text.replaceAll('_', ''));
  return Number.isFinite(number) ? number : undefined;
}

/** Characters that Python's `repr` of a string escapes, beyond the quote, the backslash and \t \n \r. */
const isUnprintable = (char: string): boolean => /[\p{C}\p{Z}]/u.test(char);

function reprString(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let out = quote;
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (char === quote || char === '\\') out += `\\${char}`;
    else if (char === '\n') out += '\\n';
    else if (char === '\r') out += '\\r';
    else if (char === '\t') out += '\\t';
    else if (char !== ' ' && isUnprintable(char)) {
      if (code < 0x100) out += `\\x${code.toString(16).padStart(2, '0')}`;
      else if (code < 0x10000) out += `\\u${code.toString(16).padStart(4, '0')}`;
      else out += `\\U${code.toString(16).padStart(8, '0')}`;
    } else out += char;
  }
  return out + quote;
}

/**
 * `repr()` of the value that this JSON text decodes to in Python: the store
 * shows an object that stands where text should be in that form. Works on the
 * spelling, because JavaScript cannot tell `1.0` from `1`. A value nested too
 * deeply for Python comes back as its own JSON text.
 */
export function pythonRepr(jsonText: string): string {
  const tokens = tokensOf(jsonText);
  const next = (): string => tokens.next().value as string;
  let tooDeep = false;

  const value = (token: string, depth: number): string => {
    if (depth > DEEPEST) tooDeep = true;
    if (tooDeep || (token !== '[' && token !== '{')) return tooDeep ? '' : reprScalar(token);
    return token === '[' ? list(depth) : dict(depth);
  };
  const list = (depth: number): string => {
    const items: string[] = [];
    for (let token = next(); token !== ']' && !tooDeep; token = next()) {
      if (token !== ',') items.push(value(token, depth + 1));
    }
    return `[${items.join(', ')}]`;
  };
  const dict = (depth: number): string => {
    const members = new Map<string, string>();
    for (let token = next(); token !== '}' && !tooDeep; token = next()) {
      if (token === ',') continue;
      next(); // the colon
      members.set(JSON.parse(token) as string, value(next(), depth + 1));
    }
    return `{${[...members].map(([key, repr]) => `${reprString(key)}: ${repr}`).join(', ')}}`;
  };

  const repr = value(next(), 0);
  return tooDeep ? jsonText : repr;
}

/** `str()` of the value that this JSON text decodes to in Python. */
export function pythonStr(jsonText: string): string {
  return jsonText.startsWith('"') ? (JSON.parse(jsonText) as string) : pythonRepr(jsonText);
}

function reprScalar(token: string): string {
  if (token.startsWith('"')) return reprString(JSON.parse(token) as string);
  switch (token) {
    case 'null':
      return 'None';
    case 'true':
      return 'True';
    case 'false':
      return 'False';
    case 'NaN':
      return 'nan';
    case 'Infinity':
      return 'inf';
    case '-Infinity':
      return '-inf';
  }
  if (/^-?\d+$/.test(token)) return BigInt(token).toString();
  const float = pythonFloat(Number(token));
  return float === 'Infinity' ? 'inf' : float === '-Infinity' ? '-inf' : float;
}
