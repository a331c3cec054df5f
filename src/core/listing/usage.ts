import type { AgentDatabase } from '../agent-db/database';
import { withAgentDatabase } from '../agent-db/open';
import type { SessionFacts } from '../agent-db/projection';
import { agentRow, IN_AGENT_DATABASE } from '../agent-db/row';
import { type SessionColumn, sessionColumns } from '../agent-db/stored';
import type { Deps } from '../deps';
import type { Warning } from '../errors';
import { RawJson } from '../json/raw';
import type { Location } from '../location/location';
import type { RowDefaults } from '../session/row';
import { type RawRecord, sessionUsage } from '../session/status';
import { type IdSet, unusableDatabase } from './agent-rows';
import { matches, NO_FILTER, profileOf } from './query';
import { loadRows } from './rows';

export interface UsageQuery {
  /** Only sessions of this profile; of the store. */
  profile?: string | undefined;
  /** The places whose databases are asked for sessions that the store has no file of; undefined: none. */
  agent?: readonly Location[] | undefined;
  /** Sessions of the databases that are counted elsewhere: other stores have files of them. */
  elsewhere?: IdSet | undefined;
}

export interface StoreUsage {
  /** By id. With {@link UsageQuery.agent} each names its profile, and those of a database say that they are. */
  usages: RawRecord[];
  warnings: Warning[];
}

/**
 * Tokens and cost of every session of a store that can be read, and of every
 * session that only these databases have. Each is counted once: where the store
 * has a file of it, by the file; where several databases have it, by the first.
 * Segments of one conversation are sessions of their own here: each has counted
 * its own tokens. A database that is not there has no sessions; one that cannot be
 * used is a warning.
 *
 * @throws HermesctlError `STORE_NOT_FOUND`, `IO_ERROR`.
 */
export async function usageOfStore(
  location: Location,
  { profile, agent, elsewhere }: UsageQuery,
  defaults: RowDefaults,
  deps: Deps,
): Promise<StoreUsage> {
  const { rows, ids, warnings } = await loadRows(location, defaults, deps);
  const usages = rows
    .filter((listed) => matches(listed, { ...NO_FILTER, profile }))
    .sort((a, b) => compare(a.row.id, b.row.id))
    .map(({ row }): RawRecord => {
      const usage = sessionUsage(row);
      return agent === undefined ? usage : { ...usage, profile: RawJson.of(profileOf(row)) };
    });
  const seen = new Set(ids);
  for (const [i, place] of (agent ?? []).entries()) {
    try {
      const own = await withAgentDatabase(place.agentDatabase.value, deps, usagesIn);
      for (const [id, usage] of own) {
        if (seen.has(id) || elsewhere?.has(id)) continue;
        seen.add(id);
        usages.push({ ...usage, profile: RawJson.of(place.profile.value), stored_in: RawJson.of(IN_AGENT_DATABASE) });
      }
    } catch (error) {
      const warning = unusableDatabase(error, i === 0 ? undefined : place.profile.value);
      if (warning['reason'] !== 'missing') warnings.push(warning);
    }
  }
  return { usages, warnings };
}

const COLUMNS: readonly SessionColumn[] = [
  'id',
  'model',
  'input_tokens',
  'output_tokens',
  'estimated_cost_usd',
  'actual_cost_usd',
];

/** Of every session that a database has, whoever held it, by id. */
async function usagesIn(database: AgentDatabase): Promise<[id: string, usage: RawRecord][]> {
  const columns = await sessionColumns(database, COLUMNS);
  const rows = (await database.all(`SELECT ${columns} FROM sessions s ORDER BY s.id`)) as unknown as SessionFacts[];
  return rows
    .filter(({ id }) => typeof id === 'string')
    .map((row) => {
      const alone = { head: row, tip: row, path: [row.id], parentRoot: undefined };
      return [row.id, sessionUsage(agentRow(alone, undefined, NO_SURROUNDINGS))];
    });
}

/** A usage takes nothing from beside the database. */
const NO_SURROUNDINGS = { profile: '', workspace: '', cronNames: new Map<string, string>(), cronProject: null };

function compare(a: string, b: string): number {
  return a < b ? -1 : 1;
}
