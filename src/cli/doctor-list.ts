import { CHECKS } from '../core/audit/audit';
import type { Context } from './context';
import { renderTable } from './output/table';

/** Names every check, what it looks for and what `--repair` does about it. */
export async function listChecks(context: Context): Promise<void> {
  await context.show({
    json: (document) =>
      document.member(
        'checks',
        CHECKS.map(({ name, looksFor, severity, repair }) => ({ name, looks_for: looksFor, severity, repair })),
      ),
    human: async () => {
      const rows = CHECKS.map(({ name, looksFor, severity, repair }) => [name, severity, repair ?? '', looksFor]);
      if (!context.isTerminal) {
        for (const row of rows) context.line(row.join('\t'));
        return;
      }
      const columns = [{ header: 'CHECK' }, { header: '' }, { header: 'REPAIR' }, { header: 'LOOKS FOR', wraps: true }];
      context.line(await renderTable(columns, rows, context.terminal));
    },
  });
}
