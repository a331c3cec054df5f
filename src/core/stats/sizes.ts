import * as path from 'node:path';

import type { Deps } from '../deps';
import { ioError, isSystemError } from '../errors';
import type { Location } from '../location/location';
import { isStoreId } from '../session/id';

/** Files of one kind, and their bytes. */
export interface FileSizes {
  files: number;
  bytes: number;
}

/** What takes room. */
export interface Storage {
  sessions: FileSizes;
  /** `.json.bak` */
  backups: FileSizes;
  index: FileSizes;
  /** What else is in `sessions/`. */
  other: FileSizes;
  /** The agent's databases, each with its log. */
  databases: { path: string; profile: string; bytes: number }[];
}

export interface Sizes {
  /** Bytes of each session's file, by id. */
  ofSessions: ReadonlyMap<string, number>;
  storage: Storage;
}

/** Of nothing yet. */
export function noStorage(): Storage {
  const none = (): FileSizes => ({ files: 0, bytes: 0 });
  return { sessions: none(), backups: none(), index: none(), other: none(), databases: [] };
}

/** Adds what takes room elsewhere. */
export function addStorage(storage: Storage, { databases, ...kinds }: Storage): void {
  for (const [kind, { files, bytes }] of Object.entries(kinds) as [keyof typeof kinds, FileSizes][]) {
    storage[kind].files += files;
    storage[kind].bytes += bytes;
  }
  storage.databases.push(...databases);
}

/**
 * Sizes of the store's files and of these agent databases, as the file system
 * has them; nothing is read. What cannot be asked counts nothing.
 *
 * @throws HermesctlError `IO_ERROR` where the directory of the sessions cannot be listed.
 */
export function measure(location: Location, agentPlaces: readonly Location[], deps: Pick<Deps, 'fs'>): Sizes {
  const directory = location.sessionsDir.value;
  const storage = noStorage();
  const ofSessions = new Map<string, number>();
  for (const name of namesIn(directory, deps)) {
    const bytes = sizeOf(path.join(directory, name), deps);
    if (bytes === undefined) continue;
    const kind = kindOf(name);
    storage[kind].files++;
    storage[kind].bytes += bytes;
    if (kind === 'sessions') ofSessions.set(name.slice(0, -JSON_ENDING.length), bytes);
  }
  for (const { agentDatabase, profile } of agentPlaces) {
    const parts = ['', '-wal'].map((ending) => sizeOf(`${agentDatabase.value}${ending}`, deps));
    if (parts[0] === undefined) continue;
    const bytes = parts.reduce<number>((sum, part) => sum + (part ?? 0), 0);
    storage.databases.push({ path: agentDatabase.value, profile: profile.value, bytes });
  }
  return { ofSessions, storage };
}

const JSON_ENDING = '.json';

function kindOf(name: string): 'sessions' | 'backups' | 'index' | 'other' {
  if (name === '_index.json') return 'index';
  if (name.endsWith('.json.bak')) return 'backups';
  return name.endsWith(JSON_ENDING) && isStoreId(name.slice(0, -JSON_ENDING.length)) ? 'sessions' : 'other';
}

function namesIn(directory: string, { fs }: Pick<Deps, 'fs'>): string[] {
  try {
    return fs.readdirSync(directory);
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return [];
    throw isSystemError(error) ? ioError(error, directory) : error;
  }
}

/** Bytes of a regular file; undefined for what is none, or cannot be asked. */
function sizeOf(file: string, { fs }: Pick<Deps, 'fs'>): number | undefined {
  try {
    const stats = fs.statSync(file, { throwIfNoEntry: false });
    return stats?.isFile() ? stats.size : undefined;
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}
