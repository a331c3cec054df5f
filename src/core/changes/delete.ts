import * as path from 'node:path';

import type BetterSqlite3 from 'better-sqlite3';

import { assertNotHeld } from '../agent-db/busy';
import { countDoomed, deleteDoomed, type DoomedRows, findDoomed } from '../agent-db/deletion';
import { assertNoLease } from '../agent-db/leases';
import { areRowsGone } from '../agent-db/restoration';
import { writeRows } from '../agent-db/rows-file';
import type { SqlRow } from '../agent-db/values';
import { withAgentTransaction, withReadHandle } from '../agent-db/writable';
import type { Deps } from '../deps';
import { HermesctlError, ioError, isSystemError, type Warning } from '../errors';
import { assertUnchanged, durableWrite, syncDirectory } from '../files/durable-write';
import { moveFile } from '../files/move';
import type { FileStamp } from '../files/stamp';
import { stampOf } from '../files/stamp';
import type { IndexOutcome } from '../index/reindex';
import { patchIndexAfterSave } from '../index/reindex';
import { DEFAULT_PROFILE, type Location, profileHomeFor } from '../location/location';
import { isStoreId } from '../session/id';
import { assertStore } from '../sidecar/directory';
import { assertMayChange } from '../sidecar/edit';
import { scanSidecar, type ScannedSidecar, sidecarPath } from '../sidecar/read';
import { addTombstone, assertTombstonesUsable, isTombstoned } from '../sidecar/tombstones';
import { doomedInHome, doomedInStore } from './doomed-files';
import type { ChangeTarget } from './sessions';
import {
  beginEntry,
  type DoomedDirectory,
  type DoomedFile,
  type DoomedKind,
  entriesOf,
  removeEntry,
  rowsFile,
  setState,
  trashedFile,
  type TrashEntry,
} from './trash';

/** What is meant when a session is to be deleted. */
export interface DeleteOptions {
  /** Which of the two stores. */
  store: boolean;
  agent: boolean;
  /** Also what is in use: see `--force` of the command. */
  force: boolean;
  /** Keep what is deleted, so that it can come back. */
  trash: boolean;
}

interface StorePart {
  files: DoomedFile[];
  directories: DoomedDirectory[];
  /** The version of the session that was looked at. */
  expected: FileStamp | 'absent';
}

interface AgentPart {
  /** The database that has rows of it; null where only files are left. */
  database: string | null;
  sessions: string[];
  detached: string[];
  rows: Record<string, number>;
  files: DoomedFile[];
}

/** The deletion of one session, decided. */
export interface DeletePlan {
  id: string;
  title: string | null;
  /** The profile that its file names. */
  profile: string | null;
  store: StorePart | null;
  agent: AgentPart | null;
  options: DeleteOptions;
  /** Earlier deletions of it that were cut off. */
  unfinished: TrashEntry[];
  /** Of them those that had removed nothing. */
  void: TrashEntry[];
  warnings: Warning[];
}

/**
 * Looks for all that goes when a session goes, in the store and in the agent's
 * database and home (reference: webui-store §12, hermes-agent §1.10), and
 * whether it may go now. Reads only.
 *
 * @throws HermesctlError `SESSION_NOT_FOUND`, `SESSION_BUSY`, `SERVER_RUNNING`, `READ_ONLY_SESSION`, `STORE_DAMAGED`,
 *   `DATABASE_UNUSABLE`, `REFUSED`
 */
export async function planDelete(
  location: Location,
  id: string,
  options: DeleteOptions,
  deps: Deps,
): Promise<DeletePlan> {
  assertStore(deps.fs, location);
  const warnings: Warning[] = [];
  const sidecar = isStoreId(id) ? lookAtSidecar(location, id, warnings, deps) : undefined;
  if (sidecar) assertMayGo(sidecar, options);
  const unfinished = entriesOf(location.stateDir.value, id, deps).filter(({ manifest: { state } }) =>
    ['begun', 'restoring'].includes(state),
  );
  const agent = options.agent ? await planAgent(location, id, sidecar, options, unfinished, deps) : undefined;
  if (agent) addUnfinished(agent.part, unfinished, agent.void, deps);
  const store = options.store && isStoreId(id) ? planStore(location, id, warnings, deps) : null;
  const isAnything = isSomething(store) || (agent && (agent.part.sessions.length > 0 || agent.part.files.length > 0));
  if (!isAnything && unfinished.length === 0) throw nothingToDelete(location, id, options, deps);
  return {
    id,
    title: textOf(sidecar, 'title') ?? agent?.title ?? null,
    profile: textOf(sidecar, 'profile') || null,
    store: store && (isSomething(store) || unfinished.length > 0) ? store : null,
    agent: agent?.part ?? null,
    options,
    unfinished,
    void: agent?.void ?? [],
    warnings,
  };
}

/** Which delegates went with a session is known only to the entry, once their rows are gone: their files too must go. */
function addUnfinished(
  part: AgentPart,
  unfinished: readonly TrashEntry[],
  isVoid: readonly TrashEntry[],
  deps: Deps,
): void {
  const known = new Set(part.files.map((file) => file.path));
  for (const { manifest } of unfinished.filter((entry) => !isVoid.includes(entry) && entry.manifest.state === 'begun'))
    for (const { path: file, kind, bytes } of manifest.files) {
      if (!OF_AGENT.includes(kind) || known.has(file)) continue;
      if (!deps.fs.lstatSync(file, { throwIfNoEntry: false })) continue;
      known.add(file);
      part.files.push({ path: file, kind, bytes });
    }
}

const OF_AGENT: readonly DoomedKind[] = ['agent-transcript', 'request-dump'];

function isSomething(store: StorePart | null): boolean {
  return store !== null && (store.files.length > 0 || store.directories.length > 0);
}

/** A damaged session may go like any other: only what it says of itself is not known. */
function lookAtSidecar(location: Location, id: string, warnings: Warning[], deps: Deps): ScannedSidecar | undefined {
  try {
    return scanSidecar(deps.fs, location.sessionsDir.value, id);
  } catch (error) {
    if (!(error instanceof HermesctlError) || error.code !== 'SESSION_DAMAGED') throw error;
    warnings.push({ code: error.code, message: error.message, session_id: id });
    return undefined;
  }
}

function assertMayGo(sidecar: ScannedSidecar, { force, store }: DeleteOptions): void {
  try {
    assertMayChange(sidecar, { force, readOnlyToo: force || !store });
  } catch (error) {
    if (!(error instanceof HermesctlError) || error.code !== 'READ_ONLY_SESSION') throw error;
    throw new HermesctlError(error.code, error.message, {
      hint: 'It is a view of a session that another program owns; --force deletes it from the store all the same.',
      details: error.details,
    });
  }
}

function textOf(sidecar: ScannedSidecar | undefined, key: string): string | null {
  const value = sidecar?.fields.get(key)?.value();
  return typeof value === 'string' ? value : null;
}

function planStore(location: Location, id: string, warnings: Warning[], deps: Deps): StorePart {
  assertTombstonesUsable(location.sessionsDir.value, deps);
  const tree = doomedInStore(location, id, deps);
  warnings.push(...tree.warnings);
  const file = sidecarPath(location.sessionsDir.value, id);
  const stats = deps.fs.lstatSync(file, { bigint: true, throwIfNoEntry: false });
  return { files: tree.files, directories: tree.directories, expected: stats ? stampOf(stats) : 'absent' };
}

interface PlannedAgent {
  part: AgentPart;
  title: string | null;
  void: TrashEntry[];
}

/** The session's own profile has its rows; those of a session without one are where the active profile's are. */
async function planAgent(
  location: Location,
  id: string,
  sidecar: ScannedSidecar | undefined,
  options: DeleteOptions,
  unfinished: readonly TrashEntry[],
  deps: Deps,
): Promise<PlannedAgent> {
  let found: PlannedAgent | undefined;
  for (const database of databasesOf(location, sidecar, unfinished)) {
    if (!deps.fs.statSync(database, { throwIfNoEntry: false })) continue;
    const planned = await planDatabase(location, database, id, options, unfinished, deps).catch((error: unknown) => {
      throw options.store ? withWayAround(error) : error;
    });
    if (planned.part.sessions.length > 0) return planned;
    if (planned.part.files.length > 0 || planned.void.length > 0) found ??= planned;
  }
  if (found) return found;
  const files = doomedInHome(location.profileHome.value, [id], [], location, deps);
  return { part: { database: null, sessions: [], detached: [], rows: {}, files }, title: null, void: [] };
}

/** Without the database the session can still go from the store. */
function withWayAround(error: unknown): unknown {
  if (!(error instanceof HermesctlError) || error.code !== 'DATABASE_UNUSABLE') return error;
  const { code, message, hint = '', details } = error;
  const around = hint.includes('--store-only') ? hint : `${hint} --store-only deletes it from the store alone.`.trim();
  return new HermesctlError(code, message, { hint: around, details, cause: error });
}

function databasesOf(
  location: Location,
  sidecar: ScannedSidecar | undefined,
  unfinished: readonly TrashEntry[],
): string[] {
  const profile = sidecar?.fields.get('profile')?.value();
  const own = typeof profile === 'string' && profile !== '' ? profile : DEFAULT_PROFILE;
  const before = unfinished.flatMap(({ manifest }) => manifest.database ?? []);
  const named = sidecar ? [path.join(profileHomeFor(location, own), 'state.db')] : [];
  return [...new Set([...before, ...named, location.agentDatabase.value])];
}

async function planDatabase(
  location: Location,
  database: string,
  id: string,
  options: DeleteOptions,
  unfinished: readonly TrashEntry[],
  deps: Deps,
): Promise<PlannedAgent> {
  const planned = await withReadHandle(database, deps, (handle) => {
    const doomed = findDoomed(handle, database, id);
    const isThere = doomed.family.removed.length > 0;
    if (isThere && !options.force) assertNoLease(handle, doomed.family, deps.clock.now());
    const gone = doomed.family.removed.includes(id) ? doomed.family.removed : [id, ...doomed.family.removed];
    const files = doomedInHome(path.dirname(database), gone, longerIds(handle, gone), location, deps);
    const part: AgentPart = {
      database: isThere ? database : null,
      sessions: doomed.family.removed,
      detached: doomed.family.detached.map((child) => child.id),
      rows: isThere ? countDoomed(handle, doomed) : {},
      files,
    };
    const isVoid = (entry: TrashEntry): boolean =>
      entry.manifest.state === 'begun' &&
      deps.fs.lstatSync(rowsFile(entry), { throwIfNoEntry: false }) !== undefined &&
      !areRowsGone(handle, deps.fs, rowsFile(entry));
    return { part, title: titleInDatabase(handle, id), void: unfinished.filter(isVoid) };
  });
  if (planned.part.sessions.length > 0 && !options.force) await assertNotHeld(database, deps);
  return planned;
}

/** Ids of sessions that stay and begin like one that goes. */
function longerIds(handle: BetterSqlite3.Database, gone: readonly string[]): string[] {
  const find = handle.prepare("SELECT id FROM sessions WHERE substr(id, 1, length(:id) + 1) = :id || '_'");
  const removed = new Set(gone);
  return gone
    .flatMap((id) => (find.all({ id }) as SqlRow[]).map((row) => String(row['id'])))
    .filter((id) => !removed.has(id));
}

function titleInDatabase(handle: BetterSqlite3.Database, id: string): string | null {
  try {
    const row = handle.prepare('SELECT title FROM sessions WHERE id = ?').get(id) as SqlRow | undefined;
    return typeof row?.['title'] === 'string' ? row['title'] : null;
  } catch {
    return null; // old databases have no titles
  }
}

function nothingToDelete(location: Location, id: string, options: DeleteOptions, deps: Deps): HermesctlError {
  const [entry] = entriesOf(location.stateDir.value, id, deps).filter(({ manifest }) => manifest.state === 'deleted');
  const where = options.store
    ? options.agent
      ? 'the store or the agent’s database'
      : 'the store'
    : 'the agent’s database';
  return new HermesctlError('SESSION_NOT_FOUND', `There is no session ${id} in ${where}.`, {
    hint: entry
      ? `It was deleted on ${new Date(entry.manifest.deleted_at * 1000).toISOString()}: 'hermesctl sessions restore ${id}' brings it back.`
      : "'hermesctl sessions list --all' shows all there are.",
    details: { session_id: id },
  });
}

/** What a deletion did, or would do. */
export interface DeleteResult {
  session_id: string;
  title: string | null;
  store: { files: DoomedFile[]; tombstone: boolean } | null;
  agent: AgentPart | null;
  /** The directory that everything was moved to. */
  trash: string | null;
  /** Whether an earlier deletion that was cut off was finished. */
  resumed: boolean;
}

/** A deletion of which only the index has still to hear. */
export interface Deleted {
  result: DeleteResult;
  warnings: Warning[];
  entry: TrashEntry | undefined;
  plan: DeletePlan;
}

/** What a plan comes to, for a dry run. */
export function resultOf(plan: DeletePlan, trash: string | null = null): DeleteResult {
  return {
    session_id: plan.id,
    title: plan.title,
    store: plan.store && { files: plan.store.files, tombstone: true },
    agent: plan.agent,
    trash,
    resumed: plan.unfinished.length > plan.void.length,
  };
}

/**
 * Deletes a session as planned: first what the trash needs to bring it back,
 * then the rows of the database, then the tombstone, then the files, the
 * session's own before what hangs on it. Cut off anywhere, the same command
 * finishes it and `restore` undoes it (docs/durability.md). The index follows in
 * {@link finishDeletes}. The store's lock must be held.
 *
 * @throws HermesctlError as {@link planDelete}, and `CHANGED_ON_DISK`, `IO_ERROR`; where something was removed already,
 *   `details.begun` says so.
 */
export async function applyDelete(plan: DeletePlan, location: Location, deps: Deps): Promise<Deleted> {
  for (const entry of plan.void) await setState(entry, 'void', deps);
  const entry = await openEntry(plan, location, deps);
  let rows = plan.agent?.rows;
  let isOpen = false;
  try {
    if (plan.agent?.database)
      rows = await deleteRows(plan, plan.agent.database, entry, location, deps, () => (isOpen = true));
    else assertSidecarUnchanged(plan, location, deps);
  } catch (error) {
    // Where nobody can tell whether the rows are gone, what can bring them back stays.
    if (entry && !isOpen) discardEntry(entry, deps);
    throw isOpen ? cutOff(plan, error) : error;
  }
  const warnings = [...plan.warnings];
  try {
    if (plan.store) warnings.push(...(await recordDeletion(plan.id, location, deps)));
    removeFiles(plan, entry, deps);
  } catch (error) {
    throw cutOff(plan, error);
  }
  const result = resultOf(plan, entry && plan.options.trash ? entry.dir : null);
  if (result.agent && rows) result.agent = { ...result.agent, rows };
  return { result, warnings, entry, plan };
}

async function openEntry(plan: DeletePlan, location: Location, deps: Deps): Promise<TrashEntry | undefined> {
  const files = [...(plan.store?.files ?? []), ...(plan.agent?.files ?? [])];
  const directories = plan.store?.directories ?? [];
  if (files.length === 0 && directories.length === 0 && !plan.agent?.database) return undefined;
  const continues = plan.unfinished.filter((entry) => !plan.void.includes(entry)).map(({ name }) => name);
  const doomed = { session_id: plan.id, database: plan.agent?.database ?? null, files, directories, continues };
  const tombstone = plan.store !== null && !isTombstoned(location.sessionsDir.value, plan.id, deps);
  return beginEntry(location.stateDir.value, { ...doomed, kept: plan.options.trash, tombstone }, deps);
}

/** An entry for a deletion that removed nothing. What cannot be cleared away is void to whoever looks at it next. */
function discardEntry(entry: TrashEntry, deps: Deps): void {
  try {
    removeEntry(entry.dir, deps);
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

function assertSidecarUnchanged(plan: DeletePlan, location: Location, deps: Deps): void {
  if (!plan.store) return;
  const file = sidecarPath(location.sessionsDir.value, plan.id);
  assertUnchanged(deps.fs, { path: file, expected: plan.store.expected });
}

/** @returns how many rows of each table went. */
async function deleteRows(
  plan: DeletePlan,
  path: string,
  entry: TrashEntry | undefined,
  location: Location,
  deps: Deps,
  onCommit: () => void,
): Promise<Record<string, number>> {
  const { force } = plan.options;
  return withAgentTransaction(
    path,
    force,
    deps,
    async ({ database }) => {
      const doomed = findDoomed(database, path, plan.id);
      if (!force) assertNoLease(database, doomed.family, deps.clock.now());
      if (entry?.manifest.kept) await exportRows(database, path, doomed, entry, deps);
      const rows = countDoomed(database, doomed);
      deleteDoomed(database, doomed);
      assertSidecarUnchanged(plan, location, deps);
      return rows;
    },
    onCommit,
  );
}

async function exportRows(
  database: BetterSqlite3.Database,
  path: string,
  doomed: DoomedRows,
  entry: TrashEntry,
  deps: Deps,
): Promise<void> {
  const target = { path: rowsFile(entry), expected: 'absent' as const };
  await durableWrite(target, (write) => writeRows(database, path, doomed, write), deps);
}

async function recordDeletion(id: string, location: Location, deps: Deps): Promise<Warning[]> {
  // A store without this directory has no session, and no server that looks for one.
  if (!deps.fs.statSync(location.sessionsDir.value, { throwIfNoEntry: false })) return [];
  const forgotten = await addTombstone(location.sessionsDir.value, id, deps);
  if (forgotten.length === 0) return [];
  return [
    {
      code: 'TOMBSTONES_FULL',
      message: `The store records no more than 1000 deletions: of ${forgotten.join(', ')} it is forgotten. A server lists them again where the agent's database or a backup still has them.`,
      session_ids: forgotten,
    },
  ];
}

function removeFiles(plan: DeletePlan, entry: TrashEntry | undefined, deps: Deps): void {
  const files = [...(plan.store?.files ?? []), ...(plan.agent?.files ?? [])];
  const touched = new Set<string>();
  files.forEach((file, i) => {
    if (entry?.manifest.kept) moveFile(file.path, trashedFile(entry, entry.manifest.files[i]), deps);
    else deps.fs.unlinkSync(file.path);
    touched.add(path.dirname(file.path));
  });
  for (const directory of plan.store?.directories ?? []) {
    removeEmpty(directory.path, deps);
    touched.delete(directory.path);
    touched.add(path.dirname(directory.path));
  }
  if (entry?.manifest.kept) syncDirectory(deps.fs, path.dirname(trashedFile(entry, { name: '-' })));
  for (const dir of touched) if (deps.fs.statSync(dir, { throwIfNoEntry: false })) syncDirectory(deps.fs, dir);
}

/** One that is not empty any more got something new meanwhile, which stays. */
function removeEmpty(dir: string, deps: Deps): void {
  try {
    deps.fs.rmdirSync(dir);
  } catch (error) {
    if (!isSystemError(error) || !['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(error.code ?? '')) throw error;
  }
}

/** A failure after something was removed: the way on must be told. */
function cutOff(plan: DeletePlan, error: unknown): unknown {
  const failure = isSystemError(error) ? ioError(error) : error;
  if (!(failure instanceof HermesctlError)) return failure;
  const undo = plan.options.trash ? ` 'hermesctl sessions restore ${plan.id}' brings back what is gone.` : '';
  return new HermesctlError(failure.code, `Session ${plan.id} is deleted in part: ${failure.message}`, {
    hint: `Run the command again: it goes on where it was.${undo}`,
    details: { ...failure.details, session_id: plan.id, begun: true },
    cause: error,
  });
}

/**
 * Tells the index about deletions, and the trash that they are done. A failure
 * of the index does not undo them, but leaves them unfinished. The store's lock must be held.
 */
export async function finishDeletes(
  target: ChangeTarget,
  deleted: readonly Deleted[],
  deps: Deps,
): Promise<IndexOutcome | null> {
  const { location, defaults } = target;
  const ids = deleted.filter(({ plan }) => plan.store).map(({ plan }) => plan.id);
  const index = ids.length > 0 ? await patchIndexAfterSave(location, ids, defaults, deps) : null;
  // Where the index has not heard of it, running the command again tells it.
  for (const { entry, plan } of index?.updated === false ? [] : deleted) {
    for (const one of [entry, ...plan.unfinished]) if (one && !plan.void.includes(one)) await close(one, deps);
  }
  return index;
}

/** What is kept is marked as done; what only said what was to be done is no longer needed. */
async function close(entry: TrashEntry, deps: Deps): Promise<void> {
  try {
    if (entry.manifest.kept) await setState(entry, 'deleted', deps);
    else removeEntry(entry.dir, deps);
  } catch (error) {
    throw isSystemError(error) ? ioError(error, entry.dir) : error;
  }
}
