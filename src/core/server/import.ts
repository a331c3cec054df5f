import type { AgentDatabase } from '../agent-db/database';
import {
  type ImportResult,
  type ImportRun,
  type ImportRunOptions,
  type ImportSelection,
  importSessions,
} from '../changes/import-run';
import type { ChangeTarget } from '../changes/sessions';
import type { Deps } from '../deps';
import { type ErrorCode, HermesctlError } from '../errors';
import type { WebuiClient } from './client';

/** With these no other session fares better. */
const FOR_ALL: ReadonlySet<ErrorCode> = new Set(['AUTH_FAILED', 'UNREACHABLE']);

/**
 * {@link importSessions} by the server that has the store: which sessions are
 * due is decided from the disk, each of them the server imports itself, from
 * the agent's database of the same profile.
 *
 * @throws HermesctlError `REFUSED` for options that the server has not, and as `importSessions` and `WebuiClient.change`.
 */
export async function importOnServer(
  client: WebuiClient,
  target: Omit<ChangeTarget, 'dryRun'>,
  database: AgentDatabase,
  selection: ImportSelection,
  options: ImportRunOptions,
  deps: Deps,
): Promise<ImportRun> {
  const extra = options.force ? '--force' : options.ensureProject ? '--ensure-project' : undefined;
  if (extra !== undefined) {
    throw new HermesctlError('REFUSED', `The server imports in its own way, without ${extra}.`, {
      hint: `Leave ${extra} away, or stop the server.`,
    });
  }
  const plan = await importSessions({ ...target, dryRun: true }, database, selection, options, deps);
  const results: ImportResult[] = [];
  for (const [done, planned] of plan.results.entries()) {
    const isDue = planned.status === 'imported' || planned.status === 'refreshed';
    results.push(isDue ? await importOne(client, target.location.profile.value, planned) : planned);
    deps.progress(done + 1, plan.results.length);
    const pause = deps.breathe();
    if (pause) await pause;
  }
  const isChanged = results.some(({ status }) => status === 'imported' || status === 'refreshed');
  return { results, index: isChanged ? { updated: true } : null, warnings: plan.warnings };
}

async function importOne(client: WebuiClient, profile: string, planned: ImportResult): Promise<ImportResult> {
  const { session_id: id } = planned;
  try {
    const answer = await client.change('/api/session/import_cli', profile, { session_id: id });
    const { messages, message_count: recorded } = (answer['session'] ?? {}) as Record<string, unknown>;
    const count = Array.isArray(messages) ? messages.length : Number(recorded ?? planned.message_count);
    if (planned.status === 'refreshed' || answer['imported'] === true) return { ...planned, message_count: count };
    return {
      session_id: id,
      status: 'skipped',
      message_count: count,
      reason: 'not_by_server',
      message: 'the server shows it and does not import it',
    };
  } catch (error) {
    if (!(error instanceof HermesctlError) || FOR_ALL.has(error.code)) throw error;
    return { session_id: id, status: 'failed', message_count: null, error };
  }
}
