import { nextToken } from './tokens';

/**
 * Python neither reads nor writes what is nested deeper. Laid out it would be as
 * large as the square of its depth: below this there are no lines.
 */
export const DEEPEST_LINE = 1000;

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
  const line = (): string => (level > DEEPEST_LINE ? '' : `\n${'  '.repeat(level)}`);
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

function formatScalar(word: string): string {
  return word.startsWith('"') && word.includes('\\') ? JSON.stringify(JSON.parse(word)) : word;
}
