import type { Fields } from './fields';
import { contentText } from './text';
import { toFloat, truthy } from '../json/python';
import { NULL, RawJson } from '../json/raw';

/** Younger than this, a turn may be about to begin streaming: the server's own grace. */
export const GRACE_SECONDS = 30;

/**
 * Why a session's pending turn is left alone: it has none; no stream is
 * recorded that could have died; it is too young; its stream may be alive; or
 * another session continues this one, and has the turn.
 */
export type KeepReason = 'no-pending-turn' | 'no-stream' | 'too-young' | 'stream-alive' | 'snapshot' | 'continued';

/** The turn that a session's file records as begun and not ended. */
export interface PendingTurn {
  /** The prompt, as it is spelled. */
  prompt: RawJson;
  attachments: RawJson | undefined;
  source: RawJson | undefined;
  streamId: string;
  /** Whole epoch seconds at which it was sent; undefined where the file does not tell. */
  startedAt: number | undefined;
}

/**
 * The pending turn of a session, where it looks stale by what its own file
 * says (seed 001, `_repair_stale_pending`; reference: webui-store §8).
 *
 * @param now epoch seconds.
 */
export function stalePendingTurn(fields: Fields, now: number): PendingTurn | KeepReason {
  const at = (key: string): RawJson => fields.get(key) ?? NULL;
  const prompt = at('pending_user_message');
  if (!truthy(prompt.value())) return 'no-pending-turn';
  const stream = at('active_stream_id').value();
  if (!truthy(stream)) return 'no-stream';
  if (truthy(at('pre_compression_snapshot').value())) return 'snapshot';
  const started = toFloat(at('pending_started_at').value());
  if (started !== undefined && Number.isFinite(started) && started !== 0 && now - started < GRACE_SECONDS)
    return 'too-young';
  const recorded = at('pending_started_at').value();
  return {
    prompt,
    attachments: present(at('pending_attachments')),
    source: present(at('pending_user_source')),
    streamId: String(stream),
    startedAt: typeof recorded === 'number' && recorded > 0 ? Math.trunc(recorded) : undefined,
  };
}

function present(raw: RawJson): RawJson | undefined {
  return truthy(raw.value()) ? raw : undefined;
}

/** The user's message that the pending turn becomes, as JSON text. */
export function recoveredMessage(turn: PendingTurn, timestamp: number): string {
  const source = turn.source?.value() === 'webui' ? undefined : turn.source;
  return object([
    ['role', '"user"'],
    ['content', turn.prompt.text],
    ['timestamp', String(timestamp)],
    ['_recovered', 'true'],
    ...(source ? [['_source', source.text] as const] : []),
    ...(turn.attachments ? [['attachments', turn.attachments.text] as const] : []),
  ]);
}

/**
 * The mark behind a turn that did not end, as JSON text: seed 001's, and after
 * messages the type that the later server gives it. Where a journal of the
 * stream is there, the mark asks the server to take the partial answer from it
 * when it opens the session next.
 */
export function interruptedMarker(
  turn: PendingTurn,
  now: number,
  options: { typed: boolean; journal: boolean },
): string {
  const time = String(Math.trunc(now));
  return object([
    ['role', '"assistant"'],
    ['content', '"**Previous turn did not complete.**"'],
    ['timestamp', time],
    ['_error', 'true'],
    ...(options.typed || options.journal
      ? ([
          ['type', '"interrupted"'],
          ['interruption_cause', '"unknown"'],
        ] as const)
      : []),
    ...(options.journal
      ? ([
          ['_pending_journal_recovery', 'true'],
          ['_journal_retry_stream_id', JSON.stringify(turn.streamId)],
          ['_journal_retry_attempts', '0'],
          ['_journal_retry_first_seen_ts', time],
        ] as const)
      : []),
  ]);
}

/** Whether this message is the pending prompt already: a user's, with the same words. */
export function isPrompt(message: RawJson, turn: PendingTurn): boolean {
  const value = message.value();
  if (typeof value !== 'object' || value === null || (value as { role?: unknown }).role !== 'user') return false;
  const content = RawJson.of((value as { content?: unknown }).content);
  return words(contentText(content)) === words(contentText(turn.prompt));
}

function words(text: string): string {
  return text.split(/\s+/u).filter(Boolean).join(' ');
}

function object(members: readonly (readonly [key: string, json: string])[]): string {
  return `{${members.map(([key, json]) => `${JSON.stringify(key)}: ${json}`).join(', ')}}`;
}
