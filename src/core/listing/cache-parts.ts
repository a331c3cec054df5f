import * as path from 'node:path';

import type { Deps } from '../deps';
import { OwnDirectory } from '../files/own-directory';
import { ROWS_FILES } from '../index/known-rows';
import type { Location } from '../location/location';
import { ANSWER_FILES } from './list-cache';

/** All that is kept in the user's cache directory, by what it makes faster. */
export type CachePartName = 'lists' | 'index' | 'code';

/** Files of one part: how many, and their bytes. */
export interface CachePart {
  name: CachePartName;
  directory: string;
  files: number;
  bytes: number;
}

/** The directory of one build of the program, as the launcher names it: program, V8, architecture, flags. */
const BUILD = /^[0-9a-f]{16}-[\w.-]+$/;
/** What a command compiled; also what a process left behind that was killed while it wrote. */
const CODE_FILES = /^[a-z-]+-(?:json|terminal|text)(?:\.\d+)?$/;

/** What is kept of each part: files of this user's own, in directories that no link leads to. */
export function cacheParts(location: Location, deps: Deps): CachePart[] {
  return partsOf(location, deps).map(({ name, directory, places }) => {
    const sizes = places.flatMap(({ own, files }) => own.files(files).map(({ bytes }) => bytes));
    return { name, directory, files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
  });
}

/**
 * Removes all of it; what a part lost. Beside a hermesctl that runs nothing is
 * lost but time: it has read what it uses, and what it cannot keep it does not
 * miss. Files of other names are left, and the directories that they are in.
 */
export function clearCacheParts(location: Location, deps: Deps): CachePart[] {
  return partsOf(location, deps).map(({ name, directory, places }) => {
    const removed = places.flatMap(({ own, files, isRemoved }) => {
      const gone = own.files(files).filter((file) => own.remove(file.name));
      if (isRemoved) own.removeItself();
      return gone;
    });
    return { name, directory, files: removed.length, bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0) };
  });
}

interface Place {
  own: OwnDirectory;
  files: RegExp;
  /** Whether the directory goes too, where it is empty then. */
  isRemoved?: boolean;
}

function partsOf({ cacheDir }: Location, deps: Deps): { name: CachePartName; directory: string; places: Place[] }[] {
  const at = (...names: string[]): OwnDirectory => new OwnDirectory(path.join(cacheDir.value, ...names), deps);
  const [lists, index, code] = [at('lists'), at('index'), at('code')];
  const builds = code.names().filter((name) => BUILD.test(name));
  return [
    { name: 'lists', directory: lists.path, places: [{ own: lists, files: ANSWER_FILES }] },
    { name: 'index', directory: index.path, places: [{ own: index, files: ROWS_FILES }] },
    {
      name: 'code',
      directory: code.path,
      places: builds.map((name) => ({ own: at('code', name), files: CODE_FILES, isRemoved: true })),
    },
  ];
}
