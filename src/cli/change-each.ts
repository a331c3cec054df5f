import { type Changed, changeMetadata, type MetadataResult } from '../core/changes/sessions';
import { HermesctlError } from '../core/errors';
import { changeMetadataOnServer } from '../core/server/changes';
import type { MetadataChange } from '../core/sidecar/metadata-edit';
import type { Context } from './context';
import { type Failure, failureOf, failuresForOutput } from './each-session';
import { mutate, type MutationFlagValues, showChange } from './mutation';
import type { OutputValue } from './output/document';
import { idsToRead, namesOne } from './session-ids';

/**
 * Makes the same change of metadata to each of these sessions, under one lock.
 * One id: its own failure is the command's. Several: what fails does not stop
 * the others.
 */
export async function changeEach(
  context: Context,
  args: readonly string[],
  flags: MutationFlagValues & { force: boolean; null: boolean },
  change: MetadataChange,
): Promise<void> {
  const ids = idsToRead(context, args, flags);
  const one = namesOne(args);
  const results: MetadataResult[] = [];
  const failures: Failure[] = [];
  const each = async (make: (id: string) => Promise<Changed<MetadataResult>>): Promise<void> => {
    for (const [done, id] of ids.entries()) {
      try {
        const changed = await make(id);
        if (one) await showChange(context, 'session', changed, flags);
        else context.warn(...changed.warnings);
        results.push(changed.result);
      } catch (error) {
        if (one || !(error instanceof HermesctlError)) throw error;
        failures.push({ session_id: id, error });
      }
      context.deps.progress(done + 1, ids.length);
      const pause = context.deps.breathe();
      if (pause) await pause;
    }
  };
  const { deps } = context;
  await mutate(context, flags, (target) => each((id) => changeMetadata(target, id, change, flags.force, deps)), {
    onServer: (client) => each((id) => changeMetadataOnServer(client, context, id, change, flags.force, deps)),
  });
  if (one) return;
  await context.show({
    json: (document) => {
      document.member('sessions', results as unknown as OutputValue);
      if (flags['dry-run']) document.member('dry_run', true);
      if (failures.length > 0) document.member('failed', failuresForOutput(failures));
    },
    human: () => {
      for (const { session_id: id, changed } of results) context.line(`${id}\t${changed ? 'changed' : 'unchanged'}`);
      if (flags['dry-run']) context.note('Dry run: nothing was changed.');
    },
  });
  context.failures(failures);
  const failure = failureOf(failures, ids.length);
  if (failure) throw failure;
}
