import { Args, Flags } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { nullFlag } from '../../cli/each-session';
import { assertNoSweepFlags, showImport } from '../../cli/import-result';
import { timeFlag } from '../../cli/list-flags';
import { assertSome, mutate, mutationFlags } from '../../cli/mutation';
import { refuseOnServer } from '../../cli/server-route';
import { agentIds, namesOne, wantsAll } from '../../cli/session-ids';
import { withAgentDatabase } from '../../core/agent-db/open';
import { type ImportRun, type ImportSaver, type ImportSelection, importSessions } from '../../core/changes/import-run';
import type { ChangeTarget } from '../../core/changes/sessions';
import type { ErrorCode } from '../../core/errors';
import { importOnServer } from '../../core/server/changes';

export default class SessionsImportCli extends BaseCommand {
  static override summary = 'Import sessions of the agent’s database into the store.';
  static override description =
    'Makes session files from the agent’s sessions (terminal, messaging, cron …), as the WebUI’s import does: with their tool calls and reasoning, and with what was compressed before them. A session that is there already gets the messages that are new, unless somebody wrote to it in the WebUI (diverged). One that was cut by undo, retry or clear stays cut, and with --all one that was deleted stays deleted. Running it again changes nothing.';

  static override aliases = ['import-cli'];
  static override strict = false;
  static override exitCodes: ErrorCode[] = [
    'PARTIAL',
    'SESSION_NOT_FOUND',
    'SESSION_DAMAGED',
    'STORE_DAMAGED',
    'CHANGED_ON_DISK',
    'STORE_NOT_FOUND',
    'LOCKED',
    'DATABASE_UNUSABLE',
    'REFUSED',
  ];

  static override args = {
    id: Args.string({
      description: 'Ids of agent sessions, in full; - reads them from standard input.',
      ignoreStdin: true,
    }),
  };

  static override flags = {
    ...mutationFlags,
    all: Flags.boolean({ summary: 'Every session that a list of the agent’s sessions shows.' }),
    source: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'NAME',
      summary: 'With --all: only from this source (cli, telegram, cron …). Repeatable.',
    }),
    since: Flags.string({ helpValue: 'WHEN', summary: 'With --all: only those active since (7d, 12h, 2026-05-01).' }),
    limit: Flags.integer({ min: 1, helpValue: 'N', summary: 'With --all: only the N most recent.' }),
    'ensure-project': Flags.boolean({
      summary: 'Make the project for cron sessions where it is missing, when one is imported.',
    }),
    force: Flags.boolean({
      exclusive: ['all'],
      summary: 'Refresh also what was cut on purpose, or records a running stream or a pending turn.',
    }),
    null: nullFlag,
  };

  static override examples = [
    { description: 'One session', command: '<%= config.bin %> import-cli 20260425_000000_b8a1ab' },
    { description: 'What would come in?', command: '<%= config.bin %> import-cli --all --dry-run' },
    {
      description: 'Every night, from cron',
      command: '<%= config.bin %> import-cli --all --source cli --since 2d --quiet',
    },
  ];

  async run(): Promise<void> {
    const { argv, flags } = await this.parse(SessionsImportCli);
    const args = argv as string[];
    const context = this.context(flags);
    const { location, deps } = context;
    const { source, since, limit } = flags;
    let selection: ImportSelection;
    if (wantsAll(args, flags)) {
      const sources = (source ?? []).map((name) => name.toLowerCase());
      selection = { sources, since: await timeFlag(context, '--since', since), limit };
    } else {
      assertNoSweepFlags({ source, since, limit });
      selection = { ids: [...new Set(agentIds(args, flags.null))] };
      assertSome(selection.ids);
    }
    const options = { force: flags.force, ensureProject: flags['ensure-project'] };
    const importBy = (target: ChangeTarget, saver?: ImportSaver): Promise<ImportRun> =>
      withAgentDatabase(location.agentDatabase.value, deps, (database) =>
        importSessions(target, database, selection, options, deps, saver),
      );
    const run = await mutate(context, flags, (target) => importBy(target), {
      onServer: (client) => {
        refuseOnServer({ 'ensure-project': flags['ensure-project'] });
        const target = { location, defaults: context.defaults, dryRun: false };
        return importBy(target, importOnServer(client, location.profile.value));
      },
    });
    await showImport(context, run, namesOne(args), flags['dry-run']);
  }
}
