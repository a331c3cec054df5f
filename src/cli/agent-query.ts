import { agentPlaces, type IdSet } from '../core/listing/agent-rows';
import type { Location } from '../core/location/location';
import type { Context } from './context';
import { EVERYTHING, type Fleet } from './fleet';

/** The databases that are asked with a store; undefined: none was asked for. */
export interface AgentQuery {
  agent: readonly Location[] | undefined;
  /** Sessions of them that are counted elsewhere. */
  elsewhere: IdSet | undefined;
}

/** What `--agent` asks for in this store: of stores that share a home, the first asks its databases. */
export function agentQuery(
  fleet: Fleet,
  store: Context,
  flags: { agent: boolean; 'all-profiles': boolean },
): AgentQuery {
  if (!flags.agent) return { agent: undefined, elsewhere: undefined };
  const elsewhere = fleet.elsewhere(store);
  if (elsewhere === EVERYTHING) return { agent: [], elsewhere };
  return { agent: agentPlaces(store.location, flags['all-profiles'], store.deps), elsewhere };
}
