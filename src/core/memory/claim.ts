import type { Processes } from '../deps';

/** What says that a process is committing a session right now. */
export interface Claim {
  /** Tells this claim from every other: only its holder clears it. */
  token: string;
  pid: number;
  /** See {@link Processes}; null where nobody could tell. */
  startTick: number | null;
  bootId: string | null;
  pidSpace: string | null;
  host: string;
  /** Epoch seconds. */
  since: number;
  /** Epoch seconds: whoever holds it longer has been forgotten by its own deadline. */
  expires: number;
}

/** `dead` and `expired` claims are taken over. */
export type ClaimState = 'live' | 'dead' | 'expired';

export function newClaim(token: string, processes: Processes, now: number, seconds: number): Claim {
  const { pid, host } = processes.self;
  const { bootId, pidSpace } = processes;
  const startTick = processes.startTick(pid) ?? null;
  return { token, pid, startTick, bootId, pidSpace, host, since: now, expires: now + seconds };
}

/**
 * Whether the process behind a claim lives. Of another host, and of another
 * container on this one, nobody can tell: there the expiry decides alone.
 */
export function claimState(claim: Claim, processes: Processes, now: number): ClaimState {
  if (isKnownDead(claim, processes)) return 'dead';
  return now >= claim.expires ? 'expired' : 'live';
}

function isKnownDead(claim: Claim, processes: Processes): boolean {
  if (claim.host !== processes.self.host) return false;
  if (claim.bootId !== null && processes.bootId !== null && claim.bootId !== processes.bootId) return true;
  if (claim.pidSpace !== processes.pidSpace) return false;
  const tick = processes.startTick(claim.pid);
  if (tick === undefined) return true;
  return tick !== null && claim.startTick !== null && tick !== claim.startTick;
}
