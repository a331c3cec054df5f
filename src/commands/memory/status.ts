import { Args, Flags } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { configuredProviders, withLedger } from '../../cli/memory';
import { plural, showStatusTable, statusRow, unknownSession } from '../../cli/memory-rows';
import type { OutputValue } from '../../cli/output/document';
import type { ErrorCode } from '../../core/errors';
import { dirtySessions } from '../../core/memory/due';
import { ledgerPath } from '../../core/memory/ledger-file';
import { pendingMarkers } from '../../core/memory/pending-markers';
import { homesOf } from '../../core/memory/scan';
import { resolveSessionId } from '../../core/listing/resolve-id';
import { DEFAULT_PROFILE } from '../../core/location/location';
import { assertStore } from '../../core/sidecar/directory';

export default class MemoryStatus extends BaseCommand {
  static override summary = 'Show which sessions have turns that are not committed, and why.';
  static override description =
    'Reads the ledger, and makes none where there is none. What nobody has marked is not in it: memory scan finds that.';

  static override strict = false;
  static override exitCodes: ErrorCode[] = ['SESSION_NOT_FOUND', 'STORE_NOT_FOUND', 'LOCKED', 'DATABASE_UNUSABLE'];

  static override args = {
    session: Args.string({
      description: 'Session ids; all that the ledger knows where none is named.',
      ignoreStdin: true,
    }),
  };

  static override flags = {
    dirty: Flags.boolean({ summary: 'Only sessions that have uncommitted turns.' }),
  };

  static override examples = [
    { description: 'What is left?', command: '<%= config.bin %> memory status --dirty' },
    {
      description: 'For monitoring',
      command: "<%= config.bin %> memory status --json | jq '.uncommitted'",
    },
  ];

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(MemoryStatus);
    const context = this.context(flags);
    const { deps, location, profileFilter } = context;
    assertStore(deps.fs, location);
    const ledger = await withLedger(context, { 'dry-run': true, 'lock-wait': LOCK_WAIT }, async (open) =>
      open?.sessions(),
    );
    const known = (ledger ?? []).filter(
      ({ profile }) => profileFilter === undefined || (profile ?? DEFAULT_PROFILE) === profileFilter,
    );
    const named = (argv as string[]).map(
      (id) =>
        known.find(({ sessionId }) => sessionId === id) ??
        unknownSession(resolveSessionId(deps.fs, location, id, true)),
    );
    const byId = new Map(known.map((session) => [session.sessionId, session]));
    const asked = argv.length > 0 ? named.map((session) => byId.get(session.sessionId) ?? session) : known;
    const sessions = flags.dirty ? dirtySessions(asked) : asked;
    const { markers, warnings } = pendingMarkers(
      homesOf(location, configuredProviders(context, {}), profileFilter),
      deps,
    );
    context.warn(...warnings);
    const uncommitted = sessions.reduce((sum, { generation, committed }) => sum + generation - committed, 0);
    await context.show({
      json: (document) => {
        document.member('sessions', sessions.map((session) => statusRow(session, context)) as unknown as OutputValue);
        document.member('dirty', dirtySessions(sessions).length);
        document.member('uncommitted', uncommitted);
        document.member(
          'pending_markers',
          markers.map(({ sessionId, profile, path, at }) => ({ session_id: sessionId, profile, path, at })),
        );
        document.member('ledger', ledger === undefined ? null : ledgerPath(location.stateDir.value));
      },
      human: async () => {
        await showStatusTable(context, sessions);
        const left = `Not committed: ${plural(uncommitted, 'turn')} of ${plural(dirtySessions(sessions).length, 'session')}.`;
        const none = "There is no ledger yet: 'hermesctl memory scan' makes one.";
        context.note(ledger === undefined ? none : left);
        if (markers.length > 0)
          context.note(`The agent has left ${plural(markers.length, 'marker')} of pending sessions.`);
      },
    });
  }
}

const LOCK_WAIT = 10;
