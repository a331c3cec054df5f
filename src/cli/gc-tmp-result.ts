import { HermesctlError } from '../core/errors';
import type { TrashOutcome } from '../core/changes/empty-trash';
import type { GcOutcome } from '../core/files/temporary';
import type { Context } from './context';
import type { OutputValue } from './output/document';
import { visibleLine } from './output/visible';

/** A temporary file, or a deletion in the trash, and what became of it. */
export type Cleared = Omit<GcOutcome, 'stamp' | 'path' | 'reason'> & {
  reason?: GcOutcome['reason'] | TrashOutcome['reason'];
  session_id?: string | null;
};

/**
 * Shows each temporary file and what became of it.
 *
 * @throws HermesctlError `PARTIAL` where one that should go could not.
 */
export async function showGcTmp(
  context: Context,
  outcomes: readonly Cleared[],
  dryRun: boolean,
  noun = 'temporary files',
): Promise<void> {
  const removed = outcomes.filter((file) => file.removed);
  const failed = outcomes.filter((file) => file.error !== undefined);
  const bytes = (files: readonly Cleared[]): number => files.reduce((sum, file) => sum + file.bytes, 0);
  await context.show({
    json: (document) => {
      document.member('files', outcomes.map(forOutput));
      document.member('removed', removed.length);
      document.member('bytes', bytes(removed));
      if (dryRun) document.member('dry_run', true);
    },
    human: () => {
      for (const file of outcomes) {
        const fate =
          file.error ??
          (file.removed
            ? 'removed'
            : dryRun && file.action === 'remove'
              ? 'would remove'
              : `kept: ${file.reason ?? ''}`);
        context.line(
          [
            visibleLine(file.session_id ?? file.name),
            file.bytes,
            `${Math.floor(file.ageSeconds)}s`,
            file.pattern,
            fate,
          ].join('\t'),
        );
      }
      if (outcomes.length === 0) context.note(`No ${noun}.`);
      else
        context.note(
          dryRun ? 'Dry run: nothing was changed.' : `Removed ${removed.length} ${noun}, ${bytes(removed)} bytes.`,
        );
    },
  });
  if (failed.length > 0) {
    throw new HermesctlError('PARTIAL', `${failed.length} of ${outcomes.length} ${noun} could not be removed.`, {
      details: { failed: failed.map(({ name, error }) => ({ name, error })) },
    });
  }
}

function forOutput({
  name,
  session_id: id,
  bytes,
  ageSeconds,
  pattern,
  action,
  reason,
  removed,
  error,
}: Cleared): OutputValue {
  return {
    name,
    ...(id === undefined ? {} : { session_id: id }),
    bytes,
    age_seconds: Math.floor(ageSeconds),
    pattern,
    action,
    removed,
    reason: reason ?? null,
    error: error ?? null,
  };
}
