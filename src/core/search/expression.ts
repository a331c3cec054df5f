/** What is known of a regular expression from its spelling. */
export interface Outline {
  /** Text that stands in whatever it matches: ASCII, perhaps in another case; '' where none is known. */
  literal: string;
  /** Whether that is all that it matches. */
  isLiteral: boolean;
  /** How many ways there are to go through it, but for repetitions without an end, */
  ways: number;
  /** and how many of those. */
  repetitions: number;
}

/** Letters that in any case are more than ASCII: `ſ` is an s, and the Kelvin sign a k. */
const MORE_THAN_ASCII = /[ks]/i;
const NAMED = /^\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[\da-fA-F]{4}|x[\da-fA-F]{2}|c[A-Za-z]|[dDwWsStnvfr0])/;
const CLASS = /^\[(?:[^\]\\]|\\.)*\]/s;
const QUANTIFIER = /^(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/;

/**
 * Reads a JavaScript expression with the flag u that is plain: of characters,
 * classes and repetitions of one of them, and groups that are not repeated.
 * Undefined for any other, of which nothing can be said.
 *
 * @param source a valid one.
 */
export function outlineOf(source: string, ignoreCase: boolean): Outline | undefined {
  const runs = [''];
  let [ways, repetitions, depth, hasChoice, isLiteral] = [1, 0, 0, false, true];
  for (let rest = source; rest !== '';) {
    const piece = pieceOf(rest);
    if (piece === undefined) return undefined;
    rest = rest.slice(piece.length);
    const quantifier = QUANTIFIER.exec(rest);
    if (piece.kind === 'open') depth++;
    else if (piece.kind === 'close') depth--;
    else if (piece.kind === 'choice') {
      ways *= 2;
      if (depth === 0) hasChoice = true;
    }
    if (quantifier) {
      if (piece.kind === 'close') return undefined;
      rest = rest.slice(quantifier[0].length);
      const most = mostTimes(quantifier);
      if (most === Infinity) repetitions++;
      else ways *= most + 1;
    }
    const { literal } = piece;
    const isKnown = literal !== undefined && /^[ -~]$/.test(literal) && !(ignoreCase && MORE_THAN_ASCII.test(literal));
    if (isKnown && !quantifier && depth === 0) runs.push((runs.pop() ?? '') + literal);
    else {
      isLiteral = false;
      runs.push('');
    }
  }
  const literal = hasChoice ? '' : runs.reduce((longest, run) => (run.length > longest.length ? run : longest));
  return { literal, isLiteral: isLiteral && literal !== '', ways, repetitions };
}

/** Classes of characters by their case: who names one means it. */
const BY_CASE = /\\[pP]\{(?:[^}]*=)?(?:L[ult]|(?:Upp|Low)ercase(?:_Letter)?|Titlecase_Letter)\}/;
const NO_TEXT = /\\(?:[pP]\{[^}]*\}|k<[^>]*>|u\{[^}]*\}|u[\da-fA-F]{4}|x[\da-fA-F]{2}|c[A-Za-z]|.)|\(\?<\w*>/gs;

/**
 * Whether an expression looks for a capital letter, or tells them from small ones: one behind a backslash (`\S`), or in
 * a group's name, is none.
 */
export function hasCapital(source: string): boolean {
  return BY_CASE.test(source) || /\p{Lu}/u.test(source.replace(NO_TEXT, ''));
}

interface Piece {
  kind: 'open' | 'close' | 'choice' | 'edge' | 'atom';
  length: number;
  /** The character that an atom stands for, where it is one. */
  literal?: string;
}

/** What an expression begins with; undefined where it is nothing plain. */
function pieceOf(rest: string): Piece | undefined {
  switch (rest[0]) {
    case '\\': {
      const named = NAMED.exec(rest);
      if (named) return { kind: 'atom', length: named[0].length };
      if (/^\\[bB]/.test(rest)) return { kind: 'edge', length: 2 };
      // What is left is a reference to a group.
      return /^\\[\^$\\.*+?()[\]{}|/]/.test(rest) ? { kind: 'atom', length: 2, literal: rest[1] } : undefined;
    }
    case '[':
      return { kind: 'atom', length: CLASS.exec(rest)![0].length };
    case '(':
      if (rest[1] !== '?') return { kind: 'open', length: 1 };
      return rest[2] === ':' ? { kind: 'open', length: 3 } : undefined;
    case ')':
      return { kind: 'close', length: 1 };
    case '|':
      return { kind: 'choice', length: 1 };
    case '^':
    case '$':
      return { kind: 'edge', length: 1 };
    case '.':
      return { kind: 'atom', length: 1 };
    default: {
      const literal = String.fromCodePoint(rest.codePointAt(0)!);
      return { kind: 'atom', length: literal.length, literal };
    }
  }
}

function mostTimes([text, least, comma, most]: RegExpExecArray): number {
  if (least === undefined) return text.startsWith('?') ? 1 : Infinity;
  if (comma === '') return Number(least);
  return most === '' ? Infinity : Number(most);
}
