import type { ImportResult, ImportRun } from '../core/changes/import-run';
import { HermesctlError } from '../core/errors';
import type { Context } from './context';
import { type Failure, failureOf, failuresForOutput } from './each-session';
import { warnOfIndex } from './mutation';
import type { OutputValue } from './output/document';
import { visibleLine } from './output/visible';

/**
 * Shows what an import did, or would do, session by session.
 *
 * @param one whether the command line named one session: its failure is the command's.
 * @throws HermesctlError where sessions failed.
 */
export async function showImport(context: Context, run: ImportRun, one: boolean, dryRun: boolean): Promise<void> {
  const { results, index } = run;
  context.warn(...run.warnings);
  warnOfIndex(context, index, 'The sessions were saved');
  const failures: Failure[] = results.flatMap(({ session_id, error }) => (error ? [{ session_id, error }] : []));
  if (one && failures.length > 0) throw failures[0].error;
  const counts = countsOf(results);
  await context.show({
    json: (document) => {
      document.member('import', { ...counts, index });
      document.member('sessions', results.map(forOutput));
      if (dryRun) document.member('dry_run', true);
      if (failures.length > 0) document.member('failed', failuresForOutput(failures));
    },
    human: () => {
      for (const result of results) context.line(lineOf(result));
      if (dryRun) context.note('Dry run: nothing was changed.');
      const said = Object.entries(counts).filter(([, count]) => count > 0);
      context.note(said.map(([status, count]) => `${count} ${status}`).join(', ') || 'No agent sessions there.');
    },
  });
  const failure = failureOf(failures, results.length);
  if (failure) throw failure;
}

/** A failure's error stands among the failures. */
function forOutput({ session_id, status, message_count, added, reason, message }: ImportResult): OutputValue {
  const more = Object.entries({ added, reason, message }).filter(([, value]) => value !== undefined);
  return { session_id, status, message_count, ...Object.fromEntries(more) };
}

function countsOf(results: readonly ImportResult[]): Record<ImportResult['status'], number> {
  const counts = { imported: 0, refreshed: 0, unchanged: 0, skipped: 0, failed: 0 };
  for (const { status } of results) counts[status]++;
  return counts;
}

/** Tab-separated: what became of it, id, messages, and what there is to say. */
function lineOf(result: ImportResult): string {
  const { status, session_id: id, message_count: count, added, reason, message } = result;
  const why = reason === undefined ? (message ?? '') : `${reason}: ${message ?? ''}`;
  const note = added === undefined ? why : `${added} added`;
  return [status, visibleLine(id), count ?? '-', visibleLine(note)].join('\t').trimEnd();
}

/** @throws HermesctlError `USAGE` where flags that narrow --all are given without it. */
export function assertNoSweepFlags(given: Record<string, unknown>): void {
  const extra = Object.entries(given).find(([, value]) => value !== undefined);
  if (!extra) return;
  throw new HermesctlError('USAGE', `--${extra[0]} goes with --all, not with session ids.`);
}
