import { Args, Flags } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import type { Context } from '../../cli/context';
import { Fleet, storesFlag } from '../../cli/fleet';
import { configuredProviders, withLedger } from '../../cli/memory';
import { unknownSession } from '../../cli/memory-rows';
import { type LedgerStatus, showStatus } from '../../cli/memory-status';
import { type ErrorCode, HermesctlError } from '../../core/errors';
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
  static override exitCodes: ErrorCode[] = [
    'PARTIAL',
    'SESSION_NOT_FOUND',
    'STORE_NOT_FOUND',
    'LOCKED',
    'DATABASE_UNUSABLE',
  ];

  static override args = {
    session: Args.string({
      description: 'Session ids; all that the ledger knows where none is named.',
      ignoreStdin: true,
    }),
  };

  static override flags = {
    stores: storesFlag(),
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
    const named = argv as string[];
    if (named.length > 0 && flags.stores !== undefined)
      throw new HermesctlError('USAGE', '--stores and session ids exclude each other.');
    const fleet = Fleet.of(context, flags);
    await showStatus(context, fleet, await fleet.each((store) => statusOf(store, named, flags.dirty)));
    fleet.assertAll();
  }
}

/** What the ledger of a store knows of these sessions, or of all. */
async function statusOf(store: Context, named: readonly string[], dirtyOnly: boolean): Promise<LedgerStatus> {
  const { deps, location, profileFilter } = store;
  assertStore(deps.fs, location);
  const ledger = await withLedger(store, { 'dry-run': true, 'lock-wait': LOCK_WAIT }, async (open) => open?.sessions());
  const known = (ledger ?? []).filter(
    ({ profile }) => profileFilter === undefined || (profile ?? DEFAULT_PROFILE) === profileFilter,
  );
  const byId = new Map(known.map((session) => [session.sessionId, session]));
  const asked = named.map((given) => {
    const id = byId.has(given) ? given : resolveSessionId(deps.fs, location, given, true);
    return byId.get(id) ?? unknownSession(id);
  });
  const sessions = named.length > 0 ? asked : known;
  const { markers, warnings } = pendingMarkers(homesOf(location, configuredProviders(store, {}), profileFilter), deps);
  store.warn(...warnings);
  return {
    sessions: dirtyOnly ? dirtySessions(sessions) : sessions,
    markers,
    ledger: ledger === undefined ? null : ledgerPath(location.stateDir.value),
  };
}

const LOCK_WAIT = 10;
