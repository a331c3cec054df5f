import * as path from 'node:path';

import type { Deps } from '../deps';
import { HermesctlError, type Warning } from '../errors';
import { lastWorkspace } from '../location/last-workspace';
import type { Location } from '../location/location';
import type { RowDefaults, SessionRow } from '../session/row';
import { sessionIds } from '../sidecar/directory';
import { contentFingerprint } from './content-fingerprint';
import { listSessions, type ListQuery } from './list';
import { rowChanges } from './row-changes';
import { runningFirst, RunningSessions } from './running';
import { isPathSettled, pathStamp, type SourceStamp, sourcesOf, stampOfSources } from './source-stamp';

/*
 * A list that stays: asked again and again, and made anew only where something
 * that it was made of is another version. The times, the hold-down while a turn
 * streams and the copy that goes on standing are those of seed 002; where we
 * differ, docs/watch.md says why.
 */

/** How old an answer may become in which something can hide, in seconds: idle, and while a session streams. */
export const IDLE_TTL = 2.5;
export const STREAMING_TTL = 10;

/** No two looks are closer than this, in seconds, however many changes are heard of. */
const LEAST_REST = 0.1;
/** After a look that took long comes a rest of so many times its length, so that at most a fifth of a processor is used. */
const REST_FACTOR = 4;
/** But no rest is longer. */
const GREATEST_REST = 10;

/**
 * Hears of changes where the system tells of them. Only a hint to look sooner:
 * what it does not hear of is found by looking.
 */
export interface WakeUp {
  /** Listens for changes of these files from now on, in the place of those before. */
  listen(files: readonly string[]): void;
  /** Aborts at the next change, or at once if there was one since this was last asked for. */
  next(): AbortSignal;
}

export interface WatchOptions {
  /** Seconds from one look to the next, where nothing is heard of before. */
  interval: number;
  wakeUp: WakeUp;
  /** Ends the watch with its reason, which is thrown; `wakeUp` is to abort with it. */
  ended: AbortSignal;
}

/** What a running list says. The same object as before where nothing is different. */
export interface WatchedAnswer {
  rows: readonly SessionRow[];
  /** Rows that match, before paging. */
  total: number;
  warnings: readonly Warning[];
  /** Why this is still the answer from before: now there is none to be had. */
  stale: Warning | undefined;
}

/**
 * The answer to a list query now, and then after each look at the store, without
 * end. What is passing (a store that is gone, a database that is locked) leaves
 * the answer before standing. Between two looks nothing is held open.
 *
 * @throws what {@link listSessions} throws, at the first look only.
 */
export async function* watchSessions(
  location: Location,
  query: ListQuery,
  defaults: RowDefaults,
  { interval, wakeUp, ended }: WatchOptions,
  deps: Deps,
): AsyncGenerator<WatchedAnswer, never, undefined> {
  const list = new StandingList(location, query, defaults, deps);
  const { clock } = deps;
  for (;;) {
    const heard = wakeUp.next();
    const began = clock.now();
    const answer = await list.look();
    wakeUp.listen(list.files);
    const spent = REST_FACTOR * (clock.now() - began);
    const rest = Math.min(GREATEST_REST, Math.max(Math.min(LEAST_REST, interval), spent));
    yield answer;
    await clock.sleep(rest, ended);
    ended.throwIfAborted();
    if (rest < interval) await clock.sleep(interval - rest, heard);
    ended.throwIfAborted();
  }
}

/** An answer, and what it hangs on. */
interface Made {
  rows: readonly SessionRow[];
  total: number;
  warnings: readonly Warning[];
  /** When it was begun, in epoch seconds. */
  at: number;
  /** The versions of what it was made of, without what is held down. */
  stamp: SourceStamp;
  /** What no stamp of a file tells. */
  beyond: string;
  running: RunningSessions;
  /** Which streams there were; undefined: none. */
  marker: string | undefined;
  /** Whether every later change shows in the stamp. */
  isSettled: boolean;
}

/** One question, and the answer that stands. */
class StandingList {
  private made: Made | undefined;
  private answer: WatchedAnswer | undefined;

  constructor(
    private readonly location: Location,
    private readonly query: ListQuery,
    private readonly defaults: RowDefaults,
    private readonly deps: Deps,
  ) {}

  /** The files that are worth listening for. */
  get files(): string[] {
    return sourcesOf(this.location, this.query.agent);
  }

  async look(): Promise<WatchedAnswer> {
    try {
      if (this.made === undefined || !(await this.holds(this.made))) {
        const made = await this.make();
        const passing = this.answer && passingWarning(made.warnings);
        if (passing) return (this.answer = this.stale(passing));
        this.made = made;
      }
      return (this.answer = this.current(this.made));
    } catch (error) {
      if (this.answer === undefined || !(error instanceof HermesctlError)) throw error;
      const { code, message, details } = error;
      return (this.answer = this.stale({ code, message, ...details }));
    }
  }

  /** The answer from before, which is made anew at the next look. */
  private stale(warning: Warning): WatchedAnswer {
    const { made, answer } = this;
    if (made) made.isSettled = false;
    return answer!.stale?.message === warning.message ? answer! : { ...answer!, stale: warning };
  }

  private current(made: Made): WatchedAnswer {
    const { total, warnings, running } = made;
    const overlaid = running.overlay(made.rows);
    const rows = this.isByActivity && running.files.length > 0 ? runningFirst(overlaid) : overlaid;
    const before = this.answer;
    const isSame =
      before?.total === total &&
      before.stale === undefined &&
      sameWarnings(before.warnings, warnings) &&
      sameRows(before.rows, rows);
    if (!isSame) return { rows, total, warnings, stale: undefined };
    // The next time they are the same at the first glance.
    if (rows === made.rows) made.rows = before.rows;
    made.warnings = before.warnings;
    return before;
  }

  private get isByActivity(): boolean {
    return this.query.sort === 'activity' && !this.query.reverse;
  }

  /** Whether the answer is the one that would be made now. */
  private async holds(made: Made): Promise<boolean> {
    // Two changes within a tick of the file system's clock look like one.
    if (!made.isSettled) return false;
    made.running.look();
    // A stream began or ended: all that was held down counts again.
    if (made.running.marker !== made.marker) return false;
    const age = this.deps.clock.now() - made.at;
    const mayHide = made.marker !== undefined || made.warnings.some(isOfTheMoment);
    if (mayHide && !(age >= 0 && age < (made.marker === undefined ? IDLE_TTL : STREAMING_TTL))) return false;
    if (!(await this.isAsStamped(made.stamp))) return false;
    return made.beyond === (await this.beyond(made.marker !== undefined));
  }

  private async isAsStamped(stamp: SourceStamp): Promise<boolean> {
    for (const [file, text] of Object.entries(stamp)) {
      if (pathStamp(file, this.deps.fs) !== text) return false;
      const pause = this.deps.breathe();
      if (pause) await pause;
    }
    return true;
  }

  private async make(): Promise<Made> {
    const { location, query, defaults, deps } = this;
    const at = deps.clock.now();
    const sources = this.files;
    const before = stampOfSources(sources, deps.fs);
    const wasStreaming = this.made?.marker !== undefined;
    const beyond = await this.beyond(wasStreaming);
    const list = await listSessions(location, { ...query, runningFirst: this.isByActivity }, defaults, deps);
    const running = new RunningSessions(list.rows, location, deps);
    running.look();
    const { marker } = running;
    const held = new Set(marker === undefined ? [] : [...this.volatile(), ...running.files]);
    const stamp = stampOfSources(
      [...sources, ...list.read].filter((file) => !held.has(file)),
      deps.fs,
    );
    const isSettled =
      (marker !== undefined) === wasStreaming &&
      Object.keys(stamp).every((file) => isPathSettled(file, at, deps.fs)) &&
      sources.every((file) => held.has(file) || before[file] === stamp[file]);
    const { rows, total = rows.length, warnings } = list;
    return { rows, total, warnings, at, stamp, beyond, running, marker, isSettled };
  }

  /**
   * What is written all the time while a turn streams (seed 002): the databases
   * with their logs, and what the gateway says of its sessions. The index and
   * the sessions' directory are not held down as they are in the server: it
   * hears of a new session or stream by other ways, from outside they are the
   * only one. Of the directory the names count then: a file that is replaced is
   * either the streaming session's own, or has its own stamp or its row in the
   * index.
   */
  private volatile(): string[] {
    const { sessionsDir } = this.location;
    const homes = (this.query.agent ?? []).flatMap(({ agentDatabase: { value: database }, profileHome }) => [
      database,
      `${database}-wal`,
      `${database}-journal`,
      path.join(profileHome.value, 'sessions', 'sessions.json'),
    ]);
    return [sessionsDir.value, ...homes];
  }

  /** What no stamp of a file tells: while nothing streams the content of the databases, else the names of the sessions. */
  private async beyond(isStreaming: boolean): Promise<string> {
    const { location, query, deps } = this;
    const names = isStreaming ? sessionIds(deps.fs, location).sort() : [];
    if (query.agent === undefined) return names.join();
    const fingerprints = await Promise.all(
      (isStreaming ? [] : query.agent).map(({ agentDatabase }) => contentFingerprint(agentDatabase.value, deps)),
    );
    return JSON.stringify([names, fingerprints, lastWorkspace(location, deps.fs)]);
  }
}

function sameRows(a: readonly SessionRow[], b: readonly SessionRow[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length || a.some(({ id }, i) => id !== b[i].id)) return false;
  return rowChanges(a, b).length === 0;
}

function sameWarnings(a: readonly Warning[], b: readonly Warning[]): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** Why a database cannot be used this moment, and perhaps can the next. */
const PASSING_REASONS: readonly unknown[] = ['locked', 'changing', 'in_use'];

/** Of a list without what a database could not give this moment: it would say that those sessions are gone. */
function passingWarning(warnings: readonly Warning[]): Warning | undefined {
  return warnings.find(({ code, reason }) => code === 'DATABASE_UNUSABLE' && PASSING_REASONS.includes(reason));
}

/** What may be otherwise the next time without any file's being another version. */
function isOfTheMoment({ code }: Warning): boolean {
  return code === 'DATABASE_UNUSABLE' || code === 'IO_ERROR';
}
