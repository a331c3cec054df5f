/** The place of a match with what stands around it. */
export interface Excerpt {
  before: string;
  match: string;
  after: string;
}

/** A match longer than this is cut, with an ellipsis: an expression may take in a whole text. */
const LONGEST_MATCH = 500;

/**
 * The first match of a text, with so many characters on each side of it, and
 * how many there are. Undefined where there is none. An empty match is none.
 *
 * @param expression global.
 */
export function matchesIn(
  text: string,
  expression: RegExp,
  context: number,
): { excerpt: Excerpt; count: number } | undefined {
  let first: { start: number; end: number } | undefined;
  let count = 0;
  expression.lastIndex = 0;
  for (let match = expression.exec(text); match; match = expression.exec(text)) {
    if (match[0] === '') {
      expression.lastIndex += isPair(text, expression.lastIndex) ? 2 : 1;
      continue;
    }
    count++;
    first ??= { start: match.index, end: expression.lastIndex };
  }
  return first && { excerpt: excerptOf(text, first, context), count };
}

function excerptOf(text: string, { start, end }: { start: number; end: number }, context: number): Excerpt {
  const cut = Math.min(end, start + LONGEST_MATCH);
  return {
    before: text.slice(withoutHalf(text, Math.max(0, start - context), 1), start),
    match: end > cut ? `${text.slice(start, withoutHalf(text, cut, -1))}…` : text.slice(start, end),
    after: text.slice(end, withoutHalf(text, Math.min(text.length, end + context), -1)),
  };
}

/** The place itself, or beside it where it would tear a pair of surrogates. */
function withoutHalf(text: string, at: number, direction: 1 | -1): number {
  return at > 0 && isPair(text, at - 1) ? at + direction : at;
}

function isPair(text: string, at: number): boolean {
  return isHigh(text.charCodeAt(at)) && !isHigh(text.charCodeAt(at + 1)) && isSurrogate(text.charCodeAt(at + 1));
}

const isSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdfff;
const isHigh = (code: number): boolean => code >= 0xd800 && code <= 0xdbff;
