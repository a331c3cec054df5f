import { mutate, resolveForChange, showChange } from '../../cli/mutation';
import { TruncateCommand } from '../../cli/truncate-command';
import { undoSession } from '../../core/changes/sessions';
import type { ErrorCode } from '../../core/errors';
import { undoOnServer } from '../../core/server/changes';

export default class SessionsUndo extends TruncateCommand {
  static override summary = 'Take back the last turn of a session.';
  static override description =
    'Cuts the transcript at its last user message, and the context of the model at its own. The previous version stays as .json.bak, and the stamps are set that keep a server from putting it back; sessions restore undoes the undo. Everything else in the file keeps its bytes.';

  static override aliases = ['undo'];
  static override exitCodes: ErrorCode[] = [...TruncateCommand.exitCodes, 'NOTHING_TO_UNDO'];

  static override examples = [
    { description: 'Take back the last turn', command: '<%= config.bin %> undo 0821b8fe2f4b' },
    { description: 'What would go?', command: '<%= config.bin %> undo 0821b8fe2f4b --turns 3 --dry-run' },
  ];

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SessionsUndo);
    const context = this.context(flags);
    const id = resolveForChange(context, args.id, true);
    const options = { turns: flags.turns, force: flags.force };
    const changed = await mutate(context, flags, (target) => undoSession(target, id, options, context.deps), {
      onServer: (client) => undoOnServer(client, context, id, options, context.deps),
    });
    await showChange(context, 'undo', changed, flags);
  }
}
