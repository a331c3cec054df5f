import * as path from 'node:path';
import type { BigIntStats } from 'node:fs';

import { isSystemError } from '../errors';
import type { FileSystem } from '../files/file-system';
import { isSettled, spellStamp, stampOf } from '../files/stamp';
import type { Location } from '../location/location';

/** The versions of files, as text, by their paths. One that is not there has one too. */
export type SourceStamp = Record<string, string>;

/** The version of what is not there. */
export const ABSENT = 'absent';

/** The version of a file or directory; links are followed, as reading follows them. */
export function pathStamp(file: string, fs: FileSystem): string {
  return look(file, fs).text;
}

function look(file: string, fs: FileSystem): { text: string; stats?: BigIntStats } {
  try {
    const stats = fs.statSync(file, { bigint: true, throwIfNoEntry: false });
    if (!stats) return { text: ABSENT };
    // Run by root, SQLite gives a log its database's owner whenever it opens it: only this time changes by that.
    if (file.endsWith('-wal')) stats.ctimeNs = stats.mtimeNs;
    return { text: spellStamp(stampOf(stats)), stats };
  } catch (error) {
    if (isSystemError(error)) return { text: error.code ?? 'unreadable' };
    throw error;
  }
}

/**
 * Everything besides single session files that an answer depends on: the
 * directory of the sessions (a file that comes, goes or is replaced changes
 * it), index, settings and projects; of each agent's home that is asked the
 * database with its logs, what the gateway says of sessions, and the cron jobs.
 */
export function sourcesOf(location: Location, agentPlaces: readonly Location[] = []): string[] {
  const { stateDir, sessionsDir, indexFile, settingsFile, projectsFile } = location;
  const store = [sessionsDir, indexFile, settingsFile, projectsFile].map(({ value }) => value);
  const homes = agentPlaces.flatMap(({ agentDatabase: { value: database }, profileHome: { value: home } }) => [
    database,
    `${database}-wal`,
    `${database}-journal`,
    path.join(home, 'sessions', 'sessions.json'),
    path.join(home, 'cron', 'jobs.json'),
    path.join(home, 'webui_state', 'last_workspace.txt'),
  ]);
  return [...store, path.join(stateDir.value, 'last_workspace.txt'), ...homes];
}

/** The versions of these files now. */
export function stampOfSources(files: readonly string[], fs: FileSystem): SourceStamp {
  return Object.fromEntries(files.map((file) => [file, pathStamp(file, fs)]));
}

/** Whether all of these are as they were. Looks no further than the first that is not. */
export function isAsStamped(stamp: SourceStamp, fs: FileSystem): boolean {
  return Object.entries(stamp).every(([file, text]) => pathStamp(file, fs) === text);
}

/** Whether a change after `since` (epoch seconds) would show. What is not there has no time to hide a change in. */
export function isPathSettled(file: string, since: number, fs: FileSystem): boolean {
  const { stats } = look(file, fs);
  return !stats || isSettled(stampOf(stats), since);
}
