import { HermesctlError } from '../core/errors';
import type { Location } from '../core/location/location';
import { listSessions } from '../core/listing/list';
import type { ListFilter } from '../core/listing/query';
import { readProjects } from '../core/projects/read';
import { addStorage, measure, noStorage } from '../core/stats/sizes';
import { StatsCount, type StatsOptions, statsOf, sumsRecord } from '../core/stats/stats';
import type { AgentQuery } from './agent-query';
import type { Context } from './context';
import type { Fleet } from './fleet';
import type { StatsResult } from './stats-result';

/**
 * Counts what the stores have: the sessions that the filter lets through, and
 * all that takes room. Rows are held of one store at a time.
 */
export async function gatherStats(
  fleet: Fleet,
  options: StatsOptions,
  queryOf: (store: Context) => Promise<{ filter: ListFilter } & AgentQuery>,
): Promise<StatsResult> {
  const count = new StatsCount(options);
  const storage = noStorage();
  const projects = new Map<string, string>();
  const read = await fleet.each(async (store) => {
    const { location, defaults, deps } = store;
    const asked = await queryOf(store);
    const query = { sort: 'id' as const, reverse: false, limit: 0, offset: 0, ...asked };
    const { rows, warnings } = await listSessions(location, query, defaults, deps);
    const sizes = measure(location, asked.agent ?? [], deps);
    store.warn(...warnings);
    const name = location.stateDir.value;
    const sessions = rows.map((row) => ({ row, bytes: sizes.ofSessions.get(row.id), store: name }));
    return { sessions, storage: sizes.storage, projects: projectNames(store, location) };
  });
  for await (const { store, value } of read) {
    count.add(value.sessions);
    addStorage(storage, value.storage);
    for (const [id, name] of value.projects) if (!projects.has(id)) projects.set(id, name);
    if (!fleet.isMany) continue;
    const { totals } = statsOf(value.sessions, { ...options, by: [], top: 0 });
    fleet.note(store, { totals: sumsRecord(totals) });
  }
  return { stats: count.stats(), storage, projects, top: options.top };
}

/** Names of projects; where they cannot be read their ids must do. */
function projectNames(store: Context, { projectsFile }: Location): [id: string, name: string][] {
  try {
    return readProjects(store.deps.fs, projectsFile.value).map(({ project_id, name }) => [project_id, name]);
  } catch (error) {
    if (!(error instanceof HermesctlError)) throw error;
    store.warn({ code: error.code, message: error.message, ...error.details });
    return [];
  }
}
