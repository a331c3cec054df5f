import { applyUndelete, planUndelete, type UndeleteOptions, undeleteResult } from '../core/changes/undelete';
import type { Context } from './context';
import { showItems } from './delete-result';
import { FILES_CHANGED, mutate, type MutationFlagValues, warnOfIndex } from './mutation';
import type { OutputValue } from './output/document';

/** Brings a session back from the trash, and shows what came back. */
export async function undeleteAndShow(
  context: Context,
  id: string,
  options: UndeleteOptions,
  flags: MutationFlagValues,
): Promise<void> {
  const { deps } = context;
  const { result, warnings } = await mutate(context, flags, async (target) => {
    const plan = await planUndelete(target.location, id, options, deps);
    return target.dryRun
      ? { result: undeleteResult(plan), warnings: plan.warnings }
      : applyUndelete(plan, target, deps);
  });
  context.warn(...warnings);
  warnOfIndex(context, result.index, FILES_CHANGED);
  await context.show({
    json: (document) => {
      document.member('restore', result as unknown as OutputValue);
      if (flags['dry-run']) document.member('dry_run', true);
    },
    human: async () => {
      await showItems(context, [result]);
      context.note(flags['dry-run'] ? 'Dry run: nothing was changed.' : `Session ${id} is back.`);
    },
  });
}
