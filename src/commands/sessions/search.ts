import { Args, Flags } from '@oclif/core';

import { agentQuery } from '../../cli/agent-query';
import { assertEveryDatabase } from '../../cli/all-profiles';
import { BaseCommand } from '../../cli/base-command';
import { boundedMatching } from '../../cli/bounded';
import { Fleet, storesFlag } from '../../cli/fleet';
import { listFilter, listFilterFlags } from '../../cli/list-flags';
import { contextFor, showSearch, type StoreSearch } from '../../cli/search-hits';
import type { ErrorCode } from '../../core/errors';
import { hasCapital } from '../../core/search/expression';
import { expressionPattern, literalPattern } from '../../core/search/pattern';
import { searchSessions } from '../../core/search/search';
import { DEFAULT_PLACES, PLACES, type Place } from '../../core/search/texts';

const TERMINAL_LIMIT = 50;

export default class SessionsSearch extends BaseCommand {
  static override summary = 'Find text in sessions.';
  static override description =
    'Looks through the titles and messages of the store’s sessions, those written last first, and shows where the text is: once for each message, with how often it is there. A text in small letters is found in any case, one with a capital only as it stands (-i and -s say otherwise). Sessions that a list hides are not searched unless they are asked for. Nothing is written; a session that cannot be read is a warning.\n\nFiles are searched as bytes first, for every way in which JSON may spell the text, and only messages that may hold it are decoded. With --regex that needs an expression with a piece of plain text in whatever it matches; else all are. The full-text indexes of the agent’s database are not used, because they leave out tool results and more: its messages are passed over.';

  static override exitCodes: ErrorCode[] = ['PARTIAL', 'STORE_NOT_FOUND', 'STORE_DAMAGED'];

  static override args = {
    text: Args.string({ required: true, description: 'What to look for.', ignoreStdin: true }),
  };

  static override flags = {
    regex: Flags.boolean({
      char: 'E',
      summary: 'TEXT is a regular expression (JavaScript’s, with the flags m and u).',
    }),
    'ignore-case': Flags.boolean({ char: 'i', summary: 'In any case, also with capitals in TEXT.' }),
    'case-sensitive': Flags.boolean({
      char: 's',
      exclusive: ['ignore-case'],
      summary: 'Only as it stands, also without capitals in TEXT.',
    }),
    in: Flags.option({ options: PLACES, multiple: true, multipleNonGreedy: true })({
      helpValue: PLACES.join('|'),
      summary: `Only there: repeatable; ${DEFAULT_PLACES.join(', ')} unless given. tools: what tools were called with and gave.`,
    }),
    role: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'ROLE',
      summary: 'Only messages of this role (user, assistant, tool …), and no titles. Repeatable.',
    }),
    context: Flags.integer({
      char: 'C',
      min: 0,
      max: 10_000,
      helpValue: 'N',
      summary: 'Characters to show on each side: 60, on a terminal what fits the line.',
    }),
    agent: Flags.boolean({
      char: 'a',
      summary: "Sessions of the agent's database too; with --all-profiles of every profile's.",
    }),
    limit: Flags.integer({
      char: 'L',
      min: 0,
      helpValue: 'N',
      summary: 'Stop at N hits; 0: all. 50 on a terminal, all in a pipe.',
    }),
    stores: storesFlag(),
    ndjson: Flags.boolean({ exclusive: ['json'], summary: 'Print one JSON hit a line, as it is found.' }),
    ...listFilterFlags,
  };

  static override examples = [
    { description: 'Where was this talked about?', command: '<%= config.bin %> sessions search "rate limit"' },
    {
      description: 'What the user said this month',
      command: '<%= config.bin %> sessions search deploy --role user --since 30d',
    },
    {
      description: 'Keys that must not be in a transcript, tool results and hidden sessions included',
      command: '<%= config.bin %> sessions search --regex "sk-[A-Za-z0-9]{20,}" --all --agent --json',
    },
    {
      description: 'In the stores of everybody on this host',
      command: '<%= config.bin %> sessions search "rate limit" --stores stores.txt',
    },
    {
      description: 'Ids of the sessions that mention it',
      command: '<%= config.bin %> sessions search cache --ndjson | jq -r .session_id | uniq',
    },
  ];

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SessionsSearch);
    const context = this.context(flags);
    const fleet = Fleet.of(context, { stores: flags.stores });
    context.doing('searching');
    if (flags.agent) context.detail('The agent’s messages are passed over: its full-text indexes leave too much out.');
    const isInSmall = flags.regex ? !hasCapital(args.text) : !/\p{Lu}/u.test(args.text);
    const ignoreCase = flags['ignore-case'] || (!flags['case-sensitive'] && isInSmall);
    const pattern = (flags.regex ? expressionPattern : literalPattern)(args.text, { ignoreCase });
    const query = {
      pattern,
      bounded: flags.regex ? await boundedMatching() : <T>(work: () => T): T => work(),
      places: new Set<Place>(flags.in ?? DEFAULT_PLACES),
      roles: flags.role && new Set(flags.role),
      context: contextFor(context, flags.context),
      counted: context.face !== 'human' || context.isTerminal,
    };
    const search: StoreSearch = async (store, limit, on) => {
      const { location, defaults, deps } = store;
      const asked = { ...query, filter: await listFilter(store, flags), limit, ...agentQuery(fleet, store, flags) };
      return searchSessions(location, asked, defaults, deps, on);
    };
    await showSearch(context, fleet, search, {
      limit: flags.limit ?? (context.isTerminal && context.face === 'human' ? TERMINAL_LIMIT : 0),
      context: flags.context,
      others: flags.regex ? undefined : pattern.text,
    });
    fleet.assertAll();
    assertEveryDatabase(context, flags);
  }
}
