import { writeSync } from 'node:fs';

import { HermesctlError, isSystemError } from '../../core/errors';

/** Thrown when the reader of our output has gone away: the command has nothing left to do, and that is no failure. */
export class OutputClosed extends Error {}

const BUFFER_SIZE = 64 * 1024;

/**
 * A buffered, synchronous writer to a file descriptor. Synchronous, so that
 * nothing is lost when the process ends and nothing piles up in memory before
 * a slow reader; buffered, so that a row is not a system call.
 *
 * @throws OutputClosed when the reader is gone; HermesctlError `IO_ERROR` when writing fails otherwise.
 */
export class Sink {
  private pending = '';
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
    this.pending += text;
    if (this.pending.length >= BUFFER_SIZE) this.flush();
  }

  /** Bytes as they are, after what was written before. */
  writeBytes(bytes: Uint8Array): void {
    this.flush();
    this.writeFully(bytes);
  }

  flush(): void {
    if (this.pending === '') return;
    const bytes = Buffer.from(this.pending, 'utf8');
    this.pending = '';
    this.writeFully(bytes);
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
