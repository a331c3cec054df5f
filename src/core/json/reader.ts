import { isAscii, isUtf8 } from 'node:buffer';

import { findFlatMember, type FlatMember } from './flat';
import type { Kernel, KnownKeys, Names } from './kernel';
import { JsonSyntaxError } from './syntax-error';
import { Window } from './window';

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
  /** A window to use, for callers that read much, or many documents in a row. */
  window?: Window;
  /** So many bytes stand where the window begins: all of the document, known to be UTF-8. The source is not asked. */
  loaded?: number | undefined;
}

const DEFAULT_CHUNK = 256 * 1024;
/** Strings that end sooner are not worth a call. */
const SHORT_STRING = 32;
/**
 * The same without a kernel, which is for small documents: a loop that runs
 * often enough to be compiled keeps a process from ending until it is.
 */
const SHORT_OF_FEW = 6;

/** In a larger window no member is looked for by an expression, which needs memory for each escape. */
const FLAT_WINDOW = 1024 * 1024;

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

/** What a hexadecimal digit stands for; -1 for what is none. */
function hexDigit(c: number): number {
  if (isDigit(c)) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** What kind of value begins with this byte; undefined where none does. */
export function kindOf(c: number): JsonKind | undefined {
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
      return isDigit(c) ? 'number' : undefined;
  }
}

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
 * of its own (a source may throw its I/O errors through it) but `ValueTooLong`,
 * where a value to capture is longer than a text can be. A leading
 * byte-order mark is stepped over and reported by {@link hasBom}.
 */
export class JsonReader {
  hasBom = false;
  /** Span of the last key read by {@link nextMember}, quotes included, absolute. */
  keyStart = 0;
  keyEnd = 0;

  private readonly source: ByteSource;
  private readonly chunkSize: number;
  private readonly room: Window;
  private readonly kernel: Kernel | undefined;
  private buf: Buffer;
  /** Where in buf the window begins. */
  private readonly low: number;
  /** Absolute offset of buf[0], were the document to begin there. */
  private base: number;
  private pos: number;
  private end: number;
  private ended = false;
  /** Absolute offset from which bytes must stay in the window, or -1. */
  private mark = -1;
  /** How many bytes behind the window are an unfinished UTF-8 sequence. */
  private utf8Tail = 0;
  /** Absolute offset at which the text stops being UTF-8, or -1. The window never reaches past it. */
  private badUtf8 = -1;
  /** For each container entered with beginObject/beginArray: has it given an item yet? */
  private readonly started: boolean[] = [];
  /** Length of the last key, which the window keeps, quotes included. */
  private keyLength = 0;
  private skipStack = new Uint8Array(64);
  /** The end of the window at which the kernel gave up on a value: before there is more it is not asked again. */
  private gaveUpAt = -1;
  private loneSurrogate = false;
  private nonFinite = false;
  /** The window as it was between these offsets, for {@link flatMember}. */
  private text: string | undefined;
  private textBase = 0;
  private textEnd = 0;
  private textIsAscii = false;
  private readonly flat: FlatMember = { keyStart: 0, keyEnd: 0, start: 0, end: 0, key: '', value: '' };

  constructor(source: ByteSource, options: JsonReaderOptions = {}) {
    this.source = source;
    this.chunkSize = Math.max(8, options.chunkSize ?? DEFAULT_CHUNK);
    this.room = options.window ?? Window.plain(this.chunkSize);
    this.kernel = this.room.kernel;
    this.kernel?.takeLoneSurrogate();
    this.buf = this.room.bytes;
    this.low = this.room.low;
    this.pos = this.low;
    this.end = this.low;
    const start = options.start ?? 0;
    this.base = start - this.low;
    if (options.loaded !== undefined) {
      this.end += options.loaded;
      this.ended = true;
    }
    if (start === 0) this.stepOverBom();
  }

  /** Absolute offset of the next byte that will be looked at. */
  get offset(): number {
    return this.base + this.pos;
  }

  /** The kind of the value that comes next, without consuming it. */
  peekKind(): JsonKind {
    const c = this.peek();
    const kind = kindOf(c);
    if (kind === undefined) throw this.unexpected(c, 'a value');
    return kind;
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

  /**
   * Walks over the next member of the object entered last, where it is spelled
   * plainly, with a value that is no container with something in it, and whole
   * in the window. Undefined says nothing: {@link nextMember} tells whether
   * there is one. Places are absolute; texts are decoded. It is told of until
   * the reader is asked for the next one.
   *
   * @param stops keys that are not walked over.
   */
  flatMember(stops?: ReadonlySet<string>): Readonly<FlatMember> | undefined {
    const { base, low, started, flat } = this;
    if (this.kernel || this.end - low > FLAT_WINDOW) return undefined;
    const depth = started.length - 1;
    if (!findFlatMember(this.windowText(), this.pos - low, !started[depth], flat)) return undefined;
    if (stops?.has(flat.key)) return undefined;
    this.pos = flat.end + low;
    started[depth] = true;
    const offset = base + low;
    flat.keyStart += offset;
    flat.keyEnd += offset;
    flat.start += offset;
    flat.end += offset;
    if (!this.textIsAscii) {
      flat.key = Buffer.from(flat.key, 'latin1').toString('utf8');
      flat.value = Buffer.from(flat.value, 'latin1').toString('utf8');
    }
    return flat;
  }

  /** What is in the window, a character for each byte. */
  private windowText(): string {
    const end = this.base + this.end;
    if (this.text === undefined || this.textEnd !== end || this.textBase !== this.base) {
      this.text = this.buf.toString('latin1', this.low, this.end);
      this.textBase = this.base;
      this.textEnd = end;
      this.textIsAscii = isAscii(this.buf.subarray(this.low, this.end));
    }
    return this.text;
  }

  /** Enters the array that comes next. */
  beginArray(): void {
    this.expectByte(OPEN_ARRAY, 'an array');
    this.started.push(false);
  }

  /** Goes on in an array, behind one of its items, where a reader before this one was: it must begin there. */
  resumeArray(): void {
    this.started.push(true);
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

  /**
   * Walks over as many items of the array entered last as can be walked at
   * once. There is a record of each: {@link records}, from `FIRST_RECORD` on,
   * `wanted.itemWords` words, places in {@link window}: start and end, then start and
   * end of each wanted member, 0 where the item is no object or has none. They
   * hold until the reader is asked for anything else.
   *
   * @returns how many; 0 says nothing: {@link nextItem} tells whether there is one.
   */
  takeItems(wanted: Names): number {
    return this.take((kernel, started) => kernel.items(this.pos, this.end, started, wanted));
  }

  /**
   * Walks over as many messages of the array entered last as can be walked at
   * once and are spelled plainly. What they tell is asked of {@link messageFacts}.
   *
   * @returns as {@link takeItems}.
   */
  takeMessages(): number {
    return this.take((kernel, started) => kernel.messages(this.pos, this.end, started));
  }

  /** Of the messages that were taken last: how many are the user's, and the last time that counts, in epoch seconds. */
  get messageFacts(): { users: number; lastTime: number | undefined } {
    return this.kernel!;
  }

  /**
   * Walks over as many members of the object entered last as can be walked at
   * once, and over none of these names. A record has `MEMBER_RECORD` words:
   * start and end of the key, quotes included, which has no escapes, and start
   * and end of the value, and which of the known keys it is. Else as {@link takeItems}.
   */
  takeMembers(stops: Names, known: KnownKeys): number {
    return this.take((kernel, started) => kernel.members(this.pos, this.end, started, stops, known));
  }

  private take(walk: (kernel: Kernel, started: boolean) => number): number {
    const { kernel } = this;
    if (!kernel) return 0;
    const depth = this.started.length - 1;
    for (let tries = 2; ; tries--) {
      const taken = walk(kernel, this.started[depth]);
      if (taken > 0) {
        this.pos = kernel.stoppedAt;
        this.started[depth] = true;
        return taken;
      }
      if (kernel.atClosing || tries === 1 || !this.readAhead()) return 0;
    }
  }

  /** Places of what was taken last, as words. */
  get records(): Int32Array {
    return this.kernel!.words;
  }

  /** What those places are in. */
  get window(): Buffer {
    return this.buf;
  }

  /** What makes an absolute offset of such a place. */
  get windowBase(): number {
    return this.base;
  }

  /** Whether half a surrogate pair, `NaN` or an infinity was walked over. */
  get sawHazard(): boolean {
    if (this.kernel?.takeLoneSurrogate()) this.loneSurrogate = true;
    return this.loneSurrogate || this.nonFinite;
  }

  /** The last key, decoded. */
  keyText(): string {
    return JSON.parse(this.room.key.toString('utf8', 0, this.keyLength)) as string;
  }

  /** Whether the last key is this ASCII name, as Python would decode it (escapes count). */
  keyIs(name: string): boolean {
    const raw = this.room.key;
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
    if (this.leap()) return;
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
        if (this.leap()) {
          expect = Expect.CommaOrEnd;
          continue;
        }
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

  /** Over the value here in one leap, where it is sound and whole in the window. */
  private leap(): boolean {
    const seenTo = this.base + this.end;
    if (!this.kernel || this.gaveUpAt === seenTo) return false;
    const behind = this.kernel.value(this.pos, this.end);
    if (behind === 0) this.gaveUpAt = seenTo;
    else this.pos = behind;
    return behind !== 0;
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
      const { buf, end, kernel } = this;
      const near = Math.min(end, pos + (kernel ? SHORT_STRING : SHORT_OF_FEW));
      while (pos < near && STRING_SPECIAL[buf[pos]] === 0) pos++;
      if (pos === near && pos < end) pos = kernel ? kernel.string(pos, end) : specialIn(buf, pos, end);
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

  /** Over an escape, and over the second half of a surrogate pair, should it be the first. */
  private skipEscape(stringStart: number): void {
    for (let isFirstHalf = false; ;) {
      const at = this.offset;
      this.pos++;
      const c = this.next(stringStart);
      let unit = 0;
      if (c === 0x75) unit = this.skipHex(at, stringStart);
      else if (!SIMPLE_ESCAPES.has(c)) throw new JsonSyntaxError(at, 'bad escape');
      const isSecondHalf = (unit & 0xfc00) === 0xdc00;
      if (isFirstHalf !== isSecondHalf) this.loneSurrogate = true;
      isFirstHalf = (unit & 0xfc00) === 0xd800;
      if (!isFirstHalf) return;
      if (this.pos === this.end && !this.fill()) throw new JsonSyntaxError(stringStart, 'string without an end');
      if (this.buf[this.pos] === BACKSLASH) continue;
      this.loneSurrogate = true;
      return;
    }
  }

  /** Over the four digits of a \u escape; what they stand for. */
  private skipHex(escapeStart: number, stringStart: number): number {
    let unit = 0;
    for (let i = 0; i < 4; i++) {
      const digit = hexDigit(this.next(stringStart));
      if (digit < 0) throw new JsonSyntaxError(escapeStart, 'bad \\u escape');
      unit = unit * 16 + digit;
    }
    return unit;
  }

  private next(stringStart: number): number {
    if (this.pos === this.end && !this.fill()) throw new JsonSyntaxError(stringStart, 'string without an end');
    return this.buf[this.pos++];
  }

  private skipScalar(c: number): void {
    if (c === 0x74) this.skipLiteral('true');
    else if (c === 0x66) this.skipLiteral('false');
    else if (c === 0x6e) this.skipLiteral('null');
    else if (c === 0x4e) this.skipNonFinite('NaN');
    else if (c === 0x49) this.skipNonFinite('Infinity');
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

  private skipNonFinite(word: string): void {
    this.skipLiteral(word);
    this.nonFinite = true;
  }

  private skipNumber(): void {
    const at = this.offset;
    let c = this.byteOrEnd();
    if (c === MINUS) {
      this.pos++;
      c = this.byteOrEnd();
      if (c === 0x49) {
        this.skipNonFinite('Infinity');
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
    const { buf, pos } = this;
    if (this.end - pos >= 3 && buf[pos] === 0xef && buf[pos + 1] === 0xbb && buf[pos + 2] === 0xbf) {
      this.hasBom = true;
      this.pos += 3;
    }
  }

  private keepKey(bytes: Buffer): void {
    this.room.growKey(bytes.length);
    bytes.copy(this.room.key);
    this.keyLength = bytes.length;
  }

  /** Reads on until there is more to look at, keeping the window from the mark (or the current byte) on. False at the end. */
  private fill(): boolean {
    const seenTo = this.base + this.end;
    while (this.base + this.end === seenTo) {
      if (this.badUtf8 >= 0) throw this.notUtf8(this.badUtf8);
      if (this.ended) {
        if (this.utf8Tail > 0) throw this.notUtf8(seenTo);
        return false;
      }
      this.readOn();
    }
    return true;
  }

  /**
   * Reads on although there is more to look at, if the window has not much left. False where it
   * did not. What is wrong with the bytes is told when they are looked at.
   */
  private readAhead(): boolean {
    if (this.badUtf8 >= 0 || this.ended || this.end - this.pos >= this.chunkSize) return false;
    this.readOn();
    return true;
  }

  private readOn(): void {
    const keepFrom = this.mark >= 0 ? this.mark - this.base : this.pos;
    let read = this.end + this.utf8Tail;
    if (keepFrom > this.low) {
      const by = keepFrom - this.low;
      this.buf.copyWithin(this.low, keepFrom, read);
      this.base += by;
      this.pos -= by;
      this.end -= by;
      read -= by;
    }
    if (read - this.low > (this.room.high - this.low) / 2) {
      this.room.grow(read);
      this.buf = this.room.bytes;
    }
    const want = Math.min(this.chunkSize, this.room.high - read);
    const n = this.source.read(this.buf, read, want, this.base + read);
    if (n === 0) this.ended = true;
    else this.checkUtf8(read + n);
  }

  /**
   * Lets the window go on up to `read`, but for an unfinished sequence there, which waits
   * for the next chunk, or up to the first bad byte: what stands before that is still read
   * first, so that the error named is the first one in the document, whatever the chunks.
   */
  private checkUtf8(read: number): void {
    const { buf, end } = this;
    this.utf8Tail = unfinishedTail(buf, end, read);
    const whole = read - this.utf8Tail;
    if (isUtf8(buf.subarray(end, whole))) {
      this.end = whole;
      return;
    }
    this.end = firstBadUtf8(buf, end, whole);
    this.utf8Tail = 0;
    this.badUtf8 = this.base + this.end;
  }

  private notUtf8(offset: number): JsonSyntaxError {
    return new JsonSyntaxError(offset, 'not UTF-8', 'utf8');
  }
}

const SPECIAL = /["\\\u0000-\u001f]/;
/** Mostly there is one nearer than that. */
const FIRST_LOOK = 128;

/**
 * Where the next byte is that is special in a string, or `end`; by what searches natively. It looks at twice as much
 * each time, so that what is passed over is not more than a few times what was looked at.
 */
function specialIn(buf: Buffer, pos: number, end: number): number {
  let from = pos;
  for (let length = FIRST_LOOK; from < end; length *= 2) {
    const to = Math.min(end, from + length);
    const found = buf.toString('latin1', from, to).search(SPECIAL);
    if (found >= 0) return from + found;
    from = to;
  }
  return end;
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
