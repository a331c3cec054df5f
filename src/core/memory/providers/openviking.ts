import type { Deps } from '../../deps';
import type { ProviderSettings } from '../settings';
import { isUnknownSession, refusal, timeOf } from './openviking-answers';
import { type Answer, type Budget, OpenVikingApi } from './openviking-api';
import { uploadTranscript } from './openviking-upload';
import {
  type CommitOutcome,
  type CommitRequest,
  type Extraction,
  failed,
  type MemoryProvider,
  ProviderFailure,
} from './provider';

const POLL_SECONDS = 1;

/** Commits sessions to an OpenViking server (reference: hermes-agent §4). */
export class OpenVikingProvider implements MemoryProvider {
  private readonly api: OpenVikingApi;

  /** @param timeoutSeconds for each request. */
  constructor(
    settings: ProviderSettings,
    timeoutSeconds: number,
    private readonly deps: Pick<Deps, 'http' | 'clock' | 'ids'>,
  ) {
    this.api = new OpenVikingApi(settings, timeoutSeconds, deps);
  }

  async commit(request: CommitRequest): Promise<CommitOutcome> {
    try {
      return await this.commitOrThrow(request);
    } catch (error) {
      if (error instanceof ProviderFailure) return error.failure;
      throw error;
    }
  }

  private async commitOrThrow(request: CommitRequest): Promise<CommitOutcome> {
    const { upload } = request;
    // What the server has of an upload that was cut off would be committed, and the rest forgotten.
    if (upload.sent !== null) {
      if (!upload.allowed) {
        const message = 'An earlier upload of the transcript was not finished; --sync-messages goes on with it.';
        return failed('upload_unfinished', 'REFUSED', message);
      }
      await uploadTranscript(this.api, request);
    }
    const answer = await this.post(request);
    if (!isUnknownSession(answer) || !upload.allowed || upload.sent !== null) return this.judge(answer, request);
    await uploadTranscript(this.api, request);
    return this.judge(await this.post(request), request);
  }

  private post({ sessionId, deadlineAt, signal }: CommitRequest): Promise<Answer> {
    const path = `/sessions/${encodeURIComponent(sessionId)}/commit`;
    return this.api.call({ method: 'POST', path, body: { keep_recent_count: 0 } }, { deadlineAt, signal });
  }

  private async judge(answer: Answer, request: CommitRequest): Promise<CommitOutcome> {
    if (answer.status !== 200 && answer.status !== 202) return refusal(answer, this.api);
    if (!answer.isEnvelope || answer.error) {
      const why = answer.error?.message ?? 'it is not an answer of OpenViking';
      return failed('server_error', 'SERVER_ERROR', `${this.api.endpoint} gave ${answer.status}, but ${why}.`);
    }
    // Old servers call a commit of nothing accepted: only an archive or a task says that something was.
    const { archived, task_id: taskId } = answer.result;
    const hasTask = typeof taskId === 'string' && taskId !== '';
    if (hasTask || archived === true) return { outcome: 'committed', taskId: hasTask ? taskId : null };
    return this.nothingDone(answer, request);
  }

  /** There was nothing to commit: because it is committed, or because nothing arrived? */
  private async nothingDone({ result }: Answer, request: CommitRequest): Promise<CommitOutcome> {
    const { sessionId, markedAt, deadlineAt, signal } = request;
    const path = `/sessions/${encodeURIComponent(sessionId)}?auto_create=false`;
    const session = await this.api.call({ method: 'GET', path }, { deadlineAt, signal });
    if (session.status !== 200 || !session.isEnvelope) return refusal(session, this.api);
    const committedAt = timeOf(session.result['last_commit_at']);
    if (committedAt !== undefined && committedAt - session.clockAhead > markedAt) {
      return { outcome: 'already_committed', taskId: null };
    }
    const why = this.api.told(String(result['reason'] ?? 'no_messages'));
    const since = committedAt === undefined ? 'it has never committed it' : 'its last commit is older than the turn';
    return failed('nothing_synced', 'SERVER_ERROR', `The server has nothing to commit (${why}), and ${since}.`);
  }

  async waitForExtraction(taskId: string, deadlineAt: number, signal: AbortSignal): Promise<Extraction> {
    const budget: Budget = { deadlineAt, signal };
    const path = `/tasks/${encodeURIComponent(taskId)}`;
    for (;;) {
      let answer: Answer;
      try {
        answer = await this.api.call({ method: 'GET', path }, budget);
      } catch (error) {
        if (error instanceof ProviderFailure) return 'pending';
        throw error;
      }
      if (answer.status !== 200) return 'unknown';
      const { status } = answer.result;
      if (status === 'completed' || status === 'failed' || status === 'cancelled') return status;
      if (this.deps.clock.now() + POLL_SECONDS >= deadlineAt) return 'pending';
      await this.deps.clock.sleep(POLL_SECONDS, signal);
    }
  }
}
