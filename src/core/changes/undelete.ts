import * as path from 'node:path';

import { assertNotHeld } from '../agent-db/busy';
import { areRowsGone, putBack, type Restored } from '../agent-db/restoration';
import { withAgentTransaction, withReadHandle } from '../agent-db/writable';
import type { Deps } from '../deps';
import { HermesctlError, ioError, isSystemError, type Warning } from '../errors';
import { syncDirectory } from '../files/durable-write';
import { isSame, moveIntoPlace } from '../files/move';
import type { IndexOutcome } from '../index/reindex';
import { patchIndexAfterSave } from '../index/reindex';
import type { Location } from '../location/location';
import { isStoreId } from '../session/id';
import { assertStore } from '../sidecar/directory';
import { assertMayChange } from '../sidecar/edit';
import { scanSidecar, sidecarPath } from '../sidecar/read';
import { assertTombstonesUsable, removeTombstones } from '../sidecar/tombstones';
import type { ChangeTarget, Changed } from './sessions';
import { type DoomedFile, entriesOf, rowsFile, setState, trashedFile, type TrashEntry } from './trash';

export interface UndeleteOptions {
  /** Leave the agent's database alone. */
  storeOnly: boolean;
  force: boolean;
}

/** A file to be moved back. */
interface Return extends DoomedFile {
  from: string;
}

/** What brings a deleted session back, decided. */
export interface UndeletePlan {
  id: string;
  /** The newest deletion, then those that it finished. */
  entries: TrashEntry[];
  files: Return[];
  directories: { path: string; mode: number }[];
  /** The database to put rows into, and the entries that have them; null where none are missing. */
  database: string | null;
  options: UndeleteOptions;
  warnings: Warning[];
}

/**
 * Plans to bring back the newest deletion of a session, and what cut-off
 * deletions before it had removed. Reads only.
 *
 * @throws HermesctlError `SESSION_NOT_FOUND` (nothing in the trash), `ALREADY_EXISTS` (there is another one by now),
 *   `SESSION_BUSY`, `SERVER_RUNNING`, `STORE_DAMAGED`, `DATABASE_UNUSABLE`
 */
export async function planUndelete(
  location: Location,
  id: string,
  options: UndeleteOptions,
  deps: Deps,
): Promise<UndeletePlan> {
  assertStore(deps.fs, location);
  const entries = chainOf(location, id, deps);
  if (isStoreId(id)) {
    assertTombstonesUsable(location.sessionsDir.value, deps);
    assertQuiet(location, id, options, deps);
  }
  const warnings: Warning[] = [];
  const files = returnsOf(entries, warnings, deps);
  const database = options.storeOnly ? null : await databaseOf(entries, options, deps);
  const directories = entries.flatMap(({ manifest }) => manifest.directories).reverse();
  return { id, entries, files, directories, database, options, warnings };
}

const CAN_COME_BACK = ['begun', 'deleted', 'restoring'];

function chainOf(location: Location, id: string, deps: Deps): TrashEntry[] {
  const all = entriesOf(location.stateDir.value, id, deps);
  const [newest, ...older] = all.filter(({ manifest }) => manifest.kept && CAN_COME_BACK.includes(manifest.state));
  if (newest) return [newest, ...older.filter(({ name }) => newest.manifest.continues.includes(name))];
  throw new HermesctlError('SESSION_NOT_FOUND', `There is no deleted session ${id} in the trash.`, {
    hint: all.some(({ manifest }) => manifest.state === 'restored')
      ? 'It was restored already.'
      : "--from-bak brings back the version before the last cut; 'hermesctl gc-tmp --trash --dry-run' shows the trash.",
    details: { session_id: id },
  });
}

/** A deletion that was cut off may have left the session itself, and somebody may be using it. */
function assertQuiet(location: Location, id: string, { force }: UndeleteOptions, deps: Deps): void {
  try {
    const live = scanSidecar(deps.fs, location.sessionsDir.value, id);
    if (live) assertMayChange(live, { force, readOnlyToo: true });
  } catch (error) {
    if (!(error instanceof HermesctlError) || error.code !== 'SESSION_DAMAGED') throw error;
  }
}

/** Where two entries have a file of one name, the newer one's comes back. */
function returnsOf(entries: readonly TrashEntry[], warnings: Warning[], deps: Deps): Return[] {
  const returns = new Map<string, Return>();
  entries.forEach((entry, age) => {
    for (const { name, ...file } of entry.manifest.files) {
      const from = trashedFile(entry, { name });
      if (!deps.fs.lstatSync(from, { throwIfNoEntry: false })) continue;
      const known = returns.get(file.path)?.from;
      if (known !== undefined) {
        if (!isSame(known, from, deps)) warnings.push(keptInTrash(file.path, from));
        continue;
      }
      const isThere = deps.fs.lstatSync(file.path, { throwIfNoEntry: false }) !== undefined;
      if (isThere && !isSame(from, file.path, deps)) {
        if (age === 0) throw another(file);
        warnings.push(keptInTrash(file.path, from));
        continue;
      }
      returns.set(file.path, { ...file, from });
    }
  });
  return [...returns.values()];
}

function keptInTrash(file: string, from: string): Warning {
  return { code: 'KEPT_IN_TRASH', message: `${file} is a newer one; the older stays in ${from}.`, path: from };
}

function another({ path: file, kind }: DoomedFile): HermesctlError {
  const what = kind === 'sidecar' ? 'A session of that id was made since' : 'Another file has its place';
  return new HermesctlError('ALREADY_EXISTS', `${what}: ${file}.`, {
    hint: kind === 'sidecar' ? 'Delete that one first: both are in the trash then.' : 'Move it aside first.',
    details: { path: file },
  });
}

async function databaseOf(
  entries: readonly TrashEntry[],
  { force }: UndeleteOptions,
  deps: Deps,
): Promise<string | null> {
  const withRows = withRowsOf(entries, deps);
  const database = withRows.at(0)?.manifest.database ?? null;
  if (database === null) return null;
  if (!deps.fs.statSync(database, { throwIfNoEntry: false })) {
    throw new HermesctlError('DATABASE_UNUSABLE', `The agent database ${database} is gone; rows cannot be put back.`, {
      hint: '--store-only brings back the files alone.',
      details: { path: database, reason: 'missing' },
    });
  }
  const areMissing = await withReadHandle(database, deps, (handle) =>
    withRows.some((entry) => areRowsGone(handle, deps.fs, rowsFile(entry))),
  );
  if (areMissing && !force) await assertNotHeld(database, deps);
  return areMissing ? database : null;
}

function withRowsOf(entries: readonly TrashEntry[], deps: Deps): TrashEntry[] {
  return entries.filter(
    (entry) => entry.manifest.database && deps.fs.lstatSync(rowsFile(entry), { throwIfNoEntry: false }),
  );
}

/** What came back, or would. */
export interface UndeleteResult {
  session_id: string;
  deleted_at: number;
  trash: string;
  files: DoomedFile[];
  /** The database whose rows come back; null where none are missing. */
  database: string | null;
  /** Rows put back, by table; null in a dry run. */
  rows: Record<string, number> | null;
  index: IndexOutcome | null;
}

/**
 * Brings a session back: the rows of the database, then the files, the session
 * itself last; then the tombstone goes and the index hears of it. Cut off
 * anywhere, the same command finishes it. The store's lock must be held.
 *
 * @throws HermesctlError as {@link planUndelete}, and `IO_ERROR`
 */
export async function applyUndelete(
  plan: UndeletePlan,
  target: ChangeTarget,
  deps: Deps,
): Promise<Changed<UndeleteResult>> {
  const entries: TrashEntry[] = [];
  for (const entry of plan.entries) entries.push(await setState(entry, 'restoring', deps));
  const warnings = [...plan.warnings];
  const restored = plan.database === null ? undefined : await putRowsBack(plan, plan.database, deps);
  warnings.push(...(restored?.warnings ?? []));
  try {
    moveBack(plan, deps);
  } catch (error) {
    throw isSystemError(error) ? ioError(error) : error;
  }
  const index = await tellStore(plan, entries, target, deps);
  // What was left out on purpose is still there to come back.
  if (!plan.options.storeOnly || withRowsOf(entries, deps).length === 0)
    for (const entry of entries) await setState(entry, 'restored', deps);
  return { result: { ...undeleteResult(plan), rows: restored?.rows ?? {}, index }, warnings };
}

/** A session that lives has no tombstone; what was without one has none again. */
async function tellStore(
  plan: UndeletePlan,
  entries: readonly TrashEntry[],
  { location, defaults }: ChangeTarget,
  deps: Deps,
): Promise<IndexOutcome | null> {
  if (!isStoreId(plan.id)) return null;
  const sidecar = sidecarPath(location.sessionsDir.value, plan.id);
  const isLive = deps.fs.lstatSync(sidecar, { throwIfNoEntry: false }) !== undefined;
  if (isLive || entries.some(({ manifest }) => manifest.tombstone)) await forgetDeletion(location, plan.id, deps);
  return isLive ? patchIndexAfterSave(location, [plan.id], defaults, deps) : null;
}

/** Not only a warning here: what is still recorded as deleted is not restored, and the command can be run again. */
async function forgetDeletion(location: Location, id: string, deps: Deps): Promise<void> {
  try {
    await removeTombstones(location.sessionsDir.value, id, deps);
  } catch (error) {
    const failure = isSystemError(error) ? ioError(error) : error;
    if (!(failure instanceof HermesctlError)) throw error;
    const { code, message, details } = failure;
    throw new HermesctlError(code, `Session ${id} is back, but is still recorded as deleted: ${message}`, {
      hint: 'Run the command again: it goes on where it was.',
      details: { ...details, session_id: id, begun: true },
      cause: error,
    });
  }
}

export function undeleteResult(plan: UndeletePlan): UndeleteResult {
  const [newest] = plan.entries;
  return {
    session_id: plan.id,
    deleted_at: newest.manifest.deleted_at,
    trash: newest.dir,
    files: plan.files.map(({ path: file, kind, bytes }) => ({ path: file, kind, bytes })),
    database: plan.database,
    rows: null,
    index: null,
  };
}

async function putRowsBack(plan: UndeletePlan, database: string, deps: Deps): Promise<Restored> {
  return withAgentTransaction(database, plan.options.force, deps, (transaction) => {
    const restored: Restored = { rows: {}, warnings: [] };
    withRowsOf(plan.entries, deps).forEach((entry, age) => {
      if (!areRowsGone(transaction.database, deps.fs, rowsFile(entry))) return;
      const { rows, warnings } = putBack(transaction, deps.fs, rowsFile(entry), age > 0);
      for (const [table, count] of Object.entries(rows)) restored.rows[table] = (restored.rows[table] ?? 0) + count;
      restored.warnings.push(...warnings);
    });
    return Promise.resolve(restored);
  });
}

/** What comes back last: with it the session is there again. */
const LAST = ['aside', 'backup', 'sidecar'];

function moveBack(plan: UndeletePlan, deps: Deps): void {
  for (const { path: dir, mode } of plan.directories) makeDirectory(dir, mode, deps);
  const touched = new Set<string>();
  const rank = ({ kind }: DoomedFile): number => LAST.indexOf(kind);
  for (const file of [...plan.files].sort((a, b) => rank(a) - rank(b))) {
    if (file.kind === 'sidecar') syncAll(touched, deps);
    makeDirectory(path.dirname(file.path), 0o700, deps);
    moveIntoPlace(file.from, file.path, deps);
    touched.add(path.dirname(file.path));
  }
  syncAll(touched, deps);
}

function syncAll(directories: Set<string>, deps: Deps): void {
  for (const dir of directories) syncDirectory(deps.fs, dir);
  directories.clear();
}

function makeDirectory(dir: string, mode: number, deps: Deps): void {
  if (deps.fs.statSync(dir, { throwIfNoEntry: false })?.isDirectory()) return;
  const parent = path.dirname(dir);
  if (parent !== dir) makeDirectory(parent, 0o700, deps);
  deps.fs.mkdirSync(dir, { mode });
  deps.fs.chmodSync(dir, mode); // whatever the umask
  if (deps.processes.uid === 0) {
    const { uid, gid } = deps.fs.statSync(parent);
    deps.fs.chownSync(dir, uid, gid);
  }
  syncDirectory(deps.fs, parent);
}
