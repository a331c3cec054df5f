import { Args, Flags } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { failureOf, failuresForOutput, gather, nullFlag } from '../../cli/each-session';
import { showRecord } from '../../cli/result-fields';
import { namesOne, sessionsToRead } from '../../cli/session-ids';
import { readAgentStatus } from '../../core/listing/agent-session';
import { readStatus } from '../../core/listing/details';
import type { ErrorCode } from '../../core/errors';

export default class SessionsStatus extends BaseCommand {
  static override summary = 'Show a snapshot of sessions: model, profile, workspace, messages, tokens, cost.';
  static override description =
    'Reads the session files; one that only the agent’s database has is read there. Whether a stream is alive only a running server knows: agent_running says that the file records one.';

  static override aliases = ['status'];
  static override strict = false;
  static override exitCodes: ErrorCode[] = [
    'PARTIAL',
    'SESSION_NOT_FOUND',
    'SESSION_DAMAGED',
    'STORE_NOT_FOUND',
    'DATABASE_UNUSABLE',
  ];

  static override args = {
    id: Args.string({
      description: 'Session ids, or unique prefixes of 4 or more; - reads them from standard input.',
      ignoreStdin: true,
    }),
  };

  static override flags = {
    all: Flags.boolean({ summary: 'Every session of the store.' }),
    null: nullFlag,
  };

  static override examples = [
    { description: 'One session', command: '<%= config.bin %> status 0821b8fe2f4b' },
    { description: 'For a script', command: '<%= config.bin %> status 0821 --json | jq .status.message_count' },
  ];

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(SessionsStatus);
    const context = this.context(flags);
    const { location, defaults, deps } = context;
    const ids = await sessionsToRead(context, argv as string[], flags);
    const one = namesOne(argv as string[]);
    const { values, failures } = await gather(context, ids, one, (session) =>
      session.in === 'agent'
        ? readAgentStatus(location, deps, session.id)
        : readStatus(location, defaults, deps, session.id),
    );
    await context.show({
      json: async (document) => {
        if (one) document.member('status', values[0]);
        else await document.array('statuses', values, (status, path) => document.renderer.render(status, path));
        if (failures.length > 0) document.member('failed', failuresForOutput(failures));
      },
      human: () => {
        values.forEach((status, i) => {
          if (i > 0) context.line();
          showRecord(context, status);
        });
      },
    });
    context.failures(failures);
    const failure = failureOf(failures, ids.length);
    if (failure) throw failure;
  }
}
