import type { Deps } from '../deps';
import { HermesctlError, ioError, isSystemError } from '../errors';
import { syncDirectory } from '../files/durable-write';
import type { FileSystem } from '../files/file-system';
import type { Location } from '../location/location';
import { isStoreId } from '../session/id';

/**
 * The ids of all sessions that have a file in the store, in no order. A store
 * that has no `sessions/` yet has none.
 *
 * @throws HermesctlError `STORE_NOT_FOUND` where the state directory is missing or no directory, `IO_ERROR`.
 */
export function sessionIds(fs: FileSystem, location: Location): string[] {
  assertStore(fs, location);
  let names: string[];
  try {
    names = fs.readdirSync(location.sessionsDir.value);
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return [];
    throw isSystemError(error) ? ioError(error, location.sessionsDir.value) : error;
  }
  const ids: string[] = [];
  for (const name of names) {
    if (!name.endsWith('.json')) continue;
    const id = name.slice(0, -'.json'.length);
    if (isStoreId(id)) ids.push(id);
  }
  return ids;
}

/**
 * Makes `sessions/` where a store has none yet, as its state directory is: for
 * sessions that are brought in before a server was there.
 *
 * @throws HermesctlError `IO_ERROR`
 */
export function makeSessionsDirectory(location: Location, deps: Deps): void {
  const { fs } = deps;
  const { value: dir } = location.sessionsDir;
  try {
    if (fs.statSync(dir, { throwIfNoEntry: false })) return;
    const { mode, uid, gid } = fs.statSync(location.stateDir.value);
    fs.mkdirSync(dir, { mode: mode & 0o777 });
    const made = fs.statSync(dir);
    if (made.uid !== uid || made.gid !== gid) fs.chownSync(dir, uid, gid);
    syncDirectory(fs, location.stateDir.value);
  } catch (error) {
    throw isSystemError(error) ? ioError(error, dir) : error;
  }
}

/** @throws HermesctlError `STORE_NOT_FOUND` where the state directory is missing or no directory. */
export function assertStore(fs: FileSystem, location: Location): void {
  const { value: dir, source } = location.stateDir;
  let isDirectory = false;
  try {
    isDirectory = fs.statSync(dir).isDirectory();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw ioError(error, dir);
  }
  if (isDirectory) return;
  throw new HermesctlError('STORE_NOT_FOUND', `There is no store at ${dir} (from ${source}).`, {
    hint: "Name the WebUI's state directory with --state-dir or HERMES_WEBUI_STATE_DIR; 'hermesctl paths' shows where it is looked for.",
    details: { path: dir, source },
  });
}
