import type { RawJson } from '../core/json/raw';
import { agentPlaces } from '../core/listing/agent-rows';
import { usageOfStore } from '../core/listing/usage';
import { type RawRecord, UsageTotals } from '../core/session/status';
import type { Context } from './context';
import { type Failure, failuresForOutput } from './each-session';
import { EVERYTHING, type Fleet } from './fleet';
import { showRecord, showTable } from './result-fields';

const COLUMNS = ['session_id', 'input_tokens', 'output_tokens', 'total_tokens', 'estimated_cost', 'model'];
const PROFILE_COLUMNS = ['profile', 'sessions', 'input_tokens', 'output_tokens', 'total_tokens', 'estimated_cost'];

/** Shows the usages of sessions that were named, and their sum. */
export function showUsages(context: Context, usages: RawRecord[], failures: readonly Failure[]): Promise<void> {
  return show(context, usages, new Sums(), { failures });
}

/**
 * Shows the usage of every session of each store, and the sums.
 *
 * @param allProfiles also of what only the databases of the profiles have, and sums by profile.
 * @throws HermesctlError as {@link Fleet.assertAll}.
 */
export async function showUsageOfAll(context: Context, fleet: Fleet, allProfiles: boolean): Promise<void> {
  const read = await fleet.each(async (store) => {
    const { location, defaults, deps, profileFilter: profile } = store;
    const elsewhere = allProfiles ? fleet.elsewhere(store) : undefined;
    const places = elsewhere === EVERYTHING ? [] : agentPlaces(location, true, deps);
    const query = { profile, agent: allProfiles ? places : undefined, elsewhere };
    const { usages, warnings } = await usageOfStore(location, query, defaults, deps);
    store.warn(...warnings);
    return usages;
  });
  const sums = new Sums();
  async function* usages(): AsyncGenerator<RawRecord> {
    for await (const { store, value } of read) {
      const marks = Object.fromEntries(fleet.marks(store));
      const ofStore = new UsageTotals();
      for (const usage of value) {
        ofStore.add(usage);
        yield { ...usage, ...marks };
      }
      fleet.note(store, { totals: ofStore.totals() });
    }
  }
  await show(context, usages(), sums, { fleet, allProfiles });
  fleet.assertAll();
}

interface ProfileSum {
  of: RawRecord;
  totals: UsageTotals;
}

/** Sums of what is shown: of all, and by store and profile. */
class Sums {
  private readonly all = new UsageTotals();
  /** By store, in the order of the stores, and in each by profile. */
  private readonly stores = new Map<string, Map<string, ProfileSum>>();

  add(usage: RawRecord): void {
    this.all.add(usage);
    if (!('profile' in usage)) return;
    const { profile, store } = usage as RawRecord & { store?: RawJson };
    const profiles = entryOf(this.stores, store?.text ?? '', () => new Map<string, ProfileSum>());
    const of: RawRecord = store === undefined ? { profile } : { store, profile };
    entryOf(profiles, profile.text, () => ({ of, totals: new UsageTotals() })).totals.add(usage);
  }

  totals(): RawRecord {
    return this.all.totals();
  }

  profiles(): RawRecord[] {
    return [...this.stores.values()].flatMap((profiles) =>
      [...profiles].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { of, totals }]) => ({ ...of, ...totals.totals() })),
    );
  }
}

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key) ?? make();
  map.set(key, known);
  return known;
}

async function show(
  context: Context,
  usages: Iterable<RawRecord> | AsyncIterable<RawRecord>,
  sums: Sums,
  more: { failures?: readonly Failure[]; fleet?: Fleet; allProfiles?: boolean },
): Promise<void> {
  const { failures = [], fleet, allProfiles = false } = more;
  async function* summed(): AsyncGenerator<RawRecord> {
    for await (const usage of usages) {
      sums.add(usage);
      yield usage;
    }
  }
  await context.show({
    json: async (document) => {
      await document.array('usages', summed(), (usage, path) => document.renderer.render(usage, path));
      document.member('totals', sums.totals());
      if (allProfiles) document.member('profiles', sums.profiles());
      if (failures.length > 0) document.member('failed', failuresForOutput(failures));
      fleet?.show(document);
    },
    human: async () => {
      const columns = allProfiles ? [...COLUMNS, 'profile'] : COLUMNS;
      await showTable(context, fleet?.columns(columns) ?? columns, summed(), ['model', 'store']);
      if (!context.isTerminal) return;
      context.line();
      showRecord(context, sums.totals());
      if (!allProfiles) return;
      context.line();
      await showTable(context, fleet?.columns(PROFILE_COLUMNS) ?? PROFILE_COLUMNS, sums.profiles(), ['store']);
    },
  });
}
