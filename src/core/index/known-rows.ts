import { createHash } from 'node:crypto';
import * as path from 'node:path';

import type { Deps } from '../deps';
import { OwnDirectory } from '../files/own-directory';
import { type FileStamp, isSettled, spellStamp, stampOf } from '../files/stamp';
import type { Location } from '../location/location';
import type { RowDefaults } from '../session/row';
import { sidecarPath } from '../sidecar/read';
import type { IndexEntry } from './rows-file';

/** What is remembered of a session file: its version, and the digest of the row that was made of it. */
type Known = [version: string, digest: string];

interface Stored {
  format: typeof FORMAT;
  key: string;
  rows: Record<string, Known>;
}

const FORMAT = 'hermesctl index stamps 1';

/**
 * Which rows of an index were made of files that are still the version that
 * they were. Kept in the user's cache directory; a row is taken from the index
 * only where it stands there as it was made.
 */
export class KnownRows {
  private readonly before: Record<string, Known>;
  private readonly after: Record<string, Known> = {};

  constructor(
    private readonly directory: OwnDirectory,
    private readonly key: string,
    private readonly sessionsDir: string,
    private readonly deps: Deps,
    trust: boolean,
  ) {
    const stored = trust ? (directory.read(this.name) as Stored | null | undefined) : undefined;
    const isOurs = stored?.format === FORMAT && stored.key === key && typeof stored.rows === 'object';
    this.before = isOurs ? stored.rows : {};
  }

  /** Whether this entry of the index is what the session's file would give. */
  holds({ id, text }: IndexEntry): boolean {
    if (!Object.hasOwn(this.before, id)) return false;
    const [version, digest] = this.before[id];
    const stats = this.deps.fs.statSync(sidecarPath(this.sessionsDir, id), { bigint: true, throwIfNoEntry: false });
    if (!stats || spellStamp(stampOf(stats)) !== version || digestOf(text) !== digest) return false;
    this.after[id] = [version, digest];
    return true;
  }

  /**
   * Remembers what a file gave, unless a change could still hide in its times.
   *
   * @param began when reading it began, in epoch seconds.
   */
  learn({ id, text }: IndexEntry, stamp: FileStamp, began: number): void {
    if (isSettled(stamp, began)) this.after[id] = [spellStamp(stamp), digestOf(text)];
  }

  /** Keeps what was learned for the next time. */
  save(): void {
    const stored: Stored = { format: FORMAT, key: this.key, rows: this.after };
    this.directory.write(this.name, stored);
  }

  private get name(): string {
    return `${digestOf(Buffer.from(this.key)).slice(0, 16)}.json`;
  }
}

/**
 * What is known of this store's index.
 *
 * @param version of hermesctl: another one may make other rows.
 * @param trust whether to use it; else it is only made anew.
 */
export function knownRowsAt(
  location: Location,
  defaults: RowDefaults,
  { version, trust }: { version: string; trust: boolean },
  deps: Deps,
): KnownRows {
  const directory = new OwnDirectory(path.join(location.cacheDir.value, 'index'), deps);
  const key = JSON.stringify([version, location.sessionsDir.value, defaults]);
  return new KnownRows(directory, key, location.sessionsDir.value, deps, trust);
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('base64url');
}
