import { createHash } from 'node:crypto';

import { truthy } from '../json/python';
import { hasText, messageTime } from '../session/transcript';

/** A turn that is completed. */
export interface Turn {
  /** What it is known by: 16 hexadecimal digits over the question, its time, and the answer. */
  digest: string;
  /** When it was completed, in epoch seconds. */
  at: number;
}

interface Open {
  question: Record<string, unknown>;
  last: Record<string, unknown> | undefined;
}

/**
 * The completed turns of a transcript, in order: a user's message, and as the
 * last thing before the next one an assistant's answer with text that is
 * neither partial nor an error. An interrupted turn is none, and one that ends
 * in a tool's result is not at its end.
 *
 * @param messages decoded; what is no object is nobody's turn.
 * @param isBusy whether a stream is recorded, or a prompt that waits: then the last turn may be growing still.
 * @param otherwiseAt when a turn was completed whose messages have no time.
 */
export function completedTurns(messages: Iterable<unknown>, isBusy: boolean, otherwiseAt: number): Turn[] {
  const turns: Turn[] = [];
  const seen = new Map<string, number>();
  let open: Open | undefined;
  const close = (): void => {
    if (open?.last === undefined || !isAnswer(open.last)) return;
    const text = turnText(open.question, open.last);
    const times = (seen.get(text) ?? 0) + 1;
    seen.set(text, times);
    const at = timeOf(open.last) ?? timeOf(open.question) ?? otherwiseAt;
    turns.push({ digest: digestOf(`${times}:${text}`), at });
  };
  for (const message of messages) {
    if (typeof message !== 'object' || message === null || Array.isArray(message)) continue;
    const fields = message as Record<string, unknown>;
    if (fields['role'] === 'user') {
      close();
      open = { question: fields, last: undefined };
    } else if (open && (fields['role'] === 'assistant' || fields['role'] === 'tool')) open.last = fields;
  }
  if (!isBusy) close();
  return turns;
}

function isAnswer(message: Record<string, unknown>): boolean {
  const { role, content, _partial, _error } = message;
  return role === 'assistant' && !truthy(_partial) && !truthy(_error) && hasText(content);
}

function timeOf(message: Record<string, unknown>): number | undefined {
  return messageTime(message['_ts'], message['timestamp']);
}

/** Not all of the messages: the server adds to them later what it shows beside them. */
function turnText(question: Record<string, unknown>, answer: Record<string, unknown>): string {
  return JSON.stringify([question['content'], timeOf(question) ?? null, answer['content']]);
}

/** Eight bytes: within one session a collision is not to be met. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
