import { isUtf8 } from 'node:buffer';

import type { OpenFile } from '../files/open-file';
import { type ByteSource, bytesSource } from '../json/reader';
import type { Pattern } from './pattern';

const WINDOW = 4 * 1024 * 1024;
/** Places are told to so many bytes. */
const GRAIN = 256;

/** What was learnt of a file by a look at its bytes. */
export interface Looked {
  bytes: number;
  /** The file again, from memory where it is small. */
  source: ByteSource;
  /** Where the text may be; undefined: nowhere. */
  marks: Marks | undefined;
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

  look(file: OpenFile): Looked {
    const size = Number(file.stamp.size);
    return size < this.window ? this.small(file, size) : this.large(file, size);
  }

  private small(file: OpenFile, size: number): Looked {
    if (this.buffer.length <= size) this.buffer = Buffer.allocUnsafe(Math.min(this.window, size * 2));
    // Of a file that grows meanwhile, what was there when it was opened.
    const bytes = this.buffer.subarray(0, fill(file.source, this.buffer.subarray(0, size), 0));
    const { bytes: expression } = this.pattern;
    const marked = expression && new MarkedBlocks(bytes.length);
    if (expression) marked?.add(expression, bytes, 0);
    return {
      bytes: bytes.length,
      source: bytesSource(bytes),
      marks: expression === undefined ? EVERYWHERE : marked?.orNone,
      isOdd: !isEnclosed(bytes) || !isUtf8(bytes),
    };
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
      bytes: at,
      source: file.source,
      marks: expression === undefined ? EVERYWHERE : marked.orNone,
      isOdd: !isEnclosed(ends),
    };
  }
}

const ENDS = 64;

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
