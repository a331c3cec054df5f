import type { Deps } from '../deps';
import { HermesctlError, type Warning } from '../errors';
import { type IndexReading, withIndex } from '../index/read';
import { toFloat, truthy } from '../json/python';
import { FALSE, RawJson } from '../json/raw';
import { Window } from '../json/window';
import { DEFAULT_PROFILE, type Location } from '../location/location';
import { compactRow, type RowDefaults, type SessionRow } from '../session/row';
import { sessionIds } from '../sidecar/directory';
import { scanForRow, type ScannedForRow, sidecarPath } from '../sidecar/read';
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

/** So many files are read in one window. */
const MANY = 16;

/**
 * The rows of every session of the store that can be read, all in memory. See
 * {@link withStoreRows}, which needs not have them all.
 *
 * @throws HermesctlError `STORE_NOT_FOUND`, `IO_ERROR`.
 */
export async function loadRows(location: Location, defaults: RowDefaults, deps: Deps): Promise<StoreRows> {
  return withStoreRows(location, defaults, deps, (store) => {
    const rows = store.rows.map(({ row, activity }) => ({ row: row.whole(), activity }));
    return Promise.resolve({ ...store, rows });
  });
}

/**
 * Hands over the rows of every session of the store that can be read: from the
 * index where it is good, from the files where it is not, and from the file for
 * each row that the index misses, that lacks `last_message_at`, or whose turn is
 * pending (its row ages fastest). Rows without a file are left out. A file that
 * had to be read and is damaged becomes a warning. Nothing is written.
 *
 * @param use may look at the rows as long as it runs; of those that it gives back it gives `whole()`.
 * @throws HermesctlError `STORE_NOT_FOUND`, `IO_ERROR`.
 */
export async function withStoreRows<T>(
  location: Location,
  defaults: RowDefaults,
  deps: Deps,
  use: (store: StoreRows) => Promise<T>,
): Promise<T> {
  const ids = sessionIds(deps.fs, location);
  return withIndex(deps.fs, location.indexFile.value, async (index) =>
    use(await rowsOf(ids, index, location, defaults, deps)),
  );
}

async function rowsOf(
  ids: string[],
  index: IndexReading,
  location: Location,
  defaults: RowDefaults,
  deps: Deps,
): Promise<StoreRows> {
  const warnings: Warning[] = [];
  if (index.state === 'broken') {
    warnings.push({
      code: 'INDEX_BROKEN',
      message: `${location.indexFile.value} cannot be used (${index.reason}, byte ${index.offset}); the session files were read instead.`,
      path: location.indexFile.value,
      offset: index.offset,
    });
  }

  const places = new Map<string, number>();
  for (const [place, id] of ids.entries()) places.set(id, place);
  /** Where in `rows` the session of each id is; -1: nowhere yet. */
  const rowOfId = new Int32Array(ids.length).fill(-1);
  const rows: (ListedRow | undefined)[] = [];
  const put = (place: number, row: ListedRow | undefined): void => {
    if (rowOfId[place] < 0) rowOfId[place] = rows.push(row) - 1;
    else rows[rowOfId[place]] = row;
  };
  if (index.state === 'good') {
    for (const row of index.rows) {
      const place = places.get(row.id);
      if (place !== undefined) put(place, fromIndex(row));
    }
  }
  const toRead = [...ids.keys()].filter((place) => {
    const row = rows[rowOfId[place]]?.row;
    return row === undefined || !row.has('last_message_at') || truthy(row.value('pending_user_message'));
  });

  const window = toRead.length >= MANY ? Window.fast() : undefined;
  let done = 0;
  for (const place of toRead) {
    const id = ids[place];
    try {
      const sidecar = scanForRow(deps.fs, location.sessionsDir.value, id, window);
      const listed = sidecar && fromSidecar(sidecar, defaults);
      put(place, listed && { ...listed, row: showable(listed.row) });
      if (sidecar) warnings.push(...sidecar.warnings);
    } catch (error) {
      warnings.push(asWarning(error, id));
    }
    deps.progress(++done, toRead.length);
    const pause = deps.breathe();
    if (pause) await pause;
  }
  return {
    rows: rows.filter((row) => row !== undefined),
    ids,
    source: index.state === 'good' ? 'index' : 'files',
    read: toRead.map((place) => sidecarPath(location.sessionsDir.value, ids[place])),
    warnings,
  };
}

function fromIndex(row: SessionRow): ListedRow {
  const activity = timeOf(row.value('last_message_at')) || timeOf(row.value('updated_at'));
  return { row: showable(row), activity };
}

/** The listed row of one sidecar. */
export function fromSidecar(sidecar: ScannedForRow, defaults: RowDefaults): ListedRow {
  const row = compactRow(sidecar, defaults);
  return { row, activity: timeOf(sidecar.transcript.lastAt) || timeOf(row.value('updated_at')) };
}

/** A time as a number; 0 where it is none. */
function timeOf(value: unknown): number {
  const time = toFloat(value);
  return time !== undefined && Number.isFinite(time) ? time : 0;
}

/** Sessions older than profiles belong to the default one; what streams is known to a server only. */
function showable(row: SessionRow): SessionRow {
  return row.with(truthy(row.value('profile')) ? AT_REST : AT_REST_BY_DEFAULT);
}

const AT_REST = { is_streaming: FALSE };
const AT_REST_BY_DEFAULT = { profile: RawJson.of(DEFAULT_PROFILE), ...AT_REST };

/** A session that could not be read, as a warning; a bug stays a bug. */
export function asWarning(error: unknown, id: string): Warning {
  if (!(error instanceof HermesctlError)) throw error;
  return { code: error.code, message: error.message, session_id: id, ...error.details };
}
