import * as path from 'node:path';

import type { Deps } from '../deps';
import { isSystemError, type Warning } from '../errors';
import { RawJson } from '../json/raw';
import type { Location } from '../location/location';
import { SessionRow } from '../session/row';
import type { AgentPart } from './agent-rows';
import { isAsStamped, type SourceStamp } from './source-stamp';

/** An answer that is kept: the page of rows that was shown, and what went with it. */
export interface CachedList {
  rows: SessionRow[];
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

/** The text of an entry's file. */
interface Stored {
  format: typeof FORMAT;
  key: string;
  stateDir: string;
  profile: string | null;
  stamp: SourceStamp;
  rows: [key: string, json: string][][];
  total: number;
  source: 'index' | 'files';
  agent: AgentPart[];
  warnings: Warning[];
}

const FORMAT = 'hermesctl list cache 1';
const MAX_ENTRIES = 64;
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;
const OTHERS_MAY_WRITE = 0o022;
const ENTRY = /^[0-9a-f]{16}\.json$/;

/**
 * Answers to list queries, one file each, in a directory of the user's own,
 * never in a store (seed 002, across processes). An answer holds as long as
 * everything that it was made of is the version that it was. What is broken,
 * somebody else's, or writable by others is not used; nothing that goes wrong
 * here is a failure.
 */
export class ListCache {
  constructor(
    readonly directory: string,
    private readonly deps: Deps,
  ) {}

  /** Makes the directory where it is missing; whether it can be used. */
  prepare(): boolean {
    this.quietly(() => this.deps.fs.mkdirSync(this.directory, { recursive: true, mode: DIRECTORY_MODE }));
    return this.isOwn(this.directory);
  }

  /** The answer that is kept under this key and still holds. */
  get(key: string): CachedList | undefined {
    const file = this.fileOf(key);
    const stored = this.read(file);
    if (stored?.key !== key || !isAsStamped(stored.stamp, this.deps.fs)) return undefined;
    this.quietly(() => {
      const now = this.deps.clock.now();
      this.deps.fs.utimesSync(file, now, now);
    });
    return {
      ...stored,
      rows: stored.rows.map((row) => new SessionRow(new Map(row.map(([name, json]) => [name, new RawJson(json)])))),
    };
  }

  /** Keeps an answer, and lets go of those that were not used for longest. */
  set(key: string, of: { stateDir: string; profile: string | null }, stamp: SourceStamp, list: CachedList): void {
    const { rows, total, source, agent, warnings } = list;
    const stored: Stored = {
      format: FORMAT,
      key,
      ...of,
      stamp,
      rows: rows.map((row) => [...row.entries()].map(([name, raw]): [string, string] => [name, raw.text])),
      total,
      source,
      agent,
      warnings,
    };
    this.quietly(() => {
      const { fs, ids } = this.deps;
      if (!this.prepare()) return;
      const file = this.fileOf(key);
      const temporary = `${file}.${ids.uuidHex()}`;
      try {
        fs.writeFileSync(temporary, JSON.stringify(stored), { mode: FILE_MODE, flag: 'wx' });
        fs.renameSync(temporary, file);
      } catch (error) {
        this.quietly(() => fs.unlinkSync(temporary));
        throw error;
      }
      for (const { file: old } of this.entries().slice(MAX_ENTRIES)) fs.unlinkSync(old);
    });
  }

  /** All that is kept, the last used first. */
  entries(): CacheEntryInfo[] {
    const names = this.quietly(() => this.deps.fs.readdirSync(this.directory)) ?? [];
    const entries = names
      .filter((name) => ENTRY.test(name))
      .map((name) => this.describe(path.join(this.directory, name)))
      .filter((entry) => entry !== undefined);
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
    let removed = 0;
    const names = this.quietly(() => this.deps.fs.readdirSync(this.directory)) ?? [];
    for (const name of names.filter((one) => /^[0-9a-f]{16}\.json/.test(one))) {
      const file = path.join(this.directory, name);
      const of = profile === undefined ? undefined : this.read(file);
      if (of !== undefined && of.profile !== null && of.profile !== profile) continue;
      if (this.quietly(() => (this.deps.fs.unlinkSync(file), true))) removed++;
    }
    return removed;
  }

  private describe(file: string): CacheEntryInfo | undefined {
    const stats = this.quietly(() => this.deps.fs.lstatSync(file));
    const stored = this.read(file);
    if (!stats || !stored) return undefined;
    const { stateDir, profile } = stored;
    return { file, stateDir, profile, bytes: stats.size, usedAt: stats.mtimeMs / 1000 };
  }

  private fileOf(key: string): string {
    return path.join(this.directory, `${fingerprint(key)}.json`);
  }

  private read(file: string): Stored | undefined {
    if (!this.isOwn(this.directory) || !this.isOwn(file)) return undefined;
    const text = this.quietly(() => this.deps.fs.readFileSync(file, 'utf8'));
    if (text === undefined) return undefined;
    try {
      const stored = JSON.parse(text) as Stored | null;
      return stored?.format === FORMAT ? stored : undefined;
    } catch {
      return undefined;
    }
  }

  /** Whether only this user can have written it. */
  private isOwn(file: string): boolean {
    const { fs, processes } = this.deps;
    const stats = this.quietly(() => fs.lstatSync(file));
    if (!stats || stats.isSymbolicLink()) return false;
    return processes.uid === undefined || (stats.uid === processes.uid && (stats.mode & OTHERS_MAY_WRITE) === 0);
  }

  private quietly<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (isSystemError(error)) return undefined;
      throw error;
    }
  }
}

/** The cache of this user. */
export function listCacheAt({ cacheDir }: Location, deps: Deps): ListCache {
  return new ListCache(path.join(cacheDir.value, 'lists'), deps);
}

/** 64 bits of a text (FNV-1a): a name for a file. The whole key is in the file and is compared. */
function fingerprint(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text, 'utf8')) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return hash.toString(16).padStart(16, '0');
}
