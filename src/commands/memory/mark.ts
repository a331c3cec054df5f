import { Args, Flags } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { failureOf, forEachSession, nullFlag } from '../../cli/each-session';
import { configuredProviders, ledgerFlags, ownerFrom, providerFlags, withLedger } from '../../cli/memory';
import { showMarks } from '../../cli/memory-rows';
import { assertSome } from '../../cli/mutation';
import { exactIds, namesOne } from '../../cli/session-ids';
import type { ErrorCode } from '../../core/errors';
import { type Marked, markSession } from '../../core/memory/mark';
import { assertStore } from '../../core/sidecar/directory';

export default class MemoryMark extends BaseCommand {
  static override summary = 'Count a completed turn of sessions, to be committed by memory-drain.';
  static override description =
    'For a hook that runs when a turn is completed and saved. The ledger remembers whom the turn is for: the memory provider that is configured now, without any secret. A later configuration does not take it over.';

  static override strict = false;
  static override exitCodes: ErrorCode[] = [
    'PARTIAL',
    'SESSION_NOT_FOUND',
    'STORE_NOT_FOUND',
    'LOCKED',
    'DATABASE_UNUSABLE',
  ];

  static override args = {
    id: Args.string({ description: 'Whole session ids; - reads them from standard input.', ignoreStdin: true }),
  };

  static override flags = {
    ...ledgerFlags,
    ...providerFlags,
    null: nullFlag,
    owner: Flags.string({
      default: 'config',
      helpValue: 'WHO',
      summary: 'config, registered (who owned its last turn), none (whoever drains), or an identity as JSON.',
    }),
    unseen: Flags.boolean({ summary: 'Also sessions that have no file in the store, as those of the agent alone.' }),
  };

  static override examples = [
    { description: 'A turn of this session is completed', command: '<%= config.bin %> memory mark 0821b8fe2f4b' },
    {
      description: 'Leave it to the drain whom it is for',
      command: '<%= config.bin %> memory mark 0821b8fe2f4b --owner none',
    },
  ];

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(MemoryMark);
    const context = this.context(flags);
    const { deps, location } = context;
    assertStore(deps.fs, location);
    const ids = exactIds(argv as string[], flags.null);
    assertSome(ids);
    const one = namesOne(argv as string[]);
    const ownerOf = ownerFrom(flags.owner, configuredProviders(context, flags));
    const marked: Marked[] = [];
    const options = {
      ownerOf,
      unseen: flags.unseen,
      unregister: flags.owner === 'none',
      dryRun: flags['dry-run'],
    };
    const failures = await withLedger(context, flags, (ledger) =>
      forEachSession(context, ids, one, async (id) => {
        const { result, warnings } = await markSession(location, ledger, id, options, deps);
        context.warn(...warnings);
        marked.push(result);
      }),
    );
    await showMarks(context, marked, failures, one, flags['dry-run']);
    context.failures(failures);
    const failure = failureOf(failures, ids.length);
    if (failure) throw failure;
  }
}
