import { JsonSyntaxError } from './syntax-error';
import { isNonFiniteWord, nextToken } from './tokens';

/**
 * Decodes one JSON value in Python's dialect into JavaScript values. The text
 * has been walked by the reader already, so it is well-formed; `JSON.parse`
 * serves all of it but `NaN` and the infinities, which it reads as markers
 * that are then put right.
 */
export function decodeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return decodeWithNonFinite(text);
  }
}

function decodeWithNonFinite(text: string): unknown {
  // A marker that the text itself does not hold, in any spelling, stands in for each word.
  const lower = text.toLowerCase();
  let code = 0xe000;
  while (text.includes(String.fromCharCode(code)) || lower.includes(`\\u${code.toString(16)}`)) code++;
  const marker = String.fromCharCode(code);
  const pieces: string[] = [];
  for (let token = nextToken(text, 0); token; token = nextToken(text, token.end)) {
    const word = text.slice(token.start, token.end);
    pieces.push(isNonFiniteWord(word) ? JSON.stringify(marker + word) : word);
  }
  try {
    return JSON.parse(pieces.join(''), (_key, value: unknown) =>
      typeof value === 'string' && value.startsWith(marker) ? Number(value.slice(marker.length)) : value,
    );
  } catch {
    throw new JsonSyntaxError(0, 'not a value');
  }
}
