import { Args, Flags } from '@oclif/core';

import { allProfilesFlag, assertEveryDatabase } from '../../cli/all-profiles';
import { BaseCommand } from '../../cli/base-command';
import { failureOf, gather, nullFlag } from '../../cli/each-session';
import { Fleet, storesFlag } from '../../cli/fleet';
import { showRecord } from '../../cli/result-fields';
import { namesOne, sessionsToRead, wantsAll } from '../../cli/session-ids';
import { showUsageOfAll, showUsages } from '../../cli/usage-result';
import { type ErrorCode, HermesctlError } from '../../core/errors';
import { readAgentUsage } from '../../core/listing/agent-session';
import { readUsage } from '../../core/listing/details';

export default class SessionsUsage extends BaseCommand {
  static override summary = 'Show tokens and cost of sessions, with totals.';
  static override description =
    'With ids, reads those files, or the agent’s database for a session that only it has. Without ids (or with --all) it sums every readable session, from the index where it is good; -p narrows it to a profile. With --all-profiles it also sums the sessions that the store has no file of, from every profile’s database, each once, and tells how much is whose. Costs are in US dollars, as the agent estimated them.';

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
    'all-profiles': allProfilesFlag('With what only the databases of the profiles have, by profile.'),
    stores: storesFlag(),
    null: nullFlag,
  };

  static override examples = [
    { description: 'One session', command: '<%= config.bin %> usage 0821b8fe2f4b' },
    { description: 'The whole store, totals only', command: '<%= config.bin %> usage --json | jq .totals' },
    {
      description: 'What has each profile cost, also in the terminal and by cron?',
      command: "<%= config.bin %> usage --all-profiles --json | jq '.profiles[] | {profile, estimated_cost}'",
    },
  ];

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(SessionsUsage);
    const context = this.context(flags);
    const { location, defaults, deps } = context;
    const named = argv as string[];
    if (wantsAll(named, flags) || named.length === 0) {
      await showUsageOfAll(context, Fleet.of(context, flags), flags['all-profiles']);
      assertEveryDatabase(context, flags);
      return;
    }
    for (const flag of ['stores', 'all-profiles'] as const) {
      if (flags[flag]) throw new HermesctlError('USAGE', `--${flag} and session ids exclude each other.`);
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
    await showUsages(context, values, failures);
    context.failures(failures);
    const failure = failureOf(failures, ids.length);
    if (failure) throw failure;
  }
}
