/*
 * What is spelled plainly, by an expression. A command that reads one small
 * document is over before a loop over its bytes is compiled: interpreted, that
 * takes ten times as long.
 */

const SPACE = '[ \\t\\n\\r]*';
const STRING = '"[^"\\\\\\x00-\\x1f]*(?:\\\\(?:["\\\\/bfnrt]|u[0-9a-ce-fA-CE-F][0-9a-fA-F]{3})[^"\\\\\\x00-\\x1f]*)*"';
const NUMBER = '-?(?:0|[1-9]\\d*)(?:\\.\\d+)?(?:[eE][+-]?\\d+)?';
const VALUE = `${STRING}|${NUMBER}|true|false|null|\\[${SPACE}\\]|\\{${SPACE}\\}`;
/** With the groups: a comma, where there is one, the key, what stands between it and the value, the value. */
const MEMBER = `${SPACE}(?:(,)${SPACE})?"([^"\\\\\\x00-\\x1f]+)"(${SPACE}:${SPACE})(${VALUE})(?=${SPACE}[,}])`;

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

let expression: RegExp | undefined;

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
  expression ??= new RegExp(MEMBER, 'y');
  expression.lastIndex = at;
  const match = expression.exec(text);
  if (!match || isFirst !== (match[1] === undefined)) return false;
  const key = match[2];
  const between = match[3];
  const value = match[4];
  into.key = key;
  into.value = value;
  into.end = expression.lastIndex;
  into.start = into.end - value.length;
  into.keyEnd = into.start - between.length;
  into.keyStart = into.keyEnd - key.length - 2;
  return true;
}
