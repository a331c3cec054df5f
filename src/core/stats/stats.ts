import { toFloat, truthy } from '../json/python';
import { NULL, RawJson } from '../json/raw';
import { profileOf, sourceOf } from '../listing/query';
import { nonNegativeInt, type SessionRow } from '../session/row';
import { type RawRecord, sessionUsage, UsageTotals } from '../session/status';
import { dayOf, isPlausible, monthOf, weekOf, weeksBetween } from './calendar';

/** What sessions can be grouped by. */
export const GROUP_KEYS = ['profile', 'source', 'model', 'project', 'day', 'week', 'month', 'store'] as const;
export type GroupKey = (typeof GROUP_KEYS)[number];

/** What they are grouped by unless keys are named. */
export const DEFAULT_GROUP_KEYS: readonly GroupKey[] = ['profile', 'source', 'model', 'project', 'day'];

/** A session to count. */
export interface Counted {
  row: SessionRow;
  /** Bytes of its file; undefined for one that the agent's database has. */
  bytes: number | undefined;
  /** The state directory of the store that it is of. */
  store: string;
}

/** Sums over some sessions, as {@link UsageTotals} has them, with messages and bytes. */
export interface Sums {
  sessions: number;
  messages: number;
  bytes: number;
  usage: RawRecord;
}

/** The sums of the sessions that have one value in common; null: that have none. */
export interface Group extends Sums {
  key: string | null;
}

/** A week, by its Monday. */
export interface Week {
  week: string;
  /** Sessions begun in it, and all that were begun until its end. */
  sessions: number;
  total: number;
  /** Bytes that the files of the sessions begun in it have now. */
  bytes: number;
}

export interface Stats {
  totals: Sums;
  groups: ReadonlyMap<GroupKey, Group[]>;
  /** Every week from the first session to the last, also those without one. Sessions that record no time are in none. */
  growth: Week[];
  /** By the size of their file. */
  biggest: Counted[];
  /** By when they were begun. */
  oldest: Counted[];
  /** When the first was begun, and when one was last active, in epoch seconds. */
  first: number | undefined;
  last: number | undefined;
}

export interface StatsOptions {
  by: readonly GroupKey[];
  /** How many of the biggest and of the oldest. */
  top: number;
  /** Epoch seconds: what lies after it, or before there were sessions, is no time. */
  now: number;
}

/** The statistics of these sessions, as {@link StatsCount} counts them. */
export function statsOf(sessions: readonly Counted[], options: StatsOptions): Stats {
  const count = new StatsCount(options);
  count.add(sessions);
  return count.stats();
}

/**
 * Counts sessions from their rows: no transcript is read. Groups by time go by
 * the last activity, as `--since` does, the newest first; others have the
 * greatest first. Growth goes by when a session was begun. Of the sessions that
 * were added, the biggest and the oldest are held and no other.
 */
export class StatsCount {
  private readonly totals = new Summing();
  private readonly groups: Map<GroupKey, Map<string | null, Summing>>;
  private readonly begun = new Map<string, { sessions: number; bytes: number }>();
  private biggest: Facts[] = [];
  private oldest: Facts[] = [];
  private first: number | undefined;
  private last: number | undefined;

  constructor(private readonly options: StatsOptions) {
    this.groups = new Map(options.by.map((key) => [key, new Map<string | null, Summing>()]));
  }

  add(sessions: readonly Counted[]): void {
    const added = sessions.map((session) => factsOf(session, this.options.now));
    for (const facts of added) this.addOne(facts);
    this.biggest = this.firstOf([...this.biggest, ...added], (a, b) => b.bytes - a.bytes);
    this.oldest = this.firstOf(
      [...this.oldest, ...added],
      (a, b) => (a.begunAt ?? Infinity) - (b.begunAt ?? Infinity) || 0,
    );
  }

  private addOne(facts: Facts): void {
    this.totals.add(facts);
    for (const [key, found] of this.groups) {
      const value = VALUES[key](facts);
      const sums = found.get(value) ?? new Summing();
      found.set(value, sums.add(facts));
    }
    const { begunAt, activeAt, bytes } = facts;
    if (activeAt !== undefined) this.last = Math.max(this.last ?? activeAt, activeAt);
    if (begunAt === undefined) return;
    this.first = Math.min(this.first ?? begunAt, begunAt);
    const week = weekOf(begunAt);
    const known = this.begun.get(week) ?? { sessions: 0, bytes: 0 };
    this.begun.set(week, { sessions: known.sessions + 1, bytes: known.bytes + bytes });
  }

  private firstOf(sessions: Facts[], compare: (a: Facts, b: Facts) => number): Facts[] {
    const byPlace = ({ session: a }: Facts, { session: b }: Facts): number =>
      a.row.id === b.row.id ? (a.store < b.store ? -1 : 1) : a.row.id < b.row.id ? -1 : 1;
    return sessions.sort((a, b) => compare(a, b) || byPlace(a, b)).slice(0, this.options.top);
  }

  stats(): Stats {
    return {
      totals: this.totals.sums(),
      groups: new Map([...this.groups].map(([key, found]) => [key, inOrder(key, found)])),
      growth: growthOf(this.begun),
      biggest: this.biggest.map(({ session }) => session),
      oldest: this.oldest.map(({ session }) => session),
      first: this.first,
      last: this.last,
    };
  }
}

/** What is counted of a session. */
interface Facts {
  session: Counted;
  usage: RawRecord;
  messages: number;
  bytes: number;
  /** Epoch seconds; undefined where it records no time that can be one. */
  begunAt: number | undefined;
  activeAt: number | undefined;
}

function factsOf(session: Counted, now: number): Facts {
  const { row, bytes = 0 } = session;
  const timeAt = (...keys: string[]): number | undefined =>
    keys.map((key) => toFloat(row.value(key))).find((time) => isPlausible(time, now));
  return {
    session,
    usage: sessionUsage(row),
    messages: nonNegativeInt(row.raw('message_count')) ?? 0,
    bytes,
    begunAt: timeAt('created_at'),
    activeAt: timeAt('last_message_at', 'updated_at'),
  };
}

const VALUES: Record<GroupKey, (facts: Facts) => string | null> = {
  profile: ({ session: { row } }) => profileOf(row),
  source: ({ session: { row } }) => sourceOf(row) ?? 'webui',
  model: ({ session: { row } }) => textOf(row.raw('model')),
  project: ({ session: { row } }) => textOf(row.raw('project_id')),
  day: ({ activeAt }) => (activeAt === undefined ? null : dayOf(activeAt)),
  week: ({ activeAt }) => (activeAt === undefined ? null : weekOf(activeAt)),
  month: ({ activeAt }) => (activeAt === undefined ? null : monthOf(activeAt)),
  store: ({ session: { store } }) => store,
};

function textOf(raw: RawJson | undefined): string | null {
  const value = raw?.value();
  return truthy(value) ? (typeof value === 'string' ? value : (raw?.text ?? null)) : null;
}

class Summing {
  private readonly usage = new UsageTotals();
  private sessions = 0;
  private messages = 0;
  private bytes = 0;

  add({ usage, messages, bytes }: Facts): this {
    this.usage.add(usage);
    this.sessions++;
    this.messages += messages;
    this.bytes += bytes;
    return this;
  }

  sums(): Sums {
    const { sessions, messages, bytes } = this;
    return { sessions, messages, bytes, usage: this.usage.totals() };
  }
}

function inOrder(key: GroupKey, found: ReadonlyMap<string | null, Summing>): Group[] {
  const groups = [...found].map(([value, sums]) => ({ key: value, ...sums.sums() }));
  const byKey = (a: Group, b: Group): number => (String(a.key) < String(b.key) ? -1 : 1);
  if (key !== 'day' && key !== 'week' && key !== 'month')
    return groups.sort((a, b) => b.sessions - a.sessions || byKey(a, b));
  // Those without a time last.
  return groups.sort((a, b) => Number(a.key === null) - Number(b.key === null) || byKey(b, a));
}

function growthOf(begun: ReadonlyMap<string, { sessions: number; bytes: number }>): Week[] {
  const known = [...begun.keys()].sort();
  if (known.length === 0) return [];
  let total = 0;
  return weeksBetween(known[0], known[known.length - 1]).map((week) => {
    const { sessions, bytes } = begun.get(week) ?? { sessions: 0, bytes: 0 };
    total += sessions;
    return { week, sessions, total, bytes };
  });
}

/** Sums as one record, for output. */
export function sumsRecord({ messages, bytes, usage }: Sums): RawRecord {
  const { sessions = NULL, ...rest } = usage;
  return { sessions, messages: RawJson.of(messages), ...rest, bytes: RawJson.of(bytes) };
}
