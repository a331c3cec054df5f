import {
  applyDelete,
  type Deleted,
  type DeleteOptions,
  type DeleteResult,
  finishDeletes,
  planDelete,
  resultOf,
} from '../core/changes/delete';
import { assertDeletable, resolveDeletable } from '../core/changes/deletable-ids';
import type { ChangeTarget } from '../core/changes/sessions';
import { HermesctlError } from '../core/errors';
import type { WebuiClient } from '../core/server/client';
import { deleteOnServer } from '../core/server/changes';
import { confirm } from './confirm';
import type { Context } from './context';
import { showItems } from './delete-result';
import { type Failure, failureOf, failuresForOutput, forEachSession } from './each-session';
import { FILES_CHANGED, mutate, type MutationFlagValues, warnOfIndex } from './mutation';
import type { OutputValue } from './output/document';
import { refuseOnServer } from './server-route';
import { givenIds } from './session-ids';

/**
 * The ids to delete: from a person at a terminal also the beginning of one, of
 * sessions in the store and in the agent's database.
 *
 * @throws HermesctlError `USAGE`, `STORE_NOT_FOUND`
 */
export async function idsToDelete(
  context: Context,
  args: readonly string[],
  nullSeparated: boolean,
  options: DeleteOptions,
): Promise<string[]> {
  const { location, deps, terminal } = context;
  const ids: string[] = [];
  for (const { id, exact } of givenIds(args, nullSeparated)) {
    const meant = exact || !terminal.stdinIsTerminal ? id : await resolveDeletable(location, id, deps);
    await assertDeletable(location, meant, options, deps);
    if (!ids.includes(meant)) ids.push(meant);
  }
  if (ids.length > 0 || args.includes('-')) return ids;
  throw new HermesctlError('USAGE', 'No session was named.', {
    hint: 'Give session ids, or - to read them from standard input.',
  });
}

/** Shows a person what would go, and asks. Nothing is locked meanwhile. */
export async function confirmDelete(
  context: Context,
  ids: readonly string[],
  options: DeleteOptions,
): Promise<boolean> {
  const results: DeleteResult[] = [];
  for (const id of ids) {
    try {
      results.push(resultOf(await planDelete(context.location, id, options, context.deps)));
    } catch (error) {
      if (!(error instanceof HermesctlError) || ids.length === 1) throw error;
      context.failures([{ session_id: id, error }]);
    }
  }
  await showItems(context, results);
  const [only] = results;
  const what =
    results.length === 1
      ? `session ${only.session_id}${only.title === null ? '' : ` (${only.title})`}`
      : `${results.length} sessions`;
  return results.length > 0 && (await confirm(context, `Delete ${what}${options.trash ? '' : ', for good'}?`));
}

/**
 * Deletes each of these sessions, under one lock. One id: its own failure is
 * the command's. Several: what fails does not stop the others.
 */
export async function deleteEach(
  context: Context,
  ids: readonly string[],
  one: boolean,
  flags: MutationFlagValues,
  options: DeleteOptions,
): Promise<void> {
  const results: DeleteResult[] = [];
  const each = (work: (id: string) => Promise<DeleteResult>): Promise<Failure[]> =>
    forEachSession(context, ids, one, async (id) => void results.push(await work(id)));
  const onDisk = async (target: ChangeTarget): Promise<Failure[]> => {
    const deleted: Deleted[] = [];
    try {
      return await each((id) => deleteOne(context, target, id, options, deleted));
    } finally {
      // Also of those that were deleted before a signal, or a bug, ended the rest.
      warnOfIndex(context, await finishDeletes(target, deleted, context.deps), FILES_CHANGED);
    }
  };
  const onServer = (client: WebuiClient): Promise<Failure[]> => {
    refuseOnServer({ 'store-only': !options.agent, 'agent-only': !options.store });
    if (options.trash) throw keepsNothing();
    return each(async (id) => {
      const { result, warnings } = await deleteOnServer(client, context, id, options, context.deps);
      context.warn(...warnings);
      return result;
    });
  };
  const failures = await mutate(context, flags, onDisk, { onServer });
  await present(context, results, failures, one, flags['dry-run']);
  context.failures(failures);
  const failure = failureOf(failures, ids.length);
  if (failure) throw failure;
}

/** What cannot be brought back is not done where its keeping was asked for. */
function keepsNothing(): HermesctlError {
  return new HermesctlError('REFUSED', 'The server that has this store deletes for good: it has no trash.', {
    hint: '--no-trash says that it may; or stop it first, and everything is kept.',
  });
}

async function deleteOne(
  context: Context,
  { location, dryRun }: ChangeTarget,
  id: string,
  options: DeleteOptions,
  deleted: Deleted[],
): Promise<DeleteResult> {
  const plan = await planDelete(location, id, options, context.deps);
  if (dryRun) {
    context.warn(...plan.warnings);
    return resultOf(plan);
  }
  const done = await applyDelete(plan, location, context.deps);
  deleted.push(done);
  context.warn(...done.warnings);
  return done.result;
}

async function present(
  context: Context,
  results: readonly DeleteResult[],
  failures: readonly Failure[],
  one: boolean,
  dryRun: boolean,
): Promise<void> {
  await context.show({
    json: (document) => {
      if (one) document.member('session', results[0] as unknown as OutputValue);
      else document.member('sessions', results as unknown as OutputValue);
      if (dryRun) document.member('dry_run', true);
      if (failures.length > 0) document.member('failed', failuresForOutput(failures));
    },
    human: async () => {
      await showItems(context, results);
      if (dryRun) context.note('Dry run: nothing was changed.');
      else if (results.length > 0) context.note(lastWord(results));
    },
  });
}

function lastWord(results: readonly DeleteResult[]): string {
  const [first] = results;
  const what = results.length === 1 ? `Deleted session ${first.session_id}.` : `Deleted ${results.length} sessions.`;
  if (first.trash === null) return what;
  return `${what} 'hermesctl sessions restore ${results.length === 1 ? first.session_id : 'ID'}' brings ${results.length === 1 ? 'it' : 'one'} back.`;
}
