import { Args, Flags } from '@oclif/core';

import { BaseCommand } from '../cli/base-command';
import type { Context } from '../cli/context';
import { nullFlag } from '../cli/each-session';
import { Fleet, storesFlag } from '../cli/fleet';
import { mutate, plainMutationFlags } from '../cli/mutation';
import { showDrift, showReindex, warnOfChanges } from '../cli/reindex-result';
import { serverBeside } from '../cli/server-route';
import { exactIds } from '../cli/session-ids';
import type { ChangeTarget } from '../core/changes/sessions';
import { type ErrorCode, HermesctlError } from '../core/errors';
import { type KnownRows, knownRowsAt } from '../core/index/known-rows';
import { applyReindex, planPatch, planRebuild } from '../core/index/reindex';

export default class Reindex extends BaseCommand {
  static override summary = 'Rebuild the index, or the rows of some sessions.';
  static override description =
    'The index is what the browser lists; the session files are the truth. Without ids it is made anew from every file that can be read; with ids only their rows are, and all others keep their bytes. A file that is the version that it was when its row was made (device, inode, size and times) is not read again: which ones those are is kept in the user’s cache directory; --full reads all. --check reads all, writes nothing and tells how the index differs.';

  static override aliases = ['sessions:reindex'];
  static override strict = false;
  static override exitCodes: ErrorCode[] = [
    'PARTIAL',
    'PROBLEMS_FOUND',
    'CHANGED_ON_DISK',
    'STORE_NOT_FOUND',
    'LOCKED',
    'REFUSED',
  ];

  static override args = {
    id: Args.string({ description: 'Session ids, in full; - reads them from standard input.', ignoreStdin: true }),
  };

  static override flags = {
    ...plainMutationFlags,
    check: Flags.boolean({ exclusive: ['dry-run'], summary: 'Write nothing; exit 4 where index and files differ.' }),
    stores: storesFlag({ dependsOn: ['check'] }),
    full: Flags.boolean({
      summary: 'Read every file; else those are taken as read that are as they were when their rows were made.',
    }),
    null: nullFlag,
  };

  static override examples = [
    { description: 'Make the index anew', command: '<%= config.bin %> reindex' },
    { description: 'Is it right?', command: '<%= config.bin %> reindex --check' },
    { description: 'One row', command: '<%= config.bin %> reindex 0821b8fe2f4b' },
  ];

  async run(): Promise<void> {
    const { argv, flags } = await this.parse(Reindex);
    const context = this.context(flags);
    const { location, defaults, deps } = context;
    const ids = exactIds(argv as string[], flags.null);
    const { version } = this.config;
    if (ids.length > 0 && flags.stores !== undefined)
      throw new HermesctlError('USAGE', '--stores and session ids exclude each other.');
    const planOf = ({ location: place, defaults: own }: Context, known?: KnownRows) =>
      ids.length === 0 ? planRebuild(place, own, deps, known) : planPatch(place, ids, own, deps);
    if (flags.check) return showDrift(context, Fleet.of(context, flags), planOf);
    const plan = (known?: KnownRows) => planOf(context, known);
    const work = async ({ dryRun }: ChangeTarget): Promise<void> => {
      const known = knownRowsAt(location, defaults, { version, trust: !flags.full }, deps);
      const planned = await plan(known);
      if (!dryRun) await applyReindex(planned, deps, ids.length === 0 ? known : undefined);
      if (!dryRun && ids.length === 0) known.save();
      if (!dryRun && (await serverBeside(context, {}))) warnOfChanges(context, await plan());
      await showReindex(context, planned, ids.length === 0 ? 'rebuild' : 'patch', dryRun);
    };
    await mutate(context, flags, work, { besideServer: true });
  }
}
