import { closeSync, openSync, readSync } from 'node:fs';

const SIZE = 256 * 1024;
let memory: Buffer | undefined;

/**
 * The bytes of a file from where it was read last, in pieces that are only good
 * until the next one. All are read into the same memory: to be given new
 * memory by the system takes longer than the reading itself.
 */
export function* piecesOf(fd: number): Generator<Buffer> {
  memory ??= Buffer.allocUnsafeSlow(SIZE);
  for (;;) {
    const length = readSync(fd, memory);
    if (length === 0) return;
    yield memory.subarray(0, length);
  }
}

/** The text of a file, a character for each byte. */
export function latin1Of(filename: string): string {
  const fd = openSync(filename, 'r');
  try {
    let text = '';
    for (const piece of piecesOf(fd)) text += piece.toString('latin1');
    return text;
  } finally {
    closeSync(fd);
  }
}
