import { writeSync } from 'node:fs';

import { HermesctlError, isSystemError } from '../../core/errors';

/** Thrown when the reader of our output has gone away: the command has nothing left to do, and that is no failure. */
export class OutputClosed extends Error {}

const BUFFER_SIZE = 64 * 1024;
const NO_BYTES = Buffer.alloc(0);
/** Bytes of a UTF-16 code unit in UTF-8. */
const LONGEST_CHARACTER = 3;

/**
 * A buffered, synchronous writer to a file descriptor. Synchronous, so that
 * nothing is lost when the process ends and nothing piles up in memory before
 * a slow reader; buffered, so that a row is not a system call.
 *
 * @throws OutputClosed when the reader is gone; HermesctlError `IO_ERROR` when writing fails otherwise.
 */
export class Sink {
  private pending = '';
  /** What {@link put} and {@link room} are for; there is none while text is pending. */
  private bytes = NO_BYTES;
  /** Where in what {@link room} gave the next byte belongs: who puts bytes there moves it. */
  end = 0;
  private closed = false;
  private failed_ = false;

  constructor(
    private readonly fd: number,
    private readonly write_: (fd: number, bytes: Uint8Array, offset: number, length: number) => number = writeSync,
  ) {}

  /** Whether writing failed, other than by the reader's going away: what is to be told must be told elsewhere. */
  get failed(): boolean {
    return this.failed_;
  }

  write(text: string): void {
    if (this.end > 0) this.flush();
    this.pending += text;
    if (this.pending.length >= BUFFER_SIZE) this.flush();
  }

  /** Bytes as they are, after what was written before. */
  writeBytes(bytes: Uint8Array): void {
    this.flush();
    this.writeFully(bytes);
  }

  /**
   * A buffer with room for so many bytes from {@link end} on: for rows that are
   * put together of bytes, without making a text of each. Good until the next call.
   */
  room(length: number): Buffer {
    if (this.pending !== '' || this.end + length > this.bytes.length) {
      this.flush();
      if (length > this.bytes.length) this.bytes = Buffer.allocUnsafe(Math.max(BUFFER_SIZE, length));
    }
    return this.bytes;
  }

  /** As {@link write}, for short text among bytes. */
  put(text: string): void {
    if (text.length > BUFFER_SIZE) {
      this.write(text);
      return;
    }
    const bytes = this.room(text.length * LONGEST_CHARACTER);
    const start = this.end;
    let at = start;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) {
        at = start + bytes.write(text, start, 'utf8');
        break;
      }
      bytes[at++] = code;
    }
    this.end = at;
  }

  /** Some of these bytes. */
  putBytes(from: Buffer, start: number, end: number): void {
    const bytes = this.room(end - start);
    let at = this.end;
    for (let i = start; i < end; i++) bytes[at++] = from[i];
    this.end = at;
  }

  flush(): void {
    if (this.pending !== '') {
      const bytes = Buffer.from(this.pending, 'utf8');
      this.pending = '';
      this.writeFully(bytes);
    }
    if (this.end > 0) {
      const bytes = this.bytes.subarray(0, this.end);
      this.end = 0;
      this.writeFully(bytes);
    }
  }

  private writeFully(bytes: Uint8Array): void {
    if (this.closed) throw new OutputClosed();
    let offset = 0;
    while (offset < bytes.length) {
      try {
        offset += this.write_(this.fd, bytes, offset, bytes.length - offset);
      } catch (error) {
        if (!isSystemError(error)) throw error;
        if (error.code === 'EAGAIN') waitABit();
        else if (error.code === 'EPIPE') {
          this.closed = true;
          throw new OutputClosed();
        } else {
          this.closed = true;
          this.failed_ = true;
          throw new HermesctlError('IO_ERROR', `Writing the output failed: ${error.message}.`, { cause: error });
        }
      }
    }
  }
}

/** A pipe that somebody made non-blocking is full, or empty: sleep without burning the processor. */
export function waitABit(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
}
