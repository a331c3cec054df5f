import * as path from 'node:path';

import type { Deps } from '../deps';
import { HermesctlError, ioError, isSystemError } from '../errors';
import { assertNoLink, assertUnchanged, durableWrite } from '../files/durable-write';
import { withFileAsync } from '../files/open-file';
import { type FileStamp, sameStamp, stampOf } from '../files/stamp';
import { applyReindex, planPatch, planRebuild } from '../index/reindex';
import { writeSpliced } from '../json/splice';
import type { Location } from '../location/location';
import { Ledger } from '../memory/ledger';
import { ledgerPath } from '../memory/ledger-file';
import type { RowDefaults } from '../session/row';
import { backupPath } from '../sidecar/backup';
import { makeSessionsDirectory } from '../sidecar/directory';
import { applyEdit, editMembers } from '../sidecar/edit';
import { scanOpenSidecar, sidecarPath } from '../sidecar/read';
import { removeTombstones, TOMBSTONE_FILES } from '../sidecar/tombstones';
import type { Endangered, EndangeredLedger } from './backup-dir';
import type { Finding, RepairAction } from './finding';
import { sessionFromDatabase } from './materialize';
import type { Snapshot } from './snapshot';

/** One thing that `doctor --repair` does. */
export interface RepairStep {
  action: RepairAction;
  /** Null for what concerns the store. */
  session_id: string | null;
  /** The file that it writes. */
  path: string;
}

/** What to repair, decided: the steps in their order, and all files that they may replace. */
export interface RepairPlan {
  steps: RepairStep[];
  endangered: Endangered[];
}

/** Sessions first, so that the index is made of what they are then. */
const ORDER: readonly RepairAction[] = [
  'restore-from-backup',
  'make-from-database',
  'fix-message-count',
  'remove-tombstone',
  'clear-claim',
  'rebuild-index',
];

/** What is decided by the content of a session's file, and so not while that comes back from its backup. */
const OF_CONTENT: readonly RepairAction[] = ['make-from-database', 'fix-message-count'];

/**
 * Plans the repair of what can be repaired without anybody's judgement. Where a
 * session comes back from its backup nothing else is done to its file: the
 * backup is looked at by the next audit.
 */
export function planRepair(findings: readonly Finding[], snapshot: Snapshot): RepairPlan {
  const { location } = snapshot;
  const steps: RepairStep[] = [];
  const isPlanned = (action: RepairAction, id: string | null): boolean =>
    steps.some((step) => step.action === action && step.session_id === id);
  for (const action of ORDER) {
    for (const { repair, session_id } of findings) {
      const id = action === 'rebuild-index' ? null : session_id;
      if (repair !== action || isPlanned(action, id)) continue;
      const comesBack = OF_CONTENT.includes(action) && isPlanned('restore-from-backup', id);
      if (!comesBack) steps.push({ action, session_id: id, path: pathOf(action, id, location) });
    }
  }
  return { steps, endangered: endangeredBy(steps, snapshot) };
}

function pathOf(action: RepairAction, id: string | null, location: Location): string {
  if (action === 'rebuild-index') return location.indexFile.value;
  if (action === 'clear-claim') return ledgerPath(location.stateDir.value);
  if (action === 'remove-tombstone') return path.join(location.sessionsDir.value, TOMBSTONE_FILES[0]);
  return sidecarPath(location.sessionsDir.value, id!);
}

function endangeredBy(steps: readonly RepairStep[], { location, sessions, index }: Snapshot): Endangered[] {
  if (steps.length === 0) return [];
  const files: Endangered[] = steps.flatMap(({ action, session_id: id, path: file }): Endangered[] => {
    if (id === null || action === 'remove-tombstone' || action === 'clear-claim') return [];
    const reading = sessions.get(id);
    const stamp = reading === undefined ? 'absent' : reading.state === 'good' ? reading.facts.stamp : reading.stamp;
    return [{ path: file, stamp }];
  });
  const seen = new Map(files.map((file) => [file.path, file]));
  // The row of a session that changes changes too.
  seen.set(location.indexFile.value, { path: location.indexFile.value, stamp: index.stamp });
  return [...seen.values()];
}

/** The tombstone files, where steps touch them: their versions are looked at when they are kept. */
export function endangeredTombstones(plan: RepairPlan, location: Location, deps: Deps): Endangered[] {
  if (!plan.steps.some(({ action }) => action === 'remove-tombstone')) return [];
  return TOMBSTONE_FILES.flatMap((name): Endangered[] => {
    const file = path.join(location.sessionsDir.value, name);
    const stats = deps.fs.lstatSync(file, { bigint: true, throwIfNoEntry: false });
    return stats ? [{ path: file, stamp: stampOf(stats) }] : [];
  });
}

export function clearsClaims({ steps }: RepairPlan): boolean {
  return steps.some(({ action }) => action === 'clear-claim');
}

const LEDGER_WAIT_SECONDS = 10;

async function withLedger(location: Location, deps: Deps, work: (ledger: Ledger) => Promise<void>): Promise<void> {
  const ledger = await Ledger.open(location.stateDir.value, LEDGER_WAIT_SECONDS, deps);
  try {
    await work(ledger);
  } finally {
    ledger.close();
  }
}

export function endangeredLedger(location: Location, deps: Deps): EndangeredLedger {
  return {
    path: ledgerPath(location.stateDir.value),
    copyTo: (file) => withLedger(location, deps, (ledger) => ledger.copyTo(file)),
  };
}

/** What became of a step. */
export type RepairOutcome = RepairStep & { done: boolean; error?: HermesctlError };

/**
 * Does what was planned; a step that fails does not stop the others. All
 * endangered files must have been kept, and the store's lock must be held.
 */
export async function applyRepair(
  plan: RepairPlan,
  location: Location,
  defaults: RowDefaults,
  deps: Deps,
): Promise<RepairOutcome[]> {
  const kept = new Map(plan.endangered.map(({ path: file, stamp }) => [file, stamp]));
  const outcomes: RepairOutcome[] = [];
  for (const step of plan.steps.filter(({ action }) => action !== 'rebuild-index')) {
    outcomes.push(await attempt(step, () => applyStep(step, kept.get(step.path) ?? 'absent', location, deps)));
    deps.progress(outcomes.length, plan.steps.length);
    const pause = deps.breathe();
    if (pause) await pause;
  }
  const indexStep: RepairStep = { action: 'rebuild-index', session_id: null, path: location.indexFile.value };
  const isPlanned = plan.steps.some(({ action }) => action === 'rebuild-index');
  const changed = outcomes.flatMap(({ action, done, session_id: id }) =>
    done && id !== null && action !== 'clear-claim' ? [id] : [],
  );
  if (!isPlanned && changed.length === 0) return outcomes;
  const outcome = await attempt(indexStep, async () => {
    // Where the index is not made anew, the rows of what was changed are.
    const index = await (isPlanned
      ? planRebuild(location, defaults, deps)
      : planPatch(location, changed, defaults, deps));
    assertKept(index.stamp, kept.get(index.path), index.path, deps);
    await applyReindex(index, deps);
  });
  if (isPlanned || !outcome.done) outcomes.push(outcome);
  return outcomes;
}

function assertKept(now: FileStamp | 'absent', kept: FileStamp | 'absent' | undefined, file: string, deps: Deps): void {
  if (kept === undefined) throw new Error(`${file} was not kept`);
  if (now === 'absent' || kept === 'absent' ? now !== kept : !sameStamp(now, kept)) {
    assertUnchanged(deps.fs, { path: file, expected: kept });
  }
}

async function attempt(step: RepairStep, work: () => Promise<void>): Promise<RepairOutcome> {
  try {
    await work();
    return { ...step, done: true };
  } catch (thrown) {
    const error = isSystemError(thrown) ? ioError(thrown, step.path) : thrown;
    if (!(error instanceof HermesctlError)) throw error;
    return { ...step, done: false, error };
  }
}

async function applyStep(step: RepairStep, stamp: FileStamp | 'absent', location: Location, deps: Deps): Promise<void> {
  const id = step.session_id!;
  switch (step.action) {
    case 'restore-from-backup':
      return restore(id, step.path, stamp, deps);
    case 'make-from-database': {
      const bytes = Buffer.from(await sessionFromDatabase(location, id, deps));
      makeSessionsDirectory(location, deps);
      await durableWrite({ path: step.path, expected: 'absent' }, (write) => write(bytes), deps);
      return;
    }
    case 'fix-message-count':
      return fixMessageCount(step.path, id, stamp, deps);
    case 'clear-claim':
      return withLedger(location, deps, (ledger) => ledger.clearDeadClaim(id));
    case 'remove-tombstone':
      return removeTombstones(location.sessionsDir.value, id, deps);
    default:
      throw new Error(`${step.action} is no step of a session`);
  }
}

/** The backup's bytes become the session. The backup stays, as it does when the server restores. */
async function restore(id: string, file: string, expected: FileStamp | 'absent', deps: Deps): Promise<void> {
  assertNoLink(deps.fs, file);
  const done = await withFileAsync(deps.fs, backupPath(file), async (backup) => {
    const { source, stamp } = backup;
    scanOpenSidecar(backup, id); // a backup that broke since it was looked at must not come back
    await durableWrite({ path: file, expected }, (write) => writeSpliced(source, Number(stamp.size), [], write), deps);
    return true;
  });
  if (done) return;
  throw new HermesctlError('CHANGED_ON_DISK', `${backupPath(file)} was removed by another program meanwhile.`, {
    details: { path: backupPath(file) },
  });
}

async function fixMessageCount(file: string, id: string, stamp: FileStamp | 'absent', deps: Deps): Promise<void> {
  assertUnchanged(deps.fs, { path: file, expected: stamp });
  const edit = await withFileAsync(deps.fs, file, (open) => {
    const sidecar = scanOpenSidecar(open, id);
    const splices = editMembers(open, sidecar, new Map([['message_count', String(sidecar.transcript.count)]]));
    return Promise.resolve({ id, path: file, stamp: sidecar.stamp, splices, backup: false });
  });
  if (edit) await applyEdit(edit, deps);
}
