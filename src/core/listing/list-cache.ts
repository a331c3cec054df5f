import * as path from 'node:path';

import type { Deps } from '../deps';
import type { Warning } from '../errors';
import { OwnDirectory } from '../files/own-directory';
import type { Location } from '../location/location';
import type { SessionRow } from '../session/row';
import type { AgentPart } from './agent-rows';
import { keptRows, type KeptRows, rowsOf } from './kept-rows';
import { isAsStamped, type SourceStamp } from './source-stamp';

/** An answer that is kept: the page of rows that was shown, and what went with it. */
export interface CachedList {
  rows: SessionRow[];
  /** All rows as the items of a JSON array, one a line, where they are kept so. */
  items?: Buffer | undefined;
  activities: number[];
  total: number | undefined;
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

/** The first line of an entry's file. The rest is only looked at where the answer still holds. */
interface Header {
  format: typeof FORMAT;
  key: string;
  stateDir: string;
  profile: string | null;
  stamp: SourceStamp;
  total?: number | undefined;
  source: 'index' | 'files';
  agent: AgentPart[];
  warnings: Warning[];
}

const FORMAT = 'hermesctl list cache 5';
const MAX_ENTRIES = 64;
/** A longer answer is not kept: to read it would take as long as to make it. */
export const MAX_ROWS = 20_000;
const ENTRY = /^[0-9a-f]{16}\.json$/;
/** Also what a process left behind that was killed while it wrote. */
export const ANSWER_FILES = /^[0-9a-f]{16}\.json(?:\.[0-9a-f]+)?$/;

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

  /** Whether an answer is kept under this key that still holds. */
  has(key: string): boolean {
    return this.find(key) !== undefined;
  }

  /** The answer that is kept under this key and still holds. */
  get(key: string): CachedList | undefined {
    const found = this.find(key);
    const end = found?.body.indexOf(NEWLINE) ?? -1;
    if (!found || end < 0) return undefined;
    const kept = parsed(found.body.subarray(0, end)) as Body | undefined;
    const made = kept && rowsOf(kept, found.body.subarray(end + 1));
    if (!made) return undefined;
    this.own.touch(nameOf(key));
    const { total, source, agent, warnings } = found.header;
    return { ...made, activities: kept.activities, total, source, agent, warnings };
  }

  /** Keeps an answer, and lets go of those that were not used for longest. */
  set(key: string, of: { stateDir: string; profile: string | null }, stamp: SourceStamp, list: CachedList): void {
    const { rows, activities, total, source, agent, warnings } = list;
    if (rows.length > MAX_ROWS) return;
    const header: Header = { format: FORMAT, key, ...of, stamp, total, source, agent, warnings };
    const { kept, lines } = keptRows(rows);
    const body: Body = { ...kept, activities };
    if (!this.own.write(nameOf(key), `${JSON.stringify(header)}\n${JSON.stringify(body)}\n${lines}`)) return;
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
        const header = this.read(name)?.header;
        const file = this.own.describe(name);
        if (!header || !file) return [];
        return [{ file: this.own.pathOf(name), stateDir: header.stateDir, profile: header.profile, ...file }];
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
      const of = profile === undefined ? undefined : this.read(name)?.header;
      return of !== undefined && of.profile !== null && of.profile !== profile;
    };
    return this.own
      .names()
      .filter((name) => ANSWER_FILES.test(name) && !isOther(name))
      .filter((name) => this.own.remove(name)).length;
  }

  private find(key: string): Entry | undefined {
    const entry = this.read(nameOf(key));
    return entry?.header.key === key && isAsStamped(entry.header.stamp, this.deps.fs) ? entry : undefined;
  }

  private read(name: string): Entry | undefined {
    const bytes = this.own.read(name);
    const end = bytes?.indexOf(NEWLINE) ?? -1;
    if (!bytes || end < 0) return undefined;
    const header = parsed(bytes.subarray(0, end)) as Header | null | undefined;
    return header?.format === FORMAT ? { header, body: bytes.subarray(end + 1) } : undefined;
  }
}

/** The second line; the lines of rows follow it. */
interface Body extends KeptRows {
  activities: number[];
}

interface Entry {
  header: Header;
  body: Buffer;
}

const NEWLINE = 0x0a;

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

/** The cache of this user. */
export function listCacheAt({ cacheDir }: Location, deps: Deps): ListCache {
  return new ListCache(new OwnDirectory(path.join(cacheDir.value, 'lists'), deps), deps);
}

/** 64 bits of a text (FNV-1a with 32, from two beginnings) as the name of a file. The whole key is in the file and is compared. */
function nameOf(key: string): string {
  let first = 0x811c9dc5;
  let second = 0x7ee3623a;
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i);
    first = Math.imul(first ^ unit, PRIME);
    second = Math.imul(second ^ unit, PRIME);
  }
  return `${hex(first)}${hex(second)}.json`;
}

const PRIME = 0x01000193;
const hex = (hash: number): string => (hash >>> 0).toString(16).padStart(8, '0');
