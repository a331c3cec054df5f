import { type Changed, type ChangeTarget, changeMetadata, type MetadataResult } from '../core/changes/sessions';
import { changeMetadataOnServer } from '../core/server/changes';
import type { MetadataChange } from '../core/sidecar/metadata-edit';
import type { Context } from './context';
import { type Failure, failureOf, failuresForOutput, forEachSession } from './each-session';
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
  const each = (make: (id: string) => Promise<Changed<MetadataResult>>): Promise<Failure[]> =>
    forEachSession(context, ids, one, async (id) => {
      const changed = await make(id);
      if (one) await showChange(context, 'session', changed, flags);
      else context.warn(...changed.warnings);
      results.push(changed.result);
    });
  const { deps } = context;
  const onDisk = (target: ChangeTarget): Promise<Failure[]> =>
    each((id) => changeMetadata(target, id, change, flags.force, deps));
  const failures = await mutate(context, flags, onDisk, {
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
