import type { Deps } from '../deps';
import { HermesctlError, type Warning } from '../errors';
import { indexedMessageCount } from '../index/read';
import { type Location, profileHomeFor } from '../location/location';
import { compactRow, nonNegativeInt, type RowDefaults, type SessionRow } from '../session/row';
import { type RawRecord, sessionStatus, sessionUsage } from '../session/status';
import { readSidecarMetadata, scanForRow, type ScannedForRow } from '../sidecar/read';
import { profileOf } from './query';
import { sessionNotFound } from './resolve-id';
import { fromSidecar } from './rows';

/** What reading one session gives, with what should be known about the file. */
export interface Read<T> {
  value: T;
  warnings: Warning[];
}

/**
 * The metadata of one session as a row, read from the file's beginning only.
 * A message count that is not recorded there is looked up in the index (seed
 * 001); what only the transcript could tell is null.
 *
 * @throws HermesctlError `SESSION_NOT_FOUND`, `SESSION_DAMAGED`, `IO_ERROR`.
 */
export function readMetadataRow(location: Location, defaults: RowDefaults, deps: Deps, id: string): Read<SessionRow> {
  const sidecar = readSidecarMetadata(deps.fs, location.sessionsDir.value, id);
  if (!sidecar) throw sessionNotFound(id, location);
  const needsIndex =
    sidecar.transcript === undefined && nonNegativeInt(sidecar.fields.get('message_count')) === undefined;
  const knownMessageCount = needsIndex ? countFromIndex(location, deps, id) : undefined;
  return { value: compactRow({ ...sidecar, knownMessageCount }, defaults), warnings: sidecar.warnings };
}

/** The index only helps here: where it cannot be read, the count stays unknown. */
function countFromIndex(location: Location, deps: Deps, id: string): number | undefined {
  try {
    return nonNegativeInt(indexedMessageCount(deps.fs, location.indexFile.value, id));
  } catch (error) {
    if (error instanceof HermesctlError) return undefined;
    throw error;
  }
}

/** @throws HermesctlError `SESSION_NOT_FOUND`, `SESSION_DAMAGED`, `IO_ERROR`. */
function scan(location: Location, deps: Deps, id: string): ScannedForRow {
  const sidecar = scanForRow(deps.fs, location.sessionsDir.value, id);
  if (!sidecar) throw sessionNotFound(id, location);
  return sidecar;
}

/** The status snapshot of one session, read from its file. Throws as {@link readMetadataRow}. */
export function readStatus(location: Location, defaults: RowDefaults, deps: Deps, id: string): Read<RawRecord> {
  const sidecar = scan(location, deps, id);
  const { row } = fromSidecar(sidecar, defaults);
  const profile = profileOf(row);
  const status = sessionStatus(row, sidecar.transcript.count, profile, profileHomeFor(location, profile));
  return { value: status, warnings: sidecar.warnings };
}

/** Tokens and cost of one session, read from its file. Throws as {@link readMetadataRow}. */
export function readUsage(location: Location, defaults: RowDefaults, deps: Deps, id: string): Read<RawRecord> {
  const sidecar = scan(location, deps, id);
  return { value: sessionUsage(fromSidecar(sidecar, defaults).row), warnings: sidecar.warnings };
}
