import { Args, Flags } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { forceFlag, mutate, mutationFlags, resolveForChange, showChange } from '../../cli/mutation';
import { undoSession } from '../../core/changes/sessions';
import type { ErrorCode } from '../../core/errors';

export default class SessionsUndo extends BaseCommand {
  static override summary = 'Take back the last turn of a session.';
  static override description =
    'Cuts the transcript at its last user message, and the context of the model at its own. The previous version stays as .json.bak, and the stamps are set that keep a server from putting it back; sessions restore undoes the undo. Everything else in the file keeps its bytes.';

  static override aliases = ['undo'];
  static override exitCodes: ErrorCode[] = [
    'SESSION_NOT_FOUND',
    'NOTHING_TO_UNDO',
    'SESSION_DAMAGED',
    'SESSION_BUSY',
    'CHANGED_ON_DISK',
    'STORE_NOT_FOUND',
    'LOCKED',
    'READ_ONLY_SESSION',
    'REFUSED',
  ];

  static override args = {
    id: Args.string({
      required: true,
      description: 'Session id; on a terminal a unique prefix of 4 or more will do.',
      ignoreStdin: true,
    }),
  };

  static override flags = {
    ...mutationFlags,
    force: forceFlag,
    turns: Flags.integer({ min: 1, default: 1, helpValue: 'N', summary: 'Take back so many user turns.' }),
  };

  static override examples = [
    { description: 'Take back the last turn', command: '<%= config.bin %> undo 0821b8fe2f4b' },
    { description: 'What would go?', command: '<%= config.bin %> undo 0821b8fe2f4b --turns 3 --dry-run' },
  ];

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SessionsUndo);
    const context = this.context(flags);
    const id = resolveForChange(context, args.id, true);
    const options = { turns: flags.turns, force: flags.force };
    const changed = await mutate(context, flags, (target) => undoSession(target, id, options, context.deps));
    await showChange(context, 'undo', changed, flags);
  }
}
