import { HermesctlError } from '../../core/errors';
import { storedIds, withAgentParts } from '../../core/listing/agent-rows';
import { matches } from '../../core/listing/query';
import { loadRows } from '../../core/listing/rows';
import { sessionIds } from '../../core/sidecar/directory';
import { agentQuery } from '../agent-query';
import type { Context } from '../context';
import type { Fleet } from '../fleet';
import { listFilter, listFilterFlags, type ListFilterValues } from '../list-flags';
import { sessionsToRead } from '../session-ids';
import type { ExportItem } from './format';

export interface SelectionFlags extends ListFilterValues {
  agent: boolean;
  'all-profiles': boolean;
  profile?: string | undefined;
  null: boolean;
}

const isSet = (value: unknown): boolean => value !== undefined && value !== false;

/**
 * The sessions that a command line names by ids, or by what a list would show,
 * in the order of their ids. Of what only databases have, `fleet` says which it is asked of.
 *
 * @throws HermesctlError `USAGE`, `SESSION_NOT_FOUND`, `STORE_NOT_FOUND`, `STORE_DAMAGED`
 */
export async function selectSessions(
  context: Context,
  args: readonly string[],
  flags: SelectionFlags,
  fleet: Fleet,
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
  const items = await selected(context, flags, fleet, narrowing.length === 0 && flags.profile === undefined);
  return items.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

async function selected(context: Context, flags: SelectionFlags, fleet: Fleet, whole: boolean): Promise<ExportItem[]> {
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
  const { agent = [], elsewhere } = agentQuery(fleet, context, flags);
  const known = storedIds(storeIds, elsewhere);
  const found = new Set<string>();
  for (const place of agent) {
    await withAgentParts([place], deps, async (parts) => {
      const { rows } = await parts.rows(filter, known);
      // What two databases have is the first one's.
      const added = rows.map(({ row }) => row.id).filter((id) => !found.has(id));
      added.forEach((id) => found.add(id));
      items.push(...added.map((id): ExportItem => ({ id, in: 'agent', place })));
      context.warn(...parts.warnings);
    });
  }
  return items;
}
