import { OUTLINE } from '../agent-db/stored';
import type { Deps } from '../deps';
import { HermesctlError, isSystemError, type Warning } from '../errors';
import { type OpenFile, withFile } from '../files/open-file';
import type { RawJson } from '../json/raw';
import { Window } from '../json/window';
import { type AgentParts, type IdSet, storedIds, withAgentParts } from '../listing/agent-rows';
import { type ListFilter, matches, sortRows } from '../listing/query';
import { asWarning, fromSidecar } from '../listing/rows';
import type { Location } from '../location/location';
import { briefRow, type RowDefaults, type SessionRow } from '../session/row';
import { EMPTY_TRANSCRIPT } from '../session/transcript';
import { sessionIds } from '../sidecar/directory';
import { scanOpenSidecar, sidecarPath } from '../sidecar/read';
import { type Looked, Looker } from './candidates';
import { type Hit, hitInTitle, MessageBatch, type Wanted, wantsMessages, wantsTitles } from './hit';
import { giveHits, type Walked, walkSession } from './session-file';

/** What is looked for, and in which sessions. */
export interface SearchQuery extends Wanted {
  filter: ListFilter;
  /** At most so many hits; 0: all. */
  limit: number;
  /** The places whose agent databases to search too; undefined: none. */
  agent: readonly Location[] | undefined;
  /** Sessions of the databases that are searched elsewhere: other stores have files of them. */
  elsewhere?: IdSet | undefined;
}

/** Hits in one session, in their order. A session with many comes more than once. */
export interface Found {
  session_id: string;
  title: RawJson | undefined;
  storedIn: 'store' | 'agent';
  hits: Hit[];
}

/** How much was read. */
export interface Searched {
  /** Sessions that were searched. */
  sessions: number;
  /** Session files that were read, and their bytes. */
  files: number;
  bytes: number;
  /** Messages that were looked into one by one; that the others hold nothing was plain from the bytes. */
  messages: number;
  /** Sessions that could not be read. */
  skipped: number;
}

/** What became of a search. */
export interface SearchReport {
  searched: Searched;
  /** Whether it ended at the limit: there may be more. */
  limited: boolean;
}

/**
 * Searches sessions, those whose file was written last first, then those of the
 * agent's databases. Hits are handed to `found` as they come; memory does not
 * grow with the store. Writes nothing. What is wrong with one session, or with
 * a database, is a warning.
 *
 * Which sessions are meant is what their files say, by the rules of a list. The
 * index is not read: that takes longer than to look through the files.
 *
 * @throws HermesctlError `STORE_NOT_FOUND`, `IO_ERROR` (of the directory).
 */
export async function searchSessions(
  location: Location,
  query: SearchQuery,
  defaults: RowDefaults,
  deps: Deps,
  on: SearchListener,
): Promise<SearchReport> {
  const ids = sessionIds(deps.fs, location);
  const search = new SessionSearch(location, query, defaults, deps, on);
  await search.store(ids);
  if (query.agent && !search.limited) await search.agent(query.agent, storedIds(ids, query.elsewhere));
  return { searched: search.searched, limited: search.limited };
}

/** Who is told what is found. */
export interface SearchListener {
  /** What it is given is good until it returns: a hit may show bytes of a file that is read over then. */
  found: (found: Found) => void;
  warning: (warning: Warning) => void;
  /** It is about to let signals in, as it does some times a second: a moment to write what was found. */
  pausing: () => void;
}

/** To make one takes as long as to look at so many files of twenty kilobytes without it. */
const WORTH_A_ROOM = 100;

/** What is wrong with one session, and keeps none from the others. */
const OF_ONE_SESSION: ReadonlySet<string> = new Set([
  'SESSION_DAMAGED',
  'IO_ERROR',
  'CHANGED_ON_DISK',
  'DATABASE_UNUSABLE',
]);

class SessionSearch {
  readonly searched: Searched = { sessions: 0, files: 0, bytes: 0, messages: 0, skipped: 0 };
  limited = false;
  private hits = 0;
  private readonly failed = new Set<unknown>();
  /** What the one who is told threw: that is no failure of the session that was read. */
  private thrown: unknown;
  private readonly wanted: Wanted;
  private readonly looker: Looker;
  private window: Window | undefined;
  private otherWindow: Window | undefined;

  constructor(
    private readonly location: Location,
    private readonly query: SearchQuery,
    private readonly defaults: RowDefaults,
    private readonly deps: Deps,
    private readonly on: SearchListener,
  ) {
    this.wanted = query;
    this.looker = new Looker(query.pattern);
  }

  async store(ids: readonly string[]): Promise<void> {
    if (ids.length >= WORTH_A_ROOM) this.window = this.room;
    for (const [done, id] of this.newestFirst(ids).entries()) {
      await this.orWarning(id, () => this.file(id));
      if (this.limited) return;
      this.deps.progress(done + 1, ids.length);
      const pause = this.breathe();
      if (pause) await pause;
    }
  }

  private breathe(): Promise<void> | undefined {
    const pause = this.deps.breathe();
    if (pause) this.on.pausing();
    return pause;
  }

  private newestFirst(ids: readonly string[]): string[] {
    return ids
      .map((id) => ({ id, at: this.writtenAt(id) }))
      .sort((a, b) => b.at - a.at || (a.id < b.id ? -1 : 1))
      .map(({ id }) => id);
  }

  /** Of a file that cannot be asked, 0: to read it will say what is wrong. */
  private writtenAt(id: string): number {
    try {
      const file = sidecarPath(this.location.sessionsDir.value, id);
      return this.deps.fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    } catch (error) {
      if (isSystemError(error)) return 0;
      throw error;
    }
  }

  private async orWarning(id: string, work: () => Promise<void> | void): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error === this.thrown || !(error instanceof HermesctlError) || !OF_ONE_SESSION.has(error.code)) throw error;
      this.searched.skipped++;
      // A database that fails does so for each session in it.
      const { path } = error.details;
      if (error.code === 'DATABASE_UNUSABLE' && this.failed.has(path)) return;
      this.failed.add(path);
      this.on.warning(asWarning(error, id));
    }
  }

  private file(id: string): void {
    withFile(this.deps.fs, sidecarPath(this.location.sessionsDir.value, id), (file) => {
      const looked = this.looker.look(file, this.window);
      this.searched.files++;
      this.searched.bytes += looked.size;
      if (looked.marks || looked.isOdd || this.query.pattern.walksAll) {
        const walked = walkSession(file, looked, id, this.room, this.wanted);
        if (!this.isMeant(file, id, walked)) return;
        this.searched.sessions++;
        if (looked.marks) this.hitsIn(file, id, looked, walked);
      } else this.searched.sessions++; // whether it is meant or not, it holds nothing
    });
  }

  private hitsIn(file: OpenFile, id: string, looked: Looked, walked: Walked): void {
    const session = { session_id: id, title: walked.fields.get('title'), storedIn: 'store' } as const;
    const counted = (messages: number): void => void (this.searched.messages += messages);
    giveHits(file, looked, walked, this.wanted, counted, (hits) => this.give({ ...session, hits }));
  }

  /** For one file after the other; made when there is one to walk, or where there are many to look at. */
  private get room(): Window {
    return (this.window ??= Window.fast());
  }

  /** The file stays in the first while it is read in here. */
  private get otherRoom(): Window {
    return (this.otherWindow ??= Window.fast());
  }

  /** Whether a session is one that is meant. When it was active last is only looked for where it matters. */
  private isMeant(file: OpenFile, id: string, { fields, count }: Walked): boolean {
    const { filter } = this.query;
    if (filter.since !== undefined || filter.until !== undefined)
      return matches(fromSidecar(scanOpenSidecar(file, id, this.otherRoom), this.defaults), filter);
    const row = briefRow({ id, fields, transcript: { ...EMPTY_TRANSCRIPT, count } }, this.defaults);
    return matches({ row, activity: 0 }, filter);
  }

  /** Hands hits over; false at the limit. */
  private give(found: Found): boolean {
    const { limit } = this.query;
    const left = limit === 0 ? Infinity : limit - this.hits;
    const hits = found.hits.slice(0, left);
    this.hits += hits.length;
    // Exactly at the limit there may be more too: only a search for it could tell.
    this.limited = limit !== 0 && this.hits >= limit;
    if (hits.length > 0) this.tell({ ...found, hits });
    return !this.limited;
  }

  private tell(found: Found): void {
    try {
      this.on.found(found);
    } catch (error) {
      this.thrown = error;
      throw error;
    }
  }

  async agent(places: readonly Location[], storeIds: IdSet): Promise<void> {
    const { filter } = this.query;
    await withAgentParts(places, this.deps, async (parts) => {
      const columns = filter.model === undefined ? OUTLINE : [...OUTLINE, 'model' as const];
      const { rows } = await parts.rows(filter, storeIds, columns);
      sortRows(rows, 'activity', false);
      let done = 0;
      for (const { row } of rows) {
        if (this.limited) break;
        await this.orWarning(row.id, () => this.conversation(parts, row));
        this.deps.progress(++done, rows.length);
        const pause = this.breathe();
        if (pause) await pause;
      }
      parts.warnings.forEach(this.on.warning);
    });
  }

  private async conversation(parts: AgentParts, row: SessionRow): Promise<void> {
    const session = { session_id: row.id, title: row.raw('title'), storedIn: 'agent' } as const;
    this.searched.sessions++;
    const title = wantsTitles(this.wanted) ? hitInTitle(row.value('title'), this.wanted) : undefined;
    if (title && !this.give({ ...session, hits: [title] })) return;
    if (!wantsMessages(this.wanted)) return;
    const { json } = this.query.pattern;
    const batch = new MessageBatch(this.wanted, (count) => (this.searched.messages += count));
    const { messages } = await parts.transcript(row.id);
    let index = 0;
    for await (const raw of messages()) {
      const at = index++;
      if (json && !mayHold(raw.text, json)) continue;
      const hits = batch.add({ index: at, byteOffset: undefined, raw });
      if (hits && !this.give({ ...session, hits })) return;
    }
    this.give({ ...session, hits: batch.end() });
  }
}

function mayHold(text: string, expression: RegExp): boolean {
  expression.lastIndex = 0;
  return expression.test(text);
}
