import { Flags } from '@oclif/core';

import { assertEveryDatabase } from '../../cli/all-profiles';
import { BaseCommand } from '../../cli/base-command';
import type { Context } from '../../cli/context';
import { Fleet, storesFlag } from '../../cli/fleet';
import { pageOf, readList } from '../../cli/fleet-list';
import { listFilter, listFilterFlags, watchFlags } from '../../cli/list-flags';
import { AGENT_COLUMNS, DEFAULT_COLUMNS, FLEET_COLUMNS, isTotalShown, showRows } from '../../cli/session-rows';
import { watchList } from '../../cli/watch-list';
import type { ErrorCode } from '../../core/errors';
import { agentPlaces } from '../../core/listing/agent-rows';
import type { ListQuery } from '../../core/listing/list';
import type { PageQuery } from '../../core/listing/merged-page';
import { SORT_KEYS, type SortKey } from '../../core/listing/query';

const TERMINAL_LIMIT = 50;

export default class SessionsList extends BaseCommand {
  static override summary = 'List sessions.';
  static override description =
    'Lists the sessions of the store, pinned ones first, then by last activity. Archived, cron, webhook and kanban sessions and empty Untitled ones are hidden unless asked for. Rows come from the index where it is good and from the session files where it is not; nothing is written, and a damaged file is a warning.\n\nWith --agent come the conversations that only the agent’s database has: a chain of sessions that continue one another is one row, by the id of the last, and one that the store has a file of is the store’s row. Of the sessions of a terminal those are left out that ended without a title and with fewer than two turns, unless --all is given.';

  static override aliases = ['sessions:ls'];
  static override exitCodes: ErrorCode[] = ['PARTIAL', 'STORE_NOT_FOUND', 'STORE_DAMAGED'];

  static override flags = {
    ...listFilterFlags,
    agent: Flags.boolean({
      char: 'a',
      summary: "Sessions of the agent's database too; with --all-profiles of every profile's.",
    }),
    limit: Flags.integer({
      char: 'L',
      min: 0,
      helpValue: 'N',
      summary: 'At most N rows; 0: all. 50 on a terminal, all in a pipe.',
    }),
    offset: Flags.integer({ min: 0, default: 0, helpValue: 'N', summary: 'Leave out the first N.' }),
    sort: Flags.option({ options: SORT_KEYS, default: 'activity' as SortKey })({ summary: 'What to sort by.' }),
    reverse: Flags.boolean({ char: 'r', default: false, summary: 'The other way round.' }),
    columns: Flags.string({
      helpValue: 'KEY,…',
      summary: `Which keys of a row to show, in any face (${DEFAULT_COLUMNS.join(', ')}).`,
    }),
    stores: storesFlag({ exclusive: ['ids'] }),
    ids: Flags.boolean({ exclusive: ['json', 'ndjson', 'columns'], summary: 'Print ids only, one a line.' }),
    null: Flags.boolean({
      char: '0' as 'z',
      dependsOn: ['ids'],
      summary: 'With --ids: end each with NUL, not a line break.',
    }),
    ndjson: Flags.boolean({ exclusive: ['json'], summary: 'Print one JSON row a line.' }),
    ...watchFlags,
    'no-cache': Flags.boolean({ summary: 'Make the answer anew, and keep it nowhere.' }),
    'no-header': Flags.boolean({ summary: 'No header line above a table.' }),
  };

  static override examples = [
    { description: 'The latest sessions', command: '<%= config.bin %> sessions list' },
    {
      description: 'Everything active this week, as JSON',
      command: '<%= config.bin %> sessions list --since 7d --json',
    },
    {
      description: 'What was talked about in the terminal this month, in no file of the store',
      command: '<%= config.bin %> sessions list --agent --source cli --since 30d',
    },
    {
      description: 'Ids for a loop',
      command: '<%= config.bin %> sessions list --only-archived --ids -0 | xargs -0 -n1 <%= config.bin %> status',
    },
    {
      description: 'Chosen columns in a pipe',
      command: '<%= config.bin %> sessions list --columns session_id,title,estimated_cost --sort cost | head',
    },
    {
      description: 'What happens in the store, one line of JSON for each change',
      command: '<%= config.bin %> sessions list --watch --ndjson --columns title,message_count',
    },
  ];

  async run(): Promise<void> {
    const { flags } = await this.parse(SessionsList);
    const context = this.context(flags);
    const fleet = Fleet.of(context, { stores: flags.stores });
    const queryOf = async (store: Context, part: PageQuery): Promise<ListQuery> => ({
      ...part,
      filter: await listFilter(store, flags),
      total: flags.watch || isTotalShown(context, flags, flags.offset),
      agent: flags.agent ? agentPlaces(store.location, flags['all-profiles'], store.deps) : undefined,
      elsewhere: flags.agent ? fleet.elsewhere(store) : undefined,
    });
    const page = {
      sort: flags.sort,
      reverse: flags.reverse,
      limit: flags.limit ?? (context.isTerminal && context.face === 'human' && !flags.ids ? TERMINAL_LIMIT : 0),
      offset: flags.offset,
    };
    const columns = fleet.isMany ? FLEET_COLUMNS : flags.agent ? AGENT_COLUMNS : DEFAULT_COLUMNS;
    if (flags.watch) return watchList(context, await queryOf(context, page), flags, columns);
    const { version } = this.config;
    const shown = await pageOf(fleet, page, async (store, part) =>
      readList(store, await queryOf(store, part), flags, version),
    );
    await showRows(context, shown, flags, columns, fleet);
    fleet.assertAll();
    assertEveryDatabase(context, flags);
  }
}
