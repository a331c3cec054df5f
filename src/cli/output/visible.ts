/*
 * Text from the store is untrusted: a title may hold an escape sequence that
 * would clear the screen, retitle the window or hide a line. Outside of JSON
 * it is shown with such characters spelled out.
 */

/** C0 and C1 controls, DEL, line and paragraph separators, and the characters that reorder text. */
const INVISIBLE =
  /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

const NAMED: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function spelled(char: string): string {
  const code = char.charCodeAt(0);
  return (
    NAMED[char] ??
    (code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`)
  );
}

/** One line: nothing in it moves the cursor. */
export function visibleLine(text: string): string {
  return text.replace(INVISIBLE, spelled);
}

/** Many lines: line breaks and tabs stay, a carriage return before a line break is dropped. */
export function visibleText(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replace(INVISIBLE, (char) => (char === '\n' || char === '\t' ? char : spelled(char)));
}
