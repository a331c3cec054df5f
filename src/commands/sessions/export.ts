import { Args, Flags } from '@oclif/core';

import { assertEveryDatabase } from '../../cli/all-profiles';
import { BaseCommand } from '../../cli/base-command';
import type { Context } from '../../cli/context';
import { nullFlag } from '../../cli/each-session';
import { FORMATS, type FormatName } from '../../cli/export/format';
import { Fleet, storesFlag } from '../../cli/fleet';
import { listFilterFlags } from '../../cli/list-flags';
import { namesOne } from '../../cli/session-ids';
import { type ErrorCode, HermesctlError } from '../../core/errors';

export default class SessionsExport extends BaseCommand {
  static override summary = 'Export sessions: as JSON, to read, or for the agent.';
  static override description =
    'Writes sessions to standard output, to one file, or each to a file of its own in a directory. ndjson has a whole session on each line, every byte but white space as stored, and streams; json is one document of the same; jsonl-agent is what the agent’s own export makes, with all that the agent has no place for beside it; markdown and html are for reading. sessions import reads the first three back. A damaged session does not stop the others.\n\nA session that only the agent’s database has is exported as the agent’s own export has it, after those that it continues; in markdown and html these are one conversation.';

  static override strict = false;
  static override exitCodes: ErrorCode[] = [
    'PARTIAL',
    'SESSION_NOT_FOUND',
    'SESSION_DAMAGED',
    'STORE_NOT_FOUND',
    'STORE_DAMAGED',
    'DATABASE_UNUSABLE',
    'ALREADY_EXISTS',
    'REFUSED',
  ];

  static override args = {
    id: Args.string({
      description: 'Session ids, or unique prefixes of 4 or more; - reads them from standard input.',
      ignoreStdin: true,
    }),
  };

  static override flags = {
    ...listFilterFlags,
    agent: Flags.boolean({
      char: 'a',
      summary: "Sessions of the agent's database too; with --all-profiles of every profile's.",
    }),
    format: Flags.option({ char: 'f', options: FORMATS })({
      summary: 'How to spell them: ndjson, or json with --json.',
    }),
    ndjson: Flags.boolean({ exclusive: ['json', 'format'], summary: 'Print one session a line, and notes as JSON.' }),
    output: Flags.string({
      char: 'o',
      helpValue: 'FILE|DIR',
      summary: 'Where to write: a file, a directory (one that is there, or ends with /), or -.',
    }),
    stores: storesFlag(),
    force: Flags.boolean({ summary: 'Replace files that are there already.' }),
    redact: Flags.boolean({ summary: 'Replace keys, tokens, passwords and home directories.' }),
    'include-tools': Flags.boolean({ summary: 'Tool calls and results too, in markdown and html.' }),
    embed: Flags.boolean({ summary: 'Pictures in the html page, and not as links.' }),
    raw: Flags.boolean({ summary: 'Keep NaN and infinities, which JSON does not know.' }),
    null: nullFlag,
  };

  static override examples = [
    {
      description: 'A backup of everything',
      command: '<%= config.bin %> sessions export --all --output backup.ndjson',
    },
    {
      description: 'One session as a page to show somebody',
      command: '<%= config.bin %> sessions export 0821 --format html --redact --output session.html',
    },
    {
      description: 'What was talked about this month, a file each',
      command: '<%= config.bin %> sessions export --since 30d --format markdown --output notes/',
    },
    {
      description: 'What did users ask?',
      command: `<%= config.bin %> sessions export --all | jq -r '.messages[] | select(.role == "user") | .content'`,
    },
  ];

  async run(): Promise<void> {
    const { argv, flags } = await this.parse(SessionsExport);
    const args = argv as string[];
    if (flags.stores !== undefined && args.length > 0)
      throw new HermesctlError('USAGE', '--stores and session ids exclude each other.');
    const isStream = flags.output === undefined || flags.output === '-';
    const format: FormatName = flags.format ?? (flags.json && isStream ? 'json' : 'ndjson');
    if (flags.json && isStream && format !== 'json') {
      throw new HermesctlError('USAGE', `--json is one document on standard output, and ${format} is none.`, {
        hint: 'Say where the sessions are to go: --output.',
      });
    }
    const context = this.context({ ...flags, json: flags.json || (format === 'json' && isStream) });
    const [{ selectSessions }, { runExport }] = await Promise.all([
      import('../../cli/export/select.js'),
      import('../../cli/export/run.js'),
    ]);
    const fleet = Fleet.of(context, flags);
    const select = (store: Context): ReturnType<typeof selectSessions> => selectSessions(store, args, flags, fleet);
    await runExport(context, fleet, select, { ...flags, format }, namesOne(args));
    if (flags.agent) assertEveryDatabase(context, flags);
  }
}
