import { Flags } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { forceFlag, mutate, mutationFlags, showChange } from '../../cli/mutation';
import { describedSession } from '../../cli/new-session';
import { createSession } from '../../core/changes/sessions';
import type { ErrorCode } from '../../core/errors';

export default class SessionsCreate extends BaseCommand {
  static override summary = 'Make a session, for fixtures and tests.';
  static override description =
    'Makes a session from a JSON object on standard input or in a file, from flags, or from both: flags win. Beside flags that describe the session, standard input is read only with --input -. What is not told gets the defaults of a new session; all fields are written, in the order in which the server writes them.';

  static override exitCodes: ErrorCode[] = [
    'SESSION_BUSY',
    'STORE_DAMAGED',
    'CHANGED_ON_DISK',
    'STORE_NOT_FOUND',
    'LOCKED',
    'ALREADY_EXISTS',
    'REFUSED',
    'SERVER_RUNNING',
  ];

  static override flags = {
    ...mutationFlags,
    input: Flags.string({
      char: 'i',
      helpValue: 'FILE|-',
      summary: 'JSON object that describes the session. Without other flags for that: -.',
    }),
    id: Flags.string({ helpValue: 'ID', summary: 'Its id; else one is made.' }),
    title: Flags.string({ helpValue: 'TEXT', summary: 'Its title.' }),
    workspace: Flags.string({ helpValue: 'DIR', summary: 'Its workspace; else the last one used.' }),
    model: Flags.string({ helpValue: 'NAME', summary: 'Its model.' }),
    user: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'TEXT',
      summary: 'A user message. Repeatable, in order with --assistant.',
    }),
    assistant: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'TEXT',
      summary: 'An assistant’s message. Repeatable, in order with --user.',
    }),
    replace: Flags.boolean({ summary: 'Replace the session with that id; its file stays as .json.bak.' }),
    force: forceFlag,
  };

  static override examples = [
    {
      description: 'A fixture in one line',
      command: '<%= config.bin %> sessions create --id fixture1 --title Demo --user Hello --assistant "Hi."',
    },
    {
      description: 'From JSON',
      command: `echo '{"title":"Demo","messages":[{"role":"user","content":"Hello"}]}' | <%= config.bin %> sessions create`,
    },
  ];

  async run(): Promise<void> {
    const { flags, raw } = await this.parse(SessionsCreate);
    const context = this.context(flags);
    const members = await describedSession(context, flags, raw);
    const changed = await mutate(context, flags, (target) => createSession(target, members, flags, context.deps));
    await showChange(context, 'session', changed, flags);
  }
}
