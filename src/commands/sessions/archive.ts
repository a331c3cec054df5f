import { Args } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { changeEach } from '../../cli/change-each';
import { nullFlag } from '../../cli/each-session';
import { forceFlag, mutationFlags } from '../../cli/mutation';
import type { ErrorCode } from '../../core/errors';

export default class SessionsArchive extends BaseCommand {
  static override summary = 'Archive sessions.';
  static override description = 'Hides sessions from the list. It is no activity: the time of the last update stays.';

  static override exitCodes: ErrorCode[] = [
    'PARTIAL',
    'SESSION_NOT_FOUND',
    'SESSION_DAMAGED',
    'SESSION_BUSY',
    'CHANGED_ON_DISK',
    'STORE_NOT_FOUND',
    'LOCKED',
    'REFUSED',
  ];

  static override strict = false;
  static override args = {
    id: Args.string({
      description: 'Session ids, or unique prefixes; - reads them from standard input.',
      ignoreStdin: true,
    }),
  };

  static override flags = { ...mutationFlags, force: forceFlag, null: nullFlag };

  static override examples = [
    { description: 'One session', command: '<%= config.bin %> sessions archive 0821b8fe2f4b' },
    {
      description: 'Many',
      command: '<%= config.bin %> sessions list --until 365d --ids | <%= config.bin %> sessions archive -',
    },
  ];

  async run(): Promise<void> {
    const { argv, flags } = await this.parse(SessionsArchive);
    await changeEach(this.context(flags), argv as string[], flags, { archived: true });
  }
}
