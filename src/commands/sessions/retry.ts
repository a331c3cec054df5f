import { mutate, resolveForChange, showChange } from '../../cli/mutation';
import { TruncateCommand } from '../../cli/truncate-command';
import { retrySession } from '../../core/changes/sessions';
import type { ErrorCode } from '../../core/errors';
import { retryOnServer } from '../../core/server/changes';

export default class SessionsRetry extends TruncateCommand {
  static override summary = 'Take back the last turn and give its text, to be sent again.';
  static override description =
    'Cuts the transcript as undo does, and prints the text of the user message at which it was cut.';

  static override aliases = ['retry'];
  static override exitCodes: ErrorCode[] = [...TruncateCommand.exitCodes, 'NOTHING_TO_RETRY'];

  static override examples = [
    {
      description: 'The text of the last turn, which is taken back',
      command: '<%= config.bin %> retry 0821b8fe2f4b --json | jq -r .retry.last_user_text',
    },
    { description: 'Only look', command: '<%= config.bin %> retry 0821b8fe2f4b --dry-run' },
  ];

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SessionsRetry);
    const context = this.context(flags);
    const id = resolveForChange(context, args.id, true);
    const options = { turns: flags.turns, force: flags.force };
    const changed = await mutate(context, flags, (target) => retrySession(target, id, options, context.deps), {
      onServer: (client) => retryOnServer(client, context, id, options, context.deps),
    });
    await showChange(context, 'retry', changed, flags);
  }
}
