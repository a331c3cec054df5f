import { Args, Flags } from '@oclif/core';

import { allProfilesFlag } from '../cli/all-profiles';
import { BaseCommand } from '../cli/base-command';
import { configuredProviders, drainSources, ledgerFlags, providerFlags, withLedger } from '../cli/memory';
import { showDrain } from '../cli/memory-rows';
import { exactIds } from '../cli/session-ids';
import { durationFlag } from '../cli/output/time';
import { type ErrorCode, HermesctlError } from '../core/errors';
import { type DrainPlan, planDrain, sessionsToDrain } from '../core/memory/due';
import { drain, type Drained } from '../core/memory/drain';
import { resolveSessionId } from '../core/listing/resolve-id';
import { assertStore } from '../core/sidecar/directory';

export default class MemoryDrain extends BaseCommand {
  static override summary = 'Commit the memories of completed turns that are not committed.';
  static override description =
    'Passes over the sessions that have uncommitted turns, the earliest segment of each first, and has the memory provider commit it, until nothing is left, the time is up, or a pass brought nothing. A segment is committed with the identity it was marked with, or stays; the credentials are those of the session’s own profile, where its configuration names that identity. -p drains the sessions of one profile only. Several drains at once commit nothing twice.';

  static override aliases = ['memory:drain'];
  static override exitCodes: ErrorCode[] = [
    'PARTIAL',
    'SESSION_NOT_FOUND',
    'STORE_NOT_FOUND',
    'LOCKED',
    'DATABASE_UNUSABLE',
  ];

  static override strict = false;

  static override args = {
    argument: Args.string({ description: 'Behind --: arguments of the program of --command.', ignoreStdin: true }),
  };

  static override flags = {
    ...ledgerFlags,
    ...providerFlags,
    'all-profiles': allProfilesFlag(
      'Sessions of every profile, each as its own is configured (the default without -p).',
    ),
    deadline: Flags.string({ default: '30s', helpValue: 'TIME', summary: 'For the whole run (45, 30s, 5m).' }),
    timeout: Flags.integer({ min: 1, default: 30, helpValue: 'SECONDS', summary: 'For each request.' }),
    concurrency: Flags.integer({ min: 1, max: 64, default: 4, helpValue: 'N', summary: 'So many commits at once.' }),
    session: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'ID',
      summary: 'Only this session; may be repeated.',
    }),
    wait: Flags.boolean({ summary: 'Wait for commits that another hermesctl has under way.' }),
    'sync-messages': Flags.boolean({ summary: 'Upload the transcript of a session that the server does not know.' }),
    'wait-extraction': Flags.boolean({ summary: 'Wait until the server has extracted the memories.' }),
  };

  static override examples = [
    { description: 'What would be committed?', command: '<%= config.bin %> memory-drain --dry-run' },
    { description: 'From cron', command: '<%= config.bin %> memory-drain --deadline 50s --quiet' },
    {
      description: 'By a program of your own',
      command: '<%= config.bin %> memory-drain --command /usr/local/bin/commit-session -- --fast',
    },
  ];

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(MemoryDrain);
    const context = this.context(flags);
    const { deps, location } = context;
    assertStore(deps.fs, location);
    const deadline = await durationFlag('--deadline', flags.deadline);
    if (!(deadline > 0)) throw new HermesctlError('USAGE', '--deadline must be more than nothing.');
    const providers = configuredProviders(context, flags, argv as string[]);
    const sources = drainSources(context, providers);
    const options = {
      deadlineSeconds: deadline,
      concurrency: flags.concurrency,
      sessions: flags.session && new Set(exactIds(flags.session, false)),
      profile: context.profileFilter,
      wait: flags.wait,
      waitExtraction: flags['wait-extraction'],
      syncMessages: flags['sync-messages'],
    };
    const known = await withLedger(context, { ...flags, 'dry-run': true }, async (ledger) => ledger?.sessions());
    for (const id of options.sessions ?? []) {
      if (!known?.some(({ sessionId }) => sessionId === id)) resolveSessionId(deps.fs, location, id, false);
    }
    if (known === undefined) context.note("There is no ledger yet: 'hermesctl memory scan' makes one.");
    let result: Drained | DrainPlan;
    if (flags['dry-run']) result = planDrain(known ?? [], sources, options, deps);
    else if (sessionsToDrain(known ?? [], options).length === 0) result = NOTHING;
    else {
      context.doing('committing');
      result = await withLedger(context, flags, (ledger) => drain(ledger!, sources, options, deps));
    }
    await showDrain(context, result, deadline);
  }
}

/** Where nothing is dirty no ledger is made, and none is written. */
const NOTHING: Drained = { stopped: 'clean', passes: 0, took: 0, segments: [], remaining: [] };
