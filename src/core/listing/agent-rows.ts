import { countMessages, countUserTurns } from '../agent-db/counts';
import type { AgentDatabase } from '../agent-db/database';
import { readLineageKeys, sessionsById } from '../agent-db/lineage-keys';
import { type AgentTranscript, readTranscript } from '../agent-db/messages';
import { withAgentDatabase } from '../agent-db/open';
import { activityOf, type AgentSession, project } from '../agent-db/projection';
import { agentRow, recordedCount } from '../agent-db/row';
import { type ActivityPlan, loadSessions } from '../agent-db/sessions';
import { type AgentSurroundings, agentSurroundings } from '../agent-db/surroundings';
import type { SessionColumn } from '../agent-db/stored';
import { plain } from '../agent-db/values';
import { isVisible } from '../agent-db/visible';
import type { Deps } from '../deps';
import { HermesctlError, type Warning } from '../errors';
import { toInt } from '../json/python';
import { RawJson } from '../json/raw';
import { type Location, locationsOfProfiles } from '../location/location';
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
  const [own, ...others] = locationsOfProfiles(location, deps.fs);
  return [own, ...others.filter(({ agentDatabase }) => isThere(agentDatabase.value, deps))];
}

/** What cannot be looked at counts as there: opening it says what is wrong. */
function isThere(file: string, deps: Deps): boolean {
  try {
    return deps.fs.statSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
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
      warnings.push(unusableDatabase(error));
      return openFrom(next + 1);
    }
  };
  return openFrom(0);
}

/** A database that cannot be used, as a warning; any other throw stays one. */
export function unusableDatabase(error: unknown): Warning {
  if (!(error instanceof HermesctlError) || error.code !== 'DATABASE_UNUSABLE') throw error;
  const message = [error.message, error.hint].filter((part) => part !== undefined).join(' ');
  return { code: error.code, message, ...error.details };
}

/** What a row of the agent's was made of. */
interface Origin {
  database: AgentDatabase;
  session: AgentSession;
  around: AgentSurroundings;
}

/** What the agent's databases add to a list. */
export class AgentParts {
  readonly plans: AgentPart[] = [];
  private readonly origins = new Map<string, Origin>();

  constructor(
    private readonly opened: readonly OpenPlace[],
    readonly warnings: Warning[],
    private readonly deps: Deps,
  ) {}

  /**
   * The conversations that are in a database only and match, unsorted. One of
   * whose segments the store has a file is the store's. Messages are not
   * counted, and of `columns` only these are read: {@link complete} does the
   * rest for the rows that are shown.
   */
  async rows(
    filter: ListFilter,
    storeIds: Pick<ReadonlySet<string>, 'has'>,
    columns?: readonly SessionColumn[],
  ): Promise<ListedRow[]> {
    const rows: ListedRow[] = [];
    for (const open of this.opened) {
      const own = await this.orWarning([], () => this.sessionsOf(open, filter, storeIds, columns));
      for (const { listed, origin } of own.filter(({ listed: { row } }) => !this.origins.has(row.id))) {
        this.origins.set(listed.row.id, origin);
        rows.push(listed);
      }
    }
    return rows;
  }

  private async sessionsOf(
    { place, database }: OpenPlace,
    filter: ListFilter,
    storeIds: Pick<ReadonlySet<string>, 'has'>,
    columns: readonly SessionColumn[] | undefined,
  ): Promise<{ listed: ListedRow; origin: Origin }[]> {
    const { rows: stored, plan } = await loadSessions(database, columns);
    this.plans.push({ path: database.path, profile: place.profile.value, plan });
    const { surroundings: around, warnings } = agentSurroundings(place, this.deps);
    this.warnings.push(...warnings);
    const found: { listed: ListedRow; origin: Origin }[] = [];
    for (const session of project(stored)) {
      if (session.path.some((id) => storeIds.has(id))) continue;
      const listed = { row: agentRow(session, undefined, around), activity: activityOf(session) };
      if (!matches(listed, filter)) continue;
      if (!filter.all && !(await isShown(database, session))) continue;
      found.push({ listed, origin: { database, session, around } });
      const pause = this.deps.breathe();
      if (pause) await pause;
    }
    return found;
  }

  /**
   * The transcript of a conversation that {@link rows} gave.
   *
   * @throws HermesctlError `DATABASE_UNUSABLE`
   */
  transcript(id: string): Promise<AgentTranscript> {
    return readTranscript(this.origins.get(id)!.database, id);
  }

  /** These rows with counts of messages where none is recorded: for an order that hangs on them. */
  async counted(rows: ListedRow[]): Promise<ListedRow[]> {
    const counts = new Map<string, number>();
    for (const { database } of this.opened) {
      const uncounted = [...this.origins.values()].filter(
        (origin) => origin.database === database && recordedCount(origin.session) === undefined,
      );
      const ids = uncounted.map(({ session }) => session.tip.id);
      const found = await this.orWarning(undefined, () => countMessages(database, ids));
      for (const id of ids) counts.set(id, found?.get(id) ?? 0);
    }
    return rows.map((listed) => {
      const count = counts.get(listed.row.id);
      return count === undefined ? listed : { ...listed, row: listed.row.with({ message_count: RawJson.of(count) }) };
    });
  }

  /**
   * Completes these rows: of the agent's with what was not read yet and the
   * count of messages where none is recorded, of the store's with what the
   * databases know of their ancestry.
   */
  async complete(rows: ListedRow[]): Promise<ListedRow[]> {
    let completed = rows;
    for (const { database } of this.opened) {
      completed = await this.orWarning(completed, () => this.completeFrom(database, completed));
    }
    return completed;
  }

  private async completeFrom(database: AgentDatabase, rows: ListedRow[]): Promise<ListedRow[]> {
    const origins = rows.map(({ row }) => this.origins.get(row.id)).filter((origin) => origin?.database === database);
    const own = await completedRows(database, origins as Origin[]);
    const ofTheStore = rows.filter(({ row }) => !this.origins.has(row.id)).map(({ row }) => row.id);
    const lineage = await readLineageKeys(database, ofTheStore);
    return rows.map((listed) => {
      const { id } = listed.row;
      const keys = this.origins.has(id) ? undefined : lineage.get(id);
      const row = own.get(id) ?? (keys && listed.row.with(keys));
      return row ? { ...listed, row } : listed;
    });
  }

  private async orWarning<T>(otherwise: T, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.warnings.push(unusableDatabase(error));
      return otherwise;
    }
  }
}

async function completedRows(database: AgentDatabase, origins: readonly Origin[]): Promise<Map<string, SessionRow>> {
  const isCounted = ({ session }: Origin): boolean => recordedCount(session) !== undefined;
  const uncounted = origins.filter((origin) => !isCounted(origin)).map(({ session }) => session.tip.id);
  const counts = await countMessages(database, uncounted);
  const ids = new Set(origins.flatMap(({ session: { head, tip } }) => [head.id, tip.id]));
  const stored = new Map((await sessionsById(database, [...ids])).map((row) => [String(row.id), row]));
  return new Map(
    origins.map(({ session, around }) => {
      const { head, tip } = session;
      const full = { ...head, ...stored.get(head.id), id: head.id };
      const fullTip = tip === head ? full : { ...tip, ...stored.get(tip.id), id: tip.id };
      const row = agentRow({ ...session, head: full, tip: fullTip }, counts?.get(tip.id) ?? 0, around);
      return [tip.id, row];
    }),
  );
}

/** Whether a list shows a conversation unless all are asked for. */
export async function isShown(database: AgentDatabase, session: AgentSession): Promise<boolean> {
  const { id, message_count: recorded, user_turns: counted } = session.tip;
  return isVisible(session, (atMost) =>
    counted === undefined
      ? countUserTurns(database, { id, recorded: toInt(plain(recorded)) ?? 0 }, atMost)
      : Promise.resolve(Number(counted)),
  );
}
