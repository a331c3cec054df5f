import { isUtf8 } from 'node:buffer';

import { JsonSyntaxError } from './syntax-error';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

/** A byte inside a string that must be looked at: quote, backslash, control character. */
const SPECIAL = new Uint8Array(256).fill(1, 0, 0x20);
SPECIAL[QUOTE] = 1;
SPECIAL[BACKSLASH] = 1;

/** What may follow a backslash: 1 alone, 2 with four hexadecimal digits. */
const ESCAPE = new Uint8Array(256);
for (const c of '"\\/bfnrt') ESCAPE[c.charCodeAt(0)] = 1;
ESCAPE[0x75] = 2;

const isSpace = (c: number): boolean => c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;
const isDigit = (c: number): boolean => c >= 0x30 && c <= 0x39;
const isHex = (c: number): boolean => isDigit(c) || (c >= 0x41 && c <= 0x46) || (c >= 0x61 && c <= 0x66);

const NULL = Buffer.from('null');
const MESSAGES = Buffer.from('"messages"');
const SESSION_ID = Buffer.from('"session_id"');
/** Of a file it has at most 200 bytes. What is longer is no id, however it is cut. */
const LONGEST_ID = 1024;
const WORDS: ReadonlySet<string> = new Set(['true', 'false', 'null', 'NaN', 'Infinity', '-Infinity']);

const enum Expect {
  Value,
  ValueOrEnd,
  Key,
  KeyOrEnd,
  Colon,
  CommaOrEnd,
  Nothing,
}

/** Which member of the top level the current value belongs to. */
const enum Member {
  Other,
  Messages,
  SessionId,
}

/** Bytes behind what is fed that the compactor may overwrite: its scan stops there. */
export const SLACK = 8;

/**
 * Takes the white space out of a JSON document, in place, and checks it
 * meanwhile, in Python's dialect: what it lets pass {@link JsonReader} lets
 * pass, and nothing but white space is changed (and, unless they are kept, the
 * words that JSON has not). Four bytes of a string are looked at in one step,
 * which makes it some times faster than reading token by token.
 *
 * It works on a buffer of its own; a document may be fed in pieces of any size.
 * Where it throws, the offset is the document's; the reader's own words for
 * what is wrong are better.
 */
export class JsonCompactor {
  readonly buffer: Buffer;
  /** How many words that JSON has not (`NaN`, `Infinity`, `-Infinity`) the document had so far. */
  nonFinite = 0;
  /** Whether the document's top level is an object. */
  isObject = false;
  /** Whether `messages` of the top level is neither a list nor null, at this offset; -1: it is what it should be. */
  badMessagesAt = -1;
  /** The value of `session_id` as it is spelled, where it is a string; the last one of several. */
  sessionId: string | undefined;
  /** Where in the buffer to feed on: what stands before was taken in. */
  consumed = 0;
  /** Whether the last step stopped because there was no room for `null`: what was made must be taken away first. */
  stalled = false;

  private readonly words: Int32Array;
  private readonly keepNonFinite: boolean;
  private stack = new Uint8Array(64);
  private depth = 0;
  private expect = Expect.Value;
  private member = Member.Other;
  /** Inside a string that the last piece ended in. */
  private inString = false;
  /** Offset in the document of the buffer's first byte. */
  private base = 0;

  constructor(capacity: number, { keepNonFinite = false, buffer }: { keepNonFinite?: boolean; buffer?: Buffer } = {}) {
    this.buffer = buffer ?? Buffer.from(new ArrayBuffer((capacity + SLACK + 3) & ~3));
    this.words = new Int32Array(this.buffer.buffer, 0, this.buffer.length >> 2);
    this.keepNonFinite = keepNonFinite;
  }

  /** Begins a new document. */
  reset(): void {
    this.nonFinite = 0;
    this.isObject = false;
    this.badMessagesAt = -1;
    this.sessionId = undefined;
    this.depth = 0;
    this.expect = Expect.Value;
    this.member = Member.Other;
    this.inString = false;
    this.base = 0;
    this.stalled = false;
  }

  /**
   * Takes in the bytes of the buffer from `from` to `to` and puts what is left of them at `out`, which is not behind
   * `from`. What could not be taken in yet, because the piece ends in the middle of it, begins at {@link consumed}.
   *
   * @param offset where in the document the byte at `from` stands.
   * @param isLast whether the document ends at `to`.
   * @returns the end of what was put out.
   * @throws JsonSyntaxError
   */
  feed(from: number, to: number, out: number, offset: number, isLast: boolean): number {
    const { buffer } = this;
    this.base = offset - from;
    this.stalled = false;
    const end = isLast ? to : to - unfinishedTail(buffer, from, to);
    if (!isUtf8(buffer.subarray(from, end))) throw this.wrong(from, 'not UTF-8');
    const saved = buffer[end];
    buffer[end] = 0; // a control character: where the scan of a string stops
    try {
      return this.take(from, end, out, isLast);
    } finally {
      buffer[end] = saved;
    }
  }

  /** @throws JsonSyntaxError where the document is not over. */
  finish(): void {
    if (this.inString || this.expect !== Expect.Nothing)
      throw new JsonSyntaxError(this.base + this.consumed, 'the document ends too early');
  }

  private take(from: number, end: number, target: number, isLast: boolean): number {
    const { buffer } = this;
    let pos = from;
    let run = from;
    let out = target;
    if (from + this.base === 0 && buffer[0 + from] === 0xef && buffer[from + 1] === 0xbb && buffer[from + 2] === 0xbf) {
      pos += 3;
      run = pos;
    }
    if (this.inString) {
      pos = this.scanString(pos, end, isLast);
      if (this.inString) return this.leave(pos, run, out);
    }
    while (pos < end) {
      const c = buffer[pos];
      if (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09) {
        out = this.move(run, pos, out);
        do pos++;
        while (isSpace(buffer[pos]));
        run = pos;
        continue;
      }
      const { expect } = this;
      if (expect === Expect.CommaOrEnd) {
        const inObject = this.stack[this.depth - 1] === OPEN_OBJECT;
        if (c === COMMA) this.expect = inObject ? Expect.Key : Expect.Value;
        else if (c === (inObject ? CLOSE_OBJECT : CLOSE_ARRAY)) this.close();
        else throw this.wrong(pos, "no ',' and no end");
        pos++;
        continue;
      }
      if (expect === Expect.Colon) {
        if (c !== COLON) throw this.wrong(pos, "no ':'");
        this.expect = Expect.Value;
        pos++;
        continue;
      }
      if (expect === Expect.Key || expect === Expect.KeyOrEnd) {
        if (c === QUOTE) {
          const start = pos;
          this.expect = Expect.Colon;
          pos = this.scanString(pos + 1, end, isLast);
          if (this.depth === 1) {
            if (this.inString && !isLast && start > from && end - start < SESSION_ID.length)
              return this.again(start, run, out, expect);
            this.member = this.inString ? Member.Other : this.memberAt(start, pos);
          }
          if (this.inString) return this.leave(pos, run, out);
          continue;
        }
        if (c !== CLOSE_OBJECT || expect === Expect.Key) throw this.wrong(pos, 'no key');
        this.close();
        pos++;
        continue;
      }
      if (expect === Expect.Nothing) throw this.wrong(pos, 'extra data after the document');
      // A value.
      if (this.depth === 1 && this.member !== Member.Other) this.note(pos, c);
      if (c === QUOTE) {
        const start = pos;
        const isId = this.depth === 1 && this.member === Member.SessionId;
        this.afterValue();
        pos = this.scanString(pos + 1, end, isLast);
        if (this.inString) {
          if (!isId || isLast || start === from || end - start > LONGEST_ID) return this.leave(pos, run, out);
          this.member = Member.SessionId;
          return this.again(start, run, out, expect);
        }
        if (isId) this.sessionId = buffer.toString('utf8', start, pos);
        continue;
      }
      if (c === OPEN_OBJECT || c === OPEN_ARRAY) {
        if (this.depth === 0) this.isObject = c === OPEN_OBJECT;
        if (this.depth === this.stack.length) this.growStack();
        this.stack[this.depth++] = c;
        this.expect = c === OPEN_OBJECT ? Expect.KeyOrEnd : Expect.ValueOrEnd;
        pos++;
        continue;
      }
      if (c === CLOSE_ARRAY && expect === Expect.ValueOrEnd) {
        this.close();
        pos++;
        continue;
      }
      const after = this.scanScalar(pos, c, end);
      if (after >= end) {
        if (!isLast) return this.leave(pos, run, out);
        if (!isDigit(buffer[end - 1]) && !WORDS.has(buffer.toString('latin1', pos, end)))
          throw this.wrong(pos, 'no value');
      }
      const isNonFinite = buffer[after - 1] === 0x4e || buffer[after - 1] === 0x79;
      if (isNonFinite) this.nonFinite++;
      if (isNonFinite && !this.keepNonFinite) {
        out = this.move(run, pos, out);
        run = pos;
        if (out + NULL.length > after) {
          this.nonFinite--;
          this.stalled = true;
          return this.leave(pos, run, out);
        }
        NULL.copy(buffer, out);
        out += NULL.length;
        run = after;
      }
      this.afterValue();
      pos = after;
    }
    return this.leave(pos, run, out);
  }

  private leave(pos: number, run: number, out: number): number {
    this.consumed = pos;
    return this.move(run, pos, out);
  }

  /** Leaves in front of a string that the piece cuts, and that must be seen whole: it will begin the next piece. */
  private again(start: number, run: number, out: number, expect: Expect): number {
    this.inString = false;
    this.expect = expect;
    return this.leave(start, run, out);
  }

  private close(): void {
    this.depth--;
    this.afterValue();
  }

  private afterValue(): void {
    this.expect = this.depth === 0 ? Expect.Nothing : Expect.CommaOrEnd;
    if (this.depth === 1) this.member = Member.Other;
  }

  /** Puts the bytes from `run` to `pos` at `out`. */
  private move(run: number, pos: number, out: number): number {
    const { buffer } = this;
    const length = pos - run;
    if (run !== out) {
      if (length > 48) buffer.copyWithin(out, run, pos);
      else for (let i = 0; i < length; i++) buffer[out + i] = buffer[run + i];
    }
    return out + length;
  }

  /**
   * Stands inside a string and leaves after its end. Where the piece ends before that, {@link inString} is set, and
   * what was returned is where to go on: never in the middle of an escape.
   */
  private scanString(from: number, end: number, isLast: boolean): number {
    const { buffer, words } = this;
    let pos = from;
    for (;;) {
      while ((pos & 3) !== 0 && SPECIAL[buffer[pos]] === 0) pos++;
      if ((pos & 3) === 0) {
        let at = pos >> 2;
        for (;;) {
          const word = words[at];
          // The classical test for a byte below n in each byte of a word; it errs only towards looking. Exclusive-or
          // with 2 puts the quote next to the control characters, with 0x5c the backslash to 0.
          const low = word ^ 0x02020202;
          const backslash = word ^ 0x5c5c5c5c;
          const found = ((low - 0x21212121) & ~low) | ((backslash - 0x01010101) & ~backslash);
          if ((found & 0x80808080) !== 0) break;
          at++;
        }
        pos = at << 2;
        while (SPECIAL[buffer[pos]] === 0) pos++;
      }
      if (pos >= end) {
        this.inString = true;
        return end;
      }
      const c = buffer[pos];
      if (c === QUOTE) {
        this.inString = false;
        return pos + 1;
      }
      if (c !== BACKSLASH) throw this.wrong(pos, 'control character in a string');
      const kind = pos + 1 < end ? ESCAPE[buffer[pos + 1]] : 1;
      const after = pos + (kind === 2 ? 6 : 2);
      if (after > end) {
        if (isLast) throw this.wrong(pos, 'string without an end');
        this.inString = true;
        return pos;
      }
      if (kind === 0) throw this.wrong(pos, 'bad escape');
      for (let i = pos + 2; i < after; i++) if (!isHex(buffer[i])) throw this.wrong(pos, 'bad \\u escape');
      pos = after;
    }
  }

  /** The end of the number or word that begins here. Behind the piece stands a byte that ends each. */
  private scanScalar(from: number, c: number, end: number): number {
    switch (c) {
      case 0x74:
        return this.scanWord(from, 'true', end);
      case 0x66:
        return this.scanWord(from, 'false', end);
      case 0x6e:
        return this.scanWord(from, 'null', end);
      case 0x4e:
        return this.scanWord(from, 'NaN', end);
      case 0x49:
        return this.scanWord(from, 'Infinity', end);
      default:
        return this.scanNumber(from, end);
    }
  }

  private scanWord(from: number, word: string, end: number): number {
    for (let i = 0; i < word.length; i++) {
      if (from + i >= end) return end;
      if (this.buffer[from + i] !== word.charCodeAt(i)) throw this.wrong(from, 'not a value');
    }
    return from + word.length;
  }

  private scanNumber(from: number, end: number): number {
    const { buffer } = this;
    let pos = from;
    if (buffer[pos] === MINUS) {
      pos++;
      if (buffer[pos] === 0x49) return this.scanWord(pos, 'Infinity', end);
    }
    const digits = (): void => {
      if (pos < end && !isDigit(buffer[pos])) throw this.wrong(from, 'not a number');
      while (isDigit(buffer[pos])) pos++;
    };
    const startsWithZero = buffer[pos] === 0x30;
    const first = pos;
    digits();
    if (startsWithZero && pos > first + 1) throw this.wrong(from, 'a number with a leading zero');
    if (buffer[pos] === 0x2e) {
      pos++;
      digits();
    }
    if (buffer[pos] === 0x65 || buffer[pos] === 0x45) {
      pos++;
      if (buffer[pos] === 0x2b || buffer[pos] === MINUS) pos++;
      digits();
    }
    return pos;
  }

  private memberAt(start: number, end: number): Member {
    const { buffer } = this;
    const length = end - start;
    if (length === MESSAGES.length && buffer.compare(MESSAGES, 0, length, start, end) === 0) return Member.Messages;
    if (length === SESSION_ID.length && buffer.compare(SESSION_ID, 0, length, start, end) === 0)
      return Member.SessionId;
    return Member.Other;
  }

  private note(pos: number, c: number): void {
    if (this.member === Member.SessionId) this.sessionId = undefined;
    else this.badMessagesAt = c === OPEN_ARRAY || c === 0x6e ? -1 : this.base + pos;
  }

  private growStack(): void {
    const bigger = new Uint8Array(this.stack.length * 2);
    bigger.set(this.stack);
    this.stack = bigger;
  }

  private wrong(pos: number, reason: string): JsonSyntaxError {
    return new JsonSyntaxError(this.base + pos, reason);
  }
}

/** Length of a UTF-8 sequence that begins in the last three bytes and is not complete there. */
function unfinishedTail(buffer: Uint8Array, from: number, end: number): number {
  for (let back = 1; back <= 3 && end - back >= from; back++) {
    const c = buffer[end - back];
    if (c < 0x80) return 0;
    if (c >= 0xc0) return (c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2) > back ? back : 0;
  }
  return 0;
}
