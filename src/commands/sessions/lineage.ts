import { Args } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { drawLineage, printLineage } from '../../cli/lineage-tree';
import type { OutputValue } from '../../cli/output/document';
import { sessionsToRead } from '../../cli/session-ids';
import { readLineage } from '../../core/listing/agent-session';
import type { ErrorCode } from '../../core/errors';

export default class SessionsLineage extends BaseCommand {
  static override summary = 'Show what a session continues, and what was started from it.';
  static override description =
    'Reads the agent’s database. When a conversation is compressed, or closed and taken up again, it goes on in a new session: those are its segments, drawn from the first to the one asked for. Sessions that were started from one of them (by a branch or a delegated task) are its children. In a pipe each is a line: role, id, parent, source, beginning, end reason, title.';

  static override exitCodes: ErrorCode[] = ['SESSION_NOT_FOUND', 'STORE_NOT_FOUND', 'DATABASE_UNUSABLE'];

  static override args = {
    id: Args.string({
      required: true,
      description: 'Session id, or a unique prefix of 4 or more; - reads it from standard input.',
      ignoreStdin: true,
    }),
  };

  static override examples = [
    { description: 'As a tree', command: '<%= config.bin %> sessions lineage 20260425_101500_3fa9c1' },
    {
      description: 'The first segment of a conversation',
      command: '<%= config.bin %> sessions lineage 20260425_101500_3fa9c1 --json | jq -r .lineage.lineage_key',
    },
  ];

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SessionsLineage);
    const context = this.context(flags);
    const [{ id }] = await sessionsToRead(context, [args.id], {});
    const report = await readLineage(context.location, context.deps, id);
    await context.show({
      json: (document) => document.member('lineage', report as unknown as OutputValue),
      human: () => {
        if (context.isTerminal) drawLineage(context, report);
        else printLineage(context, report);
      },
    });
  }
}
