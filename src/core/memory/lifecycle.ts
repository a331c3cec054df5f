/**
 * The life of a session's memories (seed 004), as values: every function takes
 * a state and gives the next one. What stores the states is the ledger.
 *
 * Generations count completed turns. Segments say who is to commit which of
 * them. What holds, whatever the order of calls:
 *
 * 1. Only completed turns are counted: whoever calls {@link mark} says so.
 * 2. A commit that ends late takes away only what it captured when it began.
 * 3. A commit that fails leaves generation and owner as they were.
 * 4. A later owner does not take over the segments of an earlier one.
 * 5. One commit of a session at a time.
 */

/** Who commits a segment, spelled so that two are the same exactly when their texts are. */
export type Owner = string;

/** Generations `start` to `end`, both included, marked for one owner. */
export interface Segment {
  start: number;
  end: number;
  /** Null until somebody who commits it brings an owner along. */
  owner: Owner | null;
  /** When its first and its last turn were completed, in epoch seconds. */
  firstAt: number;
  lastAt: number;
}

export interface Lifecycle {
  /** Turns completed since the session became known. */
  generation: number;
  /** Up to where they are committed. */
  committed: number;
  /** Who owns the turns to come. */
  owner: Owner | null;
  inFlight: boolean;
  /** What is not committed, in order. */
  segments: readonly Segment[];
}

export const NEW_LIFECYCLE: Lifecycle = { generation: 0, committed: 0, owner: null, inFlight: false, segments: [] };

/** Names the owner of the turns to come; those that are marked keep theirs. */
export function register(state: Lifecycle, owner: Owner): Lifecycle {
  return { ...state, owner };
}

/** Takes the owner of the turns to come away; those that are marked keep theirs. */
export function unregister(state: Lifecycle): Lifecycle {
  return { ...state, owner: null };
}

/**
 * Counts completed turns, all at once. What is completed while a commit is
 * under way begins a segment of its own, which that commit cannot take away.
 *
 * @param owner whoever is given owns the turns to come as well; null leaves that to who does.
 * @param at when each of them was completed, in epoch seconds.
 */
export function mark(state: Lifecycle, owner: Owner | null, at: readonly number[]): Lifecycle {
  const named = owner === null ? state : register(state, owner);
  if (at.length === 0) return named;
  const generation = state.generation + at.length;
  const firstAt = Math.min(...at);
  const lastAt = Math.max(...at);
  const last = state.segments.at(-1);
  if (last !== undefined && !state.inFlight && last.owner === named.owner) {
    const times = { firstAt: Math.min(last.firstAt, firstAt), lastAt: Math.max(last.lastAt, lastAt) };
    return { ...named, generation, segments: [...state.segments.slice(0, -1), { ...last, end: generation, ...times }] };
  }
  const fresh = { start: state.generation + 1, end: generation, owner: named.owner, firstAt, lastAt };
  return { ...named, generation, segments: [...state.segments, fresh] };
}

export function isDirty({ generation, committed }: Lifecycle): boolean {
  return generation > committed;
}

/** The segment that is committed next. */
export function earliestUncommitted({ segments, committed }: Lifecycle): Segment | undefined {
  return segments.find(({ end }) => end > committed);
}

/** What came of wanting to commit: a state with the commit under way, or why there is none. */
export type Begun =
  | { kind: 'begun'; state: Lifecycle; segment: Segment & { owner: Owner } }
  | { kind: 'clean' | 'in-flight' | 'no-owner' };

/**
 * Begins the commit of the earliest segment that is not committed.
 *
 * @param fallback owns the segment if nobody does, and stays its owner if the commit fails.
 */
export function begin(state: Lifecycle, fallback: Owner | null): Begun {
  if (state.inFlight) return { kind: 'in-flight' };
  const earliest = isDirty(state) ? earliestUncommitted(state) : undefined;
  if (earliest === undefined) return { kind: 'clean' };
  const owner = earliest.owner ?? fallback ?? state.owner;
  if (owner === null) return { kind: 'no-owner' };
  const segment = { ...earliest, owner };
  const segments = state.segments.map((other) => (other === earliest ? segment : other));
  return { kind: 'begun', state: { ...state, inFlight: true, segments }, segment };
}

/** The commit of everything up to `captured` has succeeded: that much is committed, and no more. */
export function settle(state: Lifecycle, captured: number): Lifecycle {
  const committed = Math.max(state.committed, captured);
  const segments = state.segments
    .filter(({ end }) => end > committed)
    .map((segment) => (segment.start <= committed ? { ...segment, start: committed + 1 } : segment));
  return { ...state, committed, inFlight: false, segments };
}

/** The commit has failed, or whoever began it is gone: everything is there to be tried again. */
export function abandon(state: Lifecycle): Lifecycle {
  return { ...state, inFlight: false };
}

/** Whether nothing would be lost if the session were forgotten. */
export function mayDiscard(state: Lifecycle): boolean {
  return !state.inFlight && !isDirty(state);
}
