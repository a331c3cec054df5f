import { Args, Flags } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { mutate, mutationFlags, showChange } from '../../cli/mutation';
import { undeleteAndShow } from '../../cli/undelete';
import { restoreSession } from '../../core/changes/sessions';
import { type ErrorCode, HermesctlError } from '../../core/errors';
import { assertStoreId } from '../../core/session/id';

export default class SessionsRestore extends BaseCommand {
  static override summary = 'Bring back a deleted session, or the previous version of one.';
  static override description =
    'Brings a deleted session back from the trash: its files byte for byte, its rows in the agent’s database, its row in the index; its record of deletion goes. With --from-bak it puts back what <id>.json.bak holds instead, so that an undo is undone, stamps included; the version that was live becomes the backup: the two change places. Also where the live file is damaged or gone.';

  static override exitCodes: ErrorCode[] = [
    'SESSION_NOT_FOUND',
    'SESSION_DAMAGED',
    'STORE_DAMAGED',
    'SESSION_BUSY',
    'SERVER_RUNNING',
    'CHANGED_ON_DISK',
    'STORE_NOT_FOUND',
    'LOCKED',
    'DATABASE_UNUSABLE',
    'READ_ONLY_SESSION',
    'ALREADY_EXISTS',
    'REFUSED',
    'SERVER_RUNNING',
  ];

  static override args = {
    id: Args.string({ required: true, description: 'Session id, in full.', ignoreStdin: true }),
  };

  static override flags = {
    ...mutationFlags,
    'from-bak': Flags.boolean({ summary: 'From the .json.bak beside the session, not from the trash.' }),
    'store-only': Flags.boolean({
      exclusive: ['from-bak'],
      summary: 'Only the files: leave the agent’s database alone. Its rows can still come back later.',
    }),
    force: Flags.boolean({
      helpGroup: 'CHANGE',
      summary:
        'Also where the session records a running stream or a pending turn, and where another process holds the agent’s database.',
    }),
  };

  static override examples = [
    { description: 'Bring back what was deleted', command: '<%= config.bin %> sessions restore 0821b8fe2f4b' },
    { description: 'Undo an undo', command: '<%= config.bin %> sessions restore 0821b8fe2f4b --from-bak' },
    { description: 'What would come back?', command: '<%= config.bin %> sessions restore 0821b8fe2f4b -n' },
  ];

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SessionsRestore);
    const context = this.context(flags);
    if (!flags['from-bak']) {
      if (args.id === '') throw new HermesctlError('USAGE', 'No session was named.');
      await undeleteAndShow(context, args.id, { storeOnly: flags['store-only'], force: flags.force }, flags);
      return;
    }
    assertStoreId(args.id);
    const changed = await mutate(context, flags, (target) =>
      restoreSession(target, args.id, flags.force, context.deps),
    );
    await showChange(context, 'restore', changed, flags);
  }
}
