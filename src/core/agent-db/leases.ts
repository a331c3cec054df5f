import type BetterSqlite3 from 'better-sqlite3';

import { HermesctlError } from '../errors';
import { toFloat } from '../json/python';
import type { Family } from './family';
import { tablesOf } from './tables';
import { plain, type SqlRow } from './values';

/** Where the agent says that it works on a session (reference: hermes-agent §1.4). */
const LEASES = [
  { table: 'session_turn_leases', key: 'conversation_id', what: 'a turn is running' },
  { table: 'compression_locks', key: 'session_id', what: 'its history is being compressed' },
] as const;

/**
 * Refuses a family that the agent works on: a lease or lock that has not
 * expired. A turn's lease is kept under the conversation's first session, so
 * that both are looked for under the sessions and their roots.
 *
 * @param now epoch seconds.
 * @throws HermesctlError `SESSION_BUSY`
 */
export function assertNoLease(database: BetterSqlite3.Database, family: Family, now: number): void {
  const tables = tablesOf(database);
  const ids = [...new Set([...family.removed, ...family.roots])];
  for (const { table, key, what } of LEASES) {
    if (!tables.has(table)) continue;
    const find = database.prepare(`SELECT * FROM ${table} WHERE ${key} = ?`);
    for (const id of ids) {
      const lease = (find.all(id) as SqlRow[]).find((row) => isLive(row, now));
      if (!lease) continue;
      const holder = String(plain(lease['holder']) ?? 'somebody');
      throw new HermesctlError('SESSION_BUSY', `Session ${id} is in use in the agent: ${what}, by ${holder}.`, {
        hint: 'Let it end. If nothing runs, it expires by itself; --force goes on all the same.',
        details: { session_id: id, table, holder, expires_at: plain(lease['expires_at']) },
      });
    }
  }
}

/** One whose end nobody can read is taken for live. */
function isLive(row: SqlRow, now: number): boolean {
  const expires = toFloat(plain(row['expires_at']));
  return expires === undefined || expires > now;
}
