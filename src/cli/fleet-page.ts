import type { ListResult } from '../core/listing/list';
import { MergedPage, type PageQuery } from '../core/listing/merged-page';
import type { SessionRow } from '../core/session/row';
import type { Context } from './context';
import type { Fleet } from './fleet';

/** What one store gives of a page. */
type StoreList = Pick<ListResult, 'rows' | 'activities' | 'total'>;

/**
 * The rows of one page: of the only store, or of all stores in one order, as
 * each store's list is made by `list`.
 */
export async function pageOf(
  fleet: Fleet,
  page: PageQuery,
  list: (store: Context, part: PageQuery) => Promise<StoreList>,
): Promise<{ rows: SessionRow[]; total: number }> {
  const merged = new MergedPage(page);
  const part = fleet.isMany ? { ...page, ...merged.ofEach } : page;
  for await (const { store, value } of await fleet.each((one) => list(one, part))) {
    if (!fleet.isMany) return value;
    merged.add(store.location.stateDir.value, value);
    fleet.note(store, { total: value.total });
  }
  return { rows: merged.page(), total: merged.total };
}
