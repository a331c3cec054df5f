import { Flags } from '@oclif/core';

import { BaseCommand } from '../cli/base-command';
import { showGcTmp } from '../cli/gc-tmp-result';
import { mutate, plainMutationFlags } from '../cli/mutation';
import { durationFlag } from '../cli/output/time';
import { applyEmptyTrash, planEmptyTrash } from '../core/changes/empty-trash';
import type { ChangeTarget } from '../core/changes/sessions';
import type { ErrorCode } from '../core/errors';
import { applyGcTmp, planGcTmp } from '../core/files/temporary';

export default class GcTmp extends BaseCommand {
  static override summary = 'Remove temporary files that dead writers left behind, or empty the trash.';
  static override description =
    'Looks at the sessions directory itself, at regular files whose names are those of the store’s temporary files, and removes those that are old enough and whose writer, where the name tells it, is no longer alive. Nothing else is ever touched. With --trash it removes, instead, what sessions delete keeps: then it is gone for good. A deletion or a restore that was cut off is kept until it is finished.';

  static override aliases = ['sessions:gc-tmp'];
  static override exitCodes: ErrorCode[] = ['PARTIAL', 'STORE_NOT_FOUND', 'LOCKED'];

  static override flags = {
    ...plainMutationFlags,
    'older-than': Flags.string({
      helpValue: 'AGE',
      summary: 'Only files last written, or sessions deleted, so long ago (30m, 2h, 7d; 0: any). 1h; with --trash 30d.',
    }),
    trash: Flags.boolean({ summary: 'Empty the trash of deleted sessions instead.' }),
  };

  static override examples = [
    { description: 'What is there?', command: '<%= config.bin %> gc-tmp --dry-run' },
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
      await showGcTmp(context, outcomes, dryRun, 'deleted sessions');
    };
    const removeTemporary = async ({ location, dryRun }: ChangeTarget): Promise<void> => {
      const plan = planGcTmp(location.sessionsDir.value, olderThan, context.deps);
      const outcomes = dryRun
        ? plan.files.map((file) => ({ ...file, removed: false }))
        : await applyGcTmp(plan, context.deps);
      await showGcTmp(context, outcomes, dryRun);
    };
    // No server knows of either.
    await mutate(context, flags, flags.trash ? emptyTrash : removeTemporary, { besideServer: true });
  }
}
