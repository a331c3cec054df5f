import { constants } from 'node:buffer';

import { Kernel } from './kernel';
import { ValueTooLong } from './too-long';

/**
 * The room in which a reader holds the part of a document that it looks at:
 * plain memory, or that of a {@link Kernel}, with which walking is some times
 * faster. A kernel costs about a millisecond to make, so that it is for large
 * documents, and for many, which are read one after the other in the same room.
 * A window serves one reader at a time.
 */
export class Window {
  private plain: Buffer;
  /** Where the reader keeps its last key: a transcript has millions, and a store thousands of documents. */
  key = Buffer.allocUnsafe(KEY_SIZE);

  private constructor(
    readonly kernel: Kernel | undefined,
    size: number,
  ) {
    this.plain = kernel ? Buffer.alloc(0) : Buffer.allocUnsafe(size);
  }

  static plain(size: number): Window {
    return new Window(undefined, size);
  }

  /** With a kernel, where this platform lets us. */
  static fast(): Window {
    return new Window(Kernel.make(FAST_SIZE), FAST_SIZE);
  }

  /** For a document of this size in bytes. */
  static forSize(size: number, chunkSize: number): Window {
    return size >= WORTH_A_KERNEL ? Window.fast() : Window.plain(chunkSize);
  }

  get bytes(): Buffer {
    return this.kernel?.bytes ?? this.plain;
  }

  /** Where in {@link bytes} the window begins. */
  get low(): number {
    return this.kernel?.low ?? 0;
  }

  /** Where in {@link bytes} it ends. */
  get high(): number {
    return this.kernel?.high ?? this.plain.length;
  }

  /** Makes room for a key of so many bytes. */
  growKey(length: number): void {
    if (length > this.key.length) this.key = Buffer.allocUnsafe(length * 2);
  }

  /**
   * Makes it twice as large; {@link bytes} is another buffer then, with the same in the same places up to `end`.
   * It grows for values that are to be had as a text.
   *
   * @throws ValueTooLong where it holds more than a text can.
   */
  grow(end: number): void {
    if (end - this.low > constants.MAX_STRING_LENGTH) throw new ValueTooLong();
    if (this.kernel) {
      this.kernel.grow();
      return;
    }
    const bigger = Buffer.allocUnsafe(this.plain.length * 2);
    this.plain.copy(bigger, 0, 0, end);
    this.plain = bigger;
  }
}

const KEY_SIZE = 256;
const FAST_SIZE = 1024 * 1024;
const WORTH_A_KERNEL = 256 * 1024;
