import type { Deps } from '../deps';
import { DEFAULT_PROFILE } from '../location/location';
import { claimState } from './claim';
import type { LedgerSession } from './ledger-rows';
import { earliestUncommitted, isDirty, type Owner, type Segment } from './lifecycle';
import { type CommitFailure, type CommitRequest, failed, type MemoryProvider } from './providers/provider';

/** Which sessions are meant. */
export interface DueOptions {
  /** Only these sessions. */
  sessions?: ReadonlySet<string> | undefined;
  /** Only sessions of this profile. */
  profile?: string | undefined;
}

/** What a drain commits to and from. */
export interface DrainSources {
  /** Who owns segments of nobody, by the profile of their session. */
  ownerFor: (profile: string | null) => Owner | null;
  /** The provider of a segment's owner, for a session of this profile. */
  open: (owner: Owner, profile: string | null) => MemoryProvider | CommitFailure;
  transcript: (sessionId: string) => CommitRequest['transcript'];
}

/** A session that has uncommitted turns still, and why. */
export interface Remaining {
  session: LedgerSession;
  failure: CommitFailure;
}

/** The sessions that a drain is about. */
export function sessionsToDrain(
  sessions: readonly LedgerSession[],
  { sessions: only, profile }: DueOptions,
): LedgerSession[] {
  return dirtySessions(sessions).filter(
    (session) =>
      (only === undefined || only.has(session.sessionId)) &&
      (profile === undefined || (session.profile ?? DEFAULT_PROFILE) === profile),
  );
}

/** The sessions that have uncommitted turns, the one that waits longest first. */
export function dirtySessions(sessions: readonly LedgerSession[]): LedgerSession[] {
  const since = (session: LedgerSession): number => earliestUncommitted(session)?.firstAt ?? Infinity;
  return sessions.filter(isDirty).sort((a, b) => since(a) - since(b) || (a.sessionId < b.sessionId ? -1 : 1));
}

export const NO_OWNER = failed(
  'no_owner',
  'REFUSED',
  'No memory provider owns it, and none is configured: memory.provider in config.yaml, or --provider.',
);

export function inFlight({ claim }: LedgerSession): CommitFailure {
  const who = claim ? `process ${claim.pid} on ${claim.host}` : 'another process';
  return failed('in_flight', 'LOCKED', `A commit by ${who} is under way; --wait waits for it.`);
}

/** What a drain would do. */
export interface DrainPlan {
  segments: { sessionId: string; profile: string | null; segment: Segment }[];
  remaining: Remaining[];
}

/** What a drain would try, in its order, and what it could not even try. Asks nobody. */
export function planDrain(
  sessions: readonly LedgerSession[],
  sources: DrainSources,
  options: DueOptions,
  { clock, processes }: Deps,
): DrainPlan {
  const plan: DrainPlan = { segments: [], remaining: [] };
  for (const session of sessionsToDrain(sessions, options)) {
    const { claim, sessionId, committed } = session;
    if (claim && claimState(claim, processes, clock.now()) === 'live') {
      plan.remaining.push({ session, failure: inFlight(session) });
      continue;
    }
    const fallback = sources.ownerFor(session.profile) ?? session.owner;
    for (const segment of session.segments.filter(({ end }) => end > committed)) {
      const owner = segment.owner ?? fallback;
      const provider = owner === null ? NO_OWNER : sources.open(owner, session.profile);
      if (!('commit' in provider)) {
        plan.remaining.push({ session, failure: provider });
        break; // what comes after it waits for it
      }
      plan.segments.push({ sessionId, profile: session.profile, segment: { ...segment, owner } });
    }
  }
  return plan;
}
