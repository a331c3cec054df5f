import { Flags } from '@oclif/core';

import { BaseCommand } from '../cli/base-command';
import type { Context } from '../cli/context';
import { listFilter, narrowingFlags } from '../cli/list-flags';
import { writeStatsReport } from '../cli/stats-report';
import { showStats } from '../cli/stats-result';
import { HermesctlError, type ErrorCode } from '../core/errors';
import { agentPlaces } from '../core/listing/agent-rows';
import { listSessions } from '../core/listing/list';
import { readProjects } from '../core/projects/read';
import { measure } from '../core/stats/sizes';
import { DEFAULT_GROUP_KEYS, GROUP_KEYS, statsOf } from '../core/stats/stats';

export default class Stats extends BaseCommand {
  static override summary = 'Show sizes, counts, tokens and cost, by profile, source, model, project and day.';
  static override description =
    'Counts every session of the store, also those that a list hides, unless flags narrow it; with --agent the conversations too that only the agent’s database has, each once. Rows come from where a list has them, sizes from the file system; no transcript is read where the index is good. Costs are in US dollars, as the agent estimated them; sessions that record none are counted apart. Days and weeks are local ones: by the last activity, as --since goes; growth by when sessions were begun.';

  static override exitCodes: ErrorCode[] = ['STORE_NOT_FOUND', 'STORE_DAMAGED'];

  static override flags = {
    by: Flags.option({ options: GROUP_KEYS, multiple: true, multipleNonGreedy: true })({
      helpValue: GROUP_KEYS.join('|'),
      summary: `What to group by: repeatable; ${DEFAULT_GROUP_KEYS.join(', ')} unless given.`,
    }),
    top: Flags.integer({
      min: 1,
      default: 5,
      helpValue: 'N',
      summary: 'How many of the biggest and oldest sessions, and on a terminal of each kind of group.',
    }),
    agent: Flags.boolean({
      char: 'a',
      summary: "Sessions of the agent's database too; with --all-profiles of every profile's.",
    }),
    html: Flags.string({ helpValue: 'FILE', summary: 'Write a report with plots, one page that needs no network.' }),
    ...narrowingFlags,
  };

  static override examples = [
    { description: 'What is there, and what takes room?', command: '<%= config.bin %> stats' },
    {
      description: 'What did each model cost this month?',
      command: '<%= config.bin %> stats --by model --since 30d --agent',
    },
    { description: 'A page to look at', command: '<%= config.bin %> stats --html report.html' },
    { description: 'For a monitor', command: '<%= config.bin %> stats --json | jq .storage.sessions.bytes' },
  ];

  async run(): Promise<void> {
    const { flags } = await this.parse(Stats);
    const context = this.context(flags);
    const { location, defaults, deps } = context;
    const everything = { all: true, archived: true, cron: true, webhook: true, kanban: true, empty: true };
    const filter = await listFilter(context, { ...flags, ...everything });
    const agent = flags.agent ? agentPlaces(location, flags['all-profiles'], deps) : undefined;
    const query = { filter, sort: 'id' as const, reverse: false, limit: 0, offset: 0, agent };
    const { rows, warnings } = await listSessions(location, query, defaults, deps);
    context.warn(...warnings);
    const { ofSessions, storage } = measure(location, agent ?? [], deps);
    const sessions = rows.map((row) => ({ row, bytes: ofSessions.get(row.id) }));
    const by = flags.by ?? DEFAULT_GROUP_KEYS;
    const stats = statsOf(sessions, { by, top: flags.top, now: deps.clock.now() });
    const result = { stats, storage, projects: projectNames(context), top: flags.top };
    if (flags.html !== undefined) writeStatsReport(context, flags.html, result);
    await showStats(context, result, flags.html);
  }
}

/** Names of projects; where they cannot be read their ids must do. */
function projectNames(context: Context): Map<string, string> {
  const { deps, location } = context;
  try {
    const projects = readProjects(deps.fs, location.projectsFile.value);
    return new Map(projects.map(({ project_id, name }) => [project_id, name]));
  } catch (error) {
    if (!(error instanceof HermesctlError)) throw error;
    context.warn({ code: error.code, message: error.message, ...error.details });
    return new Map();
  }
}
