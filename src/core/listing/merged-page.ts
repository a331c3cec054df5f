import { RawJson } from '../json/raw';
import type { SessionRow } from '../session/row';
import type { ListResult } from './list';
import { type ListedRow, sortRows, type SortKey } from './query';

/** Which rows of a list over several stores are shown. */
export interface PageQuery {
  sort: SortKey;
  reverse: boolean;
  /** At most so many rows; 0: all. */
  limit: number;
  offset: number;
}

/**
 * One page of the lists of several stores, in one order. What is kept meanwhile
 * is never more than the page and what comes before it; with limit 0 it is all.
 * Rows that nothing tells apart stay in the order of their stores.
 */
export class MergedPage {
  private rows: ListedRow[] = [];
  private total_: number | undefined = 0;

  constructor(private readonly query: PageQuery) {}

  /** What to ask each store for. */
  get ofEach(): Pick<PageQuery, 'limit' | 'offset'> {
    const { limit, offset } = this.query;
    return { limit: limit === 0 ? 0 : limit + offset, offset: 0 };
  }

  /** Rows that match, of all stores, before paging; undefined where a store did not tell. */
  get total(): number | undefined {
    return this.total_;
  }

  /** Adds a store's list; its rows are then known by `store`. */
  add(store: string, { rows, activities, total }: Pick<ListResult, 'rows' | 'activities' | 'total'>): void {
    const named = { store: RawJson.of(store) };
    this.total_ = this.total_ === undefined || total === undefined ? undefined : this.total_ + total;
    rows.forEach((row, i) => this.rows.push({ row: row.with(named), activity: activities[i] }));
    const { limit } = this.ofEach;
    if (limit === 0 || this.rows.length <= limit) return;
    this.sort();
    this.rows.length = limit;
  }

  /** The rows of the page. */
  page(): SessionRow[] {
    const { limit, offset } = this.query;
    this.sort();
    return this.rows.slice(offset, limit === 0 ? undefined : offset + limit).map(({ row }) => row);
  }

  private sort(): void {
    sortRows(this.rows, this.query.sort, this.query.reverse);
  }
}
