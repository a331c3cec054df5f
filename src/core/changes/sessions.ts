import type { Deps } from '../deps';
import type { Warning } from '../errors';
import { assertNoLink } from '../files/durable-write';
import { type OpenFile, withFileAsync } from '../files/open-file';
import { type IndexOutcome, patchIndexAfterSave, type SavedVersion } from '../index/reindex';
import { lastWorkspace } from '../location/last-workspace';
import type { Location } from '../location/location';
import { sessionNotFound } from '../listing/resolve-id';
import type { NewMembers } from '../session/create';
import type { RowDefaults } from '../session/row';
import { backupPath } from '../sidecar/backup';
import { applyCreate, planCreate } from '../sidecar/create';
import { assertStore } from '../sidecar/directory';
import { applyEdit } from '../sidecar/edit';
import { type MetadataChange, planMetadataEdit, storedTitle } from '../sidecar/metadata-edit';
import { scanOpenSidecar, type ScannedSidecar, sidecarPath } from '../sidecar/read';
import { applyRestore, planRestore } from '../sidecar/restore';
import { assertTombstonesUsable, removeTombstonesAfterSave } from '../sidecar/tombstones';
import { planTruncate, type TruncateCommand, type TruncateOptions } from '../sidecar/truncate';

/** Where a change happens, and whether it is only to be told. */
export interface ChangeTarget {
  location: Location;
  defaults: RowDefaults;
  /** Decide and report, and change no byte. */
  dryRun: boolean;
}

/** What every change of a session reports besides its own result. */
export interface Changed<T> {
  result: T;
  warnings: Warning[];
}

/** `null` in a dry run, or where nothing was saved. */
type IndexReport = IndexOutcome | null;

async function withSidecar<T>(
  { location }: ChangeTarget,
  id: string,
  deps: Deps,
  use: (file: OpenFile, sidecar: ScannedSidecar) => Promise<T>,
): Promise<Changed<T>> {
  assertStore(deps.fs, location);
  const path = sidecarPath(location.sessionsDir.value, id);
  assertNoLink(deps.fs, path);
  const done = await withFileAsync(deps.fs, path, async (file) => {
    const sidecar = scanOpenSidecar(file, id);
    return { result: await use(file, sidecar), warnings: sidecar.warnings };
  });
  if (!done) throw sessionNotFound(id, location);
  return done;
}

async function afterSave(target: ChangeTarget, id: string, deps: Deps, saved?: SavedVersion): Promise<IndexReport> {
  return patchIndexAfterSave(target.location, [id], target.defaults, deps, saved);
}

/** Result of an undo (seed 003), and where the previous version is. */
export interface UndoResult {
  session_id: string;
  removed_count: number;
  removed_preview: string;
  message_count: number;
  backup: string;
  index: IndexReport;
}

/** Result of a retry (seed 003), and where the previous version is. */
export interface RetryResult {
  session_id: string;
  last_user_text: string;
  removed_count: number;
  message_count: number;
  backup: string;
  index: IndexReport;
}

const PREVIEW_LENGTH = 40;

/** Cuts a session at a user message. The store's lock must be held unless it is a dry run. Throws as `planTruncate` and `applyEdit`. */
async function truncate(
  command: TruncateCommand,
  target: ChangeTarget,
  id: string,
  options: TruncateOptions,
  deps: Deps,
): Promise<Changed<{ text: string; removedCount: number; messageCount: number; index: IndexReport }>> {
  return withSidecar(target, id, deps, async (file, sidecar) => {
    const plan = planTruncate(command, file, sidecar, options, deps);
    const stamp = target.dryRun ? undefined : await applyEdit(plan.edit, deps);
    const index = stamp ? await afterSave(target, id, deps, { stamp, source: plan.after }) : null;
    return { text: plan.text, removedCount: plan.removedCount, messageCount: plan.messageCount, index };
  });
}

/** Takes back the last user turns of a session. */
export async function undoSession(
  target: ChangeTarget,
  id: string,
  options: TruncateOptions,
  deps: Deps,
): Promise<Changed<UndoResult>> {
  const { result, warnings } = await truncate('undo', target, id, options, deps);
  const characters = [...result.text];
  const preview =
    characters.length > PREVIEW_LENGTH ? `${characters.slice(0, PREVIEW_LENGTH).join('')}...` : result.text;
  return {
    result: {
      session_id: id,
      removed_count: result.removedCount,
      removed_preview: preview,
      message_count: result.messageCount,
      backup: backupPath(sidecarPath(target.location.sessionsDir.value, id)),
      index: result.index,
    },
    warnings,
  };
}

/** Takes back the last user turn of a session and gives its text, to be sent again. */
export async function retrySession(
  target: ChangeTarget,
  id: string,
  options: TruncateOptions,
  deps: Deps,
): Promise<Changed<RetryResult>> {
  const { result, warnings } = await truncate('retry', target, id, options, deps);
  return {
    result: {
      session_id: id,
      last_user_text: result.text,
      removed_count: result.removedCount,
      message_count: result.messageCount,
      backup: backupPath(sidecarPath(target.location.sessionsDir.value, id)),
      index: result.index,
    },
    warnings,
  };
}

export interface MetadataResult {
  session_id: string;
  /** False where the session said so already: nothing was written then. */
  changed: boolean;
  title?: string;
  pinned?: boolean;
  archived?: boolean;
  index: IndexReport;
}

/** Renames, pins or archives a session. Throws as `planMetadataEdit` and `applyEdit`. */
export async function changeMetadata(
  target: ChangeTarget,
  id: string,
  change: MetadataChange,
  force: boolean,
  deps: Deps,
): Promise<Changed<MetadataResult>> {
  return withSidecar(target, id, deps, async (file, sidecar) => {
    const edit = planMetadataEdit(file, sidecar, change, force, deps);
    const saves = edit !== undefined && !target.dryRun;
    if (saves) await applyEdit(edit, deps);
    const said = 'title' in change ? { title: storedTitle(change.title) } : change;
    return {
      session_id: id,
      changed: edit !== undefined,
      ...said,
      index: saves ? await afterSave(target, id, deps) : null,
    };
  });
}

export interface RestoreResult {
  session_id: string;
  messages_before: number;
  message_count: number;
  backup: string;
  index: IndexReport;
}

/** Brings back what a session's `.json.bak` holds. Throws as `planRestore` and `applyRestore`. */
export async function restoreSession(
  target: ChangeTarget,
  id: string,
  force: boolean,
  deps: Deps,
): Promise<Changed<RestoreResult>> {
  assertStore(deps.fs, target.location);
  const sessionsDir = target.location.sessionsDir.value;
  const plan = planRestore(sessionsDir, id, force, deps);
  const forgetsDeletion = plan.messagesAfter > 0;
  if (forgetsDeletion) assertTombstonesUsable(sessionsDir, deps);
  if (!target.dryRun) await applyRestore(plan, deps);
  const warnings = forgetsDeletion && !target.dryRun ? await removeTombstonesAfterSave(sessionsDir, id, deps) : [];
  return {
    result: {
      session_id: id,
      messages_before: plan.messagesBefore,
      message_count: plan.messagesAfter,
      backup: plan.backup,
      index: target.dryRun ? null : await afterSave(target, id, deps),
    },
    warnings,
  };
}

export interface CreateResult {
  session_id: string;
  path: string;
  message_count: number;
  replaced: boolean;
  index: IndexReport;
}

const NEW_ID_LENGTH = 12;

/** Makes a session from its description. Throws as `planCreate` and `applyCreate`. */
export async function createSession(
  target: ChangeTarget,
  members: NewMembers,
  options: { replace: boolean; force: boolean },
  deps: Deps,
): Promise<Changed<CreateResult>> {
  const { location } = target;
  assertStore(deps.fs, location);
  const defaults = {
    id: deps.ids.uuidHex().slice(0, NEW_ID_LENGTH),
    workspace: lastWorkspace(location, deps.fs),
    model: location.defaultModel.value,
    profile: location.profile.value,
    now: deps.clock.now(),
  };
  const sessionsDir = location.sessionsDir.value;
  const plan = planCreate(sessionsDir, members, defaults, options, deps);
  const forgetsDeletion = plan.messageCount > 0;
  if (forgetsDeletion) assertTombstonesUsable(sessionsDir, deps);
  if (!target.dryRun) await applyCreate(plan, deps);
  const warnings = forgetsDeletion && !target.dryRun ? await removeTombstonesAfterSave(sessionsDir, plan.id, deps) : [];
  return {
    result: {
      session_id: plan.id,
      path: plan.path,
      message_count: plan.messageCount,
      replaced: plan.expected !== 'absent',
      index: target.dryRun ? null : await afterSave(target, plan.id, deps),
    },
    warnings,
  };
}
