import { HermesctlError } from '../errors';
import type { MemberSpan } from './document';
import type { ByteSource } from './reader';

/** A change to a document: the bytes from `start` to `end` become this text. */
export interface Splice {
  start: number;
  end: number;
  text: string;
}

const PIECE = 1024 * 1024;

/**
 * Hands out a document with the splices made: everything between them is
 * copied as it is, a piece at a time.
 *
 * @param size of the document in bytes.
 */
export function writeSpliced(
  source: ByteSource,
  size: number,
  splices: readonly Splice[],
  write: (bytes: Uint8Array) => void,
): void {
  const piece = Buffer.allocUnsafe(Math.min(PIECE, Math.max(1, size)));
  let at = 0;
  const copyTo = (end: number): void => {
    while (at < end) {
      const n = source.read(piece, 0, Math.min(piece.length, end - at), at);
      if (n === 0)
        throw new HermesctlError(
          'CHANGED_ON_DISK',
          'The file became shorter while it was copied; nothing was written.',
        );
      write(piece.subarray(0, n));
      at += n;
    }
  };
  for (const splice of [...splices].sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (splice.start < at) throw new Error('splices overlap');
    copyTo(splice.start);
    if (splice.text !== '') write(Buffer.from(splice.text, 'utf8'));
    at = splice.end;
  }
  copyTo(size);
}

/** How a document sets its members apart, so that an inserted one looks like the others. */
interface Layout {
  /** Between one value and the next key: `,\n  ` or `, `. */
  separator: string;
  /** Between a key and its value: `: ` or `:`. */
  colon: string;
}

/**
 * The splices that give members of a top-level object new values, as JSON
 * text. Of a duplicate key the last one, which is the one that counts, is
 * changed. A key that is missing is inserted where a writer with this `order`
 * of keys would put it, in the document's own layout.
 *
 * @param members all members, from the document that `read` reads.
 * @param read the text between two absolute offsets.
 */
export function memberSplices(
  members: readonly MemberSpan[],
  changes: ReadonlyMap<string, string>,
  order: readonly string[],
  read: (start: number, end: number) => string,
): Splice[] {
  const splices: Splice[] = [];
  const missing: [string, string][] = [];
  for (const [key, text] of changes) {
    const member = members.findLast((candidate) => candidate.key === key);
    if (member) splices.push({ start: member.start, end: member.end, text });
    else missing.push([key, text]);
  }
  if (missing.length === 0) return splices;

  const rank = new Map(order.map((key, i) => [key, i]));
  const rankOf = (key: string): number => rank.get(key) ?? order.length;
  missing.sort(([a], [b]) => rankOf(a) - rankOf(b));
  if (members.length === 0) return [intoEmptyObject(missing, read)];
  const layout = layoutOf(members, read);
  const inserted = new Map<number, string>();
  for (const [key, text] of missing) {
    const before = memberBefore(members, rankOf(key), rankOf);
    const member = `${JSON.stringify(key)}${layout.colon}${text}`;
    const at = before?.end ?? members[0].keyStart;
    const addition = before ? layout.separator + member : member + layout.separator;
    inserted.set(at, (inserted.get(at) ?? '') + addition);
  }
  return [...splices, ...[...inserted].map(([at, text]) => ({ start: at, end: at, text }))];
}

/** The member that the writer puts nearest before this rank. */
function memberBefore(
  members: readonly MemberSpan[],
  rank: number,
  rankOf: (key: string) => number,
): MemberSpan | undefined {
  let best: MemberSpan | undefined;
  for (const member of members) {
    const own = rankOf(member.key);
    if (own < rank && (best === undefined || own >= rankOf(best.key))) best = member;
  }
  return best;
}

function layoutOf(members: readonly MemberSpan[], read: (start: number, end: number) => string): Layout {
  const [first, second] = members;
  const colon = read(first.keyEnd, first.start);
  if (second !== undefined) return { separator: read(first.end, second.keyStart), colon };
  const opening = read(0, first.keyStart);
  const gap = opening.slice(opening.lastIndexOf('{') + 1);
  return { separator: `,${gap === '' && colon.endsWith(' ') ? ' ' : gap}`, colon };
}

/** An object without members has no layout to follow: its first ones get the server's. */
function intoEmptyObject(
  members: readonly [key: string, text: string][],
  read: (start: number, end: number) => string,
): Splice {
  let opening = '';
  for (let length = 64; !opening.includes('{'); length *= 2) opening = read(0, length);
  const at = Buffer.byteLength(opening.slice(0, opening.indexOf('{') + 1));
  const lines = members.map(([key, text]) => `\n  ${JSON.stringify(key)}: ${text}`);
  return { start: at, end: at, text: `${lines.join(',')}\n` };
}
