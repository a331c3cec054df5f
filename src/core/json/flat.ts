/*
 * What is spelled plainly, by an expression. A command that reads one small
 * document is over before a loop over its bytes is compiled: interpreted, that
 * takes ten times as long.
 */

const SPACE = '[ \\t\\n\\r]*';
const STRING = '"[^"\\\\\\x00-\\x1f]*(?:\\\\(?:["\\\\/bfnrt]|u[0-9a-ce-fA-CE-F][0-9a-fA-F]{3})[^"\\\\\\x00-\\x1f]*)*"';
const NUMBER = '-?(?:0|[1-9]\\d*)(?:\\.\\d+)?(?:[eE][+-]?\\d+)?';
const VALUE = `${STRING}|${NUMBER}|true|false|null|\\[${SPACE}\\]|\\{${SPACE}\\}`;
/** With the groups: the key, what stands between it and the value, the value. */
const MEMBER = `${SPACE}"([^"\\\\\\x00-\\x1f]+)"(${SPACE}:${SPACE})(${VALUE})(?=${SPACE}[,}])`;

/** A member of an object whose value is no container with something in it. Places are in the text. */
export interface FlatMember {
  keyStart: number;
  keyEnd: number;
  start: number;
  end: number;
  /** The key, without its quotes, and the value, as they are spelled. */
  key: string;
  value: string;
}

let first: RegExp | undefined;
let next: RegExp | undefined;

/**
 * Finds the member at this place of an object: behind its brace, or behind the
 * member before it. False where it is not spelled plainly, or not whole with
 * what follows it; a key with an escape is not, nor is what may be half a
 * surrogate pair.
 *
 * @param isFirst whether it stands behind the brace.
 * @param into is told what was found: an object for each would take longer than finding it.
 */
export function findFlatMember(text: string, at: number, isFirst: boolean, into: FlatMember): boolean {
  const expression = isFirst ? (first ??= new RegExp(MEMBER, 'y')) : (next ??= new RegExp(`${SPACE},${MEMBER}`, 'y'));
  expression.lastIndex = at;
  const match = expression.exec(text);
  if (!match) return false;
  into.key = match[1];
  into.value = match[3];
  into.end = expression.lastIndex;
  into.start = into.end - match[3].length;
  into.keyEnd = into.start - match[2].length;
  into.keyStart = into.keyEnd - match[1].length - 2;
  return true;
}
