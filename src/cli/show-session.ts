import { withFileAsync } from '../core/files/open-file';
import { readMetadataRow } from '../core/listing/details';
import { sessionNotFound } from '../core/listing/resolve-id';
import { fromSidecar } from '../core/listing/rows';
import { readableMessage } from '../core/session/parts';
import type { SessionRow } from '../core/session/row';
import { DEFAULT_TITLE } from '../core/session/text';
import { type MessageSelection, messagesOf, type StoredMessage } from '../core/sidecar/messages';
import { scanOpenSidecar, sidecarPath } from '../core/sidecar/read';
import type { Context } from './context';
import { visibleLine } from './output/visible';
import { showRecord } from './result-fields';
import { messageMarkdown, messageText } from './transcript';

/** What the header of a transcript tells of a session, where the row has something to tell. */
const HEADER_KEYS = [
  'session_id',
  'title',
  'profile',
  'workspace',
  'model',
  'source_tag',
  'created_at',
  'updated_at',
  'last_message_at',
  'message_count',
  'parent_session_id',
  '_lineage_root_id',
  '_compression_segment_count',
  'ended_at',
  'end_reason',
  'stored_in',
  'pending_user_message',
  'active_stream_id',
  'pinned',
  'archived',
  'read_only',
  'input_tokens',
  'output_tokens',
  'estimated_cost',
];

/** Shows the metadata of a session, read from the beginning of its file. */
export async function showMetadata(context: Context, id: string): Promise<void> {
  const { value: row, warnings } = readMetadataRow(context.location, context.defaults, context.deps, id);
  context.warn(...warnings);
  await showRow(context, row);
}

/** Shows all of a row. */
export async function showRow(context: Context, row: SessionRow): Promise<void> {
  await context.show({
    json: (document) => document.member('session', Object.fromEntries(row.entries())),
    human: () => showRecord(context, Object.fromEntries(row.entries())),
  });
}

/** Writes the bytes of a session's file as they are, a piece at a time. */
export async function showRaw(context: Context, id: string): Promise<void> {
  const path = sidecarPath(context.location.sessionsDir.value, id);
  await withFileAsync(context.deps.fs, path, async (file) => {
    const piece = Buffer.allocUnsafe(256 * 1024);
    for (let at = 0, n = 0; (n = file.source.read(piece, 0, piece.length, at)) > 0; at += n) {
      context.terminal.stdout.writeBytes(piece.subarray(0, n));
      const pause = context.deps.breathe();
      if (pause) await pause;
    }
    return true;
  });
}

/**
 * Shows a session's header and transcript. The file is walked once to check it
 * and to know its facts, so that nothing is printed of a damaged one, and once
 * to print; both see the same version, whatever happens to the name meanwhile.
 */
export async function showSession(
  context: Context,
  id: string,
  selection: MessageSelection,
  options: { tools: boolean; markdown: boolean },
): Promise<void> {
  const path = sidecarPath(context.location.sessionsDir.value, id);
  const shown = await withFileAsync(context.deps.fs, path, async (file) => {
    const sidecar = scanOpenSidecar(file, id);
    context.warn(...sidecar.warnings);
    const messages = breathing(context, messagesOf(file, sidecar, selection));
    await showTranscript(context, fromSidecar(sidecar, context.defaults).row, messages, options);
    return true;
  });
  if (!shown) throw sessionNotFound(id, context.location);
}

/** Shows a row as the header, and the messages as they come. */
export async function showTranscript(
  context: Context,
  row: SessionRow,
  messages: AsyncIterable<StoredMessage>,
  options: { tools: boolean; markdown: boolean },
): Promise<void> {
  await context.show({
    json: async (document) => {
      document.member('session', Object.fromEntries(row.entries()));
      await document.array('messages', messages, ({ raw, index }) => document.renderer.raw(raw, `messages[${index}]`));
    },
    human: async () => {
      const write = (text: string): void => context.terminal.stdout.write(text);
      if (options.markdown) write(`# ${visibleLine(String(row.value('title') ?? DEFAULT_TITLE))}\n\n`);
      else showHeader(context, row);
      for await (const { index, raw } of messages) {
        const message = readableMessage(index, raw);
        write(options.markdown ? messageMarkdown(message) : `${messageText(context, message, options)}\n`);
      }
    },
  });
}

function showHeader(context: Context, row: SessionRow): void {
  const told = HEADER_KEYS.filter((key) => {
    const value = row.value(key);
    return value !== null && value !== undefined && value !== false && value !== '';
  });
  showRecord(context, Object.fromEntries(told.map((key) => [key, row.raw(key)!])));
  context.line();
}

/** Lets signals in between messages. */
async function* breathing(context: Context, messages: Iterable<StoredMessage>): AsyncGenerator<StoredMessage> {
  for (const message of messages) {
    const pause = context.deps.breathe();
    if (pause) await pause;
    yield message;
  }
}
