import { Args } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { failureOf, failuresForOutput, forEachSession, nullFlag } from '../../cli/each-session';
import { ledgerFlags, withLedger } from '../../cli/memory';
import { assertSome } from '../../cli/mutation';
import { exactIds, namesOne } from '../../cli/session-ids';
import type { ErrorCode } from '../../core/errors';
import { assertMayDiscard } from '../../core/memory/ledger';
import { assertStore } from '../../core/sidecar/directory';

export default class MemoryDiscard extends BaseCommand {
  static override summary = 'Forget sessions of the ledger that have nothing left to commit.';
  static override description =
    'Refuses a session that has uncommitted turns or a commit under way. Which turns were counted stays remembered, so that a scan does not bring them back.';

  static override strict = false;
  static override exitCodes: ErrorCode[] = ['PARTIAL', 'STORE_NOT_FOUND', 'LOCKED', 'DATABASE_UNUSABLE', 'NOT_CLEAN'];

  static override args = {
    id: Args.string({ description: 'Whole session ids; - reads them from standard input.', ignoreStdin: true }),
  };

  static override flags = { ...ledgerFlags, null: nullFlag };

  static override examples = [
    { description: 'One that is committed', command: '<%= config.bin %> memory discard 0821b8fe2f4b' },
  ];

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(MemoryDiscard);
    const context = this.context(flags);
    const { deps, location } = context;
    assertStore(deps.fs, location);
    const ids = exactIds(argv as string[], flags.null);
    assertSome(ids);
    const one = namesOne(argv as string[]);
    const results: { session_id: string; discarded: boolean }[] = [];
    // Where there is no ledger there is nothing to forget, and none is made for that.
    const failures = await withLedger(context, { ...flags, 'dry-run': true }, (seen) =>
      forEachSession(context, ids, one, async (id) => {
        const session = await seen?.session(id);
        if (session) assertMayDiscard(session, deps);
        results.push({ session_id: id, discarded: session !== undefined });
      }),
    );
    const known = results.filter(({ discarded }) => discarded);
    if (known.length > 0 && !flags['dry-run']) {
      await withLedger(context, flags, async (ledger) => {
        for (const result of known) result.discarded = await ledger!.discard(result.session_id);
      });
    }
    await context.show({
      json: (document) => {
        if (one) document.member('discard', results[0]);
        else document.member('discards', results);
        if (flags['dry-run']) document.member('dry_run', true);
        if (failures.length > 0) document.member('failed', failuresForOutput(failures));
      },
      human: () => {
        for (const { session_id: id, discarded } of results) {
          const fate = discarded ? (flags['dry-run'] ? 'would be discarded' : 'discarded') : 'not known';
          context.line(`${id}\t${fate}`);
        }
        if (flags['dry-run']) context.note('Dry run: nothing was changed.');
      },
    });
    context.failures(failures);
    const failure = failureOf(failures, ids.length);
    if (failure) throw failure;
  }
}
