import * as path from 'node:path';

import type { Deps } from '../deps';
import { HermesctlError, ioError, isSystemError } from '../errors';
import type { OpenFile } from '../files/open-file';
import { planGcTmp, type TemporaryFile } from '../files/temporary';
import { Window } from '../json/window';
import { type Drift, driftOf } from '../index/drift';
import { unusable } from '../index/file-rows';
import type { ReadRows } from '../index/read-rows';
import { type ComparedIndex, planCompared } from '../index/reindex';
import { entryOf, type IndexEntry } from '../index/rows-file';
import { TextStore } from '../index/text-store';
import type { Location } from '../location/location';
import { Ledger } from '../memory/ledger';
import type { LedgerSession } from '../memory/ledger-rows';
import { type Project, readProjects } from '../projects/read';
import { isStoreId } from '../session/id';
import type { RowDefaults } from '../session/row';
import { sessionIds } from '../sidecar/directory';
import type { IntendedShrink } from '../sidecar/intended-shrink';
import { asidePath } from '../sidecar/restore';
import { type ScannedSidecar, sidecarPath } from '../sidecar/read';
import { readTombstones, TOMBSTONE_FILES } from '../sidecar/tombstones';
import { type BackupFacts, idsWithBackup, readBackupFacts, shrinkOf } from './backup-facts';
import { type DatabaseFacts, readDatabaseFacts } from './database-facts';
import { type JournalTurn, openTurns } from './journal-facts';
import { FieldKeeper } from './kept-fields';
import { readSession, type SessionReading, userTexts } from './session-facts';

/** The deleted ones are meant to stay away; a pruned one only had nothing to show. */
export interface TombstoneFacts {
  deleted: ReadonlySet<string>;
  pruned: ReadonlySet<string>;
  damaged: HermesctlError[];
}

/** A version of a session that `sessions restore` set aside. */
export interface AsideFile {
  session_id: string;
  path: string;
}

/** An agent's own transcript file, and the session it is of. */
export interface AgentFile {
  session_id: string;
  path: string;
}

/** What is different with another profile of the same home: the store is one. */
export type OfProfile = Pick<Snapshot, 'location' | 'database' | 'agentFiles'>;

/** All that the checks look at, read once and not changed by anyone who looks. */
export interface Snapshot {
  location: Location;
  /** Epoch seconds. */
  now: number;
  sessions: ReadonlyMap<string, SessionReading>;
  backups: ReadonlyMap<string, BackupFacts>;
  /** Why a session holds less than its backup, where it does and that was meant. */
  shrinks: ReadonlyMap<string, IntendedShrink>;
  /** Files among the sessions that the server takes for sessions and whose names cannot be an id here. */
  oddNames: string[];
  /** How the index is beside what it should be. */
  index: ComparedIndex;
  drift: Drift[];
  tombstones: TombstoneFacts;
  temporary: TemporaryFile[];
  aside: AsideFile[];
  /** Turns that a journal saw begin and not end, and that the session does not have. */
  journalTurns: JournalTurn[];
  projects: Project[] | HermesctlError;
  database: DatabaseFacts;
  agentFiles: AgentFile[];
  /** The other profiles whose databases are looked at too. */
  others: readonly OfProfile[];
  /** Sessions whose memory a process was committing that is gone; an error where the ledger cannot be read. */
  deadClaims: LedgerSession[] | HermesctlError;
}

const STALE_TEMPORARY_SECONDS = 3600;
/** So many files are read in one window. */
const MANY = 16;

/** How the agent's databases are read. */
export interface DatabaseReading {
  /** Whether SQLite is to check all of each: on a large one that takes hours. */
  quickCheck: boolean;
}

/**
 * Reads store, index, backups and database for an audit. What is damaged is
 * part of the picture; only a store that is not there stops it.
 *
 * @param others places of other profiles, for their databases and files.
 * @throws HermesctlError `STORE_NOT_FOUND`, `IO_ERROR`
 */
export async function takeSnapshot(
  location: Location,
  others: readonly Location[],
  defaults: RowDefaults,
  { quickCheck }: DatabaseReading,
  deps: Deps,
): Promise<Snapshot> {
  const sessionsDir = location.sessionsDir.value;
  const ids = sessionIds(deps.fs, location).sort();
  const names = namesIn(sessionsDir, deps);
  const turns = openTurns(sessionsDir, deps);
  const window = ids.length >= MANY ? Window.fast() : undefined;
  const backups = readBackups(sessionsDir, names, deps, window);
  const shrinks = new Map<string, IntendedShrink>();
  const journalTurns: JournalTurn[] = [];
  const sessions = new Map<string, SessionReading>();
  const keeper = new FieldKeeper();
  const texts = new TextStore();
  const index = await planCompared(location, deps, async (keep) => {
    const rows: ReadRows = { files: ids.length, entries: [], damaged: [], warnings: [] };
    for (const [done, id] of ids.entries()) {
      let entry: IndexEntry | undefined;
      const also = (file: OpenFile, sidecar: ScannedSidecar): void => {
        texts.forget();
        entry = keep(entryOf(sidecar, defaults, texts));
        const backup = backups.get(id);
        if (backup?.state === 'good' && backup.messages > sidecar.transcript.count) {
          const shrink = shrinkOf(file, sidecar, deps);
          if (shrink) shrinks.set(id, shrink);
        }
        const begun = turns.get(id);
        if (begun) {
          const asked = userTexts(file, sidecar);
          journalTurns.push(...begun.filter(({ content }) => !asked.has(content)));
        }
      };
      const reading = await readSession(sessionsDir, id, deps, also, keeper, window);
      if (reading) sessions.set(id, reading);
      if (reading?.state === 'good') rows.entries.push(entry!);
      else if (reading && !reading.isDangling) rows.damaged.push(unusable(id, reading.error));
      if (reading?.state !== 'good') journalTurns.push(...(turns.get(id) ?? []));
      deps.progress(done + 1, ids.length);
    }
    return rows;
  });
  for (const [id, begun] of turns) if (!sessions.has(id)) journalTurns.push(...begun);
  const [own, ...ofOthers] = await ofProfiles([location, ...others], quickCheck, deps);
  return {
    ...own,
    others: ofOthers,
    now: deps.clock.now(),
    sessions,
    backups,
    shrinks,
    oddNames: names.filter((name) => /^[^_.].*\.json$/.test(name) && !isStoreId(name.slice(0, -'.json'.length))),
    index,
    drift: driftOf(index),
    tombstones: tombstoneFacts(sessionsDir, deps),
    temporary: planGcTmp(sessionsDir, STALE_TEMPORARY_SECONDS, deps).files,
    aside: asideFiles(sessionsDir, names),
    journalTurns,
    projects: projectsOf(location, deps),
    deadClaims: await deadClaimsOf(location, deps),
  };
}

async function ofProfiles(places: readonly Location[], quickCheck: boolean, deps: Deps): Promise<OfProfile[]> {
  const profiles: OfProfile[] = [];
  for (const location of places) {
    const database = await readDatabaseFacts(location.agentDatabase.value, quickCheck, deps);
    profiles.push({ location, database, agentFiles: agentFiles(location, deps) });
  }
  return profiles;
}

/** The snapshot as each profile that is looked at sees it, the location's own first. */
export function perProfile(snapshot: Snapshot): Snapshot[] {
  return [snapshot, ...snapshot.others.map((other) => ({ ...snapshot, ...other }))];
}

/** The databases of all profiles that are looked at. */
export function databasesOf({ database, others }: Snapshot): DatabaseFacts[] {
  return [database, ...others.map((other) => other.database)];
}

function namesIn(dir: string, deps: Deps): string[] {
  try {
    return deps.fs.readdirSync(dir).sort();
  } catch (error) {
    if (isSystemError(error) && ['ENOENT', 'ENOTDIR'].includes(error.code ?? '')) return [];
    throw isSystemError(error) ? ioError(error, dir) : error;
  }
}

function readBackups(
  sessionsDir: string,
  names: readonly string[],
  deps: Deps,
  window: Window | undefined,
): Map<string, BackupFacts> {
  const backups = new Map<string, BackupFacts>();
  for (const id of idsWithBackup(names)) {
    const facts = readBackupFacts(sessionsDir, id, deps, window);
    if (facts) backups.set(id, facts);
  }
  return backups;
}

function tombstoneFacts(sessionsDir: string, deps: Deps): TombstoneFacts {
  const damaged: HermesctlError[] = [];
  const [deleted, pruned] = TOMBSTONE_FILES.map((name) => {
    try {
      return new Set(readTombstones(sessionsDir, name, deps)?.ids);
    } catch (error) {
      if (!(error instanceof HermesctlError)) throw error;
      damaged.push(error);
      return new Set<string>();
    }
  });
  return { deleted, pruned, damaged };
}

const ASIDE = /^(?<id>[0-9A-Za-z][0-9A-Za-z_-]{0,199})\.json\.aside$/;

function asideFiles(sessionsDir: string, names: readonly string[]): AsideFile[] {
  return names.flatMap((name) => {
    const id = ASIDE.exec(name)?.groups?.['id'];
    return id === undefined ? [] : [{ session_id: id, path: asidePath(sidecarPath(sessionsDir, id)) }];
  });
}

function projectsOf(location: Location, deps: Deps): Project[] | HermesctlError {
  try {
    return readProjects(deps.fs, location.projectsFile.value);
  } catch (error) {
    if (error instanceof HermesctlError) return error;
    throw error;
  }
}

const LEDGER_WAIT_SECONDS = 2;

async function deadClaimsOf(location: Location, deps: Deps): Promise<LedgerSession[] | HermesctlError> {
  try {
    const ledger = await Ledger.openToRead(location.stateDir.value, LEDGER_WAIT_SECONDS, deps);
    if (!ledger) return [];
    try {
      return await ledger.deadClaims();
    } finally {
      ledger.close();
    }
  } catch (error) {
    if (error instanceof HermesctlError) return error;
    throw error;
  }
}

const AGENT_FILE = /^(?:session_(?<snapshot>.+)\.json|(?<log>[^.].*)\.jsonl)$/;

/** Transcripts that the agent keeps as files in the profile's home (reference: hermes-agent §3). */
function agentFiles(location: Location, deps: Deps): AgentFile[] {
  const dir = path.join(location.profileHome.value, 'sessions');
  return namesIn(dir, deps).flatMap((name) => {
    const { snapshot, log } = AGENT_FILE.exec(name)?.groups ?? {};
    const id = snapshot ?? log;
    return id === undefined ? [] : [{ session_id: id, path: path.join(dir, name) }];
  });
}
