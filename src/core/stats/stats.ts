import { toFloat, truthy } from '../json/python';
import { NULL, RawJson } from '../json/raw';
import { profileOf, sourceOf } from '../listing/query';
import { nonNegativeInt, type SessionRow } from '../session/row';
import { type RawRecord, sessionUsage, UsageTotals } from '../session/status';
import { dayOf, isPlausible, monthOf, weekOf, weeksBetween } from './calendar';

/** What sessions can be grouped by. */
export const GROUP_KEYS = ['profile', 'source', 'model', 'project', 'day', 'week', 'month'] as const;
export type GroupKey = (typeof GROUP_KEYS)[number];

/** What they are grouped by unless keys are named. */
export const DEFAULT_GROUP_KEYS: readonly GroupKey[] = ['profile', 'source', 'model', 'project', 'day'];

/** A session to count. */
export interface Counted {
  row: SessionRow;
  /** Bytes of its file; undefined for one that the agent's database has. */
  bytes: number | undefined;
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

/**
 * Counts sessions from their rows: no transcript is read. Groups by time go by
 * the last activity, as `--since` does, the newest first; others have the
 * greatest first. Growth goes by when a session was begun.
 *
 * @param options.top how many of the biggest and of the oldest.
 * @param options.now epoch seconds: what lies after it, or before there were sessions, is no time.
 */
export function statsOf(
  sessions: readonly Counted[],
  { by, top, now }: { by: readonly GroupKey[]; top: number; now: number },
): Stats {
  const counted = sessions.map((session) => ({ session, ...factsOf(session, now) }));
  const totals = new Summing();
  const groups = new Map(by.map((key) => [key, new Map<string | null, Summing>()]));
  for (const facts of counted) {
    totals.add(facts);
    for (const [key, found] of groups) {
      const value = VALUES[key](facts);
      const sums = found.get(value) ?? new Summing();
      found.set(value, sums.add(facts));
    }
  }
  const firstOf = (compare: (a: Facts, b: Facts) => number): Counted[] =>
    [...counted]
      .sort((a, b) => compare(a, b) || (a.session.row.id < b.session.row.id ? -1 : 1))
      .slice(0, top)
      .map(({ session }) => session);
  const begun = counted.flatMap(({ begunAt }) => begunAt ?? []);
  const active = counted.flatMap(({ activeAt }) => activeAt ?? []);
  return {
    totals: totals.sums(),
    groups: new Map([...groups].map(([key, found]) => [key, inOrder(key, found)])),
    growth: growthOf(counted),
    biggest: firstOf((a, b) => b.bytes - a.bytes),
    oldest: firstOf((a, b) => (a.begunAt ?? Infinity) - (b.begunAt ?? Infinity) || 0),
    first: least(begun),
    last: greatest(active),
  };
}

/** What is counted of a session. */
interface Facts {
  row: SessionRow;
  usage: RawRecord;
  messages: number;
  bytes: number;
  /** Epoch seconds; undefined where it records no time that can be one. */
  begunAt: number | undefined;
  activeAt: number | undefined;
}

function factsOf({ row, bytes = 0 }: Counted, now: number): Facts {
  const timeAt = (...keys: string[]): number | undefined =>
    keys.map((key) => toFloat(row.value(key))).find((time) => isPlausible(time, now));
  return {
    row,
    usage: sessionUsage(row),
    messages: nonNegativeInt(row.raw('message_count')) ?? 0,
    bytes,
    begunAt: timeAt('created_at'),
    activeAt: timeAt('last_message_at', 'updated_at'),
  };
}

const VALUES: Record<GroupKey, (facts: Facts) => string | null> = {
  profile: ({ row }) => profileOf(row),
  source: ({ row }) => sourceOf(row) ?? 'webui',
  model: ({ row }) => textOf(row.raw('model')),
  project: ({ row }) => textOf(row.raw('project_id')),
  day: ({ activeAt }) => (activeAt === undefined ? null : dayOf(activeAt)),
  week: ({ activeAt }) => (activeAt === undefined ? null : weekOf(activeAt)),
  month: ({ activeAt }) => (activeAt === undefined ? null : monthOf(activeAt)),
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

function growthOf(counted: readonly Facts[]): Week[] {
  const begun = new Map<string, { sessions: number; bytes: number }>();
  for (const { begunAt, bytes } of counted) {
    if (begunAt === undefined) continue;
    const week = weekOf(begunAt);
    const known = begun.get(week) ?? { sessions: 0, bytes: 0 };
    begun.set(week, { sessions: known.sessions + 1, bytes: known.bytes + bytes });
  }
  const known = [...begun.keys()].sort();
  if (known.length === 0) return [];
  let total = 0;
  return weeksBetween(known[0], known[known.length - 1]).map((week) => {
    const { sessions, bytes } = begun.get(week) ?? { sessions: 0, bytes: 0 };
    total += sessions;
    return { week, sessions, total, bytes };
  });
}

const least = (numbers: readonly number[]): number | undefined =>
  numbers.length === 0 ? undefined : numbers.reduce((a, b) => Math.min(a, b));
const greatest = (numbers: readonly number[]): number | undefined =>
  numbers.length === 0 ? undefined : numbers.reduce((a, b) => Math.max(a, b));

/** Sums as one record, for output. */
export function sumsRecord({ messages, bytes, usage }: Sums): RawRecord {
  const { sessions = NULL, ...rest } = usage;
  return { sessions, messages: RawJson.of(messages), ...rest, bytes: RawJson.of(bytes) };
}
