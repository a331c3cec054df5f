/*
 * Text from the store is untrusted: a title may hold an escape sequence that
 * would clear the screen, retitle the window or hide a line. Outside of JSON
 * it is shown with such characters spelled out.
 */

/** Whether this is a control character, a line or paragraph separator, one that reorders text or hides, or half a pair. */
function isInvisible(text: string, at: number, code: number): boolean {
  if (code < 0xa0) return code < 0x20 || code >= 0x7f;
  if (code < 0x2000) return code === 0x61c;
  if (code < 0x2070) {
    return (
      code === 0x200e ||
      code === 0x200f ||
      (code >= 0x2028 && code <= 0x202e && code !== 0x202f) ||
      (code >= 0x2066 && code <= 0x2069)
    );
  }
  if (code < 0xd800) return false;
  if (code < 0xdc00) return !isLow(text.charCodeAt(at + 1));
  if (code < 0xe000) return at === 0 || !isHigh(text.charCodeAt(at - 1));
  return code === 0xfeff;
}

const isHigh = (code: number): boolean => code >= 0xd800 && code < 0xdc00;
const isLow = (code: number): boolean => code >= 0xdc00 && code < 0xe000;

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
  return visible(text, false);
}

/** Many lines: line breaks and tabs stay, a carriage return before a line break is dropped. */
export function visibleText(text: string): string {
  return visible(text.replaceAll('\r\n', '\n'), true);
}

/** By a loop: a search prints a quarter of a million lines, and to start an expression takes as long as to read a line. */
function visible(text: string, hasLines: boolean): string {
  let out = '';
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (!isInvisible(text, i, code) || (hasLines && (code === LINE_FEED || code === TAB))) continue;
    out += text.slice(from, i) + spelled(text[i]);
    from = i + 1;
  }
  return from === 0 ? text : out + text.slice(from);
}

const LINE_FEED = 0x0a;
const TAB = 0x09;

/**
 * {@link visibleLine} of a part of a JSON string, without decoding it.
 *
 * @param json spells nothing there by `\u` or `\/`.
 * @returns where it ends in `into`, which has room for as much as the part has bytes; -1 where there is anything
 * in it that needs to be spelled out.
 */
export function putVisible(json: Buffer, from: number, to: number, into: Buffer, at: number): number {
  let end = at;
  for (let i = from; i < to; i++) {
    let byte = json[i];
    if (byte === BACKSLASH) {
      byte = json[++i];
      if (byte === SMALL_N || byte === SMALL_R || byte === SMALL_T) into[end++] = BACKSLASH;
      else if (byte !== QUOTE && byte !== BACKSLASH) return -1;
    } else if (byte >= 0x7f && spellsInvisible(json, i)) return -1;
    into[end++] = byte;
  }
  return end;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const [SMALL_N, SMALL_R, SMALL_T] = [0x6e, 0x72, 0x74];

/** Whether here is spelled what {@link isInvisible} is true of. */
function spellsInvisible(utf8: Buffer, at: number): boolean {
  const second = utf8[at + 1];
  const third = utf8[at + 2];
  switch (utf8[at]) {
    case 0x7f:
      return true;
    case 0xc2:
      return second < 0xa0;
    case 0xd8:
      return second === 0x9c;
    case 0xe2:
      if (second === 0x80) return third === 0x8e || third === 0x8f || (third >= 0xa8 && third <= 0xae);
      return second === 0x81 && third >= 0xa6 && third <= 0xa9;
    case 0xef:
      return second === 0xbb && third === 0xbf;
    default:
      return false;
  }
}
