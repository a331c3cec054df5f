import { HermesctlError } from '../core/errors';
import type { UnseenHome } from '../core/changes/gc-homes';
import type { TrashOutcome } from '../core/changes/empty-trash';
import type { GcOutcome } from '../core/files/temporary';
import type { Context } from './context';
import { errorEnvelope, type OutputValue } from './output/document';
import { visibleLine } from './output/visible';

/** A temporary file, or a deletion in the trash, and what became of it. */
export type Cleared = Omit<GcOutcome, 'stamp' | 'path' | 'reason'> & {
  path?: string;
  /** In whose home it is; missing for what is in the store. */
  profile?: string;
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
  { noun = 'temporary files', unseen = [] }: { noun?: string; unseen?: readonly UnseenHome[] } = {},
): Promise<void> {
  const removed = outcomes.filter((file) => file.removed);
  const failed = outcomes.filter((file) => file.error !== undefined);
  const bytes = (files: readonly Cleared[]): number => files.reduce((sum, file) => sum + file.bytes, 0);
  await context.show({
    json: (document) => {
      document.member('files', outcomes.map(forOutput));
      document.member('removed', removed.length);
      document.member('bytes', bytes(removed));
      if (unseen.length > 0) document.member('failed', unseen.map(failedHome) as unknown as OutputValue);
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
            visibleLine(file.session_id ?? (file.profile === undefined ? file.name : (file.path ?? file.name))),
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
  for (const { profile, error } of unseen) context.failure({ profile }, error);
  const said = [
    failed.length > 0 ? `${failed.length} of ${outcomes.length} ${noun} could not be removed` : '',
    unseen.length > 0 ? `not looked at: the home of ${unseen.map(({ profile }) => profile).join(', ')}` : '',
  ].filter(Boolean);
  if (said.length === 0) return;
  throw new HermesctlError('PARTIAL', `${sentence(said)}.`, {
    details: {
      failed: [
        ...failed.map(({ name, error }) => ({ name, error })),
        ...unseen.map(({ profile, error }) => ({ profile, code: error.code })),
      ],
    },
  });
}

function failedHome({ profile, error }: UnseenHome): object {
  return { profile, error: errorEnvelope(error) };
}

function sentence(parts: readonly string[]): string {
  const text = parts.join('; ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function forOutput({
  name,
  path,
  profile,
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
    ...(path === undefined ? {} : { path }),
    ...(profile === undefined ? {} : { profile }),
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
