import { RawJson } from '../core/json/raw';
import { dirtySessions } from '../core/memory/due';
import type { LedgerSession } from '../core/memory/ledger-rows';
import { isDirty } from '../core/memory/lifecycle';
import { describeOwner } from '../core/memory/owner';
import type { PendingMarker } from '../core/memory/pending-markers';
import type { Context } from './context';
import type { Fleet, FromStore } from './fleet';
import { plural, statusRow } from './memory-rows';
import type { RawFields } from './output/document';
import { showTable } from './result-fields';

/** What the ledger of one store says. */
export interface LedgerStatus {
  sessions: LedgerSession[];
  markers: PendingMarker[];
  /** The ledger's path; null where there is none. */
  ledger: string | null;
}

/** Shows what the ledger of each store says, as one. */
export async function showStatus(
  context: Context,
  fleet: Fleet,
  read: Iterable<FromStore<LedgerStatus>> | AsyncIterable<FromStore<LedgerStatus>>,
): Promise<void> {
  const sums = { dirty: 0, uncommitted: 0 };
  // Stores of one home find the same ones.
  const markers = new Map<string, RawFields>();
  const ledgers = new Set<string>();
  async function* sessions(): AsyncGenerator<{ store: Context; session: LedgerSession }> {
    for await (const { store, value } of read) {
      const dirty = dirtySessions(value.sessions).length;
      const uncommitted = value.sessions.reduce((sum, { generation, committed }) => sum + generation - committed, 0);
      fleet.note(store, { ledger: value.ledger, sessions: value.sessions.length, dirty, uncommitted });
      sums.dirty += dirty;
      sums.uncommitted += uncommitted;
      if (value.ledger !== null) ledgers.add(value.ledger);
      const marks = Object.fromEntries(fleet.marks(store));
      for (const { sessionId, profile, path, at } of value.markers)
        if (!markers.has(path)) markers.set(path, { session_id: sessionId, profile, path, at, ...marks });
      for (const session of value.sessions) yield { store, session };
    }
  }
  async function* cells(): AsyncGenerator<Record<string, RawJson>> {
    for await (const { store, session } of sessions())
      yield { ...statusCells(session), ...Object.fromEntries(fleet.marks(store)) };
  }
  await context.show({
    json: async (document) => {
      await document.array('sessions', sessions(), ({ store, session }, path) =>
        document.renderer.entries(
          [...Object.entries(statusRow(session, store) as RawFields), ...fleet.marks(store)],
          path,
        ),
      );
      document.member('dirty', sums.dirty);
      document.member('uncommitted', sums.uncommitted);
      document.member('pending_markers', [...markers.values()]);
      document.member('ledger', fleet.isMany ? null : ([...ledgers][0] ?? null));
      fleet.show(document);
    },
    human: async () => {
      await showTable(context, fleet.columns(COLUMNS), cells(), ['owner', 'store']);
      const left = `Not committed: ${plural(sums.uncommitted, 'turn')} of ${plural(sums.dirty, 'session')}.`;
      const none = "There is no ledger yet: 'hermesctl memory scan' makes one.";
      context.note(ledgers.size === 0 ? none : left);
      if (markers.size > 0) context.note(`The agent has left ${plural(markers.size, 'marker')} of pending sessions.`);
    },
  });
}

const COLUMNS = ['session_id', 'uncommitted', 'state', 'last_attempt', 'owner'];

function statusCells(session: LedgerSession): Record<string, RawJson> {
  const { sessionId, generation, committed, claim, segments, owner, attempt } = session;
  return Object.fromEntries(
    Object.entries({
      session_id: sessionId,
      uncommitted: generation - committed,
      state: claim ? 'in flight' : isDirty(session) ? 'dirty' : 'clean',
      last_attempt: attempt?.reason.replaceAll('_', ' ') ?? null,
      owner: describeOwner(segments.length > 0 ? segments[0].owner : owner),
    }).map(([key, value]) => [key, RawJson.of(value)]),
  );
}
