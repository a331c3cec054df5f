import { isUtf8 } from 'node:buffer';

import type { OpenFile } from '../files/open-file';
import { type ByteSource, bytesSource } from '../json/reader';
import type { Kernel, Needle } from '../json/kernel';
import type { Window } from '../json/window';
import type { Pattern } from './pattern';

const WINDOW = 4 * 1024 * 1024;
/** Places are told to so many bytes. */
const GRAIN = 256;

/** What was learnt of a file by a look at its bytes. */
export interface Looked {
  size: number;
  /** All of it, where it is small, until the next file is looked at. */
  bytes: Buffer | undefined;
  /** The file again, from memory where it is small. */
  source: ByteSource;
  /** Where the text may be; undefined: nowhere. */
  marks: Marks | undefined;
  /** The same to the byte, where the file is in memory and its bytes can tell. */
  candidates: Candidates | undefined;
  /** Whether that is in the window that was given, and UTF-8. */
  isLoaded: boolean;
  /** Whether the bytes show at once that it is no whole session: then it is to be read, to say what is wrong. */
  isOdd: boolean;
}

/** Places in a file, roughly. */
export interface Marks {
  /** Whether there is one in `[start, end)`, or may be. */
  within(start: number, end: number): boolean;
}

const EVERYWHERE: Marks = { within: () => true };

/**
 * Looks through files for the places that may spell what is looked for: a
 * search over bytes, many times faster than to read and decode them. Memory is
 * a window of 4 MiB, and a bit for each 256 bytes of a file.
 */
export class Looker {
  private buffer = Buffer.allocUnsafe(256 * 1024);

  constructor(
    private readonly pattern: Pattern,
    /** Bytes to look at in one piece: more than any spelling of a pattern. Tests put boundaries everywhere. */
    private readonly window = WINDOW,
  ) {}

  /** @param room a window to read small files into, so that they can be walked there. */
  look(file: OpenFile, room?: Window): Looked {
    const size = Number(file.stamp.size);
    return size < this.window ? this.small(file, size, room) : this.large(file, size);
  }

  private small(file: OpenFile, size: number, room: Window | undefined): Looked {
    // Of a file that grows meanwhile, what was there when it was opened.
    const whole = (room && roomIn(room, size)) ?? this.own(size);
    const bytes = whole.subarray(0, fill(file.source, whole, 0));
    const { bytes: expression, needle } = this.pattern;
    const isInRoom = bytes.buffer === room?.bytes.buffer;
    const kernel = isInRoom ? room?.kernel : undefined;
    const candidates =
      kernel && needle ? new ByKernel(bytes, kernel, needle) : expression && new ByExpression(bytes, expression);
    const marks = candidates && candidates.next(0) < bytes.length ? candidates : undefined;
    const isText = isUtf8(bytes);
    return {
      size: bytes.length,
      bytes,
      isLoaded: isText && isInRoom,
      // What is not UTF-8 is read to say so, and that may move what is in the window.
      source: isText || !isInRoom ? bytesSource(bytes) : file.source,
      marks: expression === undefined ? EVERYWHERE : marks,
      candidates: this.pattern.isWhole ? candidates : undefined,
      isOdd: !isEnclosed(bytes) || !isText,
    };
  }

  private own(size: number): Buffer {
    if (this.buffer.length <= size) this.buffer = Buffer.allocUnsafe(Math.min(this.window, size * 2));
    return this.buffer.subarray(0, size);
  }

  private large(file: OpenFile, size: number): Looked {
    const { bytes: expression, longest } = this.pattern;
    if (this.buffer.length < this.window) this.buffer = Buffer.allocUnsafe(this.window);
    const marked = new MarkedBlocks(size);
    let ends = Buffer.alloc(0);
    let at = 0;
    for (;;) {
      const window = this.buffer.subarray(0, fill(file.source, this.buffer.subarray(0, this.window), at));
      if (expression) marked.add(expression, window, at);
      if (at === 0) ends = Buffer.from(window.subarray(0, ENDS));
      if (window.length < this.window) {
        ends = Buffer.concat([ends, window.subarray(-ENDS)]);
        at += window.length;
        break;
      }
      at += this.window - longest; // so that nothing hides between two windows
    }
    return {
      size: at,
      bytes: undefined,
      isLoaded: false,
      source: file.source,
      marks: expression === undefined ? EVERYWHERE : marked.orNone,
      candidates: undefined,
      isOdd: !isEnclosed(ends),
    };
  }
}

function roomIn({ bytes, low, high }: Window, size: number): Buffer | undefined {
  return low + size <= high ? bytes.subarray(low, low + size) : undefined;
}

const ENDS = 64;

/**
 * The places in the bytes of a file at which a spelling of what is looked for
 * begins, found as they are asked for, and best in their order.
 */
export abstract class Candidates implements Marks {
  /** Where the one begins that was asked for last; where the file ends, if there is none. */
  at = -1;
  /** There is none from here up to {@link at}. */
  private from = 0;

  constructor(readonly bytes: Buffer) {}

  /** The first that begins here or later; where the file ends, if none does. */
  next(from: number): number {
    if (from >= this.from && from <= this.at) return this.at;
    this.from = from;
    return (this.at = this.find(from));
  }

  /** Where the one ends that was asked for last. */
  abstract readonly end: number;

  protected abstract find(from: number): number;

  within(start: number, end: number): boolean {
    if (this.next(start) < end) return true;
    // As in a large file, of which it is not known more exactly.
    const blocks = [Math.floor(start / GRAIN), Math.ceil(end / GRAIN)];
    return this.next(blocks[0] * GRAIN) < Math.min(blocks[1] * GRAIN, this.bytes.length);
  }
}

/** Found by an expression in the bytes, read as Latin-1. */
class ByExpression extends Candidates {
  private readonly text: string;
  end = 0;

  constructor(
    bytes: Buffer,
    private readonly expression: RegExp,
  ) {
    super(bytes);
    this.text = bytes.toString('latin1');
  }

  protected override find(from: number): number {
    this.expression.lastIndex = from;
    const match = this.expression.exec(this.text);
    this.end = this.expression.lastIndex;
    return match ? match.index : this.bytes.length;
  }
}

/** Found by a kernel, in whose memory the bytes are. */
class ByKernel extends Candidates {
  constructor(
    bytes: Buffer,
    private readonly kernel: Kernel,
    private readonly needle: Needle,
  ) {
    super(bytes);
  }

  protected override find(from: number): number {
    const { low } = this.kernel;
    return this.kernel.find(low + from, low + this.bytes.length, this.needle) - low;
  }

  override get end(): number {
    return this.at + (this.bytes[this.at] === BACKSLASH ? ESCAPE : this.needle.length);
  }
}

const BACKSLASH = 0x5c;
/** Length of `\u0061`. */
const ESCAPE = 6;

/** A bit for each block of a file in which a match begins. */
class MarkedBlocks implements Marks {
  private readonly blocks: Uint8Array;
  private any = false;

  constructor(size: number) {
    this.blocks = new Uint8Array(Math.floor(size / GRAIN / 8) + 1);
  }

  get orNone(): Marks | undefined {
    return this.any ? this : undefined;
  }

  add(expression: RegExp, window: Buffer, at: number): void {
    const text = window.toString('latin1');
    expression.lastIndex = 0;
    for (let match = expression.exec(text); match; match = expression.exec(text)) {
      const block = Math.floor((at + match.index) / GRAIN);
      this.blocks[block >> 3] |= 1 << (block & 7);
      this.any = true;
      // What else begins in this block is marked already; what begins behind it may begin within this match.
      expression.lastIndex = (block + 1) * GRAIN - at;
    }
  }

  within(start: number, end: number): boolean {
    const last = Math.floor((end - 1) / GRAIN);
    for (let block = Math.floor(start / GRAIN); block <= last; block++) {
      if (this.blocks[block >> 3] & (1 << (block & 7))) return true;
    }
    return false;
  }
}

/** Whether it begins and ends as an object does. */
function isEnclosed(bytes: Buffer): boolean {
  const hasBom = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  let start = hasBom ? 3 : 0;
  let end = bytes.length - 1;
  while (start < end && isSpace(bytes[start])) start++;
  while (end > start && isSpace(bytes[end])) end--;
  return bytes[start] === 0x7b && bytes[end] === 0x7d;
}

const isSpace = (c: number): boolean => c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;

/** Reads until the buffer is full or the file ends; how much there is. */
function fill(source: ByteSource, into: Buffer, at: number): number {
  let filled = 0;
  while (filled < into.length) {
    const n = source.read(into, filled, into.length - filled, at + filled);
    if (n === 0) break;
    filled += n;
  }
  return filled;
}
