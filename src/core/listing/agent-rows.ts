import { countMessages, countUserTurns } from '../agent-db/counts';
import type { AgentDatabase } from '../agent-db/database';
import { readLineageKeys } from '../agent-db/lineage-keys';
import { withAgentDatabase } from '../agent-db/open';
import { activityOf, type AgentSession, project } from '../agent-db/projection';
import { agentRow, IN_AGENT_DATABASE } from '../agent-db/row';
import { type ActivityPlan, loadSessions } from '../agent-db/sessions';
import { agentSurroundings } from '../agent-db/surroundings';
import { plain } from '../agent-db/values';
import { isVisible } from '../agent-db/visible';
import type { Deps } from '../deps';
import { HermesctlError, type Warning } from '../errors';
import { toInt } from '../json/python';
import { RawJson } from '../json/raw';
import { type Location, locationOfProfile, profileNames } from '../location/location';
import type { SessionRow } from '../session/row';
import { type ListedRow, type ListFilter, matches } from './query';

/** A database that is open, and whose it is. */
interface OpenPlace {
  place: Location;
  database: AgentDatabase;
}

/** How a database was asked, for those who want to know why it took so long. */
export interface AgentPart {
  path: string;
  profile: string;
  plan: ActivityPlan;
}

/** The databases that a list is asked of: the profile's own, or every profile's that has one. */
export function agentPlaces(location: Location, allProfiles: boolean, deps: Deps): Location[] {
  if (!allProfiles) return [location];
  const others = profileNames(location, deps.fs)
    .filter((name) => name !== location.profile.value)
    .map((name) => locationOfProfile(location, name))
    .filter(({ agentDatabase }) => deps.fs.statSync(agentDatabase.value, { throwIfNoEntry: false }) !== undefined);
  return [location, ...others];
}

/**
 * Opens the databases of these places and hands them to `use`, closed
 * afterwards whatever happens. One that cannot be used is a warning: there are
 * other things to show.
 */
export async function withAgentParts<T>(
  places: readonly Location[],
  deps: Deps,
  use: (parts: AgentParts) => Promise<T>,
): Promise<T> {
  const warnings: Warning[] = [];
  const opened: OpenPlace[] = [];
  const openFrom = async (next: number): Promise<T> => {
    if (next === places.length) return use(new AgentParts(opened, warnings, deps));
    const place = places[next];
    let isOpen = false;
    try {
      return await withAgentDatabase(place.agentDatabase.value, deps, (database) => {
        isOpen = true;
        opened.push({ place, database });
        return openFrom(next + 1);
      });
    } catch (error) {
      if (isOpen) throw error;
      warnings.push(asWarning(error));
      return openFrom(next + 1);
    }
  };
  return openFrom(0);
}

function asWarning(error: unknown): Warning {
  if (!(error instanceof HermesctlError) || error.code !== 'DATABASE_UNUSABLE') throw error;
  const message = [error.message, error.hint].filter((part) => part !== undefined).join(' ');
  return { code: error.code, message, ...error.details };
}

/** What the agent's databases add to a list. */
export class AgentParts {
  readonly plans: AgentPart[] = [];
  private readonly origin = new Map<string, AgentDatabase>();

  constructor(
    private readonly opened: readonly OpenPlace[],
    readonly warnings: Warning[],
    private readonly deps: Deps,
  ) {}

  /**
   * The conversations that are in a database only and match, unsorted. One of
   * whose segments the store has a file is the store's. Messages are not
   * counted: {@link complete} does that for the rows that are shown.
   */
  async rows(filter: ListFilter, storeIds: ReadonlySet<string>): Promise<ListedRow[]> {
    const taken = new Set<string>();
    const rows: ListedRow[] = [];
    for (const open of this.opened) {
      const own = await this.orWarning([], () => this.rowsOf(open, filter, storeIds));
      for (const listed of own.filter(({ row }) => !taken.has(row.id))) {
        taken.add(listed.row.id);
        this.origin.set(listed.row.id, open.database);
        rows.push(listed);
      }
    }
    return rows;
  }

  private async rowsOf(
    { place, database }: OpenPlace,
    filter: ListFilter,
    storeIds: ReadonlySet<string>,
  ): Promise<ListedRow[]> {
    const { rows: stored, plan } = await loadSessions(database);
    this.plans.push({ path: database.path, profile: place.profile.value, plan });
    const { surroundings, warnings } = agentSurroundings(place, this.deps);
    this.warnings.push(...warnings);
    const rows: ListedRow[] = [];
    for (const session of project(stored)) {
      if (session.path.some((id) => storeIds.has(id))) continue;
      const listed = { row: agentRow(session, undefined, surroundings), activity: activityOf(session) };
      if (!matches(listed, filter)) continue;
      if (!filter.all && !(await isShown(database, session))) continue;
      rows.push(listed);
      const pause = this.deps.breathe();
      if (pause) await pause;
    }
    return rows;
  }

  /**
   * Completes these rows: of the agent's the count of messages where none is
   * recorded, of the store's what the databases know of their ancestry.
   */
  async complete(rows: ListedRow[]): Promise<ListedRow[]> {
    let completed = rows;
    for (const { database } of this.opened) {
      completed = await this.orWarning(completed, () => this.completeFrom(database, completed));
    }
    return completed;
  }

  private async completeFrom(database: AgentDatabase, rows: ListedRow[]): Promise<ListedRow[]> {
    const ids = (which: (row: SessionRow) => boolean): string[] =>
      rows.filter(({ row }) => which(row)).map(({ row }) => row.id);
    const uncounted = ids((row) => this.origin.get(row.id) === database && row.value('message_count') === null);
    const counts = await countMessages(database, uncounted);
    const lineage = await readLineageKeys(
      database,
      ids((row) => row.value('stored_in') !== IN_AGENT_DATABASE),
    );
    const toCount = new Set(uncounted);
    return rows.map((listed) => {
      const { id } = listed.row;
      const changes = toCount.has(id)
        ? { message_count: RawJson.of(counts?.get(id) ?? 0) }
        : listed.row.value('stored_in') === IN_AGENT_DATABASE
          ? undefined
          : lineage.get(id);
      return changes ? { ...listed, row: listed.row.with(changes) } : listed;
    });
  }

  private async orWarning<T>(otherwise: T, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.warnings.push(asWarning(error));
      return otherwise;
    }
  }
}

/** Whether a list shows a conversation unless all are asked for. */
export async function isShown(database: AgentDatabase, session: AgentSession): Promise<boolean> {
  const { id, message_count: recorded } = session.tip;
  return isVisible(session, (atMost) =>
    countUserTurns(database, { id, recorded: toInt(plain(recorded)) ?? 0 }, atMost),
  );
}
