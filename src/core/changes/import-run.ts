import { continuesWithin, lower } from '../agent-db/continuation';
import type { AgentDatabase } from '../agent-db/database';
import { readTranscript } from '../agent-db/messages';
import { activityOf, type AgentSession, project } from '../agent-db/projection';
import { agentRow } from '../agent-db/row';
import { loadSessions, readAgentSession } from '../agent-db/sessions';
import { type AgentSurroundings, agentSurroundings } from '../agent-db/surroundings';
import type { Deps } from '../deps';
import { HermesctlError, type Warning } from '../errors';
import { type IndexOutcome, patchIndexAfterSave } from '../index/reindex';
import { NULL } from '../json/raw';
import { isShown } from '../listing/agent-rows';
import { truthy } from '../json/python';
import { applyEnsureProject, planEnsureCronProject } from '../projects/ensure';
import { plain } from '../agent-db/values';
import { isStoreId } from '../session/id';
import type { SessionRow } from '../session/row';
import { makeSessionsDirectory } from '../sidecar/directory';
import { readTombstones, TOMBSTONE_FILES } from '../sidecar/tombstones';
import { applyImport, type ImportPlan, type ImportSource, isCronRun, planImport, skipped } from './import';
import type { ChangeTarget } from './sessions';

/** Which agent sessions are to be imported. */
export type ImportSelection =
  /** These, whatever they are. */
  | { ids: readonly string[] }
  /** The most recent `limit` of those that a list of the agent's sessions shows. */
  | {
      /** Any of these sources, in lower case; empty: any. */
      sources: readonly string[];
      /** Active since then, in epoch seconds. */
      since: number | undefined;
      limit: number | undefined;
    };

export interface ImportRunOptions {
  force: boolean;
  /** Make the profile's project for cron sessions where it is missing. */
  ensureProject: boolean;
}

/** So many ids a command to be copied may name. */
const MAX_NAMED = 5;

/** What became of one session. */
export interface ImportResult {
  session_id: string;
  status: 'imported' | 'refreshed' | 'unchanged' | 'skipped' | 'failed';
  message_count: number | null;
  /** Messages that a refresh added. */
  added?: number;
  /** Why it was skipped, for scripts, and in words. */
  reason?: string;
  message?: string;
  error?: HermesctlError;
}

export interface ImportRun {
  results: ImportResult[];
  /** Null in a dry run, or where nothing was saved. */
  index: IndexOutcome | null;
  warnings: Warning[];
}

/**
 * Imports agent sessions into the store, one durable save each (reference:
 * webui-store §6): what fails does not stop the others, and running it again
 * changes nothing. A sweep (`--all`) undoes nobody's delete and nobody's undo.
 * The store's lock must be held unless it is a dry run.
 *
 * @throws HermesctlError `DATABASE_UNUSABLE`, `STORE_DAMAGED`, and in a sweep nothing that one session is to blame for.
 */
export async function importSessions(
  target: ChangeTarget,
  database: AgentDatabase,
  selection: ImportSelection,
  options: ImportRunOptions,
  deps: Deps,
  saver: ImportSaver = onDisk(target, deps),
): Promise<ImportRun> {
  const run = new Importer(target, database, options, saver, deps);
  await run.importAll(selection);
  return run.outcome;
}

/** Who carries out what was decided. */
export interface ImportSaver {
  /** Saves one session; what should be known of it. */
  save: (plan: ImportPlan) => Promise<Warning[]>;
  /** Brings the index up to date after all. */
  index: (saved: readonly string[]) => Promise<IndexOutcome>;
}

function onDisk({ location, defaults }: ChangeTarget, deps: Deps): ImportSaver {
  return {
    save: (plan) => applyImport(location, plan, deps),
    index: (saved) => patchIndexAfterSave(location, saved, defaults, deps),
  };
}

class Importer {
  readonly outcome: ImportRun = { results: [], index: null, warnings: [] };
  private readonly around: AgentSurroundings;
  private readonly saved: string[] = [];
  private tombstones: ReadonlySet<string> = new Set();

  constructor(
    private readonly target: ChangeTarget,
    private readonly database: AgentDatabase,
    private readonly options: ImportRunOptions,
    private readonly saver: ImportSaver,
    private readonly deps: Deps,
  ) {
    const { surroundings, warnings } = agentSurroundings(target.location, deps);
    this.around = surroundings;
    this.outcome.warnings.push(...warnings);
  }

  async importAll(selection: ImportSelection): Promise<void> {
    const { deps } = this;
    const sweeps = !('ids' in selection);
    // Also of a run that names its sessions: a broken file is found out before anything is saved.
    const tombstones = this.readTombstones();
    if (sweeps) this.tombstones = tombstones;
    const chosen = sweeps ? await this.listed(selection) : selection.ids;
    try {
      for (const [done, one] of chosen.entries()) {
        const id = typeof one === 'string' ? one : one.tip.id;
        this.outcome.results.push(await this.importOne(id, one));
        deps.progress(done + 1, chosen.length);
        const pause = deps.breathe();
        if (pause) await pause;
      }
    } finally {
      // Also where the user interrupts: what is saved is to be in the index.
      await this.patchIndex();
    }
  }

  /** The sessions that a list of the agent's sessions shows, most recent first. */
  private async listed(selection: Exclude<ImportSelection, { ids: readonly string[] }>): Promise<AgentSession[]> {
    const { sources, since, limit } = selection;
    const { rows } = await loadSessions(this.database);
    const found: AgentSession[] = [];
    for (const session of project(rows, continuesWithin)) {
      if (limit !== undefined && found.length >= limit) break;
      if (since !== undefined && activityOf(session) < since) break;
      if (sources.length > 0 && !sources.includes(lower(session.head.source))) continue;
      if (await isShown(this.database, session)) found.push(session);
    }
    return found;
  }

  private async importOne(id: string, one: string | AgentSession): Promise<ImportResult> {
    try {
      const sweeps = typeof one !== 'string';
      if (sweeps && !isStoreId(id))
        return resultOf(skipped(id, 'invalid-id', 'its id cannot be the name of a session file', null));
      const session = sweeps ? one : await readAgentSession(this.database, id, continuesWithin);
      if (!session) throw notInDatabase(id, this.database.path);
      const row = this.rowOf(session);
      const plan = await this.plan({ id, row, transcript: await readTranscript(this.database, id) });
      if (!this.target.dryRun) await this.apply(plan);
      return resultOf(plan);
    } catch (error) {
      if (!(error instanceof HermesctlError) || error.code === 'DATABASE_UNUSABLE') throw error;
      return { session_id: id, status: 'failed', message_count: null, message: error.message, error };
    }
  }

  private async plan(source: ImportSource): Promise<ImportPlan> {
    const { force, ensureProject } = this.options;
    const decide = (): Promise<ImportPlan> =>
      planImport(
        this.target.location,
        source,
        { force, cronProject: this.around.cronProject, tombstones: this.tombstones },
        this.deps,
      );
    const plan = await decide();
    const lacksProject = plan.status === 'imported' && isCronRun(source) && this.around.cronProject === null;
    if (!lacksProject || !ensureProject || this.target.dryRun) return plan;
    this.around.cronProject = await this.ensureCronProject();
    return decide();
  }

  private async apply(plan: ImportPlan): Promise<void> {
    try {
      if (plan.status === 'imported' || plan.status === 'refreshed') {
        makeSessionsDirectory(this.target.location, this.deps);
        this.outcome.warnings.push(...(await this.saver.save(plan)));
      }
    } catch (error) {
      if (error instanceof HermesctlError && error.details['saved'] === true) this.saved.push(plan.session_id);
      throw error;
    }
    if (plan.status === 'imported' || plan.status === 'refreshed') this.saved.push(plan.session_id);
  }

  /** A session without a source has no origin to tell, and no title made from one (reference: webui-store §6). */
  private rowOf(session: AgentSession): SessionRow {
    const { head, tip } = session;
    const row = agentRow(session, undefined, this.around);
    if (truthy(plain(head.source)) || truthy(plain(tip.source))) return row;
    const origin = { source_tag: NULL, raw_source: NULL, session_source: NULL, source_label: NULL };
    const hasTitle = truthy(plain(head.title)) || truthy(plain(tip.title));
    return row.with(hasTitle ? origin : { ...origin, title: NULL });
  }

  private async ensureCronProject(): Promise<string> {
    const { location } = this.target;
    const plan = planEnsureCronProject(location.projectsFile.value, location.profile.value, this.deps);
    await applyEnsureProject(plan, this.deps);
    return plan.project.project_id;
  }

  /** Sessions that were deleted, or left out as empty, in the store. */
  private readTombstones(): ReadonlySet<string> {
    const { value: sessionsDir } = this.target.location.sessionsDir;
    return new Set(TOMBSTONE_FILES.flatMap((name) => readTombstones(sessionsDir, name, this.deps)?.ids ?? []));
  }

  private async patchIndex(): Promise<void> {
    if (this.saved.length === 0) return;
    const index = await this.saver.index(this.saved);
    const tooMany = this.saved.length > MAX_NAMED;
    this.outcome.index = !index.updated && tooMany ? { ...index, hint: 'hermesctl reindex' } : index;
  }
}

function resultOf(plan: ImportPlan): ImportResult {
  const { session_id, status, message_count } = plan;
  const result: ImportResult = { session_id, status, message_count };
  if (plan.status === 'refreshed') result.added = plan.added;
  if (plan.status === 'skipped') Object.assign(result, { reason: plan.reason, message: plan.why });
  return result;
}

function notInDatabase(id: string, path: string): HermesctlError {
  return new HermesctlError('SESSION_NOT_FOUND', `There is no session ${id} in ${path}.`, {
    hint: "'hermesctl sessions list --agent' shows the agent's sessions; -p names another profile.",
    details: { session_id: id, path },
  });
}
