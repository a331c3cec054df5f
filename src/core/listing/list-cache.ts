import * as path from 'node:path';

import type { Deps } from '../deps';
import type { Warning } from '../errors';
import { OwnDirectory } from '../files/own-directory';
import type { Location } from '../location/location';
import type { SessionRow } from '../session/row';
import type { AgentPart } from './agent-rows';
import { KeptRow, keptRows, type KeptRows } from './kept-rows';
import { isAsStamped, type SourceStamp } from './source-stamp';

/** An answer that is kept: the page of rows that was shown, and what went with it. */
export interface CachedList {
  rows: SessionRow[];
  activities: number[];
  total: number;
  source: 'index' | 'files';
  agent: AgentPart[];
  warnings: Warning[];
}

/** What a kept answer is of. */
export interface CacheEntryInfo {
  file: string;
  stateDir: string;
  /** The profile whose rows it has; null: of all profiles. */
  profile: string | null;
  bytes: number;
  /** When it was last used, in epoch seconds. */
  usedAt: number;
}

/** The value in an entry's file. */
interface Stored extends KeptRows {
  format: typeof FORMAT;
  key: string;
  stateDir: string;
  profile: string | null;
  stamp: SourceStamp;
  activities: number[];
  total: number;
  source: 'index' | 'files';
  agent: AgentPart[];
  warnings: Warning[];
}

const FORMAT = 'hermesctl list cache 3';
const MAX_ENTRIES = 64;
/** A longer answer is not kept: to read it would take as long as to make it. */
export const MAX_ROWS = 20_000;
const ENTRY = /^[0-9a-f]{16}\.json$/;
/** Also what a process left behind that was killed while it wrote. */
const LEFTOVER = /^[0-9a-f]{16}\.json/;

/**
 * Answers to list queries, one file each, in a directory of the user's own,
 * never in a store (seed 002, across processes). An answer holds as long as
 * everything that it was made of is the version that it was. What is broken or
 * cannot be believed is not used.
 */
export class ListCache {
  constructor(
    private readonly own: OwnDirectory,
    private readonly deps: Deps,
  ) {}

  get directory(): string {
    return this.own.path;
  }

  /** Makes the directory where it is missing; whether it can be used. */
  prepare(): boolean {
    return this.own.prepare();
  }

  /** The answer that is kept under this key and still holds. */
  get(key: string): CachedList | undefined {
    const stored = this.read(nameOf(key));
    if (stored?.key !== key || !isAsStamped(stored.stamp, this.deps.fs)) return undefined;
    this.own.touch(nameOf(key));
    return { ...stored, rows: stored.rows.map((row) => new KeptRow(row, stored.keys)) };
  }

  /** Keeps an answer, and lets go of those that were not used for longest. */
  set(key: string, of: { stateDir: string; profile: string | null }, stamp: SourceStamp, list: CachedList): void {
    const { rows, activities, total, source, agent, warnings } = list;
    if (rows.length > MAX_ROWS) return;
    const stored: Stored = {
      format: FORMAT,
      key,
      ...of,
      stamp,
      ...keptRows(rows),
      activities,
      total,
      source,
      agent,
      warnings,
    };
    if (!this.own.write(nameOf(key), stored)) return;
    const names = this.own.names().filter((name) => ENTRY.test(name));
    if (names.length <= MAX_ENTRIES) return;
    const usedAt = new Map(names.map((name) => [name, this.own.describe(name)?.usedAt ?? 0]));
    names.sort((a, b) => usedAt.get(b)! - usedAt.get(a)!);
    for (const name of names.slice(MAX_ENTRIES)) this.own.remove(name);
  }

  /** All that is kept, the last used first. */
  entries(): CacheEntryInfo[] {
    const entries = this.own
      .names()
      .filter((name) => ENTRY.test(name))
      .flatMap((name) => {
        const stored = this.read(name);
        const file = this.own.describe(name);
        if (!stored || !file) return [];
        return [{ file: this.own.pathOf(name), stateDir: stored.stateDir, profile: stored.profile, ...file }];
      });
    return entries.sort((a, b) => b.usedAt - a.usedAt);
  }

  /**
   * Lets go of the answers of one profile, and of those of all profiles, which
   * hold its sessions too; without a profile of all. What other versions left
   * behind goes with the rest.
   *
   * @returns how many files were removed.
   */
  clear(profile?: string): number {
    const isOther = (name: string): boolean => {
      const of = profile === undefined ? undefined : this.read(name);
      return of !== undefined && of.profile !== null && of.profile !== profile;
    };
    return this.own
      .names()
      .filter((name) => LEFTOVER.test(name) && !isOther(name))
      .filter((name) => this.own.remove(name)).length;
  }

  private read(name: string): Stored | undefined {
    const stored = this.own.read(name) as Stored | null | undefined;
    const isOurs = stored?.format === FORMAT && Array.isArray(stored.rows) && Array.isArray(stored.keys);
    return isOurs ? stored : undefined;
  }
}

/** The cache of this user. */
export function listCacheAt({ cacheDir }: Location, deps: Deps): ListCache {
  return new ListCache(new OwnDirectory(path.join(cacheDir.value, 'lists'), deps), deps);
}

/** 64 bits of a text (FNV-1a) as the name of a file. The whole key is in the file and is compared. */
function nameOf(key: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(key, 'utf8')) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return `${hash.toString(16).padStart(16, '0')}.json`;
}
