import { Args, Flags } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { forceFlag, mutate, mutationFlags, showChange } from '../../cli/mutation';
import { restoreSession } from '../../core/changes/sessions';
import type { ErrorCode } from '../../core/errors';
import { assertStoreId } from '../../core/session/id';

export default class SessionsRestore extends BaseCommand {
  static override summary = 'Bring back the previous version of a session.';
  static override description =
    'Puts back what <id>.json.bak holds, byte for byte, so that an undo is undone, stamps included. The version that was live becomes the backup: the two change places. Also where the live file is damaged or gone.';

  static override exitCodes: ErrorCode[] = [
    'SESSION_NOT_FOUND',
    'SESSION_DAMAGED',
    'STORE_DAMAGED',
    'SESSION_BUSY',
    'CHANGED_ON_DISK',
    'STORE_NOT_FOUND',
    'LOCKED',
    'READ_ONLY_SESSION',
    'REFUSED',
    'SERVER_RUNNING',
  ];

  static override args = {
    id: Args.string({ required: true, description: 'Session id, in full.', ignoreStdin: true }),
  };

  static override flags = {
    ...mutationFlags,
    'from-bak': Flags.boolean({ required: true, summary: 'From the .json.bak beside the session.' }),
    force: forceFlag,
  };

  static override examples = [
    { description: 'Undo an undo', command: '<%= config.bin %> sessions restore 0821b8fe2f4b --from-bak' },
    { description: 'What would come back?', command: '<%= config.bin %> sessions restore 0821b8fe2f4b --from-bak -n' },
  ];

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SessionsRestore);
    const context = this.context(flags);
    assertStoreId(args.id);
    const changed = await mutate(context, flags, (target) =>
      restoreSession(target, args.id, flags.force, context.deps),
    );
    await showChange(context, 'restore', changed, flags);
  }
}
