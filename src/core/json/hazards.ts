import { PathTracker } from './path-tracker';
import type { ByteSource } from './reader';
import { isNonFiniteWord, nextToken } from './tokens';

/** What a document holds that Python reads and some writer or reader of it cannot stand. */
export interface Hazard {
  kind: 'lone-surrogate' | 'not-finite';
  /** Where, as a path from the top (`.messages[3].content`). */
  path: string;
}

const PIECE = 1024 * 1024;
/** Longer than any candidate, so that none hides between two pieces. */
const OVERLAP = 16;
const CANDIDATES = ['\\ud', '\\uD', 'NaN', 'Infinity'].map((text) => Buffer.from(text));

/**
 * The first hazard of each kind in a document that was walked already, so that
 * it is well-formed. Mostly one look at the bytes; only a document that may
 * have one is taken apart.
 *
 * @param size of the document in bytes.
 */
export function findHazards(source: ByteSource, size: number): Hazard[] {
  return mayHaveHazards(source, size) ? inText(readAll(source, size)) : [];
}

function mayHaveHazards(source: ByteSource, size: number): boolean {
  const buffer = Buffer.allocUnsafe(Math.min(PIECE, size));
  for (let at = 0; at < size; at += PIECE - OVERLAP) {
    const piece = buffer.subarray(0, fill(source, buffer, at));
    if (CANDIDATES.some((candidate) => piece.includes(candidate))) return true;
    if (piece.length < PIECE) return false;
  }
  return false;
}

function fill(source: ByteSource, into: Buffer, at: number): number {
  let filled = 0;
  while (filled < into.length) {
    const n = source.read(into, filled, into.length - filled, at + filled);
    if (n === 0) break;
    filled += n;
  }
  return filled;
}

function readAll(source: ByteSource, size: number): string {
  const buffer = Buffer.allocUnsafe(size);
  return buffer.toString('utf8', 0, fill(source, buffer, 0)).replace(/^\ufeff/, '');
}

function inText(text: string): Hazard[] {
  const found = new Map<Hazard['kind'], Hazard>();
  const path = new PathTracker();
  for (let token = nextToken(text, 0); token && found.size < 2; token = nextToken(text, token.end)) {
    const word = text.slice(token.start, token.end);
    path.step(word);
    const kind = kindOf(word);
    if (kind && !found.has(kind)) found.set(kind, { kind, path: path.toString() });
  }
  return [...found.values()];
}

function kindOf(word: string): Hazard['kind'] | undefined {
  if (isNonFiniteWord(word)) return 'not-finite';
  if (!word.startsWith('"') || !/\\u[dD]/.test(word)) return undefined;
  return (JSON.parse(word) as string).isWellFormed() ? undefined : 'lone-surrogate';
}
