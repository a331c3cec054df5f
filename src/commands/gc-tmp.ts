import { Flags } from '@oclif/core';

import { allProfilesFlag } from '../cli/all-profiles';
import { BaseCommand } from '../cli/base-command';
import { showGcTmp } from '../cli/gc-tmp-result';
import { mutate, plainMutationFlags } from '../cli/mutation';
import { durationFlag } from '../cli/output/time';
import { applyEmptyTrash, planEmptyTrash } from '../core/changes/empty-trash';
import { applyGcHomes, foretold, planGcHomes } from '../core/changes/gc-homes';
import type { ChangeTarget } from '../core/changes/sessions';
import type { ErrorCode } from '../core/errors';
import { applyGcTmp, planGcTmp } from '../core/files/temporary';

export default class GcTmp extends BaseCommand {
  static override summary = 'Remove temporary files that dead writers left behind, or empty the trash.';
  static override description =
    'Looks at the sessions directory itself, at regular files whose names are those of the store’s temporary files, and removes those that are old enough and whose writer, where the name tells it, is no longer alive. Nothing else is ever touched. With --all-profiles it does the same in the home of each profile, for the temporary files of the agent’s own writers: of its configuration, its sessions and its cron jobs; their names tell no writer, only their age counts. With --trash it removes, instead, what sessions delete keeps: then it is gone for good. A deletion or a restore that was cut off is kept until it is finished.';

  static override aliases = ['sessions:gc-tmp'];
  static override exitCodes: ErrorCode[] = ['PARTIAL', 'STORE_NOT_FOUND', 'LOCKED'];

  static override flags = {
    ...plainMutationFlags,
    'older-than': Flags.string({
      helpValue: 'AGE',
      summary: 'Only files last written, or sessions deleted, so long ago (30m, 2h, 7d; 0: any). 1h; with --trash 30d.',
    }),
    'all-profiles': allProfilesFlag('In the home of every profile too.'),
    trash: Flags.boolean({
      exclusive: ['all-profiles'],
      summary: 'Empty the trash of deleted sessions instead.',
    }),
  };

  static override examples = [
    { description: 'What is there?', command: '<%= config.bin %> gc-tmp --dry-run' },
    { description: 'And in the homes of all profiles', command: '<%= config.bin %> gc-tmp --all-profiles -n' },
    { description: 'Empty the trash', command: '<%= config.bin %> gc-tmp --trash --older-than 30d' },
    { description: 'From cron', command: '<%= config.bin %> gc-tmp --older-than 1d --quiet' },
  ];

  async run(): Promise<void> {
    const { flags } = await this.parse(GcTmp);
    const context = this.context(flags);
    const olderThan = await durationFlag('--older-than', flags['older-than'] ?? (flags.trash ? '30d' : '1h'));
    const emptyTrash = async ({ location, dryRun }: ChangeTarget): Promise<void> => {
      const plan = planEmptyTrash(location.stateDir.value, olderThan, context.deps);
      const outcomes = dryRun ? plan : await applyEmptyTrash(location.stateDir.value, plan, context.deps);
      await showGcTmp(context, outcomes, dryRun, { noun: 'deleted sessions' });
    };
    const removeTemporary = async ({ location, dryRun }: ChangeTarget): Promise<void> => {
      const { deps } = context;
      const plan = planGcTmp(location.sessionsDir.value, olderThan, deps);
      const { homes, unseen } = flags['all-profiles'] ? planGcHomes(location, olderThan, deps) : NO_HOMES;
      const inStore = dryRun ? foretold(plan) : await applyGcTmp(plan, deps);
      const outcomes = [...inStore, ...(await applyGcHomes(homes, dryRun, deps))];
      await showGcTmp(context, outcomes, dryRun, { unseen });
    };
    // No server knows of either.
    await mutate(context, flags, flags.trash ? emptyTrash : removeTemporary, { besideServer: true });
  }
}

/** Without --all-profiles only the store is looked at. */
const NO_HOMES: ReturnType<typeof planGcHomes> = { homes: [], unseen: [] };
