import { listThroughCache } from '../core/listing/cached-list';
import { type ListQuery, listSessions, type ListResult } from '../core/listing/list';
import { listCacheAt } from '../core/listing/list-cache';
import { MergedPage, type PageQuery } from '../core/listing/merged-page';
import type { Context } from './context';
import type { Fleet } from './fleet';
import { noteAgentParts, type Page } from './session-rows';

/** What one store gives of a page. */
type StoreList = Pick<ListResult, 'rows' | 'items' | 'activities' | 'total'>;

/**
 * The rows of one page: of the only store, or of all stores in one order, as
 * each store's list is made by `list`.
 */
export async function pageOf(
  fleet: Fleet,
  page: PageQuery,
  list: (store: Context, part: PageQuery) => Promise<StoreList>,
): Promise<Page> {
  const merged = new MergedPage(page);
  const part = fleet.isMany ? { ...page, ...merged.ofEach } : page;
  for await (const { store, value } of await fleet.each((one) => list(one, part))) {
    if (!fleet.isMany) return value;
    merged.add(store.location.stateDir.value, value);
    if (value.total !== undefined) fleet.note(store, { total: value.total });
  }
  return { rows: merged.page(), total: merged.total };
}

/** The list of one store, through the cache unless that is not wanted, with what should be known of it said. */
export async function readList(
  store: Context,
  query: ListQuery,
  flags: { 'no-cache': boolean; verbose: boolean },
  version: string,
): Promise<ListResult> {
  const { location, defaults, deps } = store;
  const cache = { cache: listCacheAt(location, deps), version };
  const { cache: used, ...result } = flags['no-cache']
    ? { ...(await listSessions(location, query, defaults, deps)), cache: 'unused' as const }
    : await listThroughCache(location, query, defaults, cache, deps);
  store.warn(...result.warnings);
  if (flags.verbose) {
    store.note(`List cache: ${used}.`);
    noteAgentParts(store, result.agent);
  }
  return result;
}
