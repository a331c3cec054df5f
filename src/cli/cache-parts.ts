import type { CachePart, CachePartName } from '../core/listing/cache-parts';
import { byteSize } from './output/numbers';
import type { RawFields } from './output/document';

const FILES_OF: Record<CachePartName, [one: string, many: string]> = {
  lists: ['answer', 'answers'],
  index: ['file of index rows', 'files of index rows'],
  code: ['file of compiled code', 'files of compiled code'],
};

/** What is kept, or was removed, on one line. */
export function partsInWords(parts: readonly CachePart[]): string {
  return parts
    .map(({ name, files, bytes }) => `${files} ${FILES_OF[name][files === 1 ? 0 : 1]} (${byteSize(bytes)})`)
    .join(', ');
}

export function partsForOutput(parts: readonly CachePart[]): RawFields[] {
  return parts.map(({ name, directory, files, bytes }) => ({ name, directory, files, bytes }));
}
