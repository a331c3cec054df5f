import { Args } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { failureOf, failuresForOutput } from '../../cli/each-session';
import { configuredProviders, ledgerFlags, providerFlags, withLedger } from '../../cli/memory';
import { plural } from '../../cli/memory-rows';
import { visibleLine } from '../../cli/output/visible';
import { exactIds } from '../../cli/session-ids';
import type { ErrorCode, HermesctlError, Warning } from '../../core/errors';
import { scan } from '../../core/memory/scan';
import { assertStore } from '../../core/sidecar/directory';

export default class MemoryScan extends BaseCommand {
  static override summary = 'Count the completed turns that nobody has marked.';
  static override description =
    'Reads the session files that have changed since the last scan, and the markers that the agent leaves for sessions it has not committed. A turn counts when a user’s message was answered by an assistant, with text, and neither partial nor an error; while a stream is recorded the last turn does not. A turn counts once, also over an undo and a restore.';

  static override strict = false;
  static override exitCodes: ErrorCode[] = [
    'PARTIAL',
    'SESSION_DAMAGED',
    'STORE_NOT_FOUND',
    'LOCKED',
    'DATABASE_UNUSABLE',
  ];

  static override args = {
    session: Args.string({ description: 'Whole session ids; all sessions where none is named.', ignoreStdin: true }),
  };

  static override flags = { ...ledgerFlags, ...providerFlags };

  static override examples = [
    { description: 'What is there?', command: '<%= config.bin %> memory scan --dry-run' },
    {
      description: 'From cron, each minute',
      command: '<%= config.bin %> memory scan --quiet; <%= config.bin %> memory-drain --quiet',
    },
  ];

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(MemoryScan);
    const context = this.context(flags);
    const { deps, location } = context;
    assertStore(deps.fs, location);
    const named = exactIds(argv as string[], false);
    const providers = configuredProviders(context, flags);
    const dryRun = flags['dry-run'];
    const options = { sessions: named.length > 0 ? named : undefined, profile: context.profileFilter };
    const { sessions, files, unchanged, failures, warnings } = await withLedger(context, flags, (ledger) =>
      scan(location, providers, ledger, options, dryRun, deps),
    );
    context.warn(...warnings);
    // Of the whole store, as in a list, a damaged file is a warning: it must not end a cron job each minute.
    const isNamed = named.length > 0;
    if (!isNamed) context.warn(...failures.map(({ session_id, error }) => asWarning(session_id, error)));
    const turns = sessions.reduce((sum, session) => sum + session.turns, 0);
    await context.show({
      json: (document) => {
        const rows = sessions.map(({ sessionId, turns: n, source }) => ({ session_id: sessionId, turns: n, source }));
        document.member('sessions', rows);
        document.member('turns', turns);
        document.member('files', files);
        document.member('unchanged', unchanged);
        if (dryRun) document.member('dry_run', true);
        if (isNamed && failures.length > 0) document.member('failed', failuresForOutput(failures));
      },
      human: () => {
        for (const { sessionId, turns: n, source } of sessions) {
          context.line(`${visibleLine(sessionId)}\t${n}\t${source}`);
        }
        const what = `${plural(turns, 'turn')} in ${plural(sessions.length, 'session')}; ${plural(files, 'file')}, ${unchanged} unchanged.`;
        context.note(dryRun ? `Dry run: nothing was changed. Would count ${what}` : `Counted ${what}`);
      },
    });
    if (!isNamed) return;
    context.failures(failures);
    const failure = failureOf(failures, named.length);
    if (failure) throw failure;
  }
}

function asWarning(sessionId: string, { code, message, details }: HermesctlError): Warning {
  return { ...details, code, message, session_id: sessionId };
}
