/** The place of a match with what stands around it. */
export interface Excerpt {
  before: string;
  match: string;
  after: string;
}

/**
 * The same where it stands in a JSON document: nothing is decoded before it is
 * asked for. It is spelled as `JSON.stringify` does it, in UTF-8. Good as long
 * as the document's bytes are kept.
 */
export class SpelledExcerpt implements Excerpt {
  constructor(
    readonly json: Buffer,
    /** Where the text before the match begins, */
    readonly from: number,
    /** the match, */
    readonly start: number,
    /** the text after it, */
    readonly end: number,
    /** and where that ends. */
    readonly to: number,
  ) {}

  get before(): string {
    return this.decoded(this.from, this.start);
  }

  get match(): string {
    return this.decoded(this.start, this.end);
  }

  get after(): string {
    return this.decoded(this.end, this.to);
  }

  private decoded(from: number, to: number): string {
    return JSON.parse(`"${this.json.toString('utf8', from, to)}"`) as string;
  }
}

/** Where a match is in a text. */
export interface Match {
  start: number;
  end: number;
}

/** A match longer than this is cut, with an ellipsis: an expression may take in a whole text. */
const LONGEST_MATCH = 500;

/**
 * The first match of a text, and how many there are: 1 unless they are to be
 * counted. Undefined where there is none. An empty match is none.
 *
 * @param expression global.
 */
export function matchesIn(
  text: string,
  expression: RegExp,
  counted: boolean,
): { first: Match; count: number } | undefined {
  let first: Match | undefined;
  let count = 0;
  expression.lastIndex = 0;
  for (let match = expression.exec(text); match; match = expression.exec(text)) {
    if (match[0] === '') {
      expression.lastIndex += isPair(text, expression.lastIndex) ? 2 : 1;
      continue;
    }
    count++;
    first ??= { start: match.index, end: expression.lastIndex };
    if (!counted) break;
  }
  return first && { first, count };
}

/** A match with so many characters on each side of it. */
export function excerptOf(text: string, { start, end }: Match, context: number): Excerpt {
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
