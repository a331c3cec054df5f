import { isUtf8 } from 'node:buffer';

import { decodeJson } from '../json/decode';
import type { ByteSource } from '../json/reader';

/** A row that is being passed. What it gives holds only during the visit; what is to be kept must be copied. */
export interface PassedRow {
  /** Where the row's text begins and ends in the file. */
  readonly start: number;
  readonly end: number;
  /** Whether there is nothing but `,\n  ` between it and the row before, as the server writes it. */
  readonly isNextToLast: boolean;
  /** The decoded value of one of the keys asked for, by its place among them; undefined where the row has no such key. */
  value(slot: number): unknown;
  /** The row's own bytes, in a buffer that is used again. */
  bytes(): Buffer;
}

const WINDOW = 1024 * 1024;
/** Bytes of zero after the window: no JSON, so that nothing reads past them, and room for looking ahead. */
const PADDING = 256;
/** A failure so near to the end of the window may be for want of what follows: no word of JSON is longer. */
const LONGEST_WORD = 16;
const MAX_PATTERN = 128;
const MAX_PATTERNS = 512;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

/** 1 for what a string does not pass over: quote, backslash, control characters. */
const STRING_SPECIAL = new Uint8Array(256).fill(1, 0, 0x20);
STRING_SPECIAL[QUOTE] = 1;
STRING_SPECIAL[BACKSLASH] = 1;
const SIMPLE_ESCAPE = new Uint8Array(256);
for (const c of '"\\/bfnrt') SIMPLE_ESCAPE[c.charCodeAt(0)] = 1;
const HEX = new Uint8Array(256);
for (const c of '0123456789abcdefABCDEF') HEX[c.charCodeAt(0)] = 1;

/** Four bytes of ASCII as a number, as the scanner reads them. */
const word = (text: string): number => Buffer.from(text, 'latin1').readInt32LE();
const NULL_WORD = word('null');
const TRUE_WORD = word('true');
const ALSE_WORD = word('alse');
const BETWEEN = word(',\n  ');

const isDigit = (c: number): boolean => c >= 0x30 && c <= 0x39;
const isSpace = (c: number): boolean => c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;

const enum State {
  BeforeList,
  BeforeFirst,
  AfterRow,
  Done,
}

/**
 * Passes over a JSON list of objects in one sweep and shows each of them to
 * `visit`. It accepts what the pull reader accepts, Python's dialect in UTF-8
 * (but no byte-order mark), and checks all of it. It is there for the index,
 * where it is some twenty times as fast: a row has nearly the same keys in the
 * same layout as the row before, so that keys are compared with what stood
 * there then, four bytes at a time, and not read.
 *
 * @param keys whose values a visit may ask for.
 * @param options.onBytes is shown all bytes of the file, piece by piece, before their rows.
 * @param options.windowSize bytes to read at a time; a row that is longer is read all the same.
 * @returns false where the document is not such a list: then nothing that was shown counts, and the pull reader can say
 *   what is wrong with it.
 */
export function scanRows(
  source: ByteSource,
  keys: readonly string[],
  visit: (row: PassedRow) => void,
  options: ScanOptions = {},
): boolean {
  return new RowScanner(source, keys, options).scan(visit);
}

export interface ScanOptions {
  onBytes?: (bytes: Buffer) => void;
  windowSize?: number;
}

class RowScanner implements PassedRow {
  start = 0;
  end = 0;
  isNextToLast = false;

  private buf: Buffer;
  private view: DataView;
  /** Offset in the file of the window's first byte. */
  private base = 0;
  /** How many bytes are in the window. */
  private filled = 0;
  private ended = false;
  /** Up to where the window is known to be UTF-8. */
  private checked = 0;
  /** Where reading on was not possible. */
  private failedAt = 0;

  private readonly slots: ReadonlyMap<string, number>;
  /** Two for each key: where its value begins and ends in the window; -1 where the row has none. */
  private readonly spans: Int32Array;

  /*
   * What stands between the end of a value and the begin of the next, key
   * included, is a pattern. Pattern 0 stands for the row's begin, pattern 1 for
   * all that are not kept. Each knows which one came after it the last time.
   */
  private readonly patternIds = new Map<string, number>();
  private readonly patterns: Int32Array[] = [new Int32Array(0), new Int32Array(0)];
  private readonly lengths: number[] = [0, 0];
  private readonly slotOf: number[] = [-1, -1];
  private readonly followers = new Int32Array(MAX_PATTERNS);

  constructor(
    private readonly source: ByteSource,
    keys: readonly string[],
    private readonly options: ScanOptions,
  ) {
    this.buf = Buffer.allocUnsafe((options.windowSize ?? WINDOW) + PADDING);
    this.view = viewOf(this.buf);
    this.slots = new Map(keys.map((key, slot) => [key, slot]));
    this.spans = new Int32Array(keys.length * 2);
  }

  scan(visit: (row: PassedRow) => void): boolean {
    let state = State.BeforeList;
    let at = 0;
    let lastEnd = -Infinity;
    this.fill(0);
    for (;;) {
      const from = this.skipSpace(at);
      let next = -1;
      this.failedAt = from;
      const c = this.buf[from];
      if (state === State.BeforeList) {
        if (c === OPEN_ARRAY) {
          next = from + 1;
          state = State.BeforeFirst;
        }
      } else if (state === State.Done) {
        if (from === this.filled && this.ended) return this.isUtf8UpTo(from);
      } else if (c === CLOSE_ARRAY) {
        next = from + 1;
        state = State.Done;
      } else {
        let row = from;
        if (state === State.AfterRow) {
          row = c === COMMA ? this.skipSpace(from + 1) : -1;
          if (row > 0) this.failedAt = row;
        }
        if (row >= 0 && this.buf[row] === OPEN_OBJECT) next = this.row(row);
        if (next >= 0) {
          this.start = this.base + row;
          this.end = this.base + next;
          this.isNextToLast = this.start - lastEnd === 4 && this.view.getInt32(row - 4, true) === BETWEEN;
          visit(this);
          lastEnd = this.end;
          state = State.AfterRow;
        }
      }
      if (next >= 0) at = next;
      else if (this.ended || this.failedAt < this.filled - LONGEST_WORD) return false;
      else {
        const shift = this.fill(state === State.Done ? from : at);
        if (shift < 0) return false;
        at = state === State.Done ? 0 : at - shift;
      }
    }
  }

  // --- what a visit asks ----------------------------------------------------

  value(slot: number): unknown {
    const start = this.spans[slot * 2];
    if (start < 0) return undefined;
    const end = this.spans[slot * 2 + 1];
    const c = this.buf[start];
    switch (c) {
      case 0x6e:
        return null;
      case 0x74:
        return true;
      case 0x66:
        return false;
      case QUOTE:
        return this.string(start, end);
    }
    if (c === MINUS || isDigit(c)) return this.number(start, end);
    return decodeJson(this.buf.toString('utf8', start, end));
  }

  bytes(): Buffer {
    return this.buf.subarray(this.start - this.base, this.end - this.base);
  }

  private string(start: number, end: number): unknown {
    const { buf } = this;
    let all = 0;
    for (let at = start + 1; at < end - 1; at++) {
      if (buf[at] === BACKSLASH) return decodeJson(buf.toString('utf8', start, end));
      all |= buf[at];
    }
    return buf.toString(all < 0x80 ? 'latin1' : 'utf8', start + 1, end - 1);
  }

  /** Up to 15 digits are a whole number that a double holds; divided by a power of ten it is rounded once, as parsing it would. */
  private number(start: number, end: number): unknown {
    const { buf } = this;
    const isNegative = buf[start] === MINUS;
    const first = isNegative ? start + 1 : start;
    let digits = 0;
    let point = -1;
    let whole = 0;
    for (let at = first; at < end; at++) {
      const c = buf[at];
      if (isDigit(c)) {
        whole = whole * 10 + (c - ZERO);
        digits++;
      } else if (c === DOT) point = digits;
      else digits = MAX_DIGITS + 1;
    }
    if (digits > MAX_DIGITS) return decodeJson(buf.toString('latin1', start, end));
    const value = point < 0 ? whole : whole / POWERS_OF_TEN[digits - point];
    return isNegative ? -value : value;
  }

  // --- the row --------------------------------------------------------------

  /** Stands at a row's brace; where it ends, or -1. */
  private row(open: number): number {
    const { spans, followers, slotOf, lengths } = this;
    spans.fill(-1);
    let pattern = ROW_BEGIN;
    let from = open + 1;
    for (;;) {
      let next = followers[pattern];
      let slot: number;
      let start: number;
      if (next !== 0 && this.isAt(next, from)) {
        slot = slotOf[next];
        start = from + lengths[next];
        if (isSpace(this.buf[start])) start = this.skipSpace(start);
      } else {
        const before = this.skipSpace(from);
        if (this.buf[before] === CLOSE_OBJECT) return before + 1;
        start = this.key(pattern === ROW_BEGIN, before);
        if (start < 0) return -1;
        next = this.patternOf(from, start);
        slot = next === UNKEPT ? this.slotOfKey() : slotOf[next];
        followers[pattern] = next === UNKEPT ? 0 : next;
      }
      const end = this.skipValue(start);
      if (end < 0) return -1;
      if (slot >= 0) {
        spans[slot * 2] = start;
        spans[slot * 2 + 1] = end;
      }
      pattern = next;
      from = end;
    }
  }

  private keyStart = 0;
  private keyEnd = 0;

  /** Stands at what comes before a key; where the value begins, or -1. */
  private key(isFirst: boolean, before: number): number {
    let at = before;
    if (!isFirst) {
      if (this.buf[at] !== COMMA) return this.fail(at);
      at = this.skipSpace(at + 1);
    }
    if (this.buf[at] !== QUOTE) return this.fail(at);
    this.keyStart = at;
    at = this.skipString(at);
    if (at < 0) return -1;
    this.keyEnd = at;
    at = this.skipSpace(at);
    if (this.buf[at] !== COLON) return this.fail(at);
    return this.skipSpace(at + 1);
  }

  private slotOfKey(): number {
    const key = JSON.parse(this.buf.toString('utf8', this.keyStart, this.keyEnd)) as string;
    return this.slots.get(key) ?? -1;
  }

  /** The number of the pattern that stands there; a new one is kept where there is room. */
  private patternOf(from: number, to: number): number {
    const length = to - from;
    if (length < 4 || length > MAX_PATTERN) return UNKEPT;
    const text = this.buf.toString('latin1', from, to);
    const known = this.patternIds.get(text);
    if (known !== undefined) return known;
    const id = this.patterns.length;
    if (id === MAX_PATTERNS) return UNKEPT;
    const words = new Int32Array(Math.ceil(length / 4));
    for (let i = 0; i < words.length; i++) words[i] = this.view.getInt32(Math.min(from + i * 4, to - 4), true);
    this.patterns.push(words);
    this.lengths.push(length);
    this.slotOf.push(this.slotOfKey());
    this.patternIds.set(text, id);
    return id;
  }

  /** Whether this pattern stands there. The last word may overlap the one before. */
  private isAt(pattern: number, from: number): boolean {
    const { view } = this;
    const words = this.patterns[pattern];
    const last = words.length - 1;
    if (view.getInt32(from + this.lengths[pattern] - 4, true) !== words[last]) return false;
    for (let i = 0, at = from; i < last; i++, at += 4) if (view.getInt32(at, true) !== words[i]) return false;
    return true;
  }

  // --- values: each gives where it ends, or -1 --------------------------------

  private skipValue(at: number): number {
    switch (this.buf[at]) {
      case OPEN_OBJECT:
        return this.buf[at + 1] === CLOSE_OBJECT ? at + 2 : this.skipContainer(at);
      case OPEN_ARRAY:
        return this.buf[at + 1] === CLOSE_ARRAY ? at + 2 : this.skipContainer(at);
      default:
        return this.skipScalar(at);
    }
  }

  private skipScalar(at: number): number {
    const c = this.buf[at];
    switch (c) {
      case 0x6e:
        return this.view.getInt32(at, true) === NULL_WORD ? at + 4 : this.fail(at);
      case 0x66:
        return this.view.getInt32(at + 1, true) === ALSE_WORD ? at + 5 : this.fail(at);
      case 0x74:
        return this.view.getInt32(at, true) === TRUE_WORD ? at + 4 : this.fail(at);
      case QUOTE:
        return this.skipString(at);
      case 0x4e:
        return this.skipWord(at, 'NaN');
      case 0x49:
        return this.skipWord(at, 'Infinity');
    }
    return c === MINUS || isDigit(c) ? this.skipNumber(at) : this.fail(at);
  }

  private skipString(quote: number): number {
    const { buf } = this;
    let at = quote + 1;
    for (;;) {
      while (STRING_SPECIAL[buf[at]] === 0) at++;
      const c = buf[at];
      if (c === QUOTE) return at + 1;
      if (c !== BACKSLASH) return this.fail(at);
      const escape = buf[at + 1];
      if (SIMPLE_ESCAPE[escape] === 1) at += 2;
      else if (escape !== 0x75) return this.fail(at);
      else {
        for (let i = 2; i < 6; i++) if (HEX[buf[at + i]] === 0) return this.fail(at);
        at += 6;
      }
    }
  }

  private skipNumber(from: number): number {
    const { buf } = this;
    let at = from;
    if (buf[at] === MINUS) {
      at++;
      if (buf[at] === 0x49) return this.skipWord(at, 'Infinity');
    }
    if (!isDigit(buf[at])) return this.fail(at);
    if (buf[at] === ZERO) {
      at++;
      if (isDigit(buf[at])) return this.fail(at);
    } else while (isDigit(buf[at])) at++;
    if (buf[at] === DOT) {
      at++;
      if (!isDigit(buf[at])) return this.fail(at);
      while (isDigit(buf[at])) at++;
    }
    if (buf[at] === 0x65 || buf[at] === 0x45) {
      at++;
      if (buf[at] === PLUS || buf[at] === MINUS) at++;
      if (!isDigit(buf[at])) return this.fail(at);
      while (isDigit(buf[at])) at++;
    }
    return at;
  }

  private skipWord(at: number, text: string): number {
    for (let i = 0; i < text.length; i++) if (this.buf[at + i] !== text.charCodeAt(i)) return this.fail(at);
    return at + text.length;
  }

  /** An object or a list that is not empty, however deep. */
  private skipContainer(open: number): number {
    const { buf } = this;
    const closers: number[] = [];
    let at = open;
    for (;;) {
      // Here a value begins.
      const c = buf[at];
      let isOpened = false;
      if (c === OPEN_OBJECT || c === OPEN_ARRAY) {
        closers.push(c === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY);
        at = this.skipSpace(at + 1);
        isOpened = buf[at] !== closers[closers.length - 1];
      } else {
        at = this.skipScalar(at);
        if (at < 0) return -1;
        at = this.skipSpace(at);
      }
      // Here a value has ended, or the container that was opened last has its first item.
      if (!isOpened) {
        while (buf[at] === closers[closers.length - 1]) {
          closers.pop();
          at++;
          if (closers.length === 0) return at;
          at = this.skipSpace(at);
        }
        if (buf[at] !== COMMA) return this.fail(at);
        at = this.skipSpace(at + 1);
      }
      if (closers[closers.length - 1] === CLOSE_OBJECT) {
        at = this.key(true, at);
        if (at < 0) return -1;
      }
    }
  }

  private fail(at: number): number {
    this.failedAt = at;
    return -1;
  }

  private skipSpace(from: number): number {
    const { buf } = this;
    let at = from;
    while (isSpace(buf[at])) at++;
    return at;
  }

  // --- the window -------------------------------------------------------------

  /**
   * Reads on, so that the window begins at `keep`. How far what it held moved
   * towards its begin, or -1 where what is let go of is no UTF-8.
   */
  private fill(keep: number): number {
    if (!this.isUtf8UpTo(keep)) return -1;
    const old = this.buf;
    const room = this.buf.length - PADDING;
    // What is kept is one row that did not fit.
    if (this.filled - keep > room / 2) {
      this.buf = Buffer.allocUnsafe(room * 2 + PADDING);
      this.view = viewOf(this.buf);
    }
    old.copy(this.buf, 0, keep, this.filled);
    this.base += keep;
    this.filled -= keep;
    this.checked -= keep;
    while (this.filled < this.buf.length - PADDING) {
      const wanted = this.buf.length - PADDING - this.filled;
      const n = this.source.read(this.buf, this.filled, wanted, this.base + this.filled);
      if (n === 0) {
        this.ended = true;
        break;
      }
      this.options.onBytes?.(this.buf.subarray(this.filled, this.filled + n));
      this.filled += n;
    }
    this.buf.fill(0, this.filled, this.filled + PADDING);
    return keep;
  }

  /** To be asked of ends of rows only: no character is cut there. */
  private isUtf8UpTo(end: number): boolean {
    const isGood = isUtf8(this.buf.subarray(this.checked, end));
    this.checked = end;
    return isGood;
  }
}

const ROW_BEGIN = 0;
const UNKEPT = 1;
const MAX_DIGITS = 15;
const POWERS_OF_TEN = Array.from({ length: MAX_DIGITS + 1 }, (_, i) => 10 ** i);

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
