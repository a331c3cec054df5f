import { isUnknownSession, refusal } from './openviking-answers';
import type { Answer, OpenVikingApi } from './openviking-api';
import { type CommitRequest, failed, ProviderFailure, type TranscriptMessage } from './provider';

/** As many as the server takes at once. */
const BATCH = 100;

/**
 * Tells the server a session's transcript: what user and assistant said, in
 * batches. How far it has come is recorded before more is sent; an upload that
 * was cut off goes on where the server stands.
 *
 * @throws ProviderFailure where it did not come to its end; then nothing must be committed.
 */
export async function uploadTranscript(api: OpenVikingApi, request: CommitRequest): Promise<void> {
  const messages = await request.transcript.messages();
  if (messages === undefined || messages.length === 0) {
    const message = 'The server does not know the session, and there is no transcript here to upload.';
    throw new ProviderFailure(failed('no_transcript', 'SESSION_NOT_FOUND', message));
  }
  const { upload } = request;
  let sent = upload.sent === null ? 0 : await received(api, request, upload.sent);
  if (sent > messages.length) {
    const message = `The server has ${sent} messages of the session, the transcript ${messages.length}.`;
    throw new ProviderFailure(failed('upload_unfinished', 'REFUSED', message));
  }
  // Also before the first: from here on the server may know a part of the session.
  await upload.record(sent);
  while (sent < messages.length) {
    sent += await send(api, request, messages.slice(sent, sent + BATCH));
    await upload.record(sent);
  }
}

/** How many messages the server has: more than it acknowledged, where an answer was lost. */
async function received(api: OpenVikingApi, request: CommitRequest, acknowledged: number): Promise<number> {
  const path = `/sessions/${encodeURIComponent(request.sessionId)}?auto_create=false`;
  const answer = await api.call({ method: 'GET', path }, request);
  if (isUnknownSession(answer)) return 0;
  if (answer.status !== 200 || !answer.isEnvelope) throw new ProviderFailure(refusal(answer, api));
  const { total_message_count: total, message_count: count } = answer.result;
  return [total, count].find((n): n is number => typeof n === 'number') ?? acknowledged;
}

/** @returns how many the server took. */
async function send(api: OpenVikingApi, request: CommitRequest, batch: TranscriptMessage[]): Promise<number> {
  const base = `/sessions/${encodeURIComponent(request.sessionId)}/messages`;
  const answer = await api.call(
    { method: 'POST', path: `${base}/batch`, body: { messages: batch.map(spell) } },
    request,
  );
  if (isTaken(answer)) return batch.length;
  if (answer.status !== 405 && (answer.status !== 404 || isUnknownSession(answer))) {
    throw new ProviderFailure(refusal(answer, api));
  }
  // A server without batches takes them one by one.
  const one = await api.call({ method: 'POST', path: base, body: spell(batch[0]) }, request);
  if (!isTaken(one)) throw new ProviderFailure(refusal(one, api));
  return 1;
}

function isTaken({ status, isEnvelope, error }: Answer): boolean {
  return (status === 200 || status === 201) && isEnvelope && error === undefined;
}

function spell({ role, text }: TranscriptMessage): object {
  return { role, parts: [{ type: 'text', text }] };
}
