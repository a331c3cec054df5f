import type { Deps } from '../deps';
import { HermesctlError } from '../errors';
import { claimState, newClaim } from './claim';
import { LedgerFile } from './ledger-file';
import { type Attempt, type Counted, LedgerRows, type LedgerSession } from './ledger-rows';
import {
  abandon,
  begin,
  type Begun,
  isDirty,
  type Lifecycle,
  mark,
  mayDiscard,
  NEW_LIFECYCLE,
  type Owner,
  register,
  settle,
  unregister,
} from './lifecycle';
import type { Turn } from './turns';

/** A commit that was begun. */
export interface Ticket {
  sessionId: string;
  born: string;
  token: string;
  /** The last generation that it commits. */
  captured: number;
}

/** What came of wanting to commit a session; a ticket where it was begun. */
export type Beginning =
  (Extract<Begun, { kind: 'begun' }> & { ticket: Ticket; session: LedgerSession }) | Exclude<Begun, { kind: 'begun' }>;

/** Turns that were found in a session's file, and what is to be remembered with them. */
export interface Finding {
  sessionId: string;
  /** All completed turns of the file, counted before or not. */
  turns: readonly Turn[];
  owner: Owner | null;
  profile: string | null;
  /** The version of the file; null where it was not a file. */
  stamp: string | null;
  /** A marker only says that something is uncommitted: where that is known already it counts for nothing. */
  source: 'sidecar' | 'marker';
}

/**
 * The ledger of turns: the {@link Lifecycle} of each session, in a database of
 * our own beside the store. Every method is one transaction: processes see
 * each other's steps whole or not at all, and what was said to be done is done
 * also when the power fails.
 */
export class Ledger {
  private readonly rows: LedgerRows;

  private constructor(
    private readonly file: LedgerFile,
    private readonly deps: Deps,
  ) {
    this.rows = new LedgerRows(file.database);
  }

  /**
   * Opens the ledger of a store, and makes it where there is none.
   *
   * @param waitSeconds how long to wait for others that write to it.
   * @throws HermesctlError `LOCKED`, `DATABASE_UNUSABLE`, `IO_ERROR`; so does every method.
   */
  static async open(stateDir: string, waitSeconds: number, deps: Deps): Promise<Ledger> {
    return new Ledger(await LedgerFile.open(stateDir, waitSeconds, deps), deps);
  }

  /** Opens it to look at; undefined where there is none. Nothing is created. */
  static async openToRead(stateDir: string, waitSeconds: number, deps: Deps): Promise<Ledger | undefined> {
    const file = await LedgerFile.openToRead(stateDir, waitSeconds, deps);
    return file && new Ledger(file, deps);
  }

  close(): void {
    this.file.close();
  }

  session(id: string): Promise<LedgerSession | undefined> {
    return this.file.read(() => this.rows.read(id));
  }

  /** Every session that is known, by id. */
  sessions(): Promise<LedgerSession[]> {
    return this.file.read(() => this.rows.readAll());
  }

  counted(id: string): Promise<Counted> {
    return this.file.read(() => this.rows.counted(id));
  }

  /** Names the owner of a session's turns to come (seed 004, `register_agent`). */
  register(id: string, owner: Owner): Promise<void> {
    return this.file.write(() => this.save(id, register(this.rows.read(id) ?? NEW_LIFECYCLE, owner)));
  }

  /** Takes that owner away (seed 004, `unregister_agent`). */
  unregister(id: string): Promise<void> {
    return this.file.write(() => {
      const session = this.rows.read(id);
      if (session) this.save(id, unregister(session));
    });
  }

  /**
   * Counts a turn that is just completed (seed 004, `mark_turn_completed`), and
   * remembers the turns that the session's file holds by now: they are part of
   * what will be committed, and a scan is not to count them again.
   *
   * @param finding.unregister takes the owner of the turns to come away first.
   */
  mark(finding: Omit<Finding, 'source'> & { unregister?: boolean }): Promise<Lifecycle> {
    const { sessionId, turns, owner, profile, stamp } = finding;
    return this.file.write(() => {
      const known = finding.unregister ? this.rows.read(sessionId) : undefined;
      if (known) this.save(sessionId, unregister(known));
      this.remember(sessionId, turns, stamp);
      return this.markNow(sessionId, owner, profile, [this.deps.clock.now()]);
    });
  }

  /**
   * Counts the turns that were not counted before, of several sessions at once.
   *
   * @returns how many that were, of each.
   */
  count(findings: readonly Finding[]): Promise<number[]> {
    return this.file.write(() =>
      findings.map(({ sessionId, turns, owner, profile, stamp, source }) => {
        const { digests } = this.rows.counted(sessionId);
        const session = source === 'marker' ? this.rows.read(sessionId) : undefined;
        const fresh = session && isDirty(session) ? [] : turns.filter(({ digest }) => !digests.has(digest));
        this.remember(sessionId, turns, stamp);
        if (fresh.length > 0)
          this.markNow(
            sessionId,
            owner,
            profile,
            fresh.map(({ at }) => at),
          );
        return fresh.length;
      }),
    );
  }

  private markNow(id: string, owner: Owner | null, profile: string | null, at: readonly number[]): Lifecycle {
    const state = mark(this.rows.read(id) ?? NEW_LIFECYCLE, owner, at);
    this.save(id, state);
    if (profile !== null) this.rows.setProfile(id, profile);
    return state;
  }

  /** Turns that have gone from the file stay remembered: what was undone may be restored. */
  private remember(id: string, turns: readonly Turn[], stamp: string | null): void {
    if (turns.length === 0 && stamp === null) return;
    const before = this.rows.counted(id);
    const digests = new Set([...before.digests, ...turns.map(({ digest }) => digest)]);
    this.rows.setCounted(id, { digests, stamp: stamp ?? before.stamp });
  }

  /**
   * Begins to commit a session: the first half of seed 004's
   * `commit_session_memory`. A claim whose process is dead, or that has expired,
   * is taken over.
   *
   * @param claimSeconds after which others may take ours over, whether or not they can see that we live.
   */
  begin(id: string, fallback: Owner | null, claimSeconds: number): Promise<Beginning> {
    const { clock, ids, processes } = this.deps;
    return this.file.write(() => {
      const session = this.rows.read(id);
      if (session === undefined) return { kind: 'clean' };
      const now = clock.now();
      const isOver = session.claim !== null && claimState(session.claim, processes, now) !== 'live';
      const begun = begin(isOver ? abandon(session) : session, fallback);
      if (begun.kind !== 'begun') return begun;
      const token = ids.uuidHex();
      this.save(id, begun.state);
      this.rows.setClaim(id, newClaim(token, processes, now, claimSeconds));
      return { ...begun, session, ticket: { sessionId: id, born: session.born, token, captured: begun.segment.end } };
    });
  }

  /** The commit succeeded: what it captured is committed, also where somebody has taken the claim over since. */
  settle(ticket: Ticket): Promise<void> {
    return this.end(ticket, (session, isOurs) => {
      const state = settle(session, ticket.captured);
      this.save(ticket.sessionId, isOurs ? state : { ...state, inFlight: session.inFlight });
      this.rows.setAttempt(ticket.sessionId, null);
      this.rows.setUpload(ticket.sessionId, null);
    });
  }

  /** The commit failed: all is there to be tried again. */
  abandon(ticket: Ticket, attempt: Attempt | null): Promise<void> {
    return this.end(ticket, (_, isOurs) => {
      if (isOurs && attempt) this.rows.setAttempt(ticket.sessionId, attempt);
    });
  }

  private end(ticket: Ticket, work: (session: LedgerSession, isOurs: boolean) => void): Promise<void> {
    return this.file.write(() => {
      const session = this.rows.read(ticket.sessionId);
      // Forgotten since, and perhaps known again: then these generations are not those that were captured.
      if (session?.born !== ticket.born) return;
      const isOurs = session.claim?.token === ticket.token;
      work(session, isOurs);
      if (isOurs) this.rows.setClaim(ticket.sessionId, null);
    });
  }

  /** The sessions that are claimed by a process that is gone, or longer than it said. */
  async deadClaims(): Promise<LedgerSession[]> {
    const { clock, processes } = this.deps;
    const sessions = await this.file.read(() => this.rows.readAll());
    return sessions.filter(({ claim }) => claim !== null && claimState(claim, processes, clock.now()) !== 'live');
  }

  /** Clears the claim of a session, where it is dead; what it was to commit is there to be tried again. */
  clearDeadClaim(id: string): Promise<void> {
    const { clock, processes } = this.deps;
    return this.file.write(() => {
      const claim = this.rows.read(id)?.claim ?? null;
      if (claim !== null && claimState(claim, processes, clock.now()) !== 'live') this.rows.setClaim(id, null);
    });
  }

  /** Writes a copy of the whole ledger to a new file. */
  copyTo(file: string): Promise<void> {
    return this.file.copyTo(file);
  }

  /** Remembers how many messages of an upload the server has acknowledged. */
  recordUpload(id: string, sent: number): Promise<void> {
    return this.file.write(() => this.rows.setUpload(id, sent));
  }

  /**
   * Forgets a session (the server's `discard_session`). Which turns were counted
   * stays remembered, so that a scan does not bring them back.
   *
   * @returns false where it was not known.
   * @throws HermesctlError `NOT_CLEAN` where something would be lost by that.
   */
  discard(id: string): Promise<boolean> {
    return this.file.write(() => {
      const session = this.rows.read(id);
      if (session === undefined) return false;
      assertMayDiscard(session, this.deps);
      this.rows.forget(id);
      return true;
    });
  }

  private save(id: string, state: Lifecycle): void {
    this.rows.write(id, state, this.deps.ids.uuidHex());
  }
}

/** @throws HermesctlError `NOT_CLEAN` where something would be lost if the session were forgotten. */
export function assertMayDiscard(session: LedgerSession, { clock, processes }: Deps): void {
  const { sessionId, generation, committed, claim } = session;
  const isLive = claim !== null && claimState(claim, processes, clock.now()) === 'live';
  if (mayDiscard(isLive ? session : abandon(session))) return;
  const details = { session_id: sessionId, uncommitted: generation - committed, in_flight: isLive };
  const message = isDirty(session)
    ? `${sessionId} has turns that are not committed: ${generation - committed}.`
    : `A commit of ${sessionId} is under way.`;
  throw new HermesctlError('NOT_CLEAN', message, { hint: "'hermesctl memory-drain' commits what is left.", details });
}
