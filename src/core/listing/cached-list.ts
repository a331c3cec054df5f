import type { Deps } from '../deps';
import { HermesctlError } from '../errors';
import { withStoreLock } from '../files/lock';
import { lastWorkspace } from '../location/last-workspace';
import type { Location } from '../location/location';
import type { RowDefaults } from '../session/row';
import { contentFingerprint } from './content-fingerprint';
import { isTotalTold, listSessions, type ListQuery, type ListResult } from './list';
import { type ListCache, MAX_ROWS } from './list-cache';
import { ABSENT, isPathSettled, sourcesOf, stampOfSources } from './source-stamp';
import { serverKey } from './cache-key';

export interface CachedListResult extends ListResult {
  /** Whether the answer was kept from before, made now and kept, or made now without the cache. */
  cache: 'hit' | 'rebuilt' | 'unused';
}

/** From so many files on, processes that want the same answer wait for one of them to make it. */
const WORTH_WAITING = 1000;
const WAIT_SECONDS = 30;

/**
 * {@link listSessions}, from the cache where the answer that is kept there
 * still holds: it equals what would be made now, for everything that it was
 * made of is as it was then. Of several processes one makes it.
 *
 * @param version of hermesctl: another one may make other rows.
 */
export async function listThroughCache(
  location: Location,
  query: ListQuery,
  defaults: RowDefaults,
  { cache, version }: { cache: ListCache; version: string },
  deps: Deps,
): Promise<CachedListResult> {
  // What is asked of the last days is another question every time; what other stores have is in no stamp.
  if (query.filter.since !== undefined || query.filter.until !== undefined || query.elsewhere !== undefined)
    return { ...(await listSessions(location, query, defaults, deps)), cache: 'unused' };
  const { key, withTotal } = await keysOf(location, query, defaults, version, deps);
  const kept = cache.get(withTotal) ?? (key === withTotal ? undefined : cache.get(key));
  if (kept) return { ...kept, read: [], cache: 'hit' };

  const rebuild = (): Promise<CachedListResult> => build(location, query, defaults, cache, key, deps);
  if (!isWorthWaiting(location, query, deps) || !cache.prepare()) return rebuild();
  let began = false;
  try {
    const made = await withStoreLock(cache.directory, WAIT_SECONDS, deps, async () => {
      began = true;
      return cache.has(key) ? undefined : await rebuild();
    });
    if (made) return made;
  } catch (error) {
    // Without the lock there is no cache, but an answer.
    if (began || !(error instanceof HermesctlError)) throw error;
    return { ...(await listSessions(location, query, defaults, deps)), cache: 'unused' };
  }
  // Another process made it; reading it keeps nobody waiting.
  const others = cache.get(key);
  return others ? { ...others, read: [], cache: 'hit' } : rebuild();
}

/** Not where it is little work, nor where all is shown of a store so large that nobody would keep it for the others. */
function isWorthWaiting(location: Location, { limit }: ListQuery, deps: Deps): boolean {
  try {
    const files = deps.fs.readdirSync(location.sessionsDir.value).length;
    return files >= WORTH_WAITING && (limit > 0 || files <= MAX_ROWS);
  } catch {
    return false; // the list itself says what is wrong
  }
}

async function build(
  location: Location,
  query: ListQuery,
  defaults: RowDefaults,
  cache: ListCache,
  key: string,
  deps: Deps,
): Promise<CachedListResult> {
  const sources = sourcesOf(location, query.agent);
  const began = deps.clock.now();
  const before = stampOfSources(sources, deps.fs);
  const list = await listSessions(location, query, defaults, deps);
  const stamp = stampOfSources([...sources, ...list.read], deps.fs);
  // A store without sessions may be none at all by the next time: that is for the list to find out.
  const isSame = stamp[location.sessionsDir.value] !== ABSENT && sources.every((file) => before[file] === stamp[file]);
  if (!isSame || !Object.keys(stamp).every((file) => isPathSettled(file, began, deps.fs)))
    return { ...list, cache: 'unused' };
  const profile = query.filter.profile ?? null;
  cache.set(key, { stateDir: location.stateDir.value, profile }, stamp, list);
  return { ...list, cache: 'rebuilt' };
}

/**
 * All that a question says, and what the answer takes from elsewhere than
 * files; also of the same question with the total, whose answer serves as well.
 */
async function keysOf(
  location: Location,
  query: ListQuery,
  defaults: RowDefaults,
  version: string,
  deps: Deps,
): Promise<{ key: string; withTotal: string }> {
  const { filter, sort, reverse, limit, offset, agent } = query;
  const server = serverKey({
    active_profile: filter.profile,
    all_profiles: filter.profile === undefined,
    show_cli_sessions: agent !== undefined,
    show_previous_messaging_sessions: true,
    show_cron_sessions: filter.cron || filter.all,
    include_archived: filter.archived !== 'hide' || filter.all,
    exclude_hidden: !filter.all,
    visible_only: !filter.empty && !filter.all,
    show_webhook_sessions: filter.webhook || filter.all,
    source_filter: filter.sources.length > 0 ? filter.sources.join(',') : null,
  });
  const places = agent && {
    workspace: lastWorkspace(location, deps.fs),
    databases: await Promise.all(
      agent.map(async (place) => [
        place.agentDatabase.value,
        place.profile.value,
        await contentFingerprint(place.agentDatabase.value, deps),
      ]),
    ),
  };
  const keyOf = (total: boolean): string =>
    JSON.stringify([
      version,
      server,
      filter,
      { sort, reverse, limit, offset, total },
      location.sessionsDir.value,
      defaults,
      places ?? null,
    ]);
  return { key: keyOf(isTotalTold(query)), withTotal: keyOf(true) };
}
