/*
 * Values as nearly all files spell them, from their bytes, without making a
 * text of each. What is spelled in any other way is undefined here, and for
 * its caller to read in full.
 */

/** The strings that are met over and over, so that there is one of each. */
const COMMON = ['user', 'assistant', 'tool', 'system'];

/** A string without escapes, from its opening quote to behind its closing one. */
export function plainString(bytes: Buffer, start: number, end: number): string | undefined {
  if (bytes[start] !== QUOTE) return undefined;
  const length = end - start - 2;
  for (const text of COMMON) {
    if (text.length === length && spells(text, bytes, start + 1)) return text;
  }
  for (let i = start + 1; i < end - 1; i++) if (bytes[i] === BACKSLASH) return undefined;
  return bytes.toString('utf8', start + 1, end - 1);
}

function spells(text: string, bytes: Buffer, start: number): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}

/** Whether this is a number above zero of digits with or without a fraction, as times are: not 0, not null, no text. */
export function isPlainTime(bytes: Buffer, start: number, end: number): boolean {
  const first = bytes[start];
  if (end - start > MAX_LENGTH || first < ONE || first > NINE) return false;
  for (let i = start + 1; i < end; i++) {
    const c = bytes[i];
    if ((c < ZERO || c > NINE) && c !== DOT) return false;
  }
  return end > start;
}

/** Far from infinity. */
const MAX_LENGTH = 40;

/** The number that is spelled like that. */
export function plainNumber(bytes: Buffer, start: number, end: number): number {
  let digits = 0;
  let scale = 1;
  if (end - start > EXACT_DIGITS) return Number(bytes.toString('latin1', start, end));
  for (let i = start, isFraction = false; i < end; i++) {
    if (bytes[i] === DOT) isFraction = true;
    else {
      digits = digits * 10 + bytes[i] - ZERO;
      if (isFraction) scale *= 10;
    }
  }
  return digits / scale; // of two numbers that are exact: rounded once, as it should be
}

/** So many make a whole number that a double holds exactly. */
const EXACT_DIGITS = 15;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const DOT = 0x2e;
const ZERO = 0x30;
const ONE = 0x31;
const NINE = 0x39;
