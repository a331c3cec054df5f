import { Args, Flags } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { nullFlag } from '../../cli/each-session';
import { mutationFlags } from '../../cli/mutation';
import { repairEach } from '../../cli/repair-each';
import type { ErrorCode } from '../../core/errors';

export default class SessionsRepair extends BaseCommand {
  static override summary = 'End a turn that a server left pending when it died.';
  static override description =
    'The prompt that was pending becomes a message, followed by a mark that the turn broke off; a session that has no messages takes over the agent’s transcript where there is one. The old version is kept as .json.bak. A turn younger than 30 seconds, a snapshot, and a session that another one continues are left alone.';

  static override strict = false;
  static override exitCodes: ErrorCode[] = [
    'PARTIAL',
    'SESSION_NOT_FOUND',
    'SESSION_DAMAGED',
    'SESSION_BUSY',
    'CHANGED_ON_DISK',
    'STORE_NOT_FOUND',
    'LOCKED',
    'READ_ONLY_SESSION',
    'REFUSED',
    'SERVER_RUNNING',
  ];

  static override args = {
    id: Args.string({
      description: 'Session ids; on a terminal unique prefixes of 4 or more; - reads them from standard input.',
      ignoreStdin: true,
    }),
  };

  static override flags = {
    ...mutationFlags,
    all: Flags.boolean({ summary: 'Every session of the store.' }),
    null: nullFlag,
  };

  static override examples = [
    { description: 'What would be repaired?', command: '<%= config.bin %> sessions repair --all --dry-run' },
    { description: 'One session', command: '<%= config.bin %> sessions repair 0821b8fe2f4b' },
  ];

  async run(): Promise<void> {
    const { argv, flags } = await this.parse(SessionsRepair);
    await repairEach(this.context(flags), argv as string[], flags);
  }
}
