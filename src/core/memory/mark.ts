import type { Deps } from '../deps';
import { HermesctlError, type Warning } from '../errors';
import { sessionNotFound } from '../listing/resolve-id';
import type { Location } from '../location/location';
import type { Ledger } from './ledger';
import { type Lifecycle, mark, NEW_LIFECYCLE, type Owner, unregister } from './lifecycle';
import { readTurns } from './read-session';

export interface MarkOptions {
  /** Who owns a turn of this profile. */
  ownerOf: (profile: string | null) => { owner: Owner | null; warnings: Warning[] };
  /** Also a session that has no file. */
  unseen: boolean;
  /** Takes the owner of the turns to come away first. */
  unregister: boolean;
  dryRun: boolean;
}

/** A session of which a turn was counted. */
export interface Marked {
  sessionId: string;
  generation: number;
  owner: Owner | null;
}

/**
 * Counts a turn of a session that is just completed.
 *
 * @param ledger undefined where there is none; only for a dry run.
 * @throws HermesctlError `SESSION_NOT_FOUND`
 */
export async function markSession(
  location: Location,
  ledger: Ledger | undefined,
  sessionId: string,
  options: MarkOptions,
  deps: Deps,
): Promise<{ result: Marked; warnings: Warning[] }> {
  const { read, warnings } = readForMark(location, sessionId, deps);
  if (read === undefined && warnings.length === 0 && !options.unseen) {
    throw sessionNotFound(sessionId, location, '--unseen marks a session that has no file here.');
  }
  const profile = read?.profile ?? null;
  const { owner, warnings: ownerWarnings } = options.ownerOf(profile);
  warnings.push(...ownerWarnings);
  const state = options.dryRun ? await foresee() : await record();
  return { result: { sessionId, generation: state.generation, owner: state.owner }, warnings };

  async function foresee(): Promise<Lifecycle> {
    const known = (await ledger?.session(sessionId)) ?? NEW_LIFECYCLE;
    return mark(options.unregister ? unregister(known) : known, owner, [deps.clock.now()]);
  }

  function record(): Promise<Lifecycle> {
    const { turns = [], stamp = null } = read ?? {};
    return ledger!.mark({ sessionId, turns, owner, profile, stamp, unregister: options.unregister });
  }
}

/** The turn counts also where its session cannot be read: better one commit too many. */
function readForMark(
  location: Location,
  sessionId: string,
  deps: Deps,
): { read: Exclude<ReturnType<typeof readTurns>, 'unchanged'>; warnings: Warning[] } {
  try {
    const read = readTurns(location, sessionId, null, deps);
    return { read: read === 'unchanged' ? undefined : read, warnings: [] };
  } catch (error) {
    if (!(error instanceof HermesctlError)) throw error;
    const warning = { code: error.code, message: error.message, session_id: sessionId };
    return { read: undefined, warnings: [warning] };
  }
}
