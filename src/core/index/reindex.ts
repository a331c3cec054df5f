import type { Deps } from '../deps';
import { HermesctlError, ioError, isSystemError, type Warning } from '../errors';
import { type OpenFile, readSpan, withFileAsync } from '../files/open-file';
import { type FileStamp, sameStamp, stampOf } from '../files/stamp';
import type { Location } from '../location/location';
import type { RowDefaults, RowSource } from '../session/row';
import { sessionIds } from '../sidecar/directory';
import { sidecarPath } from '../sidecar/read';
import { unusable } from './file-rows';
import type { KnownRows } from './known-rows';
import { type ReadRows, readRows } from './read-rows';
import {
  type CurrentIndex,
  entryOf,
  type IndexEntry,
  isListOf,
  NO_INDEX,
  readEntries,
  readOpenEntries,
  sortEntries,
  writeIndexFile,
} from './rows-file';

/** The index that should be, decided and not yet written. */
export interface ReindexPlan {
  path: string;
  /** The version of the index that was looked at, and that must still be there. */
  stamp: FileStamp | 'absent';
  /** The rows that stand there now; undefined where the index is missing or cannot be used, or was not read because nothing changed. */
  current: IndexEntry[] | undefined;
  /** All rows of the new index, in order; none where the old one was not read. Those that are added or updated have their text, and so have the rows that they take the place of. */
  entries: IndexEntry[];
  /** How many rows the new index has. */
  rows: number;
  /** Whether the file differs from what the rows make. */
  changed: boolean;
  added: string[];
  updated: string[];
  /** Rows that go because they have no file that can be read. */
  removed: string[];
  /** Files that cannot be used: those that are damaged have no row, those that could not be read keep the one they had. */
  damaged: Warning[];
  warnings: Warning[];
  /** Session files that were read: the rows of the others are known to be right. */
  filesRead: number;
}

/**
 * Plans an index made anew from every session file (reference: webui-store
 * §3). A damaged file has no row and is reported; one that the system would
 * not let us read says nothing about its session, which keeps the row it had.
 * Nothing stops the rest.
 *
 * @param known spares reading the files whose rows are known to be right; told of the others.
 * @throws HermesctlError `STORE_NOT_FOUND`, `IO_ERROR`
 */
export async function planRebuild(
  location: Location,
  defaults: RowDefaults,
  deps: Deps,
  known?: KnownRows,
): Promise<ReindexPlan> {
  const path = location.indexFile.value;
  const unchanged = await known?.unchanged(location);
  if (unchanged) return planOfNothing(path, unchanged);
  // Opened before any session file is read: what a server writes afterwards is another version.
  const planned = await withFileAsync(deps.fs, path, (file) => planOver(file, location, defaults, deps, known));
  if (planned) return planned;
  const ids = sessionIds(deps.fs, location);
  const read = await readRows(ids, location, defaults, deps, known);
  const plan = planOf(path, NO_INDEX, sortEntries(read.entries), read);
  // A store without `sessions/` is an empty one: there is no place for an index, and nothing to put into it.
  if (ids.length === 0 && !deps.fs.statSync(location.sessionsDir.value, { throwIfNoEntry: false }))
    plan.changed = false;
  known?.settle(ids, plan);
  return plan;
}

/** The plan where there is an index, good or not. */
async function planOver(
  file: OpenFile,
  location: Location,
  defaults: RowDefaults,
  deps: Deps,
  known: KnownRows | undefined,
): Promise<ReindexPlan> {
  const before = known?.isOfUse ? known.readEntries(file) : undefined;
  const ids = sessionIds(deps.fs, location);
  const held = known && before?.entries ? heldEntries(before.entries, new Set(ids), known) : NONE_HELD;
  const toRead = held.size === 0 ? ids : ids.filter((id) => !held.has(id));
  const read = await readRows(toRead, location, defaults, deps, known);
  const unread = unreadIds(read);
  const made = sortEntries([...held.values(), ...read.entries]);
  if (!before && unread.size === 0 && isListOf(made, file, known?.ofRead(file.stamp) ?? (() => undefined))) {
    const plan = planOfSame(file, made, read);
    known?.settle(ids, plan);
    return plan;
  }
  const current = before ?? readBeside(made, file, known);
  const kept = (current.entries ?? []).filter(({ id }) => unread.has(id));
  const plan = planOf(file.path, current, kept.length === 0 ? made : sortEntries([...made, ...kept]), read);
  known?.settle(ids, plan);
  return plan;
}

/** What {@link planCompared} says of the index: how it differs from the files, without the texts of all its rows. */
export type ComparedIndex = Omit<ReindexPlan, 'changed'>;

/**
 * Compares the index with what every session file gives, row by row as the
 * files are read: of rows that are right no text is kept, and none of rows
 * that are missing. So it tells how the index differs, and cannot be written.
 *
 * @param read reads the files, and hands each row to the function that it is given: that one's result is the entry.
 *   The row's text is only lent.
 * @throws HermesctlError `STORE_NOT_FOUND`, `IO_ERROR`
 */
export async function planCompared(
  location: Location,
  deps: Deps,
  read: (keep: (made: IndexEntry & { text: Buffer }) => IndexEntry) => Promise<ReadRows>,
): Promise<ComparedIndex> {
  const path = location.indexFile.value;
  const planned = await withFileAsync(deps.fs, path, async (file) => {
    const current = readOpenEntries(file, () => false);
    const rows = await read((made) => compared(made, current, file));
    const unread = unreadIds(rows);
    const kept = (current.entries ?? []).filter(({ id }) => unread.has(id));
    return planOf(path, current, sortEntries([...rows.entries, ...kept]), rows);
  });
  if (planned) return planned;
  const rows = await read(withoutText);
  return planOf(path, NO_INDEX, sortEntries(rows.entries), rows);
}

/** The entry that stands in the index, where it is what was made; both have their texts where they differ. */
function compared(made: IndexEntry & { text: Buffer }, current: CurrentIndex, file: OpenFile): IndexEntry {
  const last = current.lastOf.get(made.id);
  if (last === undefined) return withoutText(made);
  const old = current.entries![last];
  const text = old.text ?? readSpan(file, old.place!.start, old.place!.end);
  if (text.equals(made.text)) return old;
  old.text = text;
  return { ...made, text: Buffer.from(made.text) };
}

function withoutText({ id, updatedAt }: IndexEntry): IndexEntry {
  return { id, updatedAt, text: undefined };
}

const NONE_HELD: ReadonlyMap<string, IndexEntry> = new Map();

/** The index is what it should be. */
function planOfSame({ path, stamp }: OpenFile, entries: IndexEntry[], read: ReadRows): ReindexPlan {
  const { damaged, warnings, files: filesRead } = read;
  const same = { current: entries, entries, rows: entries.length, changed: false };
  return { path, stamp, ...same, added: [], updated: [], removed: [], damaged, warnings, filesRead };
}

/** The index, once it is known what it should be: rows that are right share their texts with those of the new one. */
function readBeside(made: readonly IndexEntry[], file: OpenFile, known: KnownRows | undefined): CurrentIndex {
  const texts = new Map(made.map(({ id, text }) => [id, text]));
  const keepText = (id: string, bytes: () => Buffer): true | Buffer => {
    const text = texts.get(id);
    return text?.equals(bytes()) ? text : true;
  };
  return readOpenEntries(file, keepText, known?.ofRead(file.stamp));
}

/** Every file is the one that its row was made of, and the index is as it was left. */
function planOfNothing(path: string, { stamp, rows }: { stamp: FileStamp; rows: number }): ReindexPlan {
  const nothing = { added: [], updated: [], removed: [], damaged: [], warnings: [] };
  return { path, stamp, current: undefined, entries: [], rows, changed: false, ...nothing, filesRead: 0 };
}

/**
 * Plans new rows for these sessions only: all other rows keep their bytes,
 * unknown keys included, and rows without a file go. Where there is no index
 * that can be used, it is made anew.
 *
 * @param saved a version of one of them of which all is known: while it is the one that is there, it is not read.
 * @throws HermesctlError `STORE_NOT_FOUND`, `IO_ERROR`
 */
export async function planPatch(
  location: Location,
  ids: readonly string[],
  defaults: RowDefaults,
  deps: Deps,
  saved?: SavedVersion,
): Promise<ReindexPlan> {
  const named = new Set(ids);
  const current = readEntries(location.indexFile.value, deps, (id) => named.has(id));
  if (current.entries === undefined) return planRebuild(location, defaults, deps);
  const live = new Set(sessionIds(deps.fs, location));
  const known = saved && live.has(saved.source.id) && isThere(saved, location, deps) ? saved.source : undefined;
  const read = await readRows(
    [...named].filter((id) => live.has(id) && id !== known?.id),
    location,
    defaults,
    deps,
  );
  if (known) addRow(read, known, defaults);
  // A row that was made anew replaces every old one of its session, should there be several.
  const unread = unreadIds(read);
  const replaced = new Set<unknown>([
    ...read.entries.map(({ id }) => id),
    ...read.damaged.map(({ session_id: id }) => id).filter((id) => !unread.has(String(id))),
  ]);
  const kept = current.entries.filter(({ id }) => live.has(id) && !replaced.has(id));
  return planOf(location.indexFile.value, current, sortEntries([...kept, ...read.entries]), read);
}

function addRow(read: ReadRows, source: RowSource, defaults: RowDefaults): void {
  try {
    read.entries.push(entryOf(source, defaults));
  } catch (error) {
    if (!(error instanceof HermesctlError)) throw error;
    read.damaged.push(unusable(source.id, error));
  }
}

/** A version of a session file that was just saved, and what its row is made of. */
export interface SavedVersion {
  stamp: FileStamp;
  source: RowSource;
}

function isThere({ stamp, source }: SavedVersion, location: Location, deps: Deps): boolean {
  const path = sidecarPath(location.sessionsDir.value, source.id);
  const stats = deps.fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stats !== undefined && sameStamp(stampOf(stats), stamp);
}

/** The rows that need no reading. A session that stands there twice is read. */
function heldEntries(
  entries: readonly IndexEntry[],
  live: ReadonlySet<string>,
  known: KnownRows,
): Map<string, IndexEntry> {
  const held = new Map<string, IndexEntry>();
  const seen = new Set<string>();
  for (const entry of entries) {
    if (seen.has(entry.id)) held.delete(entry.id);
    else if (live.has(entry.id) && known.holds(entry.id)) held.set(entry.id, entry);
    seen.add(entry.id);
  }
  return held;
}

/** Sessions whose files the system would not let us read. */
function unreadIds({ damaged }: ReadRows): Set<string> {
  return new Set(damaged.filter(({ code }) => code === 'IO_ERROR').map(({ session_id: id }) => String(id)));
}

/** @param entries in order. */
function planOf(path: string, current: CurrentIndex, entries: IndexEntry[], read: ReadRows): ReindexPlan {
  const before = current.entries ?? [];
  const stays = new Uint8Array(before.length);
  const added: string[] = [];
  const updated: string[] = [];
  for (const entry of entries) {
    const last = current.lastOf.get(entry.id);
    if (last === undefined) added.push(entry.id);
    else {
      const old = before[last];
      if (old !== entry && !old.text!.equals(entry.text!)) updated.push(entry.id);
      stays[last] = 1;
    }
  }
  const removed: string[] = [];
  if (stays.includes(0)) for (const [id, last] of current.lastOf) if (stays[last] === 0) removed.push(id);
  const sameOrder =
    before.length === entries.length && entries.every((entry, i) => before[i] === entry || before[i].id === entry.id);
  return {
    path,
    stamp: current.stamp,
    current: current.entries,
    entries,
    rows: entries.length,
    changed: current.entries === undefined || !sameOrder || updated.length > 0,
    added,
    updated,
    removed,
    damaged: read.damaged,
    warnings: read.warnings,
    filesRead: read.files,
  };
}

/**
 * Writes the planned index, unless it is what stands there already. The
 * store's lock must be held.
 *
 * @param known is told what was written.
 * @throws HermesctlError `CHANGED_ON_DISK`, `REFUSED`, `IO_ERROR`
 */
export async function applyReindex(plan: ReindexPlan, deps: Deps, known?: KnownRows): Promise<void> {
  if (plan.changed) await writeIndexFile(plan.path, plan.stamp, plan.entries, deps, known?.ofWritten());
}

/** What became of the index after a save. */
export type IndexOutcome = { updated: true } | { updated: false; error: string; hint: string };

const PATCH_TRIES = 3;

/**
 * Brings these sessions' rows up to date after their files were saved. The
 * save stands whatever happens here, so a failure is a result, with the command
 * that mends it. A server that wrote the index in between is tried again.
 *
 * @param saved as for {@link planPatch}.
 */
export async function patchIndexAfterSave(
  location: Location,
  ids: readonly string[],
  defaults: RowDefaults,
  deps: Deps,
  saved?: SavedVersion,
): Promise<IndexOutcome> {
  const hint = `hermesctl reindex ${ids.join(' ')}`;
  // The session is saved by now: an interrupt that got in here would leave its row behind it.
  const unbroken: Deps = { ...deps, breathe: () => undefined };
  for (let attempt = 1; ; attempt++) {
    try {
      const plan = await planPatch(location, ids, defaults, unbroken, saved);
      await applyReindex(plan, unbroken);
      const skipped = plan.damaged.find(({ code, session_id: id }) => code === 'IO_ERROR' && ids.includes(String(id)));
      if (!skipped) return { updated: true };
      return { updated: false, error: skipped.message, hint };
    } catch (thrown) {
      const error = isSystemError(thrown) ? ioError(thrown) : thrown;
      if (!(error instanceof HermesctlError)) throw error;
      if (error.code === 'CHANGED_ON_DISK' && attempt < PATCH_TRIES) continue;
      return { updated: false, error: error.message, hint };
    }
  }
}
