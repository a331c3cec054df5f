import type { AgentTranscript } from '../core/agent-db/messages';
import { HermesctlError } from '../core/errors';
import { withAgentSession } from '../core/listing/agent-session';
import { type MessageSelection, roleOf, type StoredMessage } from '../core/sidecar/messages';
import type { Context } from './context';
import { showRow, showTranscript } from './show-session';

/**
 * Shows a session of the agent's database, in the faces of one in the store.
 *
 * @throws HermesctlError `USAGE` for --raw: it has no file.
 */
export async function showAgentSession(
  context: Context,
  id: string,
  selection: MessageSelection,
  options: { tools: boolean; markdown: boolean; metadata: boolean; raw: boolean },
): Promise<void> {
  if (options.raw) {
    throw new HermesctlError(
      'USAGE',
      `Session ${id} has no file that --raw could show: only the agent's database has it.`,
      {
        hint: 'Use --json.',
        details: { session_id: id },
      },
    );
  }
  await withAgentSession(context.location, context.deps, id, async ({ row, warnings, transcript }) => {
    context.warn(...warnings);
    if (options.metadata) await showRow(context, row);
    else await showTranscript(context, row, selected(context, await transcript(), selection), options);
  });
}

/** The messages that are asked for, with their place in the transcript. Signals are let in between them. */
async function* selected(
  context: Context,
  transcript: AgentTranscript,
  { last, role }: MessageSelection,
): AsyncGenerator<StoredMessage> {
  let index = role === undefined && last !== undefined ? Math.max(0, transcript.count - last) : 0;
  const kept: StoredMessage[] = [];
  for await (const raw of transcript.messages(index)) {
    const pause = context.deps.breathe();
    if (pause) await pause;
    const message = { index: index++, raw };
    if (role !== undefined && roleOf(raw) !== role) continue;
    if (role === undefined || last === undefined) yield message;
    else if (kept.push(message) > last) kept.shift();
  }
  yield* kept;
}
