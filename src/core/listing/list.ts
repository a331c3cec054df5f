import { OUTLINE, type SessionColumn } from '../agent-db/stored';
import type { Deps } from '../deps';
import type { Warning } from '../errors';
import type { Location } from '../location/location';
import { readProjects } from '../projects/read';
import type { RowDefaults, SessionRow } from '../session/row';
import { type ListedRow, type ListFilter, matches, sortRows, type SortKey } from './query';
import { type AgentPart, type IdSet, type LeadingRows, storedIds, withAgentParts } from './agent-rows';
import { type StoreRows, withStoreRows } from './rows';
import { isRunning } from './running';

/** A whole list query. */
export interface ListQuery {
  filter: ListFilter;
  sort: SortKey;
  reverse: boolean;
  /** At most so many rows; 0: all. */
  limit: number;
  offset: number;
  /** Whether to tell how many rows match, which for sessions of the agent takes longer; unless it is said, it is. */
  total?: boolean | undefined;
  /** Sessions in which a turn runs come before all others. */
  runningFirst?: boolean | undefined;
  /** The places whose agent databases to ask too; undefined: none. */
  agent?: readonly Location[] | undefined;
  /** Sessions of the databases that are listed elsewhere: other stores have files of them. */
  elsewhere?: IdSet | undefined;
}

export interface ListResult {
  rows: SessionRow[];
  /** All rows as the items of a JSON array, one a line, as they are shown; undefined where they are not at hand. */
  items?: Buffer | undefined;
  /** Of each row, when it was last active (see {@link ListedRow}): what merges lists of several stores. */
  activities: number[];
  /** Rows that match, before paging; undefined where that was not wanted and had to be counted. */
  total: number | undefined;
  source: 'index' | 'files';
  /** Paths of the session files that were read. */
  read: string[];
  /** How each agent database was asked. */
  agent: AgentPart[];
  warnings: Warning[];
}

/**
 * The sessions of a store that match, sorted and paged; where it is asked for,
 * with those of the agent's databases. Writes nothing. A database that cannot
 * be used is a warning.
 *
 * @throws HermesctlError `STORE_NOT_FOUND`, `IO_ERROR`.
 */
export async function listSessions(
  location: Location,
  query: ListQuery,
  defaults: RowDefaults,
  deps: Deps,
): Promise<ListResult> {
  return withStoreRows(location, defaults, deps, (store) => listOf(store, query, deps));
}

async function listOf(store: StoreRows, query: ListQuery, deps: Deps): Promise<ListResult> {
  const matching = store.rows.filter((listed) => matches(listed, query.filter));
  if (query.agent === undefined) return result(store, pageOf(matching, query), matching.length);
  return withAgentParts(query.agent, deps, async (parts) => {
    const found = await parts.rows(
      query.filter,
      storedIds(store.ids, query.elsewhere),
      columnsFor(query),
      leadingOf(query),
    );
    let rows = [...matching, ...found.rows];
    // A count is only asked for what is shown, unless it is what the order hangs on.
    if (query.sort === 'messages') rows = await parts.counted(rows);
    const page = await parts.complete(pageOf(rows, query));
    const total = isTotalTold(query) ? rows.length + found.others : undefined;
    return { ...result(store, page, total, parts.warnings), agent: parts.plans };
  });
}

/** How many of the most recently active rows can be on the page; undefined: any can. */
function leadingOf({ sort, reverse, limit, offset, total = true }: ListQuery): LeadingRows | undefined {
  return sort === 'activity' && !reverse && limit > 0 ? { count: offset + limit, total } : undefined;
}

/** Whether the answer has a total: where it is wanted, and where it costs nothing. */
export function isTotalTold(query: ListQuery): boolean {
  return query.agent === undefined || leadingOf(query)?.total !== false;
}

/** What has to be read of every agent session to find the page. Where all are shown, reading twice would be in vain. */
function columnsFor({ filter, sort, limit }: ListQuery): readonly SessionColumn[] | undefined {
  if (limit === 0) return undefined;
  const columns = [...OUTLINE];
  if (filter.model !== undefined) columns.push('model');
  if (sort === 'tokens') columns.push('input_tokens', 'output_tokens');
  if (sort === 'cost') columns.push('estimated_cost_usd', 'actual_cost_usd');
  return columns;
}

/** Sorts in place. */
function pageOf(rows: ListedRow[], { sort, reverse, limit, offset, runningFirst }: ListQuery): ListedRow[] {
  sortRows(rows, sort, reverse, runningFirst ? isRunning : undefined);
  return rows.slice(offset, limit === 0 ? undefined : offset + limit);
}

function result(store: StoreRows, page: ListedRow[], total: number | undefined, warnings: Warning[] = []): ListResult {
  return {
    rows: page.map(({ row }) => row.whole()),
    activities: page.map(({ activity }) => activity),
    total,
    source: store.source,
    read: store.read,
    agent: [],
    warnings: [...store.warnings, ...warnings],
  };
}

/**
 * The project that a person means by an id or a name (any case). What is
 * neither is taken as an id: a project may have been deleted while sessions
 * still name it. `none` is the sessions without one.
 *
 * @throws HermesctlError `STORE_DAMAGED` where projects.json is broken.
 */
export function resolveProject(given: string, location: Location, deps: Deps): string | null {
  if (given === 'none') return null;
  const projects = readProjects(deps.fs, location.projectsFile.value);
  if (projects.some((project) => project.project_id === given)) return given;
  return projects.find((project) => project.name.toLowerCase() === given.toLowerCase())?.project_id ?? given;
}
