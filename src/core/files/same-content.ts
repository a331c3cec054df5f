import type { ByteSource } from '../json/reader';
import type { FileSystem } from './file-system';
import { withFile } from './open-file';

const PIECE = 1024 * 1024;

/** Whether two names stand for one file, or for files with the same bytes; not where one of them is missing. */
export function sameContent(fs: FileSystem, a: string, b: string): boolean {
  const same = withFile(fs, a, (first) =>
    withFile(fs, b, (second) => {
      if (first.stamp.dev === second.stamp.dev && first.stamp.ino === second.stamp.ino) return true;
      if (first.stamp.size !== second.stamp.size) return false;
      const pieces = [Buffer.allocUnsafe(PIECE), Buffer.allocUnsafe(PIECE)];
      const size = Number(first.stamp.size);
      for (let at = 0; at < size; at += PIECE) {
        const [ours, theirs] = [first, second].map(({ source }, i) => readFully(source, pieces[i], at));
        if (!ours.equals(theirs)) return false;
      }
      return true;
    }),
  );
  return same ?? false;
}

function readFully(source: ByteSource, into: Buffer, at: number): Buffer {
  let filled = 0;
  while (filled < into.length) {
    const n = source.read(into, filled, into.length - filled, at + filled);
    if (n === 0) break;
    filled += n;
  }
  return into.subarray(0, filled);
}
