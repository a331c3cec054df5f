import type { Deps } from '../deps';
import { type DrainSources, type DueOptions, inFlight, NO_OWNER, type Remaining, sessionsToDrain } from './due';
import type { Ledger, Ticket } from './ledger';
import type { LedgerSession } from './ledger-rows';
import { earliestUncommitted, type Owner, type Segment } from './lifecycle';
import {
  type CommitFailure,
  type CommitOutcome,
  type CommitRequest,
  type Extraction,
  failed,
  type MemoryProvider,
} from './providers/provider';

export interface DrainOptions extends DueOptions {
  /** The whole run's budget, in seconds. */
  deadlineSeconds: number;
  /** How many commits at once. */
  concurrency: number;
  /** Whether to wait for commits that other processes have under way. */
  wait: boolean;
  /** Whether to wait for what the commits start. */
  waitExtraction: boolean;
  /** Whether a session that the server does not know may be uploaded. */
  syncMessages: boolean;
}

/** A segment that is done with. */
export interface DrainedSegment {
  sessionId: string;
  /** Of the session; null where it is not known. */
  profile: string | null;
  segment: Segment;
  outcome: Exclude<CommitOutcome['outcome'], 'failed'>;
  taskId: string | null;
  extraction: Extraction | null;
}

export interface Drained {
  /** `clean`: nothing is left. `no-progress`: what is left would not go. */
  stopped: 'clean' | 'deadline' | 'no-progress';
  passes: number;
  /** Seconds. */
  took: number;
  segments: DrainedSegment[];
  remaining: Remaining[];
}

/** How long a claim outlives the deadline of the run that holds it. */
const CLAIM_GRACE = 60;
/** What a provider may take to say how far it was when the time was up. */
const LAST_WORDS = 1;
const POLL_SECONDS = 0.25;

/**
 * Commits what is not committed (seed 004, `drain_all_on_shutdown`): passes over
 * the sessions, in each the earliest segment of each, until nothing is left, the
 * time is up, or a pass brought nothing.
 */
export function drain(ledger: Ledger, sources: DrainSources, options: DrainOptions, deps: Deps): Promise<Drained> {
  return new Drain(ledger, sources, options, deps).run();
}

/** One run. */
class Drain {
  private readonly startedAt: number;
  private readonly deadlineAt: number;
  /** Aborts when the time is up. */
  private readonly deadline = new AbortController();
  private readonly segments: DrainedSegment[] = [];
  private readonly failures = new Map<string, CommitFailure>();
  /** Those that are left alone for the rest of the run, and why. */
  private readonly stopped = new Map<MemoryProvider, CommitFailure>();
  private readonly extractions: Promise<void>[] = [];
  /** What waiting for an extraction threw: nobody listens while other sessions are committed. */
  private thrown: { error: unknown } | undefined;
  private passes = 0;

  constructor(
    private readonly ledger: Ledger,
    private readonly sources: DrainSources,
    private readonly options: DrainOptions,
    private readonly deps: Deps,
  ) {
    this.startedAt = deps.clock.now();
    this.deadlineAt = this.startedAt + options.deadlineSeconds;
  }

  async run(): Promise<Drained> {
    const over = new AbortController();
    const alarm = this.deps.clock.sleep(this.options.deadlineSeconds, over.signal).then(
      () => this.deadline.abort(),
      () => this.deadline.abort(), // interrupted: whoever waits for something else throws it
    );
    try {
      const stopped = await this.passOver();
      await Promise.all(this.extractions);
      if (this.thrown) throw this.thrown.error;
      const remaining = await this.remaining(stopped);
      return {
        stopped,
        passes: this.passes,
        took: this.deps.clock.now() - this.startedAt,
        segments: this.segments,
        remaining,
      };
    } finally {
      over.abort();
      await alarm;
    }
  }

  private async passOver(): Promise<Drained['stopped']> {
    for (;;) {
      const dirty = sessionsToDrain(await this.ledger.sessions(), this.options);
      if (dirty.length === 0) return 'clean';
      if (this.isOver()) return 'deadline';
      const before = this.segments.length;
      for (const [id, { reason }] of this.failures) if (reason === 'in_flight') this.failures.delete(id);
      const tried = dirty.filter(({ sessionId }) => this.mayTry(sessionId));
      await this.pass(tried.map(({ sessionId }) => sessionId));
      this.passes++;
      if (this.segments.length > before) continue;
      const isElsewhere = [...this.failures.values()].some(({ reason }) => reason === 'in_flight');
      if (this.isOver()) return 'deadline';
      if (!this.options.wait || !isElsewhere) return 'no-progress';
      await this.deps.clock.sleep(POLL_SECONDS, this.deadline.signal);
    }
  }

  private isOver(): boolean {
    return this.deadline.signal.aborted || this.deps.clock.now() >= this.deadlineAt;
  }

  /** What failed for a reason that lasts is left to the next run. */
  private mayTry(sessionId: string): boolean {
    const reason = this.failures.get(sessionId)?.reason;
    return reason === undefined || reason === 'in_flight' || reason === 'server_error' || reason === 'command_failed';
  }

  /** Commits the earliest segment of each of these sessions, some at a time. */
  private async pass(ids: readonly string[]): Promise<void> {
    const queue = [...ids];
    let done = 0;
    const worker = async (): Promise<void> => {
      for (let id = queue.shift(); id !== undefined && !this.isOver(); id = queue.shift()) {
        await this.commitOne(id);
        this.deps.progress(++done, ids.length);
        await this.deps.breathe();
      }
    };
    const workers = await Promise.allSettled(Array.from({ length: this.options.concurrency }, worker));
    for (const outcome of workers) if (outcome.status === 'rejected') throw outcome.reason;
  }

  private async commitOne(id: string): Promise<void> {
    const known = await this.ledger.session(id);
    if (known === undefined) return;
    const fallback = this.sources.ownerFor(known.profile);
    const owner = earliestUncommitted(known)?.owner ?? fallback ?? known.owner;
    const opened = owner === null ? NO_OWNER : this.sources.open(owner, known.profile);
    const provider = 'commit' in opened ? (this.stopped.get(opened) ?? opened) : opened;
    // What cannot be tried is not claimed: nothing is written for it.
    if (!('commit' in provider)) return void this.failures.set(id, provider);
    const begun = await this.ledger.begin(id, fallback, this.deadlineAt - this.deps.clock.now() + CLAIM_GRACE);
    if (begun.kind !== 'begun') {
      if (begun.kind === 'in-flight') this.failures.set(id, inFlight((await this.ledger.session(id)) ?? known));
      return;
    }
    if (begun.segment.owner !== owner) {
      // Somebody committed what we looked at: the next pass looks at what comes after it.
      return this.ledger.abandon(begun.ticket, null);
    }
    const outcome = await this.askProvider(provider, begun.segment, begun.session, begun.ticket);
    await this.record(outcome, begun.segment, begun.ticket, provider, known.profile);
  }

  /** The provider's word, or ours where it does not give one in time. */
  private async askProvider(
    provider: MemoryProvider,
    segment: Segment,
    { sessionId, upload }: LedgerSession,
    ticket: Ticket,
  ): Promise<CommitOutcome> {
    const { signal } = this.deadline;
    const request: CommitRequest = {
      sessionId,
      markedAt: segment.lastAt,
      deadlineAt: this.deadlineAt,
      signal,
      transcript: this.sources.transcript(sessionId),
      upload: {
        allowed: this.options.syncMessages,
        sent: upload,
        record: (sent) => this.ledger.recordUpload(sessionId, sent),
      },
    };
    const answered = new AbortController();
    const silence = aborted(signal, answered.signal).then(async () => {
      await this.deps.clock.sleep(LAST_WORDS, answered.signal);
      return failed('deadline', 'OUTCOME_UNKNOWN', 'The time was up before the provider answered.');
    });
    try {
      return await Promise.race([provider.commit(request), silence]);
    } catch (error) {
      await this.ledger.abandon(ticket, null);
      throw error;
    } finally {
      answered.abort();
      silence.catch(() => undefined); // interrupted: the provider throws it as well
    }
  }

  private async record(
    outcome: CommitOutcome,
    segment: Segment & { owner: Owner | null },
    ticket: Ticket,
    provider: MemoryProvider,
    profile: string | null,
  ): Promise<void> {
    const { sessionId } = ticket;
    if (outcome.outcome === 'failed') {
      const { reason, code, message } = outcome;
      this.failures.set(sessionId, outcome);
      if (outcome.stopsOwner) this.stopped.set(provider, outcome);
      return this.ledger.abandon(ticket, { at: this.deps.clock.now(), reason, code, message });
    }
    await this.ledger.settle(ticket);
    this.failures.delete(sessionId);
    const done: DrainedSegment = {
      sessionId,
      profile,
      segment,
      outcome: outcome.outcome,
      taskId: outcome.taskId,
      extraction: null,
    };
    this.segments.push(done);
    if (this.options.waitExtraction && outcome.taskId !== null && provider.waitForExtraction) {
      const waiting = provider.waitForExtraction(outcome.taskId, this.deadlineAt, this.deadline.signal);
      this.extractions.push(
        waiting.then(
          (extraction) => void (done.extraction = extraction),
          (error: unknown) => void (this.thrown = { error }),
        ),
      );
    }
  }

  private async remaining(stopped: Drained['stopped']): Promise<Remaining[]> {
    if (stopped === 'clean') return [];
    const left = sessionsToDrain(await this.ledger.sessions(), this.options);
    return left.map((session) => ({ session, failure: this.failures.get(session.sessionId) ?? unreached(stopped) }));
  }
}

function unreached(stopped: Drained['stopped']): CommitFailure {
  return stopped === 'deadline'
    ? failed('deadline', 'UNREACHABLE', 'The time was up before its turn.')
    : failed('not_reached', 'UNREACHABLE', 'It became due while the run ended; the next one takes it.');
}

/** Resolves when the signal aborts; never, once the second has. */
function aborted(signal: AbortSignal, unless: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true, signal: unless });
  });
}
