import { JsonCompactor, SLACK } from './compact';
import { DEEPEST_LINE } from './format';
import { bytesSource, JsonReader } from './reader';
import { JsonSyntaxError } from './syntax-error';

/**
 * A JSON text without its white space, every other byte as it is (a leading
 * byte-order mark goes too). Checks it.
 *
 * @throws JsonSyntaxError with the words of the reader.
 */
export function compactJson(bytes: Uint8Array): Buffer {
  const compactor = new JsonCompactor(bytes.length + SLACK, { keepNonFinite: true });
  compactor.buffer.set(bytes);
  try {
    const end = compactor.feed(0, bytes.length, 0, 0, true);
    compactor.finish();
    return compactor.buffer.subarray(0, end);
  } catch (error) {
    if (error instanceof JsonSyntaxError) assertJson(bytes);
    throw error;
  }
}

/** The reader that is used everywhere else has the better words. */
function assertJson(bytes: Uint8Array): void {
  const reader = new JsonReader(bytesSource(bytes));
  reader.skipValue();
  reader.finish();
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const PIECE = 64 * 1024;

/**
 * Lays a compact JSON text out as Python's `json.dumps(…, indent=2)` does, so
 * as the server lays out its files. Nothing but white space is put in.
 *
 * @param compact without white space, and well-formed.
 */
export function layOut(compact: Buffer, write: (bytes: Uint8Array) => void): void {
  let out = Buffer.allocUnsafe(PIECE);
  let filled = 0;
  let depth = 0;
  const put = (from: number, to: number): void => {
    if (filled + to - from > out.length) flush();
    if (to - from > out.length) write(compact.subarray(from, to));
    else {
      compact.copy(out, filled, from, to);
      filled += to - from;
    }
  };
  const flush = (): void => {
    if (filled > 0) write(out.subarray(0, filled));
    out = Buffer.allocUnsafe(PIECE);
    filled = 0;
  };
  const line = (): void => {
    if (depth > DEEPEST_LINE) return;
    const length = 1 + 2 * depth;
    if (filled + length > out.length) flush();
    if (length > out.length) {
      write(Buffer.from(`\n${'  '.repeat(depth)}`, 'latin1'));
      return;
    }
    out[filled] = 0x0a;
    out.fill(0x20, filled + 1, filled + length);
    filled += length;
  };
  for (let at = 0; at < compact.length;) {
    const c = compact[at];
    switch (c) {
      case QUOTE: {
        const end = endOfString(compact, at);
        put(at, end);
        at = end;
        break;
      }
      case 0x7b:
      case 0x5b:
        put(at, ++at);
        if (compact[at] === c + 2) put(at, ++at);
        else {
          depth++;
          line();
        }
        break;
      case 0x7d:
      case 0x5d:
        depth--;
        line();
        put(at, ++at);
        break;
      case 0x2c:
        put(at, ++at);
        line();
        break;
      case 0x3a:
        put(at, ++at);
        if (filled === out.length) flush();
        out[filled++] = 0x20;
        break;
      default: {
        const start = at;
        while (at < compact.length && !ENDS_SCALAR.has(compact[at])) at++;
        put(start, at);
      }
    }
  }
  flush();
}

const ENDS_SCALAR: ReadonlySet<number> = new Set([0x2c, 0x7d, 0x5d]);

function endOfString(text: Buffer, start: number): number {
  for (let at = start + 1; ;) {
    const quote = text.indexOf(QUOTE, at);
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}
