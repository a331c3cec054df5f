import { Args, Flags } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { assertCanAsk } from '../../cli/confirm';
import { confirmDelete, deleteEach, idsToDelete } from '../../cli/delete-sessions';
import { nullFlag } from '../../cli/each-session';
import { mutationFlags } from '../../cli/mutation';
import { namesOne } from '../../cli/session-ids';
import type { DeleteOptions } from '../../core/changes/delete';
import type { ErrorCode } from '../../core/errors';

export default class SessionsDelete extends BaseCommand {
  static override summary = 'Delete sessions, from the store and from the agent’s database.';
  static override description =
    'Removes a session’s file, backup, journals, attachments and row in the index, records the deletion so that no server brings it back, and removes its rows, its delegates’ rows and its transcripts from the agent’s database and home; branches and continuations of it stay. Everything is kept in the store’s trash first: sessions restore brings it back, gc-tmp --trash empties it. Refused while another process holds the database or the agent works on the session. Cut off anywhere, the same command goes on where it was.';

  static override strict = false;
  static override exitCodes: ErrorCode[] = [
    'PARTIAL',
    'SESSION_NOT_FOUND',
    'STORE_DAMAGED',
    'SESSION_BUSY',
    'SERVER_RUNNING',
    'CHANGED_ON_DISK',
    'STORE_NOT_FOUND',
    'LOCKED',
    'DATABASE_UNUSABLE',
    'READ_ONLY_SESSION',
    'REFUSED',
  ];

  static override args = {
    id: Args.string({
      description:
        'Session ids in full (on a terminal also unique prefixes of 4 or more); - reads them from standard input.',
      ignoreStdin: true,
    }),
  };

  static override flags = {
    ...mutationFlags,
    yes: Flags.boolean({ char: 'y', summary: 'Do not ask. Needed where there is no terminal.' }),
    'store-only': Flags.boolean({ exclusive: ['agent-only'], summary: 'Leave the agent’s database and files alone.' }),
    'agent-only': Flags.boolean({ exclusive: ['store-only'], summary: 'Leave the store alone.' }),
    trash: Flags.boolean({
      allowNo: true,
      default: true,
      summary: 'Keep what is deleted in the trash of the store. --no-trash: it is gone for good.',
    }),
    force: Flags.boolean({
      summary:
        'Also where another process holds the database (it may then lose what it has not written), where a turn lease or a compression lock is live, where the session records a running stream or a pending turn (a server may then write it anew), and where it is read-only.',
    }),
    null: nullFlag,
  };

  static override examples = [
    { description: 'What would go?', command: '<%= config.bin %> sessions delete 0821b8fe2f4b --dry-run' },
    { description: 'One session, in a script', command: '<%= config.bin %> sessions delete 0821b8fe2f4b --yes' },
    {
      description: 'Archived sessions of last year',
      command:
        '<%= config.bin %> sessions list --only-archived --until 365d --ids | <%= config.bin %> sessions delete --yes -',
    },
    { description: 'And back', command: '<%= config.bin %> sessions restore 0821b8fe2f4b' },
  ];

  async run(): Promise<void> {
    const { argv, flags } = await this.parse(SessionsDelete);
    const context = this.context(flags);
    const asks = !flags.yes && !flags['dry-run'];
    if (asks) assertCanAsk(context, 'Deleting');
    const options: DeleteOptions = {
      store: !flags['agent-only'],
      agent: !flags['store-only'],
      force: flags.force,
      trash: flags.trash,
    };
    const args = argv as string[];
    const ids = await idsToDelete(context, args, flags.null, options);
    if (asks && !(await confirmDelete(context, ids, options))) {
      context.note('Nothing was deleted.');
      return;
    }
    await deleteEach(context, ids, namesOne(args), flags, options);
  }
}
