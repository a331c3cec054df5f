import { toFloat, truthy } from '../json/python';
import type { SessionRow } from '../session/row';
import { DEFAULT_TITLE } from '../session/text';
import { DEFAULT_PROFILE } from '../location/location';

/** Which sessions to show. Times are epoch seconds. */
export interface ListFilter {
  /** Every readable session: nothing is hidden by default rules. What is asked for below still narrows. */
  all: boolean;
  archived: 'hide' | 'show' | 'only';
  cron: boolean;
  webhook: boolean;
  kanban: boolean;
  /** Show empty Untitled sessions. */
  empty: boolean;
  pinnedOnly: boolean;
  profile: string | undefined;
  /** Project id; null: in no project. */
  projectId: string | null | undefined;
  /** Any of these; empty: any. `webui` stands for sessions that record no source. */
  sources: readonly string[];
  /** Part of the title, any case. */
  title: string | undefined;
  /** Part of the model's name, any case. */
  model: string | undefined;
  since: number | undefined;
  until: number | undefined;
}

export const NO_FILTER: ListFilter = {
  all: true,
  archived: 'show',
  cron: true,
  webhook: true,
  kanban: true,
  empty: true,
  pinnedOnly: false,
  profile: undefined,
  projectId: undefined,
  sources: [],
  title: undefined,
  model: undefined,
  since: undefined,
  until: undefined,
};

/** A row and the time it is sorted by. */
export interface ListedRow {
  row: SessionRow;
  /**
   * Last activity in epoch seconds: the last message, else the last update, else
   * 0. A turn that is still pending is no message yet (seed 001's order).
   */
  activity: number;
}

/** Where a session came from, as the hiding rules see it; undefined for an ordinary one. */
export function sourceOf(row: SessionRow): string | undefined {
  for (const key of ['source_tag', 'source', 'raw_source', 'session_source']) {
    const value = row.value(key);
    if (truthy(value)) return String(value);
  }
  return undefined;
}

/** Whether a row is shown under this filter. */
export function matches({ row, activity }: ListedRow, filter: ListFilter): boolean {
  if (!filter.all && isHidden(row, filter)) return false;
  if (filter.archived === 'only' && !truthy(row.value('archived'))) return false;
  if (filter.pinnedOnly && !truthy(row.value('pinned'))) return false;
  if (filter.profile !== undefined && profileOf(row) !== filter.profile) return false;
  if (filter.projectId !== undefined && (row.value('project_id') ?? null) !== filter.projectId) return false;
  if (filter.sources.length > 0 && !filter.sources.includes(sourceOf(row) ?? 'webui')) return false;
  if (filter.title !== undefined && !contains(row.value('title'), filter.title)) return false;
  if (filter.model !== undefined && !contains(row.value('model'), filter.model)) return false;
  if (filter.since !== undefined && activity < filter.since) return false;
  return filter.until === undefined || activity <= filter.until;
}

export function profileOf(row: SessionRow): string {
  const profile = row.value('profile');
  return truthy(profile) ? String(profile) : DEFAULT_PROFILE;
}

function isHidden(row: SessionRow, filter: ListFilter): boolean {
  if (filter.archived === 'hide' && truthy(row.value('archived'))) return true;
  const source = sourceOf(row);
  if (!filter.cron && (source === 'cron' || row.id.startsWith('cron_'))) return true;
  if (!filter.webhook && source === 'webhook') return true;
  if (!filter.kanban && source === 'kanban') return true;
  return !filter.empty && isEmptyUntitled(row);
}

/** A scratch pad that never became a conversation: not while it streams, has a turn pending or owns a worktree. */
function isEmptyUntitled(row: SessionRow): boolean {
  const title = row.has('title') ? row.value('title') : DEFAULT_TITLE;
  return (
    title === DEFAULT_TITLE &&
    row.value('message_count') === 0 &&
    !truthy(row.value('active_stream_id')) &&
    !truthy(row.value('pending_user_message')) &&
    !truthy(row.value('worktree_path'))
  );
}

function contains(value: unknown, part: string): boolean {
  return typeof value === 'string' && value.toLowerCase().includes(part.toLowerCase());
}

interface Ordering {
  of: (listed: ListedRow) => number | string;
  /** The end that comes first unless reversed. */
  first: 'greatest' | 'least';
}

const number = (row: SessionRow, key: string): number => {
  const value = toFloat(row.value(key));
  return value === undefined || Number.isNaN(value) ? 0 : value;
};
const text = (row: SessionRow, key: string): string => String(row.value(key) ?? '');

/** What rows can be sorted by. */
export const ORDERINGS = {
  activity: { of: ({ activity }) => activity, first: 'greatest' },
  updated: { of: ({ row }) => number(row, 'updated_at'), first: 'greatest' },
  created: { of: ({ row }) => number(row, 'created_at'), first: 'greatest' },
  'last-message': { of: ({ row }) => number(row, 'last_message_at'), first: 'greatest' },
  messages: { of: ({ row }) => number(row, 'message_count'), first: 'greatest' },
  tokens: { of: ({ row }) => number(row, 'input_tokens') + number(row, 'output_tokens'), first: 'greatest' },
  cost: { of: ({ row }) => number(row, 'estimated_cost'), first: 'greatest' },
  title: { of: ({ row }) => text(row, 'title').toLowerCase(), first: 'least' },
  id: { of: ({ row }) => row.id, first: 'least' },
} as const satisfies Record<string, Ordering>;

export type SortKey = keyof typeof ORDERINGS;

export const SORT_KEYS = Object.keys(ORDERINGS) as SortKey[];

/**
 * Sorts in place. By activity, pinned sessions come first, as in the browser.
 * Ties are settled by the last update, then the id, so that the order is the
 * same at every call.
 *
 * @param first which sessions come before all others.
 */
export function sortRows(
  rows: ListedRow[],
  key: SortKey,
  reverse: boolean,
  first: (row: SessionRow) => boolean = () => false,
): void {
  const ordering: Ordering = ORDERINGS[key];
  const keyed = rows.map((listed) => ({
    listed,
    first: first(listed.row) ? 0 : 1,
    pinned: key === 'activity' && truthy(listed.row.value('pinned')) ? 0 : 1,
    by: ordering.of(listed),
    updated: number(listed.row, 'updated_at'),
    id: listed.row.id,
  }));
  const direction = (ordering.first === 'greatest') === reverse ? 1 : -1;
  keyed.sort(
    (a, b) =>
      a.first - b.first ||
      a.pinned - b.pinned ||
      direction * compare(a.by, b.by) ||
      compare(b.updated, a.updated) ||
      compare(a.id, b.id),
  );
  keyed.forEach(({ listed }, i) => (rows[i] = listed));
}

/** By code unit, not by locale: the same everywhere, and without loading the locale data. */
function compare(a: number | string, b: number | string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
