import { isUtf8 } from 'node:buffer';

import { JsonSyntaxError } from './syntax-error';

/**
 * Where a {@link JsonReader} gets its bytes from. `read` fills `into` from
 * `intoOffset`, at most `length` bytes, taken from absolute `position`, and
 * returns how many it put there; 0 means the end of the document.
 */
export interface ByteSource {
  read(into: Uint8Array, intoOffset: number, length: number, position: number): number;
}

/** A source over bytes that are in memory already. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    read(into, intoOffset, length, position) {
      const from = Math.min(position, bytes.length);
      const n = Math.min(length, bytes.length - from);
      into.set(bytes.subarray(from, from + n), intoOffset);
      return n;
    },
  };
}

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'true' | 'false' | 'null';

export interface JsonReaderOptions {
  /** Bytes asked of the source at a time. Tests use tiny windows to put every boundary everywhere. */
  chunkSize?: number;
  /** Absolute offset in the source at which the document (or the value) begins. */
  start?: number;
  /** A window to reuse, for callers that read many files in a row. */
  buffer?: Buffer;
}

const DEFAULT_CHUNK = 256 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

/** What a byte means inside a string: 0 plain, 1 must be looked at (quote, backslash, control character). */
const STRING_SPECIAL = new Uint8Array(256);
for (let i = 0; i < 0x20; i++) STRING_SPECIAL[i] = 1;
STRING_SPECIAL[QUOTE] = 1;
STRING_SPECIAL[BACKSLASH] = 1;

const SIMPLE_ESCAPES = new Set([...'"\\/bfnrt'].map((c) => c.charCodeAt(0)));

const isDigit = (c: number): boolean => c >= 0x30 && c <= 0x39;
const isHex = (c: number): boolean => isDigit(c) || (c >= 0x41 && c <= 0x46) || (c >= 0x61 && c <= 0x66);

/** The states of {@link JsonReader.skipValue}'s walk over nested containers. */
const enum Expect {
  Value,
  ValueOrEnd,
  KeyOrEnd,
  Key,
  CommaOrEnd,
}

/**
 * A pull reader over the bytes of one JSON document, in the dialect that
 * Python's `json` module reads and writes: `NaN`, `Infinity`, `-Infinity`,
 * integers of any size, lone surrogate escapes, duplicate keys. It holds a
 * window of the document, not the document: memory is bounded by the chunk
 * size and the longest value that a caller asks to {@link capture}.
 *
 * It checks what it walks over, including that the bytes are UTF-8, and throws
 * {@link JsonSyntaxError} with the absolute byte offset; it throws nothing else
 * of its own (a source may throw its I/O errors through it). A leading
 * byte-order mark is stepped over and reported by {@link hasBom}.
 */
export class JsonReader {
  hasBom = false;
  /** Span of the last key read by {@link nextMember}, quotes included, absolute. */
  keyStart = 0;
  keyEnd = 0;

  private readonly source: ByteSource;
  private readonly chunkSize: number;
  private buf: Buffer;
  /** Absolute offset of buf[0]. */
  private base: number;
  private pos = 0;
  private end = 0;
  private ended = false;
  /** Absolute offset from which bytes must stay in the window, or -1. */
  private mark = -1;
  /** How many bytes at the end of the window are an unfinished UTF-8 sequence. */
  private utf8Tail = 0;
  /** Absolute offset at which the text stops being UTF-8, or -1. The window never reaches past it. */
  private badUtf8 = -1;
  /** For each container entered with beginObject/beginArray: has it given an item yet? */
  private readonly started: boolean[] = [];
  /** The last key's bytes, quotes included: one buffer for all keys, since a transcript has millions. */
  private key = Buffer.allocUnsafe(256);
  private keyLength = 0;
  private skipStack = new Uint8Array(64);

  constructor(source: ByteSource, options: JsonReaderOptions = {}) {
    this.source = source;
    this.chunkSize = Math.max(8, options.chunkSize ?? DEFAULT_CHUNK);
    this.base = options.start ?? 0;
    this.buf = options.buffer ?? Buffer.allocUnsafe(this.chunkSize);
    if (this.base === 0) this.stepOverBom();
  }

  /** Absolute offset of the next byte that will be looked at. */
  get offset(): number {
    return this.base + this.pos;
  }

  /** The kind of the value that comes next, without consuming it. */
  peekKind(): JsonKind {
    const c = this.peek();
    switch (c) {
      case QUOTE:
        return 'string';
      case OPEN_OBJECT:
        return 'object';
      case OPEN_ARRAY:
        return 'array';
      case 0x74:
        return 'true';
      case 0x66:
        return 'false';
      case 0x6e:
        return 'null';
      case 0x4e: // NaN
      case 0x49: // Infinity
      case MINUS:
        return 'number';
      default:
        if (isDigit(c)) return 'number';
        throw this.unexpected(c, 'a value');
    }
  }

  /** Enters the object that comes next. */
  beginObject(): void {
    this.expectByte(OPEN_OBJECT, 'an object');
    this.started.push(false);
  }

  /**
   * Moves to the next member of the object entered last and stands before its
   * value; false when the object is closed (and left).
   */
  nextMember(): boolean {
    const depth = this.started.length - 1;
    let c = this.peek();
    if (c === CLOSE_OBJECT) {
      this.pos++;
      this.started.pop();
      return false;
    }
    if (this.started[depth]) {
      if (c !== COMMA) throw this.unexpected(c, "',' or '}'");
      this.pos++;
      c = this.peek();
    }
    this.started[depth] = true;
    if (c !== QUOTE) throw this.unexpected(c, 'a key');
    this.keyStart = this.offset;
    const outer = this.mark;
    if (outer < 0) this.mark = this.keyStart;
    this.skipString();
    this.keyEnd = this.offset;
    this.keepKey(this.buf.subarray(this.keyStart - this.base, this.pos));
    this.mark = outer;
    this.expectByte(COLON, "':'");
    this.peek();
    return true;
  }

  /** Enters the array that comes next. */
  beginArray(): void {
    this.expectByte(OPEN_ARRAY, 'an array');
    this.started.push(false);
  }

  /** Moves before the next item of the array entered last; false when it is closed (and left). */
  nextItem(): boolean {
    const depth = this.started.length - 1;
    const c = this.peek();
    if (c === CLOSE_ARRAY) {
      this.pos++;
      this.started.pop();
      return false;
    }
    if (this.started[depth]) {
      if (c !== COMMA) throw this.unexpected(c, "',' or ']'");
      this.pos++;
      if (this.peek() === CLOSE_ARRAY) throw this.unexpected(CLOSE_ARRAY, 'a value');
    }
    this.started[depth] = true;
    return true;
  }

  /** The last key, decoded. */
  keyText(): string {
    return JSON.parse(this.key.toString('utf8', 0, this.keyLength)) as string;
  }

  /** Whether the last key is this ASCII name, as Python would decode it (escapes count). */
  keyIs(name: string): boolean {
    const raw = this.key;
    const length = this.keyLength - 2;
    let i = 0;
    while (i < length && i < name.length && raw[i + 1] === name.charCodeAt(i)) i++;
    if (i === length && i === name.length) return true;
    return i < length && raw.subarray(i + 1, length + 1).includes(BACKSLASH) && this.keyText() === name;
  }

  /** Steps over the next value, whatever it holds, and returns where it begins and ends (absolute). */
  skipValue(): { start: number; end: number } {
    this.peek();
    const start = this.offset;
    this.walkValue();
    return { start, end: this.offset };
  }

  /** Steps over the next value and returns its bytes. The copy is the caller's. */
  capture(): Buffer {
    this.peek();
    const outer = this.mark;
    const start = this.offset;
    if (outer < 0) this.mark = start;
    this.walkValue();
    const bytes = Buffer.from(this.buf.subarray(start - this.base, this.pos));
    this.mark = outer;
    return bytes;
  }

  /** Up to `length` bytes of what comes next, for a look ahead; fewer at the end of the document. */
  lookAhead(length: number): Buffer {
    this.peek();
    while (this.end - this.pos < length && this.fill());
    return this.buf.subarray(this.pos, Math.min(this.end, this.pos + length));
  }

  /** Checks that nothing but white space follows. */
  finish(): void {
    if (this.nonSpace() >= 0) throw new JsonSyntaxError(this.offset, 'extra data after the document');
  }

  // --- the walk ------------------------------------------------------------

  private walkValue(): void {
    let depth = 0;
    let expect: Expect = Expect.Value;
    do {
      const c = this.peek();
      if (expect === Expect.CommaOrEnd) {
        const inObject = this.skipStack[depth - 1] === OPEN_OBJECT;
        if (c === COMMA) expect = inObject ? Expect.Key : Expect.Value;
        else if (c === (inObject ? CLOSE_OBJECT : CLOSE_ARRAY)) depth--;
        else throw this.unexpected(c, inObject ? "',' or '}'" : "',' or ']'");
        this.pos++;
      } else if (expect === Expect.KeyOrEnd && c === CLOSE_OBJECT) {
        this.pos++;
        depth--;
        expect = Expect.CommaOrEnd;
      } else if (expect === Expect.Key || expect === Expect.KeyOrEnd) {
        if (c !== QUOTE) throw this.unexpected(c, 'a key');
        this.skipString();
        this.expectByte(COLON, "':'");
        expect = Expect.Value;
      } else if (expect === Expect.ValueOrEnd && c === CLOSE_ARRAY) {
        this.pos++;
        depth--;
        expect = Expect.CommaOrEnd;
      } else if (c === OPEN_OBJECT || c === OPEN_ARRAY) {
        this.pos++;
        if (depth === this.skipStack.length) this.growSkipStack();
        this.skipStack[depth++] = c;
        expect = c === OPEN_OBJECT ? Expect.KeyOrEnd : Expect.ValueOrEnd;
      } else {
        if (c === QUOTE) this.skipString();
        else this.skipScalar(c);
        expect = Expect.CommaOrEnd;
      }
    } while (depth > 0);
  }

  private growSkipStack(): void {
    const bigger = new Uint8Array(this.skipStack.length * 2);
    bigger.set(this.skipStack);
    this.skipStack = bigger;
  }

  /** Stands at the opening quote; leaves after the closing one. */
  private skipString(): void {
    const start = this.offset;
    this.pos++;
    for (;;) {
      let { pos } = this;
      const { buf, end } = this;
      while (pos < end && STRING_SPECIAL[buf[pos]] === 0) pos++;
      this.pos = pos;
      if (pos === end) {
        if (!this.fill()) throw new JsonSyntaxError(start, 'string without an end');
        continue;
      }
      const c = buf[pos];
      if (c === QUOTE) {
        this.pos++;
        return;
      }
      if (c !== BACKSLASH) throw new JsonSyntaxError(this.offset, 'control character in a string');
      this.skipEscape(start);
    }
  }

  private skipEscape(stringStart: number): void {
    const at = this.offset;
    this.pos++;
    const c = this.next(stringStart);
    if (c === 0x75) {
      for (let i = 0; i < 4; i++) {
        if (!isHex(this.next(stringStart))) throw new JsonSyntaxError(at, 'bad \\u escape');
      }
    } else if (!SIMPLE_ESCAPES.has(c)) throw new JsonSyntaxError(at, 'bad escape');
  }

  private next(stringStart: number): number {
    if (this.pos === this.end && !this.fill()) throw new JsonSyntaxError(stringStart, 'string without an end');
    return this.buf[this.pos++];
  }

  private skipScalar(c: number): void {
    if (c === 0x74) this.skipLiteral('true');
    else if (c === 0x66) this.skipLiteral('false');
    else if (c === 0x6e) this.skipLiteral('null');
    else if (c === 0x4e) this.skipLiteral('NaN');
    else if (c === 0x49) this.skipLiteral('Infinity');
    else if (c === MINUS || isDigit(c)) this.skipNumber();
    else throw this.unexpected(c, 'a value');
  }

  private skipLiteral(word: string): void {
    const at = this.offset;
    for (let i = 0; i < word.length; i++) {
      if (this.byteOrEnd() !== word.charCodeAt(i)) throw new JsonSyntaxError(at, 'not a value');
      this.pos++;
    }
  }

  private skipNumber(): void {
    const at = this.offset;
    let c = this.byteOrEnd();
    if (c === MINUS) {
      this.pos++;
      c = this.byteOrEnd();
      if (c === 0x49) {
        this.skipLiteral('Infinity');
        return;
      }
    }
    if (!isDigit(c)) throw new JsonSyntaxError(at, 'not a number');
    this.pos++;
    if (c === 0x30) {
      if (isDigit(this.byteOrEnd())) throw new JsonSyntaxError(at, 'a number with a leading zero');
    } else this.skipDigits();
    if (this.byteOrEnd() === DOT) {
      this.pos++;
      if (!isDigit(this.byteOrEnd())) throw new JsonSyntaxError(at, 'not a number');
      this.skipDigits();
    }
    c = this.byteOrEnd();
    if (c === 0x65 || c === 0x45) {
      this.pos++;
      c = this.byteOrEnd();
      if (c === PLUS || c === MINUS) {
        this.pos++;
        c = this.byteOrEnd();
      }
      if (!isDigit(c)) throw new JsonSyntaxError(at, 'not a number');
      this.skipDigits();
    }
  }

  private skipDigits(): void {
    while (isDigit(this.byteOrEnd())) this.pos++;
  }

  // --- bytes ---------------------------------------------------------------

  /** The byte here, or -1 at the end of the document. */
  private byteOrEnd(): number {
    if (this.pos === this.end && !this.fill()) return -1;
    return this.buf[this.pos];
  }

  /** Steps over white space; the byte there, or -1 at the end of the document. */
  private nonSpace(): number {
    for (;;) {
      const { buf, end } = this;
      let { pos } = this;
      while (pos < end) {
        const c = buf[pos];
        if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) {
          this.pos = pos;
          return c;
        }
        pos++;
      }
      this.pos = pos;
      if (!this.fill()) return -1;
    }
  }

  private peek(): number {
    const c = this.nonSpace();
    if (c < 0) throw new JsonSyntaxError(this.offset, 'the document ends too early');
    return c;
  }

  private expectByte(wanted: number, name: string): void {
    const c = this.peek();
    if (c !== wanted) throw this.unexpected(c, name);
    this.pos++;
  }

  private unexpected(c: number, wanted: string): JsonSyntaxError {
    const seen = c >= 0x21 && c < 0x7f ? `'${String.fromCharCode(c)}'` : `byte 0x${c.toString(16).padStart(2, '0')}`;
    return new JsonSyntaxError(this.offset, `${seen} where ${wanted} should be`);
  }

  private stepOverBom(): void {
    while (this.end - this.pos < 3 && this.fill());
    if (this.end >= 3 && this.buf[0] === 0xef && this.buf[1] === 0xbb && this.buf[2] === 0xbf) {
      this.hasBom = true;
      this.pos = 3;
    }
  }

  private keepKey(bytes: Buffer): void {
    if (bytes.length > this.key.length) this.key = Buffer.allocUnsafe(bytes.length * 2);
    bytes.copy(this.key);
    this.keyLength = bytes.length;
  }

  /** Reads on, keeping the window from the mark (or the current byte) on. False at the end. */
  private fill(): boolean {
    if (this.badUtf8 >= 0) throw this.notUtf8(this.badUtf8);
    if (this.ended) return false;
    const wanted = this.mark >= 0 ? this.mark - this.base : this.pos;
    const keepFrom = Math.min(wanted, this.end - this.utf8Tail);
    if (keepFrom > 0) {
      this.buf.copyWithin(0, keepFrom, this.end);
      this.base += keepFrom;
      this.pos -= keepFrom;
      this.end -= keepFrom;
    }
    if (this.end > this.buf.length / 2) {
      const bigger = Buffer.allocUnsafe(this.buf.length * 2);
      this.buf.copy(bigger, 0, 0, this.end);
      this.buf = bigger;
    }
    const want = Math.min(this.chunkSize, this.buf.length - this.end);
    const n = this.source.read(this.buf, this.end, want, this.base + this.end);
    if (n === 0) {
      this.ended = true;
      if (this.utf8Tail > 0) throw this.notUtf8(this.base + this.end - this.utf8Tail);
      return false;
    }
    const unchecked = this.end - this.utf8Tail;
    this.end += n;
    this.checkUtf8(unchecked);
    return true;
  }

  /**
   * Checks the window from `from` on, leaving an unfinished sequence at its end
   * for the next chunk. What stands before a bad byte is still read first, so
   * that the error named is the first one in the document, whatever the chunks.
   */
  private checkUtf8(from: number): void {
    this.utf8Tail = unfinishedTail(this.buf, from, this.end);
    const whole = this.end - this.utf8Tail;
    if (isUtf8(this.buf.subarray(from, whole))) return;
    const bad = firstBadUtf8(this.buf, from, whole);
    if (bad < this.pos) throw this.notUtf8(this.base + bad);
    this.badUtf8 = this.base + bad;
    this.end = bad;
    if (bad === this.pos) throw this.notUtf8(this.badUtf8);
  }

  private notUtf8(offset: number): JsonSyntaxError {
    return new JsonSyntaxError(offset, 'not UTF-8', 'utf8');
  }
}

/** Length of a UTF-8 sequence that begins in the last three bytes and is not complete there. */
function unfinishedTail(buf: Uint8Array, from: number, end: number): number {
  for (let back = 1; back <= 3 && end - back >= from; back++) {
    const c = buf[end - back];
    if (c < 0x80) return 0;
    if (c >= 0xc0) {
      const needed = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
      return needed > back ? back : 0;
    }
  }
  return 0;
}

/** Offset of the first byte that begins no valid sequence. Only called when there is one. */
function firstBadUtf8(buf: Buffer, from: number, end: number): number {
  let low = from;
  while (low < end) {
    const c = buf[low];
    const length = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (!isUtf8(buf.subarray(low, Math.min(end, low + length)))) return low;
    low += length;
  }
  return end;
}
