import { withReadHandle } from '../agent-db/writable';
import type { SqlRow } from '../agent-db/values';
import type { Deps } from '../deps';
import { HermesctlError } from '../errors';
import type { Location } from '../location/location';
import { assertStoreId, isStoreId } from '../session/id';
import { sessionIds } from '../sidecar/directory';

const MIN_PREFIX = 4;
const MAX_CANDIDATES = 20;

/**
 * The session that a person means by an id or its beginning, in the store or in
 * the agent's database; the text itself where it is neither: deleting it says so.
 *
 * @throws HermesctlError `USAGE` where several begin so, `STORE_NOT_FOUND`.
 */
export async function resolveDeletable(location: Location, given: string, deps: Deps): Promise<string> {
  const inStore = sessionIds(deps.fs, location).filter((id) => id.startsWith(given));
  const candidates = [...new Set([...inStore, ...(await idsInDatabase(location, given, deps))])].sort();
  if (candidates.includes(given) || given.length < MIN_PREFIX || candidates.length === 0) return given;
  if (candidates.length === 1) return candidates[0];
  const shown = candidates.slice(0, MAX_CANDIDATES).join(', ');
  throw new HermesctlError('USAGE', `'${given}' begins ${candidates.length} session ids: ${shown}.`, {
    hint: 'Give more of the id.',
    details: { candidates },
  });
}

/**
 * Refuses what is no id at all: what cannot be one in the store must be one in
 * the agent's database, where any text may be.
 *
 * @throws HermesctlError `USAGE`
 */
export async function assertDeletable(
  location: Location,
  id: string,
  { agent }: { agent: boolean },
  deps: Deps,
): Promise<void> {
  if (isStoreId(id)) return;
  if (!agent || id === '' || !(await idsInDatabase(location, id, deps)).includes(id)) assertStoreId(id);
}

async function idsInDatabase(location: Location, prefix: string, deps: Deps): Promise<string[]> {
  const database = location.agentDatabase.value;
  if (!deps.fs.statSync(database, { throwIfNoEntry: false })) return [];
  try {
    return await withReadHandle(database, deps, (handle) => {
      const rows = handle
        .prepare('SELECT id FROM sessions WHERE substr(id, 1, length(:prefix)) = :prefix')
        .all({ prefix });
      return (rows as SqlRow[]).flatMap(({ id }) => (typeof id === 'string' ? id : []));
    });
  } catch (error) {
    // That it cannot be read is told where it matters.
    if (error instanceof HermesctlError && error.code === 'DATABASE_UNUSABLE') return [];
    throw error;
  }
}
