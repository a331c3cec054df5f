import { HermesctlError } from '../errors';
import type { FileSystem } from '../files/file-system';
import type { Location } from '../location/location';
import { assertStoreId } from '../session/id';
import { assertStore, sessionIds } from '../sidecar/directory';
import { sidecarPath } from '../sidecar/read';

/** The beginning of an id that stands for the id has so many characters at least. */
export const MIN_PREFIX = 4;
const MAX_CANDIDATES = 20;

/**
 * The id of the session that a person means: exact, else the only one that
 * begins so (from 4 characters on, and only where prefixes are allowed).
 *
 * @throws HermesctlError `USAGE` (no id at all, or ambiguous: the candidates are named), `SESSION_NOT_FOUND`, `STORE_NOT_FOUND`.
 */
export function resolveSessionId(fs: FileSystem, location: Location, given: string, allowPrefix: boolean): string {
  assertStoreId(given);
  assertStore(fs, location);
  if (hasFile(fs, location, given)) return given;
  const ids = allowPrefix && given.length >= MIN_PREFIX ? sessionIds(fs, location) : [];
  const candidates = ids.filter((id) => id.startsWith(given)).sort();
  if (candidates.length === 1) return candidates[0];
  if (candidates.length > 1) throw ambiguous(given, candidates);
  throw sessionNotFound(given, location, notFoundHint(given, allowPrefix));
}

/** Asked of the file system by name: a directory of 300,000 names is only read for a prefix. */
function hasFile(fs: FileSystem, location: Location, id: string): boolean {
  return fs.lstatSync(sidecarPath(location.sessionsDir.value, id), { throwIfNoEntry: false }) !== undefined;
}

/** Several sessions begin so: the failure names them. */
export function ambiguous(given: string, candidates: string[]): HermesctlError {
  const shown = candidates.slice(0, MAX_CANDIDATES);
  const more = candidates.length - shown.length;
  return new HermesctlError(
    'USAGE',
    `'${given}' begins ${candidates.length} session ids: ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}.`,
    { hint: 'Give more of the id.', details: { candidates } },
  );
}

const LIST_HINT = "'hermesctl sessions list --all' shows all there are.";

function notFoundHint(given: string, allowPrefix: boolean): string {
  if (!allowPrefix) return `Only a whole id will do here. ${LIST_HINT}`;
  return given.length < MIN_PREFIX ? `The beginning of an id needs ${MIN_PREFIX} characters. ${LIST_HINT}` : LIST_HINT;
}

export function sessionNotFound(id: string, location: Location, hint = LIST_HINT): HermesctlError {
  return new HermesctlError('SESSION_NOT_FOUND', `There is no session ${id} in ${location.sessionsDir.value}.`, {
    hint,
    details: { session_id: id },
  });
}
