import type { ErrorCode } from '../../errors';

/** One message of a transcript, for a provider that has to be told it. */
export interface TranscriptMessage {
  role: 'user' | 'assistant';
  text: string;
}

/** The commit of one session's earliest segment. */
export interface CommitRequest {
  sessionId: string;
  /** When the last turn of the segment was completed, in epoch seconds. */
  markedAt: number;
  /** When the whole run must be over, in epoch seconds. */
  deadlineAt: number;
  /** Aborts at the deadline. */
  signal: AbortSignal;
  transcript: {
    /** The session's file, which may be gone. */
    path: string | undefined;
    /** @throws HermesctlError where it cannot be read. */
    messages: () => Promise<TranscriptMessage[] | undefined>;
  };
  upload: {
    /** Whether a session that the server does not know may be uploaded. */
    allowed: boolean;
    /** Messages that the server acknowledged in an upload that was begun and not finished; null where there is none. */
    sent: number | null;
    record: (sent: number) => Promise<void>;
  };
}

/** Why a segment stays uncommitted. */
export type Reason =
  | 'no_owner'
  | 'owner_not_configured'
  | 'provider_not_supported'
  | 'in_flight'
  | 'not_reached'
  | 'deadline'
  | 'unreachable'
  | 'outcome_unknown'
  | 'auth_failed'
  | 'permission_denied'
  | 'unknown_session'
  | 'failed_precondition'
  | 'rate_limited'
  | 'rejected'
  | 'server_error'
  | 'nothing_synced'
  | 'upload_unfinished'
  | 'no_transcript'
  | 'command_failed';

export interface CommitFailure {
  outcome: 'failed';
  reason: Reason;
  code: ErrorCode;
  /** One sentence, without secrets. */
  message: string;
  /** Whether every other session of this owner would fail alike now. */
  stopsOwner: boolean;
}

export type CommitOutcome =
  | { outcome: 'committed'; taskId: string | null }
  /** The server had committed it: an earlier attempt of which no answer came, or somebody else. */
  | { outcome: 'already_committed'; taskId: null }
  /** The provider keeps nothing by session: there is nothing that could be left undone. */
  | { outcome: 'nothing_to_commit'; taskId: null }
  | CommitFailure;

/** `pending` where the time was up first, `unknown` where the server has forgotten it. */
export type Extraction = 'completed' | 'failed' | 'cancelled' | 'pending' | 'unknown';

/** Where memories are kept. */
export interface MemoryProvider {
  /** Commits a session, whatever it takes; an outcome says how it went, a throw is a bug or the user's Ctrl-C. */
  commit(request: CommitRequest): Promise<CommitOutcome>;
  /** Waits for what a commit has started. */
  waitForExtraction?(taskId: string, deadlineAt: number, signal: AbortSignal): Promise<Extraction>;
}

export function failed(reason: Reason, code: ErrorCode, message: string, stopsOwner = false): CommitFailure {
  return { outcome: 'failed', reason, code, message, stopsOwner };
}

/** What a provider throws within itself, and turns into an outcome where it ends. */
export class ProviderFailure extends Error {
  constructor(readonly failure: CommitFailure) {
    super(failure.message);
  }
}
