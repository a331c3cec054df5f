import { HermesctlError } from '../errors';
import type { OpenFile } from '../files/open-file';
import { JsonCompactor, SLACK } from '../json/compact';
import { JsonSyntaxError } from '../json/syntax-error';
import { damaged } from '../sidecar/damage';
import { scanOpenSidecar } from '../sidecar/read';
import { CutShort } from './cut-short';

/** What is to be known of a session that was compacted. */
export interface CompactFacts {
  /** Words that JSON has not: now null, unless they are kept. */
  nonFinite: number;
  /** What the session calls itself; undefined where it does not say. */
  innerId: string | undefined;
}

const CAPACITY = 8 * 1024 * 1024;
/** So much is put out at once, or less. */
const BATCH = 512 * 1024;
/** Room before a piece, so that `null` has a place where `NaN` was. */
const LEAD = 16;

/**
 * Writes session files as JSON on one line each, every byte but white space as
 * it is. Memory is bounded whatever their size: small files are read one behind
 * the other into one buffer, which is put out when it is full; of a large one
 * all is checked first, so that nothing is put out of a damaged file.
 */
export class SessionCompactor {
  private readonly compactor: JsonCompactor;
  private readonly buffer: Buffer;
  /** Bytes of the buffer that are still to be put out. */
  private pending = 0;

  constructor(
    private readonly write: (bytes: Uint8Array) => void,
    { keepNonFinite, capacity = CAPACITY }: { keepNonFinite: boolean; capacity?: number },
  ) {
    this.compactor = new JsonCompactor(capacity, { keepNonFinite });
    this.buffer = this.compactor.buffer;
  }

  /**
   * Takes in one session file, to be put out between `before` and `after`.
   *
   * @throws HermesctlError `SESSION_DAMAGED`, `CHANGED_ON_DISK`; nothing is put out of the session then.
   */
  append(file: OpenFile, id: string, before: string, after: string): CompactFacts {
    const { compactor } = this;
    try {
      if (!this.appendSmall(file, before, after)) this.appendLarge(file, before, after);
    } catch (error) {
      if (!(error instanceof JsonSyntaxError)) throw error;
      throw whatIsWrong(file, id, error);
    }
    if (this.pending >= BATCH) this.flush();
    const { nonFinite, sessionId } = compactor;
    return { nonFinite, innerId: sessionId === undefined ? undefined : (JSON.parse(sessionId) as string) };
  }

  /** Puts out what is still to be. */
  flush(): void {
    const { pending } = this;
    this.pending = 0;
    if (pending > 0) this.write(this.buffer.subarray(0, pending));
  }

  /** False where there is no room for it in one piece. */
  private appendSmall(file: OpenFile, before: string, after: string): boolean {
    const { buffer, compactor } = this;
    const size = Number(file.stamp.size);
    const around = before.length + after.length + SLACK;
    if (this.pending + size + around > buffer.length) this.flush();
    if (size + around > buffer.length) return false;
    const start = this.pending + before.length;
    readFully(file, buffer, start, size, 0);
    compactor.reset();
    let end = compactor.feed(start, start + size, start, 0, true);
    if (compactor.stalled) return false;
    this.check();
    buffer.write(before, this.pending, 'latin1');
    end += buffer.write(after, end, 'latin1');
    this.pending = end;
    return true;
  }

  private appendLarge(file: OpenFile, before: string, after: string): void {
    this.flush();
    this.pass(file, () => undefined);
    this.check();
    try {
      this.write(Buffer.from(before, 'latin1'));
      this.pass(file, this.write);
      this.write(Buffer.from(after, 'latin1'));
    } catch (error) {
      throw new CutShort(error);
    }
  }

  private pass(file: OpenFile, write: (bytes: Uint8Array) => void): void {
    const { buffer, compactor } = this;
    const size = Number(file.stamp.size);
    const limit = buffer.length - SLACK;
    compactor.reset();
    let read = 0;
    let to = LEAD;
    while (read < size || to > LEAD) {
      const n = Math.min(size - read, limit - to);
      readFully(file, buffer, to, n, read);
      read += n;
      to += n;
      const out = compactor.feed(LEAD, to, 0, read - (to - LEAD), read === size);
      write(buffer.subarray(0, out));
      const { consumed } = compactor;
      if (consumed === LEAD && !compactor.stalled && (to === limit || read === size))
        throw new JsonSyntaxError(read - (to - LEAD), 'a number that is too long');
      buffer.copyWithin(LEAD, consumed, to);
      to = LEAD + to - consumed;
    }
  }

  private check(): void {
    const { compactor } = this;
    compactor.finish();
    if (!compactor.isObject) throw new JsonSyntaxError(0, 'not an object');
    if (compactor.badMessagesAt >= 0)
      throw new JsonSyntaxError(compactor.badMessagesAt, 'messages that are not a list');
  }
}

function readFully(file: OpenFile, into: Buffer, at: number, length: number, position: number): void {
  for (let filled = 0; filled < length;) {
    const n = file.source.read(into, at + filled, length - filled, position + filled);
    if (n === 0) {
      throw new HermesctlError('CHANGED_ON_DISK', `${file.path} became shorter while it was read.`, {
        hint: 'Run the command again.',
        details: { path: file.path },
      });
    }
    filled += n;
  }
}

/** The reader that all other commands use says what is wrong with the file. */
function whatIsWrong(file: OpenFile, id: string, found: JsonSyntaxError): HermesctlError {
  try {
    scanOpenSidecar(file, id);
  } catch (error) {
    if (error instanceof HermesctlError) return error;
    throw error;
  }
  return damaged(file.path, id, 'not-json', found.offset, found.reason);
}
