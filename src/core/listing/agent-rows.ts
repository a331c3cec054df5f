import { countMessages, countUserTurns } from '../agent-db/counts';
import type { AgentDatabase } from '../agent-db/database';
import { leadingSessions, type SourceRule } from '../agent-db/leading';
import { readLineageKeys, sessionsById } from '../agent-db/lineage-keys';
import { type AgentTranscript, readTranscript } from '../agent-db/messages';
import { withAgentDatabase } from '../agent-db/open';
import { activityOf, type AgentSession, project, type SessionFacts } from '../agent-db/projection';
import { agentRow, isCron, recordedCount } from '../agent-db/row';
import { type ActivityPlan, loadSessions } from '../agent-db/sessions';
import { type AgentSurroundings, agentSurroundings } from '../agent-db/surroundings';
import type { SessionColumn } from '../agent-db/stored';
import { plain, type SqlValue } from '../agent-db/values';
import { isVisible, visibilityOf } from '../agent-db/visible';
import type { Deps } from '../deps';
import { HermesctlError, type Warning } from '../errors';
import { toInt, truthy } from '../json/python';
import { RawJson } from '../json/raw';
import { forProfile, withCommands } from '../location/named-commands';
import { type Location, locationsOfProfiles } from '../location/location';
import type { SessionRow } from '../session/row';
import { DEFAULT_TITLE } from '../session/text';
import { type ListedRow, type ListFilter, matches } from './query';

/** A database that is open, and whose it is. */
interface OpenPlace {
  place: Location;
  database: AgentDatabase;
}

/** Anything that knows which ids are in it. */
export type IdSet = Pick<ReadonlySet<string>, 'has'>;

/** Which sessions have a file: in this store, by these ids, or in another that is asked with it. */
export function storedIds(ids: Iterable<string>, elsewhere: IdSet | undefined): IdSet {
  const own = new Set(ids);
  return elsewhere === undefined ? own : { has: (id) => own.has(id) || elsewhere.has(id) };
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
      warnings.push(unusableDatabase(error, next === 0 ? undefined : place.profile.value));
      return openFrom(next + 1);
    }
  };
  return openFrom(0);
}

/**
 * A database that cannot be used, as a warning; any other throw stays one.
 *
 * @param profile whose it is, where that is not the one whose is meant.
 */
export function unusableDatabase(error: unknown, profile?: string): Warning {
  if (!(error instanceof HermesctlError) || error.code !== 'DATABASE_UNUSABLE') throw error;
  const hint =
    error.hint === undefined || profile === undefined
      ? error.hint
      : withCommands(error.hint, (command) => forProfile(command, profile));
  const message = [error.message, hint].filter((part) => part !== undefined).join(' ');
  return { code: error.code, message, ...error.details };
}

/** How many of the most recently active rows are wanted, and whether the number of all is. */
export interface LeadingRows {
  count: number;
  total: boolean;
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
   * whose segments the store has a file, up to the last that has messages, is
   * the store's. Messages are not counted, and of `columns` only these are
   * read: {@link complete} does the rest for the rows that are shown.
   *
   * @param leading only so many of the most recently active are wanted, and the pinned ones: others may just be
   * counted, or passed over where the total is not wanted.
   */
  async rows(
    filter: ListFilter,
    storeIds: IdSet,
    columns?: readonly SessionColumn[],
    leading?: LeadingRows,
  ): Promise<{ rows: ListedRow[]; others: number }> {
    const rows: ListedRow[] = [];
    let others = 0;
    // What two databases have both is listed once: for that, they must be compared.
    const first = this.opened.length === 1 ? leading : undefined;
    for (const open of this.opened) {
      const own = await this.orWarning({ found: [], others: 0 }, () =>
        this.sessionsOf(open, filter, storeIds, columns, first),
      );
      others += own.others;
      for (const { listed, origin } of own.found.filter(({ listed: { row } }) => !this.origins.has(row.id))) {
        this.origins.set(listed.row.id, origin);
        rows.push(listed);
      }
    }
    return { rows, others };
  }

  private async sessionsOf(
    { place, database }: OpenPlace,
    filter: ListFilter,
    storeIds: IdSet,
    columns: readonly SessionColumn[] | undefined,
    first: LeadingRows | undefined,
  ): Promise<{ found: { listed: ListedRow; origin: Origin }[]; others: number }> {
    const { surroundings: around, warnings } = agentSurroundings(place, this.deps);
    const isCronHidden = !filter.all && !filter.cron;
    const rules = new Map<SqlValue, SourceRule>();
    const ruleOf = (source: SqlValue): SourceRule => {
      const rule = rules.get(source) ?? ruleFor(source, filter, around);
      rules.set(source, rule);
      return rule;
    };
    // The database can only pass over ids that can be told to it.
    const known = storeIds instanceof Set ? (storeIds as ReadonlySet<string>) : undefined;
    const leading =
      known === undefined || (first === undefined && filter.since === undefined) || !asksForSourceOnly(filter)
        ? undefined
        : await leadingSessions(database, {
            count: first?.count ?? 0,
            since: filter.since,
            // Of what was active before that, nothing is counted.
            total: filter.since === undefined && first?.total !== false,
            rule: ruleOf,
            known,
            cronRuns: isCronHidden || filter.projectId !== undefined,
            columns,
          });
    const { rows: stored, plan } = leading
      ? { ...leading, plan: 'index' as const }
      : await loadSessions(database, columns);
    this.plans.push({ path: database.path, profile: place.profile.value, plan });
    this.warnings.push(...warnings);
    const found: { listed: ListedRow; origin: Origin }[] = [];
    let others = leading?.others ?? 0;
    const isCounting = first?.total !== false || leading === undefined;
    /** When the last was active that is needed, where not all are. */
    let enough = -Infinity;
    for (const session of project(stored)) {
      if (isStored(session, storeIds)) continue;
      const activity = activityOf(session);
      const isTooOld = leading !== undefined && activity < leading.bound;
      if (isTooOld && filter.since !== undefined) continue;
      const isPinned = truthy(plain(session.tip.pinned));
      // The most recently active come first: from here on only what is pinned can be on the page.
      if (!isCounting && (isTooOld || activity < enough) && !isPinned) continue;
      const fate = isTooOld ? fateOf(session, ruleOf) : 'unknown';
      if (fate === 'shown') others++;
      if (fate !== 'unknown') continue;
      const listed = { row: agentRow(session, undefined, around), activity };
      if (!matches(listed, filter)) continue;
      if (!filter.all && !(await isShown(database, session))) continue;
      if (isTooOld && !isPinned) others++;
      else if (found.push({ listed, origin: { database, session, around } }) === first?.count) enough = activity;
      const pause = this.deps.breathe();
      if (pause) await pause;
    }
    return { found, others };
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

/** Whether the store has any of it. What goes on behind its last message is not in its row, and so is no part of it. */
function isStored({ path, tip }: AgentSession, storeIds: IdSet): boolean {
  return path.slice(0, path.indexOf(tip.id) + 1).some((id) => storeIds.has(id));
}

/** Whether a session that is neither archived nor pinned matches or not by its source and last activity alone. */
function asksForSourceOnly({ archived, pinnedOnly, title, model, until }: ListFilter): boolean {
  return archived !== 'only' && !pinnedOnly && [title, model, until].every((asked) => asked === undefined);
}

/** What the filter makes of all sessions of one source. */
function ruleFor(source: SqlValue, filter: ListFilter, around: AgentSurroundings): SourceRule {
  const facts = { id: '', source, started_at: null, hasMessages: true, last_activity: null } as SessionFacts;
  const session: AgentSession = { head: facts, tip: facts, path: [], parentRoot: undefined };
  const isMatch = matches({ row: agentRow(session, undefined, around), activity: 0 }, { ...filter, since: undefined });
  if (!isMatch) return 'hidden';
  return filter.all ? 'shown' : visibilityOf(source);
}

/** Whether a conversation is shown, and not first, where its source says so and nothing about it is unusual. */
function fateOf({ head, tip }: AgentSession, ruleOf: (source: SqlValue) => SourceRule): 'shown' | 'hidden' | 'unknown' {
  if (!truthy(plain(head.source))) return 'unknown';
  const rule = ruleOf(head.source);
  if (rule === 'hidden') return 'hidden';
  const isUnusual =
    [tip.archived, tip.pinned].some((flag) => truthy(plain(flag))) ||
    [head.title, tip.title].some((title) => plain(title) === DEFAULT_TITLE) ||
    isCron(tip.id, head.source);
  return !isUnusual && (rule === 'shown' || (rule === 'named' && tip !== head)) ? 'shown' : 'unknown';
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
