import { Args } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { changeEach } from '../../cli/change-each';
import { nullFlag } from '../../cli/each-session';
import { forceFlag, mutationFlags } from '../../cli/mutation';
import type { ErrorCode } from '../../core/errors';

export default class SessionsPin extends BaseCommand {
  static override summary = 'Pin sessions to the top of the list.';
  static override description =
    'Sets what the server’s own endpoint sets; everything else in the file keeps its bytes. A server shows at most three pinned sessions unless its settings say otherwise.';

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
    { description: 'One session', command: '<%= config.bin %> sessions pin 0821b8fe2f4b' },
    {
      description: 'Many',
      command: '<%= config.bin %> sessions list --title invoice --ids | <%= config.bin %> sessions pin -',
    },
  ];

  async run(): Promise<void> {
    const { argv, flags } = await this.parse(SessionsPin);
    await changeEach(this.context(flags), argv as string[], flags, { pinned: true });
  }
}
