import { assertNotAlive, parentIds, type RepairResult, repairSession } from '../core/changes/repair';
import type { Context } from './context';
import { failureOf, failuresForOutput, forEachSession } from './each-session';
import { mutate, type MutationFlagValues, showChange, warnOfIndex } from './mutation';
import type { OutputValue } from './output/document';
import { serverBeside } from './server-route';
import { idsToRead, namesOne } from './session-ids';

/**
 * Repairs the stale pending turn of each of these sessions, under one lock.
 * With `--all` only sessions that have a pending turn are told of.
 */
export async function repairEach(
  context: Context,
  args: readonly string[],
  flags: MutationFlagValues & { all: boolean; null: boolean },
): Promise<void> {
  const ids = idsToRead(context, args, flags, { prefixes: context.terminal.stdinIsTerminal });
  const one = !flags.all && namesOne(args);
  const results: RepairResult[] = [];
  const beside = await serverBeside(context, flags);
  const streamMayLive = beside !== undefined && (beside.health?.isBusy ?? true);
  const failures = await mutate(context, flags, (target) => {
    const parents = parentIds(context.location, context.deps);
    return forEachSession(context, ids, one, async (id) => {
      const changed = await repairSession(target, id, { streamMayLive, parents }, context.deps);
      if (one) {
        assertNotAlive(changed.result);
        await showChange(context, 'repair', changed, flags);
        return;
      }
      context.warn(...changed.warnings);
      warnOfIndex(context, changed.result.index);
      results.push(changed.result);
    });
  });
  if (one) return;
  const shown = flags.all ? results.filter(({ reason }) => reason !== 'no-pending-turn') : results;
  await context.show({
    json: (document) => {
      document.member('sessions', shown as unknown as OutputValue);
      document.member('checked', ids.length);
      if (flags['dry-run']) document.member('dry_run', true);
      if (failures.length > 0) document.member('failed', failuresForOutput(failures));
    },
    human: () => {
      for (const { session_id: id, repaired, reason, source } of shown) {
        context.line(repaired ? `${id}\trepaired\t${source ?? ''}` : `${id}\tkept\t${reason ?? ''}`);
      }
      const count = shown.filter(({ repaired }) => repaired).length;
      const verb = flags['dry-run'] ? 'Would repair' : 'Repaired';
      context.note(`${verb} ${count} of ${ids.length} sessions.`);
    },
  });
  context.failures(failures);
  const failure = failureOf(failures, ids.length);
  if (failure) throw failure;
}
