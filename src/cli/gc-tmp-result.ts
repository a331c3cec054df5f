import { HermesctlError } from '../core/errors';
import type { GcOutcome } from '../core/files/temporary';
import type { Context } from './context';
import type { OutputValue } from './output/document';
import { visibleLine } from './output/visible';

/**
 * Shows each temporary file and what became of it.
 *
 * @throws HermesctlError `PARTIAL` where one that should go could not.
 */
export async function showGcTmp(context: Context, outcomes: readonly GcOutcome[], dryRun: boolean): Promise<void> {
  const removed = outcomes.filter((file) => file.removed);
  const failed = outcomes.filter((file) => file.error !== undefined);
  const bytes = (files: readonly GcOutcome[]): number => files.reduce((sum, file) => sum + file.bytes, 0);
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
          [visibleLine(file.name), file.bytes, `${Math.floor(file.ageSeconds)}s`, file.pattern, fate].join('\t'),
        );
      }
      if (outcomes.length === 0) context.note('No temporary files.');
      else
        context.note(
          dryRun ? 'Dry run: nothing was changed.' : `Removed ${removed.length} files, ${bytes(removed)} bytes.`,
        );
    },
  });
  if (failed.length > 0) {
    throw new HermesctlError('PARTIAL', `${failed.length} of ${outcomes.length} files could not be removed.`, {
      details: { failed: failed.map(({ name, error }) => ({ name, error })) },
    });
  }
}

function forOutput({ name, bytes, ageSeconds, pattern, action, reason, removed, error }: GcOutcome): OutputValue {
  return {
    name,
    bytes,
    age_seconds: Math.floor(ageSeconds),
    pattern,
    action,
    removed,
    reason: reason ?? null,
    error: error ?? null,
  };
}
