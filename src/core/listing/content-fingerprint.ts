import { withAgentDatabase } from '../agent-db/open';
import type { Deps } from '../deps';
import { HermesctlError } from '../errors';

/**
 * The greatest row number of sessions and of messages (seed 002): two commits
 * may leave the database's files with the same times and sizes. Null where the
 * database cannot be used, and for a table that is not there.
 */
export async function contentFingerprint(path: string, deps: Deps): Promise<(string | null)[] | null> {
  try {
    return await withAgentDatabase(path, deps, (database) =>
      Promise.all(
        (['sessions', 'messages'] as const).map(async (table) => {
          if ((await database.columns(table)).size === 0) return null;
          const row = await database.first(`SELECT max(rowid) AS greatest FROM ${table}`);
          return row?.['greatest'] == null ? null : String(row['greatest']);
        }),
      ),
    );
  } catch (error) {
    if (error instanceof HermesctlError && error.code === 'DATABASE_UNUSABLE') return null;
    throw error;
  }
}
