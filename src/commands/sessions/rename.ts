import { Args } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { forceFlag, mutate, mutationFlags, resolveForChange, showChange } from '../../cli/mutation';
import { changeMetadata } from '../../core/changes/sessions';
import type { ErrorCode } from '../../core/errors';
import { changeMetadataOnServer } from '../../core/server/changes';

export default class SessionsRename extends BaseCommand {
  static override summary = 'Give a session a title.';
  static override description =
    'Sets what the server’s own endpoint sets: the title, trimmed and cut to 80 characters, and the mark that keeps it from being replaced by an automatic one. Everything else in the file keeps its bytes.';

  static override exitCodes: ErrorCode[] = [
    'SESSION_NOT_FOUND',
    'SESSION_DAMAGED',
    'SESSION_BUSY',
    'CHANGED_ON_DISK',
    'STORE_NOT_FOUND',
    'LOCKED',
    'READ_ONLY_SESSION',
    'REFUSED',
    'AUTH_FAILED',
    'UNREACHABLE',
    'OUTCOME_UNKNOWN',
    'SERVER_ERROR',
  ];

  static override args = {
    id: Args.string({ required: true, description: 'Session id, or a unique prefix of 4 or more.', ignoreStdin: true }),
    title: Args.string({ required: true, description: 'The new title; empty: automatic again.', ignoreStdin: true }),
  };

  static override flags = { ...mutationFlags, force: forceFlag };

  static override examples = [
    { description: 'A title', command: '<%= config.bin %> sessions rename 0821b8fe2f4b "Invoices of May"' },
    { description: 'Let the server find one', command: '<%= config.bin %> sessions rename 0821b8fe2f4b ""' },
  ];

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SessionsRename);
    const context = this.context(flags);
    const id = resolveForChange(context, args.id, false);
    const change = { title: args.title };
    const changed = await mutate(
      context,
      flags,
      (target) => changeMetadata(target, id, change, flags.force, context.deps),
      { onServer: (client) => changeMetadataOnServer(client, context, id, change, flags.force, context.deps) },
    );
    await showChange(context, 'session', changed, flags);
  }
}
