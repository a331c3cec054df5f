import { HermesctlError } from '../core/errors';
import { type Drift, driftOf } from '../core/index/drift';
import type { ReindexPlan } from '../core/index/reindex';
import type { Context } from './context';
import type { Fleet } from './fleet';
import type { OutputValue } from './output/document';
import { counted } from './output/numbers';
import { visibleLine } from './output/visible';

/** Shows what a reindex did, or would do. */
export async function showReindex(
  context: Context,
  plan: ReindexPlan,
  mode: 'rebuild' | 'patch',
  dryRun: boolean,
): Promise<void> {
  context.warn(...plan.warnings, ...plan.damaged);
  const { rows, changed, added, updated, removed, damaged, filesRead } = plan;
  await context.show({
    json: (document) => {
      document.member('reindex', {
        mode,
        rows,
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
        `${verb} ${counted(rows, 'row')}: ${added.length} added, ${updated.length} updated, ${removed.length} removed, ${counted(damaged.length, 'file')} skipped; ${counted(filesRead, 'file')} read.`,
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
 * Shows how the index of each store differs from the files, row by row, as
 * `plan` would make it anew.
 *
 * @throws HermesctlError as {@link Fleet.assertAll}; `PROBLEMS_FOUND` where only something differs.
 */
export async function showDrift(
  context: Context,
  fleet: Fleet,
  plan: (store: Context) => Promise<ReindexPlan>,
): Promise<void> {
  const read = await fleet.each(async (store) => {
    const planned = await plan(store);
    store.warn(...planned.warnings, ...planned.damaged);
    return driftOf(planned);
  });
  let places = 0;
  async function* drift(): AsyncGenerator<Drift & { store?: string }> {
    for await (const { store, value } of read) {
      places += value.length;
      fleet.note(store, { drift: value.length });
      const marks = Object.fromEntries(fleet.marks(store).map(([key, raw]) => [key, raw.value()]));
      for (const row of value) yield { ...row, ...marks };
    }
  }
  await context.show({
    json: async (document) => {
      await document.array('drift', drift(), (row, path) =>
        document.renderer.render(row as unknown as OutputValue, path),
      );
      fleet.show(document);
    },
    human: async () => {
      for await (const row of drift()) for (const cells of driftLines(row)) context.line(cells.join('\t'));
      if (places === 0) context.note('The index agrees with the files.');
    },
  });
  fleet.assertAll();
  if (places === 0) return;
  throw new HermesctlError(
    'PROBLEMS_FOUND',
    `The index differs from the files in ${places} ${places === 1 ? 'place' : 'places'}.`,
    { hint: "'hermesctl reindex' makes it anew." },
  );
}

function driftLines(row: Drift & { store?: string }): string[][] {
  const where = row.store === undefined ? [] : [visibleLine(row.store)];
  if (row.kind !== 'stale') return [[row.kind, visibleLine(row.session_id ?? '_index.json'), ...where]];
  return Object.entries(row.fields).map(([key, { old, new: now }]) => [
    'stale',
    ...[row.session_id, key, old.text, now.text].map(visibleLine),
    ...where,
  ]);
}
