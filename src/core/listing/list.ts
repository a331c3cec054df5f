import type { Deps } from '../deps';
import type { Warning } from '../errors';
import type { Location } from '../location/location';
import { readProjects } from '../projects/read';
import type { RowDefaults, SessionRow } from '../session/row';
import { type ListFilter, matches, sortRows, type SortKey } from './query';
import { loadRows } from './rows';

/** A whole list query. */
export interface ListQuery {
  filter: ListFilter;
  sort: SortKey;
  reverse: boolean;
  /** At most so many rows; 0: all. */
  limit: number;
  offset: number;
}

export interface ListResult {
  rows: SessionRow[];
  /** Rows that match, before paging. */
  total: number;
  source: 'index' | 'files';
  warnings: Warning[];
}

/**
 * The sessions of a store that match, sorted and paged. Writes nothing.
 *
 * @throws HermesctlError `STORE_NOT_FOUND`, `IO_ERROR`.
 */
export async function listSessions(
  location: Location,
  query: ListQuery,
  defaults: RowDefaults,
  deps: Deps,
): Promise<ListResult> {
  const { rows, source, warnings } = await loadRows(location, defaults, deps);
  const matching = rows.filter((listed) => matches(listed, query.filter));
  sortRows(matching, query.sort, query.reverse);
  const end = query.limit === 0 ? undefined : query.offset + query.limit;
  const page = matching.slice(query.offset, end);
  return { rows: page.map(({ row }) => row), total: matching.length, source, warnings };
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
