import { Flags } from '@oclif/core';

import { agentQuery } from '../cli/agent-query';
import { assertEveryDatabase } from '../cli/all-profiles';
import { BaseCommand } from '../cli/base-command';
import { Fleet, storesFlag } from '../cli/fleet';
import { listFilter, narrowingFlags } from '../cli/list-flags';
import { gatherStats } from '../cli/stats-gather';
import { writeStatsReport } from '../cli/stats-report';
import { showStats } from '../cli/stats-result';
import type { ErrorCode } from '../core/errors';
import { DEFAULT_GROUP_KEYS, GROUP_KEYS } from '../core/stats/stats';

export default class Stats extends BaseCommand {
  static override summary = 'Show sizes, counts, tokens and cost, by profile, source, model, project and day.';
  static override description =
    'Counts every session of the store, also those that a list hides, unless flags narrow it; with --agent the conversations too that only the agent’s database has, each once. Rows come from where a list has them, sizes from the file system; no transcript is read where the index is good. Costs are in US dollars, as the agent estimated them; sessions that record none are counted apart. Days and weeks are local ones: by the last activity, as --since goes; growth by when sessions were begun.';

  static override exitCodes: ErrorCode[] = ['PARTIAL', 'STORE_NOT_FOUND', 'STORE_DAMAGED'];

  static override flags = {
    by: Flags.option({ options: GROUP_KEYS, multiple: true, multipleNonGreedy: true })({
      helpValue: GROUP_KEYS.join('|'),
      summary: `What to group by: repeatable; ${DEFAULT_GROUP_KEYS.join(', ')} unless given, and store with --stores.`,
    }),
    top: Flags.integer({
      min: 1,
      default: 5,
      helpValue: 'N',
      summary: 'How many of the biggest and oldest sessions, and on a terminal of each kind of group.',
    }),
    agent: Flags.boolean({
      char: 'a',
      summary: "Sessions of the agent's database too; with --all-profiles of every profile's.",
    }),
    stores: storesFlag(),
    html: Flags.string({ helpValue: 'FILE', summary: 'Write a report with plots, one page that needs no network.' }),
    ...narrowingFlags,
  };

  static override examples = [
    { description: 'What is there, and what takes room?', command: '<%= config.bin %> stats' },
    {
      description: 'What did each model cost this month?',
      command: '<%= config.bin %> stats --by model --since 30d --agent',
    },
    {
      description: 'What is in the stores of everybody on this host, and whose is it?',
      command: '<%= config.bin %> stats --stores stores.txt --by store',
    },
    { description: 'A page to look at', command: '<%= config.bin %> stats --html report.html' },
    { description: 'For a monitor', command: '<%= config.bin %> stats --json | jq .storage.sessions.bytes' },
  ];

  async run(): Promise<void> {
    const { flags } = await this.parse(Stats);
    const context = this.context(flags);
    const fleet = Fleet.of(context, { stores: flags.stores });
    const everything = { all: true, archived: true, cron: true, webhook: true, kanban: true, empty: true };
    const by = flags.by ?? (fleet.isMany ? ['store' as const, ...DEFAULT_GROUP_KEYS] : DEFAULT_GROUP_KEYS);
    const result = await gatherStats(fleet, { by, top: flags.top, now: context.deps.clock.now() }, async (store) => ({
      filter: await listFilter(store, { ...flags, ...everything }),
      ...agentQuery(fleet, store, flags),
    }));
    const html = writeStatsReport(context, fleet, flags.html, result);
    await showStats(context, fleet, result, html);
    fleet.assertAll();
    if (flags.agent) assertEveryDatabase(context, flags);
  }
}
