import { createHash, hash as hashOf } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import * as path from 'node:path';

import type { Deps } from '../deps';
import { isSystemError } from '../errors';
import { type OpenFile, withFile } from '../files/open-file';
import { OwnDirectory } from '../files/own-directory';
import { type FileStamp, isSettled, sameStamp, spellStamp, stampOf } from '../files/stamp';
import type { Location } from '../location/location';
import type { RowDefaults } from '../session/row';
import { sessionIds } from '../sidecar/directory';
import { RememberedRows, type RememberedIndex, type RememberedRow } from './remembered-rows';
import { type CurrentIndex, type IndexEntry, readOpenEntries } from './rows-file';

/** What a file gave; its digest is made when it is to be kept. */
type LearnedRow = RememberedRow | { stamp: FileStamp; text: Buffer };

/**
 * Which rows of an index were made of files that are still the version that
 * they were. Kept in the user's cache directory; a row is taken from the index
 * only where it stands there as it was made: where the index as a whole is the
 * one that was left behind, or else where the row has the digest that it had.
 */
export class KnownRows {
  private readonly before: RememberedRows | undefined;
  private readonly after = new Map<string, LearnedRow>();
  private readonly began: number;
  /** What to remember of the index as a whole: made when all of it has been seen. */
  private index: (() => RememberedIndex) | undefined;
  /** All ids and no others are remembered, each with the one row that it has. */
  private isComplete = false;
  private ids: readonly string[] = [];
  /** What is remembered is what was found. */
  private isUnchanged = false;

  constructor(
    private readonly directory: OwnDirectory,
    private readonly key: string,
    private readonly sessionsDir: string,
    private readonly deps: Deps,
    trust: boolean,
  ) {
    this.began = deps.clock.now();
    const bytes = trust ? directory.read(this.name) : undefined;
    const before = bytes && RememberedRows.from(bytes);
    this.before = before?.key === key ? before : undefined;
  }

  /**
   * Whether all is as it was left: the same session files, each the version
   * that its row was made of, and the same index, of which not a byte is read
   * where its own stamp tells that.
   *
   * @returns the index's version and how many rows it has; undefined where something changed, or nothing is known.
   */
  async unchanged(location: Location): Promise<{ stamp: FileStamp; rows: number } | undefined> {
    const { before } = this;
    if (!before?.index || !before.isComplete) return undefined;
    const found = this.indexAsLeft(location.indexFile.value, before.index);
    if (!found) return undefined;
    const ids = sessionIds(this.deps.fs, location);
    if (ids.length !== before.ids.length) return undefined;
    for (let place = 0; place < ids.length; place++) {
      if (ids[place] !== before.ids[place] || !this.isSameFile(ids[place], place, before)) return undefined;
      if (place % STATS_A_BREATH === 0) await this.deps.breathe();
    }
    this.index = () => found.index;
    this.isUnchanged = true;
    return { stamp: found.stamp, rows: before.ids.length };
  }

  /** Whether something is known of rows at all. */
  get isOfUse(): boolean {
    return this.before !== undefined;
  }

  /** Reads the index, and looks which of its rows are what their files would give: {@link holds} tells. */
  readEntries(file: OpenFile): CurrentIndex {
    const left = this.before?.index && this.indexAsLeft(file.path, this.before.index);
    const isAsLeft = left !== undefined && sameStamp(left.stamp, file.stamp);
    const current = readOpenEntries(file, (id, bytes) => !this.check(id, bytes, isAsLeft), this.ofRead(file.stamp));
    // What another reader made of it was not checked.
    if (!current.entries?.every(({ place }) => place)) this.after.clear();
    return current;
  }

  /** Is shown the index as it is read, from its beginning to its end. */
  ofRead(stamp: FileStamp): (bytes: Uint8Array) => void {
    return this.ofIndex(isSettled(stamp, this.began) ? spellStamp(stamp) : null);
  }

  private check(id: string, bytes: () => Buffer, isAsLeft: boolean): boolean {
    const { before } = this;
    const place = before?.placeOf(id);
    if (before === undefined || place === undefined || !this.isSameFile(id, place, before)) return false;
    const row = before.row(place);
    if (!isAsLeft && row.digest !== digestOf(bytes())) return false;
    this.after.set(id, row);
    return true;
  }

  /** Whether the entry of this session is what its file would give. */
  holds(id: string): boolean {
    return this.after.has(id);
  }

  /**
   * Remembers what a file gave, unless a change could still hide in its times.
   *
   * @param began when reading it began, in epoch seconds.
   */
  learn({ id, text }: IndexEntry & { text: Buffer }, stamp: FileStamp, began: number): void {
    if (isSettled(stamp, began)) this.after.set(id, { stamp, text });
    else this.after.delete(id);
  }

  /** Told what came of it all: the ids of all session files, and the rows that the index has or is to have. */
  settle(ids: readonly string[], { rows, changed }: { rows: number; changed: boolean }): void {
    if (changed) this.index = undefined;
    this.ids = ids.filter((id) => this.after.has(id));
    this.isComplete = this.ids.length === ids.length && rows === ids.length;
  }

  /** Is shown what is written in place of the index that was read. */
  ofWritten(): (bytes: Uint8Array) => void {
    // The version that will be there has no settled times yet: the next one who reads it finds its stamp.
    return this.ofIndex(null);
  }

  private ofIndex(stamp: string | null): (bytes: Uint8Array) => void {
    const hash = createHash(HASH);
    this.index = () => ({ digest: hash.copy().digest('hex'), stamp });
    return (bytes) => void hash.update(bytes);
  }

  /** Keeps what was learned for the next time, and lets go of what nobody has used for long: of stores that are gone, and of other versions. */
  save(): void {
    this.write();
    this.directory.touch(this.name);
    const longAgo = this.deps.clock.now() - STALE_SECONDS;
    for (const { name } of this.directory.files(ROWS_FILES)) {
      const usedAt = this.directory.describe(name)?.usedAt;
      if (usedAt !== undefined && usedAt < longAgo) this.directory.remove(name);
    }
  }

  private write(): void {
    const { before } = this;
    const index = this.index?.();
    if (!this.isUnchanged || !before || !index) {
      const { isComplete } = this;
      const rows = this.ids.map((id) => {
        const row = this.after.get(id)!;
        return 'digest' in row ? row : { stamp: row.stamp, digest: digestOf(row.text) };
      });
      this.directory.write(this.name, RememberedRows.spell(this.key, this.ids, rows, { index, isComplete }));
    } else if (index.stamp !== before.index?.stamp) this.directory.write(this.name, before.spelled(index));
  }

  private isSameFile(id: string, place: number, before: RememberedRows): boolean {
    const stats = this.look(`${this.sessionsDir}${path.sep}${id}.json`);
    return stats !== undefined && before.isStamp(place, stats);
  }

  /** Undefined where there is nothing to be seen: reading it will say why. */
  private look(file: string): BigIntStats | undefined {
    try {
      return this.deps.fs.statSync(file, { bigint: true, throwIfNoEntry: false });
    } catch (error) {
      if (isSystemError(error)) return undefined;
      throw error;
    }
  }

  /** The index, where it has not a byte changed since it was left. */
  private indexAsLeft(
    indexFile: string,
    { stamp, digest }: RememberedIndex,
  ): { stamp: FileStamp; index: RememberedIndex } | undefined {
    const stats = this.look(indexFile);
    if (!stats) return undefined;
    const now = stampOf(stats);
    if (stamp === spellStamp(now)) return { stamp: now, index: { stamp, digest } };
    return withFile(this.deps.fs, indexFile, (file) => {
      if (!sameStamp(file.stamp, now) || digestOfFile(file) !== digest) return undefined;
      return { stamp: now, index: { stamp: isSettled(now, this.began) ? spellStamp(now) : null, digest } };
    });
  }

  private get name(): string {
    return `${hashOf(HASH, this.key, 'hex').slice(0, 16)}.rows`;
  }
}

/** What is remembered of an index; also what a process left behind that was killed while it wrote. */
export const ROWS_FILES = /^[0-9a-f]{16}\.rows(?:\.[0-9a-f]+)?$/;
const STALE_SECONDS = 30 * 24 * 3600;

const HASH = 'sha1';
const STATS_A_BREATH = 1024;

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

/** A character for each byte: ten thousand buffers would take longer than what is put into them. */
function digestOf(bytes: Uint8Array): string {
  return hashOf(HASH, bytes, 'binary');
}

function digestOfFile({ source }: OpenFile): string {
  const hash = createHash(HASH);
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  for (let at = 0; ;) {
    const n = source.read(buffer, 0, buffer.length, at);
    if (n === 0) return hash.digest('hex');
    hash.update(buffer.subarray(0, n));
    at += n;
  }
}
