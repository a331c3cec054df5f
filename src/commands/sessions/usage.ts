import { Args, Flags } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import type { Context } from '../../cli/context';
import { failureOf, failuresForOutput, gather, nullFlag } from '../../cli/each-session';
import { showRecord, showTable } from '../../cli/result-fields';
import { namesOne, sessionsToRead, wantsAll } from '../../cli/session-ids';
import type { ErrorCode } from '../../core/errors';
import { readAgentUsage } from '../../core/listing/agent-session';
import { readUsage } from '../../core/listing/details';
import { loadRows } from '../../core/listing/rows';
import { matches, NO_FILTER } from '../../core/listing/query';
import { type RawRecord, sessionUsage, UsageTotals } from '../../core/session/status';

const COLUMNS = ['session_id', 'input_tokens', 'output_tokens', 'total_tokens', 'estimated_cost', 'model'];

export default class SessionsUsage extends BaseCommand {
  static override summary = 'Show tokens and cost of sessions, with totals.';
  static override description =
    'With ids, reads those files, or the agent’s database for a session that only it has. Without ids (or with --all) it sums every readable session, from the index where it is good; -p narrows it to a profile. Costs are in US dollars, as the agent estimated them.';

  static override aliases = ['usage'];
  static override strict = false;
  static override exitCodes: ErrorCode[] = [
    'PARTIAL',
    'SESSION_NOT_FOUND',
    'SESSION_DAMAGED',
    'STORE_NOT_FOUND',
    'DATABASE_UNUSABLE',
  ];

  static override args = {
    id: Args.string({
      description: 'Session ids, or unique prefixes of 4 or more; - reads them from standard input.',
      ignoreStdin: true,
    }),
  };

  static override flags = {
    all: Flags.boolean({ summary: 'Every session of the store (the default without ids).' }),
    null: nullFlag,
  };

  static override examples = [
    { description: 'One session', command: '<%= config.bin %> usage 0821b8fe2f4b' },
    { description: 'The whole store, totals only', command: '<%= config.bin %> usage --json | jq .totals' },
  ];

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(SessionsUsage);
    const context = this.context(flags);
    const { location, defaults, deps } = context;
    const named = argv as string[];
    if (wantsAll(named, flags) || named.length === 0) {
      await this.showMany(context, await usageOfAll(context));
      return;
    }
    const ids = await sessionsToRead(context, named, flags);
    const { values, failures } = await gather(context, ids, namesOne(named), (session) =>
      session.in === 'agent'
        ? readAgentUsage(location, deps, session.id)
        : readUsage(location, defaults, deps, session.id),
    );
    if (namesOne(named)) {
      await context.show({
        json: (document) => document.member('usage', values[0]),
        human: () => showRecord(context, values[0]),
      });
      return;
    }
    await this.showMany(context, values, failures);
    context.failures(failures);
    const failure = failureOf(failures, ids.length);
    if (failure) throw failure;
  }

  private async showMany(
    context: Context,
    usages: RawRecord[],
    failures: Parameters<typeof failuresForOutput>[0] = [],
  ): Promise<void> {
    const totals = new UsageTotals();
    usages.forEach((usage) => totals.add(usage));
    await context.show({
      json: async (document) => {
        await document.array('usages', usages, (usage, path) => document.renderer.render(usage, path));
        document.member('totals', totals.totals());
        if (failures.length > 0) document.member('failed', failuresForOutput(failures));
      },
      human: async () => {
        await showTable(context, COLUMNS, usages, ['model']);
        if (context.isTerminal) {
          context.line();
          showRecord(context, totals.totals());
        }
      },
    });
  }
}

async function usageOfAll(context: Context): Promise<RawRecord[]> {
  const { location, defaults, deps } = context;
  const { rows, warnings } = await loadRows(location, defaults, deps);
  context.warn(...warnings);
  const profile = context.profileFilter;
  return rows
    .filter((listed) => matches(listed, { ...NO_FILTER, profile }))
    .sort((a, b) => (a.row.id < b.row.id ? -1 : 1))
    .map(({ row }) => sessionUsage(row));
}
