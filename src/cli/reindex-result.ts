import { HermesctlError } from '../core/errors';
import { type Drift, driftOf } from '../core/index/drift';
import type { ReindexPlan } from '../core/index/reindex';
import type { Context } from './context';
import type { OutputValue } from './output/document';
import { visibleLine } from './output/visible';

/** Shows what a reindex did, or would do. */
export async function showReindex(
  context: Context,
  plan: ReindexPlan,
  mode: 'rebuild' | 'patch',
  dryRun: boolean,
): Promise<void> {
  context.warn(...plan.warnings, ...plan.damaged);
  const { entries, changed, added, updated, removed, damaged, filesRead } = plan;
  await context.show({
    json: (document) => {
      document.member('reindex', {
        mode,
        rows: entries.length,
        changed,
        added,
        updated,
        removed,
        files_read: filesRead,
        skipped: damaged.map(({ session_id: id }) => String(id)),
      });
      if (dryRun) document.member('dry_run', true);
    },
    human: () => {
      const verb = dryRun ? 'Would write' : changed ? 'Wrote' : 'Nothing to do:';
      context.line(
        `${verb} ${entries.length} rows: ${added.length} added, ${updated.length} updated, ${removed.length} removed, ${damaged.length} files skipped; ${filesRead} files read.`,
      );
    },
  });
}

/** Says which rows a server changed while the index was made: it writes its own without asking. */
export function warnOfChanges(context: Context, after: ReindexPlan): void {
  for (const { session_id: id, kind } of driftOf(after)) {
    context.warn({
      code: 'CHANGED_MEANWHILE',
      message: `The server changed ${id === null ? 'the index' : `the row of session ${id}`} meanwhile (${kind}).`,
      ...(id === null ? {} : { session_id: id }),
    });
  }
}

/**
 * Shows how the index differs from the files, row by row.
 *
 * @throws HermesctlError `PROBLEMS_FOUND` where it does.
 */
export async function showDrift(context: Context, plan: ReindexPlan, drift: readonly Drift[]): Promise<void> {
  context.warn(...plan.warnings, ...plan.damaged);
  await context.show({
    json: (document) => document.member('drift', drift as unknown as OutputValue),
    human: () => {
      for (const row of drift) {
        if (row.kind !== 'stale') context.line(`${row.kind}\t${visibleLine(row.session_id ?? '_index.json')}`);
        else {
          for (const [key, { old, new: now }] of Object.entries(row.fields)) {
            context.line(
              `stale\t${visibleLine(row.session_id)}\t${key}\t${visibleLine(old.text)}\t${visibleLine(now.text)}`,
            );
          }
        }
      }
      if (drift.length === 0) context.note('The index agrees with the files.');
    },
  });
  if (drift.length === 0) return;
  throw new HermesctlError(
    'PROBLEMS_FOUND',
    `The index differs from the files in ${drift.length} ${drift.length === 1 ? 'place' : 'places'}.`,
    {
      hint: "'hermesctl reindex' makes it anew.",
    },
  );
}
