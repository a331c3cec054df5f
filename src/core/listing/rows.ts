import type { Deps } from '../deps';
import { HermesctlError, type Warning } from '../errors';
import { readIndex } from '../index/read';
import { toFloat, truthy } from '../json/python';
import { FALSE, RawJson } from '../json/raw';
import { DEFAULT_PROFILE, type Location } from '../location/location';
import { compactRow, type RowDefaults, type SessionRow } from '../session/row';
import { sessionIds } from '../sidecar/directory';
import { type ScannedSidecar, scanSidecar, sidecarPath } from '../sidecar/read';
import type { ListedRow } from './query';

/** All rows of a store, unfiltered and unsorted. */
export interface StoreRows {
  rows: ListedRow[];
  /** Ids of all session files, readable or not. */
  ids: string[];
  /** Where the rows came from: the index, or the session files where it could not be used. */
  source: 'index' | 'files';
  /** Paths of the session files that were read. */
  read: string[];
  warnings: Warning[];
}

/** What a row takes from the surroundings. */
export function rowDefaults(location: Location, userHome: string): RowDefaults {
  return { workspace: location.defaultWorkspace.value, model: location.defaultModel.value, userHome };
}

/**
 * The rows of every session of the store that can be read: from the index
 * where it is good, from the files where it is not, and from the file for each
 * row that the index misses, that lacks `last_message_at`, or whose turn is
 * pending (its row ages fastest). Rows without a file are left out. A file that
 * had to be read and is damaged becomes a warning. Nothing is written.
 *
 * @throws HermesctlError `STORE_NOT_FOUND`, `IO_ERROR`.
 */
export async function loadRows(location: Location, defaults: RowDefaults, deps: Deps): Promise<StoreRows> {
  const ids = sessionIds(deps.fs, location);
  const index = readIndex(deps.fs, location.indexFile.value);
  const warnings: Warning[] = [];
  if (index.state === 'broken') {
    warnings.push({
      code: 'INDEX_BROKEN',
      message: `${location.indexFile.value} cannot be used (${index.reason}, byte ${index.offset}); the session files were read instead.`,
      path: location.indexFile.value,
      offset: index.offset,
    });
  }

  const live = new Set(ids);
  const found = new Map<string, ListedRow>();
  if (index.state === 'good') {
    for (const row of index.rows) if (live.has(row.id)) found.set(row.id, fromIndex(row));
  }
  const toRead = ids.filter((id) => {
    const row = found.get(id)?.row;
    return row === undefined || !row.has('last_message_at') || truthy(row.value('pending_user_message'));
  });

  const buffer = Buffer.allocUnsafe(1024 * 1024);
  let done = 0;
  for (const id of toRead) {
    try {
      const sidecar = scanSidecar(deps.fs, location.sessionsDir.value, id, buffer);
      if (sidecar) found.set(id, fromSidecar(sidecar, defaults));
      else found.delete(id);
      if (sidecar) warnings.push(...sidecar.warnings);
    } catch (error) {
      warnings.push(asWarning(error, id));
    }
    deps.progress(++done, toRead.length);
    const pause = deps.breathe();
    if (pause) await pause;
  }
  const rows = [...found.values()].map(showable);
  const read = toRead.map((id) => sidecarPath(location.sessionsDir.value, id));
  return { rows, ids, source: index.state === 'good' ? 'index' : 'files', read, warnings };
}

function fromIndex(row: SessionRow): ListedRow {
  return { row, activity: firstTime(row.value('last_message_at'), row.value('updated_at')) };
}

/** The listed row of one sidecar. */
export function fromSidecar(sidecar: ScannedSidecar, defaults: RowDefaults): ListedRow {
  const row = compactRow(sidecar, defaults);
  return { row, activity: firstTime(sidecar.transcript.lastAt, row.value('updated_at')) };
}

/** The first of two times that is one; 0 where neither is. */
function firstTime(...values: unknown[]): number {
  const time = values.map(toFloat).find((value) => value !== undefined && Number.isFinite(value) && value !== 0);
  return time ?? 0;
}

/** Sessions older than profiles belong to the default one; what streams is known to a server only. */
function showable({ row, activity }: ListedRow): ListedRow {
  const profile = truthy(row.value('profile')) ? row.raw('profile')! : RawJson.of(DEFAULT_PROFILE);
  return { row: row.with({ profile, is_streaming: FALSE }), activity };
}

/** A session that could not be read, as a warning; a bug stays a bug. */
export function asWarning(error: unknown, id: string): Warning {
  if (!(error instanceof HermesctlError)) throw error;
  return { code: error.code, message: error.message, session_id: id, ...error.details };
}
