import type { OpenFile } from '../files/open-file';
import { arrayItemSpans, topLevelSpans } from '../json/document';
import { bytesSource, JsonReader } from '../json/reader';
import { JsonSyntaxError } from '../json/syntax-error';

/** One session in the input, or what should be one. */
export interface InputItem {
  /** Where it stands: `line 3`, `item 2`. */
  place: string;
  bytes: Buffer;
}

const PIECE = 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * The sessions in a file, one at a time: a session a line; or one JSON document,
 * that is a session, a list of them, or an object with a list `sessions`, over
 * as many lines as it likes. A broken line is an item like the others: memory
 * is that of the longest line, or of the document.
 */
export function* inputItems(file: OpenFile): Generator<InputItem> {
  const lines = linesOf(file);
  const first = nextWritten(lines);
  if (first === undefined) return;
  if (!isWhole(first.bytes) || isOpenList(first.bytes)) {
    const whole = readAll(file);
    if (isJson(whole)) {
      yield* itemsOf({ place: 'item 1', bytes: whole }, 'item');
      return;
    }
  }
  yield* itemsOf(first, first.place);
  for (let line = nextWritten(lines); line; line = nextWritten(lines)) yield* itemsOf(line, line.place);
}

/** The next line in which there is something. */
function nextWritten(lines: Generator<InputItem>): InputItem | undefined {
  for (;;) {
    const next = lines.next();
    if (next.done) return undefined;
    if (next.value.bytes.some((byte) => byte > 0x20)) return next.value;
  }
}

/** Whether a line can be a JSON document on its own: what is laid out over several lines begins with less. */
function isWhole(line: Buffer): boolean {
  const text = line.toString('latin1', Math.max(0, line.length - 16)).trimEnd();
  return text.endsWith('}') || text.endsWith(']');
}

/** Whether it is the first line of a list that goes on with a comma at the beginning of the next. */
function isOpenList(line: Buffer): boolean {
  return line.find((byte) => byte > 0x20) === 0x5b && !isJson(line);
}

function isJson(bytes: Buffer): boolean {
  try {
    const reader = new JsonReader(bytesSource(bytes));
    reader.skipValue();
    reader.finish();
    return true;
  } catch (error) {
    if (error instanceof JsonSyntaxError) return false;
    throw error;
  }
}

/** A document that holds several sessions, taken apart; anything else, broken or not, is one item. */
function* itemsOf(item: InputItem, place: string): Generator<InputItem> {
  const list = listIn(item.bytes);
  if (list === undefined) {
    yield item;
    return;
  }
  let i = 0;
  for (const { start, end } of arrayItemSpans(bytesSource(item.bytes), list)) {
    i++;
    yield { place: place === 'item' ? `item ${i}` : `${place}, item ${i}`, bytes: item.bytes.subarray(start, end) };
  }
}

/** Where the list of sessions begins that a document is or has; undefined where it is, or should be, a session. */
function listIn(bytes: Buffer): number | undefined {
  const start = bytes.findIndex((byte) => byte > 0x20);
  if (bytes[start] !== 0x5b && !/^\{\s*"sessions"\s*:\s*\[/.test(bytes.toString('latin1', start, start + 64)))
    return undefined;
  if (!isJson(bytes)) return undefined;
  if (bytes[start] === 0x5b) return start;
  const members = topLevelSpans(bytesSource(bytes));
  if (members.some(({ key }) => key === 'session_id' || key === 'id')) return undefined;
  return members.findLast(({ key, kind }) => key === 'sessions' && kind === 'array')?.start;
}

function* linesOf(file: OpenFile): Generator<InputItem> {
  const piece = Buffer.allocUnsafe(PIECE);
  let rest: Buffer[] = [];
  let number = 0;
  const line = (end: Buffer): InputItem => {
    number++;
    const bytes = Buffer.concat([...rest, end]);
    rest = [];
    return { place: `line ${number}`, bytes: number === 1 ? withoutBom(bytes) : bytes };
  };
  for (let at = 0, n = 0; (n = file.source.read(piece, 0, PIECE, at)) > 0; at += n) {
    let from = 0;
    for (let to = piece.indexOf(NEWLINE); to >= 0 && to < n; to = piece.indexOf(NEWLINE, from)) {
      yield line(piece.subarray(from, to));
      from = to + 1;
    }
    if (from < n) rest.push(Buffer.from(piece.subarray(from, n)));
  }
  if (rest.length > 0) yield line(Buffer.alloc(0));
}

function readAll(file: OpenFile): Buffer {
  const bytes = Buffer.allocUnsafe(Number(file.stamp.size));
  let filled = 0;
  for (let n = 0; filled < bytes.length && (n = file.source.read(bytes, filled, bytes.length - filled, filled)) > 0;) {
    filled += n;
  }
  return withoutBom(bytes.subarray(0, filled));
}

function withoutBom(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}
