import { HermesctlError } from '../../core/errors';
import { agentPlaces, withAgentParts } from '../../core/listing/agent-rows';
import { matches } from '../../core/listing/query';
import { loadRows } from '../../core/listing/rows';
import { sessionIds } from '../../core/sidecar/directory';
import type { Context } from '../context';
import { listFilter, listFilterFlags, type ListFilterValues } from '../list-flags';
import { sessionsToRead } from '../session-ids';
import type { ExportItem } from './format';

export interface SelectionFlags extends ListFilterValues {
  agent: boolean;
  'all-profiles'?: boolean;
  profile?: string | undefined;
  null: boolean;
}

const isSet = (value: unknown): boolean => value !== undefined && value !== false;

/**
 * The sessions that a command line names by ids, or by what a list would show,
 * in the order of their ids.
 *
 * @throws HermesctlError `USAGE`, `SESSION_NOT_FOUND`, `STORE_NOT_FOUND`, `STORE_DAMAGED`
 */
export async function selectSessions(
  context: Context,
  args: readonly string[],
  flags: SelectionFlags,
): Promise<ExportItem[]> {
  const narrowing = Object.keys(listFilterFlags).filter(
    (name) => name !== 'all' && isSet(flags[name as keyof ListFilterValues]),
  );
  if (args.length > 0) {
    const extra = narrowing[0] ?? (flags.agent ? 'agent' : undefined);
    if (extra !== undefined) throw new HermesctlError('USAGE', `--${extra} and session ids exclude each other.`);
    const named = await sessionsToRead(context, args, flags);
    return named.map(({ id, in: where }) =>
      where === 'store' ? { id, in: where } : { id, in: where, place: context.location },
    );
  }
  if (!flags.all && narrowing.length === 0 && flags.profile === undefined && !flags.agent) {
    throw new HermesctlError('USAGE', 'No session was named.', {
      hint: 'Give session ids, - to read them from standard input, --all, or a filter as of sessions list.',
    });
  }
  const items = await selected(context, flags, narrowing.length === 0 && flags.profile === undefined);
  return items.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

async function selected(context: Context, flags: SelectionFlags, whole: boolean): Promise<ExportItem[]> {
  const { deps, location, defaults } = context;
  const filter = await listFilter(context, flags);
  // Of all there are no row is needed, and what is damaged is a failure, not something that no filter finds.
  let storeIds: string[];
  let ids: string[];
  if (flags.all && whole) ids = storeIds = sessionIds(deps.fs, location);
  else {
    const store = await loadRows(location, defaults, deps);
    context.warn(...store.warnings);
    storeIds = store.ids;
    ids = store.rows.filter((listed) => matches(listed, filter)).map(({ row }) => row.id);
  }
  const items = ids.map((id): ExportItem => ({ id, in: 'store' }));
  if (!flags.agent) return items;
  const known = new Set(storeIds);
  for (const place of agentPlaces(location, flags['all-profiles'] ?? false, deps)) {
    await withAgentParts([place], deps, async (parts) => {
      const { rows } = await parts.rows(filter, known);
      items.push(...rows.map(({ row }): ExportItem => ({ id: row.id, in: 'agent', place })));
      context.warn(...parts.warnings);
    });
  }
  return items;
}
