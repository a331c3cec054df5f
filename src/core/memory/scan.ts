import type { Deps } from '../deps';
import { HermesctlError, type Warning } from '../errors';
import { type Location, DEFAULT_PROFILE, profileHomeFor } from '../location/location';
import { sessionIds } from '../sidecar/directory';
import type { ConfiguredProviders } from './configured-providers';
import type { Finding, Ledger } from './ledger';
import { isDirty } from './lifecycle';
import { type PendingMarker, pendingMarkers } from './pending-markers';
import { readTurns } from './read-session';
import { digestOf } from './turns';

/** Findings that go into the ledger in one transaction. */
const BATCH = 100;

export interface ScanOptions {
  /** Only these sessions; all of the store otherwise. */
  sessions?: readonly string[] | undefined;
  /** Only sessions of this profile. */
  profile?: string | undefined;
}

/** A session in which turns were found that nobody had counted. */
export interface ScannedSession {
  sessionId: string;
  /** How many. */
  turns: number;
  /** `sidecar`: in the session's file. `marker`: the agent says so. */
  source: 'sidecar' | 'marker';
}

export interface Scanned {
  sessions: ScannedSession[];
  /** Files that were looked at; those that had not changed since are not read. */
  files: number;
  unchanged: number;
  failures: { session_id: string; error: HermesctlError }[];
  warnings: Warning[];
}

/**
 * Finds the completed turns that nobody has counted, in the sessions' files and
 * in the markers that the agent leaves, and counts them in the ledger. Counting
 * twice changes nothing.
 *
 * @param ledger undefined where there is none; only for a dry run.
 * @param dryRun whether to tell only what would be counted.
 */
export async function scan(
  location: Location,
  providers: ConfiguredProviders,
  ledger: Ledger | undefined,
  options: ScanOptions,
  dryRun: boolean,
  deps: Deps,
): Promise<Scanned> {
  const scanned: Scanned = { sessions: [], files: 0, unchanged: 0, failures: [], warnings: [] };
  const problems = new Map<string, Warning>();
  const ownerOf = (profile: string | null): Finding['owner'] => {
    const { owner, problem } = providers.ownerFor(profile);
    if (problem !== null) problems.set(problem, { code: 'PROVIDER_UNUSABLE', message: problem });
    return owner;
  };
  let batch: Finding[] = [];
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return;
    const fresh = dryRun ? await foresee(batch, ledger) : await ledger!.count(batch);
    batch.forEach(({ sessionId, source }, i) => {
      if (fresh[i] > 0) scanned.sessions.push({ sessionId, turns: fresh[i], source });
    });
    batch = [];
  };

  const ids = options.sessions ?? sessionIds(deps.fs, location).sort();
  for (const [done, sessionId] of ids.entries()) {
    const found = await look(sessionId);
    if (found) batch.push(found);
    if (batch.length >= BATCH) await flush();
    deps.progress(done + 1, ids.length);
    await deps.breathe();
  }
  // Behind the files: a session whose turns they have shown needs no marker.
  await flush();
  const { markers, warnings } = pendingMarkers(homesOf(location, providers, options.profile), deps);
  const wanted = markers.filter(
    ({ sessionId }) => options.sessions === undefined || options.sessions.includes(sessionId),
  );
  batch = wanted.map((marker) => markerFinding(marker, ownerOf(marker.profile)));
  await flush();
  scanned.warnings.push(...warnings, ...problems.values());
  return scanned;

  async function look(sessionId: string): Promise<Finding | undefined> {
    try {
      const seen = (await ledger?.counted(sessionId))?.stamp ?? null;
      const read = readTurns(location, sessionId, seen, deps);
      if (read === undefined) return undefined;
      scanned.files++;
      if (read === 'unchanged') {
        scanned.unchanged++;
        return undefined;
      }
      if (options.profile !== undefined && read.profile !== options.profile) return undefined;
      return { sessionId, ...read, owner: ownerOf(read.profile), source: 'sidecar' };
    } catch (error) {
      if (!(error instanceof HermesctlError)) throw error;
      scanned.failures.push({ session_id: sessionId, error });
      return undefined;
    }
  }
}

/** The homes whose markers are meant, by profile. */
export function homesOf(
  location: Location,
  providers: Pick<ConfiguredProviders, 'profiles'>,
  profile: string | undefined,
): Map<string, string> {
  const names = profile === undefined ? [DEFAULT_PROFILE, ...providers.profiles()] : [profile];
  return new Map(names.map((name) => [name, profileHomeFor(location, name)]));
}

function markerFinding({ sessionId, ownerRunId, profile, at }: PendingMarker, owner: Finding['owner']): Finding {
  const digest = digestOf(`marker:${ownerRunId ?? ''}:${at}`);
  return { sessionId, turns: [{ digest, at }], owner, profile, stamp: null, source: 'marker' };
}

/** What {@link Ledger.count} would give. */
async function foresee(findings: readonly Finding[], ledger: Ledger | undefined): Promise<number[]> {
  const fresh: number[] = [];
  for (const { sessionId, turns, source } of findings) {
    const digests = (await ledger?.counted(sessionId))?.digests ?? new Set();
    const session = source === 'marker' ? await ledger?.session(sessionId) : undefined;
    const isKnown = session !== undefined && isDirty(session);
    fresh.push(isKnown ? 0 : turns.filter(({ digest }) => !digests.has(digest)).length);
  }
  return fresh;
}
