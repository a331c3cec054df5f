import { Args, Flags } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import type { ErrorCode } from '../../core/errors';
import { sessionsToRead } from '../../cli/session-ids';
import { showAgentSession } from '../../cli/show-agent-session';
import { showMetadata, showRaw, showSession } from '../../cli/show-session';

export default class SessionsShow extends BaseCommand {
  static override summary = 'Show a session: header and transcript.';
  static override description =
    'Reads one session from its file. The transcript streams, so a file of any size will do. A session that only the agent’s database has is read there: with the sessions that it continues before it, and without messages that were compacted or undone. Tool calls and results are folded to a line unless --tools is given.';

  static override aliases = ['show'];
  static override exitCodes: ErrorCode[] = [
    'SESSION_NOT_FOUND',
    'SESSION_DAMAGED',
    'STORE_NOT_FOUND',
    'DATABASE_UNUSABLE',
  ];

  static override args = {
    id: Args.string({
      required: true,
      description: 'Session id, or a unique prefix of 4 or more; - reads it from standard input.',
      ignoreStdin: true,
    }),
  };

  static override flags = {
    messages: Flags.integer({ char: 'm', min: 0, helpValue: 'N', summary: 'Only the last N messages.' }),
    role: Flags.string({ helpValue: 'ROLE', summary: 'Only messages of this role (user, assistant, tool …).' }),
    tools: Flags.boolean({ summary: 'Tool calls and results in full.' }),
    metadata: Flags.boolean({
      exclusive: ['messages', 'role', 'tools', 'raw', 'markdown'],
      summary: 'Only the metadata, read from the beginning of the file.',
    }),
    raw: Flags.boolean({
      exclusive: ['messages', 'role', 'tools', 'markdown', 'json'],
      summary: 'The bytes of the file, as stored, damaged or not.',
    }),
    markdown: Flags.boolean({ exclusive: ['json'], summary: 'The transcript in Markdown.' }),
  };

  static override examples = [
    { description: 'Read a session', command: '<%= config.bin %> show 0821b8fe2f4b | less' },
    {
      description: 'What did the user ask?',
      command: '<%= config.bin %> show 0821 --role user --json | jq -r ".messages[].content"',
    },
    { description: 'Only the header of a huge one', command: '<%= config.bin %> show 0821 --metadata' },
  ];

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SessionsShow);
    const context = this.context(flags);
    const [{ id, in: where }] = await sessionsToRead(context, [args.id], {});
    if (where === 'agent') await showAgentSession(context, id, { last: flags.messages, role: flags.role }, flags);
    else if (flags.raw) await showRaw(context, id);
    else if (flags.metadata) await showMetadata(context, id);
    else await showSession(context, id, { last: flags.messages, role: flags.role }, flags);
  }
}
