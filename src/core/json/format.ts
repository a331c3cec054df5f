import { nextToken } from './tokens';

/**
 * Deeper than this Python neither writes nor reads (its recursion limit is 1,000, of which the server needs some). What
 * is nested more deeply stands on one line: a line for each bracket is as long as its depth, and of some ten thousand
 * all together are too long for a text.
 */
export const DEEPEST = 900;

/**
 * Lays a JSON text out as Python's `json.dumps(…, ensure_ascii=False,
 * indent=2)` does, numbers as they are spelled. Strings are written in full,
 * without escapes that UTF-8 does not need; a lone surrogate keeps its escape.
 *
 * @param depth levels of indentation that the text stands at.
 */
export function formatJson(text: string, depth = 0): string {
  let out = '';
  let level = depth;
  let empty = false;
  const line = (): string => (level > DEEPEST ? '' : `\n${'  '.repeat(level)}`);
  for (let token = nextToken(text, 0); token; token = nextToken(text, token.end)) {
    const word = text.slice(token.start, token.end);
    if (word === '}' || word === ']') {
      level--;
      out += empty ? word : line() + word;
      empty = false;
      continue;
    }
    if (empty) out += line();
    empty = false;
    switch (word) {
      case '{':
      case '[':
        out += word;
        level++;
        empty = true;
        break;
      case ',':
        out += `,${line()}`;
        break;
      case ':':
        out += ': ';
        break;
      default:
        out += formatScalar(word);
    }
  }
  return out;
}

/** Whether a JSON text nests its values more deeply than that. */
export function isTooDeep(text: string): boolean {
  if (text.length <= 2 * DEEPEST) return false;
  let level = 0;
  for (let token = nextToken(text, 0); token; token = nextToken(text, token.end)) {
    const c = text.charCodeAt(token.start);
    if ((c === 0x7b || c === 0x5b) && ++level > DEEPEST) return true;
    if (c === 0x7d || c === 0x5d) level--;
  }
  return false;
}

function formatScalar(word: string): string {
  return word.startsWith('"') && word.includes('\\') ? JSON.stringify(JSON.parse(word)) : word;
}
