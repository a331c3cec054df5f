import { createHash } from 'node:crypto';

import type { Deps } from '../deps';
import { HermesctlError, type Warning } from '../errors';
import type { OpenFile } from '../files/open-file';
import { type IndexOutcome, patchIndexAfterSave } from '../index/reindex';
import { makeSessionsDirectory } from '../sidecar/directory';
import { readTombstones, removeTombstonesAfterSave, TOMBSTONE_FILES } from '../sidecar/tombstones';
import { type InputItem, inputItems } from './import-input';
import {
  alreadyThere,
  applyImportSession,
  type ImportFileOptions,
  type ImportSessionPlan,
  type IncomingSession,
  planImportSession,
  readIncoming,
} from './import-session';
import type { ChangeTarget } from './sessions';

/** What became of one session of the input. */
export interface ImportedSession {
  /** Where it stands in the input: `line 3`, `item 2`. */
  place: string;
  /** Null where the input does not say it. */
  session_id: string | null;
  status: 'imported' | 'replaced' | 'unchanged' | 'failed';
  message_count: number | null;
  error?: HermesctlError;
}

export interface ImportFileRun {
  results: ImportedSession[];
  /** Null in a dry run, or where nothing was saved. */
  index: IndexOutcome | null;
  warnings: Warning[];
}

/** So many ids a command to be copied may name. */
const MAX_NAMED = 5;

/**
 * Imports the sessions of a file into the store, one durable save each: each
 * comes in whole or not at all, and what fails does not stop the others. Running
 * it again changes nothing. The store's lock must be held unless it is a dry run.
 *
 * @throws HermesctlError `STORE_DAMAGED`, `IO_ERROR` of the input.
 */
export async function importFile(
  target: ChangeTarget,
  input: OpenFile,
  options: ImportFileOptions,
  deps: Deps,
): Promise<ImportFileRun> {
  const run = new FileImport(target, options, deps);
  await run.importAll(input);
  return run.outcome;
}

class FileImport {
  readonly outcome: ImportFileRun = { results: [], index: null, warnings: [] };
  private readonly sessionsDir: string;
  private readonly tombstones: Set<string>;
  private readonly saved: string[] = [];
  /** In a dry run: what would be there by now. */
  private readonly planned = new Map<string, string>();

  constructor(
    private readonly target: ChangeTarget,
    private readonly options: ImportFileOptions,
    private readonly deps: Deps,
  ) {
    this.sessionsDir = target.location.sessionsDir.value;
    // A broken file is found out before anything is saved.
    this.tombstones = new Set(
      TOMBSTONE_FILES.flatMap((name) => readTombstones(this.sessionsDir, name, deps)?.ids ?? []),
    );
  }

  async importAll(input: OpenFile): Promise<void> {
    const { deps, outcome } = this;
    const size = Number(input.stamp.size);
    let done = 0;
    try {
      for (const item of inputItems(input)) {
        outcome.results.push(await this.importOne(item));
        done += item.bytes.length + 1;
        deps.progress(Math.min(done, size), size);
        const pause = deps.breathe();
        if (pause) await pause;
      }
    } finally {
      // Also where the user interrupts: what is saved is to be in the index.
      await this.patchIndex();
    }
  }

  private async importOne(item: InputItem): Promise<ImportedSession> {
    const { place } = item;
    let id: string | null = null;
    try {
      const incoming = readIncoming(item, this.target.location, this.deps);
      ({ id } = incoming);
      const plan = this.plan(incoming);
      if (plan.status !== 'unchanged') await this.apply(plan);
      this.outcome.warnings.push(...plan.warnings);
      return { place, session_id: id, status: plan.status, message_count: plan.messageCount };
    } catch (error) {
      if (!(error instanceof HermesctlError)) throw error;
      return { place, session_id: id, status: 'failed', message_count: null, error };
    }
  }

  private plan(incoming: IncomingSession): ImportSessionPlan {
    const { id, agent, bytes } = incoming;
    const plan = planImportSession(this.sessionsDir, incoming, this.tombstones, this.options, this.deps);
    if (!this.target.dryRun) return plan;
    // What stands in the input twice meets what came in before. Of the agent's own the rest is made anew each time.
    const said = agent ? `${agent.row}\n${agent.messages}` : bytes;
    const digest = createHash('sha256').update(said).digest('hex');
    const before = this.planned.get(id);
    if (before === digest) return { ...plan, status: 'unchanged', warnings: [] };
    if (before !== undefined && !this.options.replace) throw alreadyThere(id, plan.path);
    this.planned.set(id, digest);
    return before === undefined ? plan : { ...plan, status: 'replaced' };
  }

  private async apply(plan: ImportSessionPlan): Promise<void> {
    const { id, messageCount } = plan;
    if (this.target.dryRun) return;
    makeSessionsDirectory(this.target.location, this.deps);
    try {
      await applyImportSession(plan, this.deps);
    } catch (error) {
      if (error instanceof HermesctlError && error.details['saved'] === true) this.saved.push(id);
      throw error;
    }
    this.saved.push(id);
    if (messageCount === 0 || !this.tombstones.delete(id)) return;
    this.outcome.warnings.push(...(await removeTombstonesAfterSave(this.sessionsDir, id, this.deps)));
  }

  private async patchIndex(): Promise<void> {
    const { saved } = this;
    if (saved.length === 0) return;
    const { location, defaults } = this.target;
    const index = await patchIndexAfterSave(location, saved, defaults, this.deps);
    this.outcome.index = !index.updated && saved.length > MAX_NAMED ? { ...index, hint: 'hermesctl reindex' } : index;
  }
}
