/** One token of a JSON text that is known to be well-formed: `[start, end)`. */
export interface Token {
  start: number;
  end: number;
}

/**
 * The token at or after `from`, white space stepped over; undefined at the
 * end. By hand and not by a regular expression, because a value may hold a
 * string of many megabytes, which is where those run out of stack.
 */
export function nextToken(text: string, from: number): Token | undefined {
  let start = from;
  while (start < text.length && isSpace(text.charCodeAt(start))) start++;
  if (start === text.length) return undefined;
  const c = text.charCodeAt(start);
  if (c === 0x22) return { start, end: endOfString(text, start) };
  let end = start + 1;
  if (!isPunctuation(c)) {
    while (end < text.length && !isSpace(text.charCodeAt(end)) && !isPunctuation(text.charCodeAt(end))) end++;
  }
  return { start, end };
}

/** All tokens of a text, as text. */
export function* tokensOf(text: string): Generator<string> {
  for (let token = nextToken(text, 0); token; token = nextToken(text, token.end)) {
    yield text.slice(token.start, token.end);
  }
}

/** The words that Python's dialect has and JSON has not. */
export const isNonFiniteWord = (word: string): boolean => word === 'NaN' || word === 'Infinity' || word === '-Infinity';

function endOfString(text: string, start: number): number {
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return text.length;
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}

function isSpace(c: number): boolean {
  return c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;
}

function isPunctuation(c: number): boolean {
  return c === 0x2c || c === 0x3a || c === 0x5b || c === 0x5d || c === 0x7b || c === 0x7d || c === 0x22;
}
