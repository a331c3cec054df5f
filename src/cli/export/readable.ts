import type { Redactor } from '../../core/export/redact';
import { withFileAsync } from '../../core/files/open-file';
import { RawJson } from '../../core/json/raw';
import { withAgentSession } from '../../core/listing/agent-session';
import { sessionNotFound } from '../../core/listing/resolve-id';
import { fromSidecar } from '../../core/listing/rows';
import { readableMessage, type ReadableMessage } from '../../core/session/parts';
import { SessionRow } from '../../core/session/row';
import { messagesOf, type StoredMessage } from '../../core/sidecar/messages';
import { scanOpenSidecar, sidecarPath } from '../../core/sidecar/read';
import type { ExportItem, ExportOptions } from './format';

/** A session for reading: its row, and its messages one at a time. */
export interface ReadableSession {
  row: SessionRow;
  messages: AsyncIterable<ReadableMessage>;
  /** Tool calls and results that are left out, so far. */
  leftOut: () => number;
}

/**
 * Opens a session and hands it to `use`, without its secrets where they are to
 * go, and without tool calls and results where those are not wanted.
 *
 * @throws HermesctlError `SESSION_NOT_FOUND`, `SESSION_DAMAGED`, `DATABASE_UNUSABLE`, before `use` is called.
 */
export async function withReadable(
  item: ExportItem,
  options: ExportOptions,
  use: (session: ReadableSession) => Promise<void>,
): Promise<void> {
  const { context, redactor } = options;
  const { deps, location, defaults } = context;
  if (item.in === 'agent') {
    await withAgentSession(item.place, deps, item.id, async ({ row, warnings, transcript }) => {
      context.warn(...warnings);
      await use(readable(row, indexed((await transcript()).messages()), options));
    });
    return;
  }
  const found = await withFileAsync(deps.fs, sidecarPath(location.sessionsDir.value, item.id), async (file) => {
    const sidecar = scanOpenSidecar(file, item.id);
    context.warn(...sidecar.warnings);
    await use(readable(fromSidecar(sidecar, defaults).row, messagesOf(file, sidecar), options));
    return true;
  });
  if (!found) throw sessionNotFound(item.id, location);

  function readable(
    row: SessionRow,
    messages: Iterable<StoredMessage> | AsyncIterable<StoredMessage>,
    { tools }: ExportOptions,
  ): ReadableSession {
    let leftOut = 0;
    async function* shown(): AsyncGenerator<ReadableMessage> {
      for await (const { index, raw } of messages) {
        const pause = deps.breathe();
        if (pause) await pause;
        const message = readableMessage(index, redactor ? redacted(raw, redactor, 'messages') : raw);
        const kept = tools ? message : withoutTools(message);
        leftOut += message.parts.length - kept.parts.length;
        if (kept.parts.length > 0 || tools || message.parts.length === 0) yield kept;
      }
    }
    return { row: redactor ? redactedRow(row, redactor) : row, messages: shown(), leftOut: () => leftOut };
  }
}

async function* indexed(messages: AsyncIterable<RawJson>): AsyncGenerator<StoredMessage> {
  let index = 0;
  for await (const raw of messages) yield { index: index++, raw };
}

function withoutTools(message: ReadableMessage): ReadableMessage {
  if (message.role === 'tool') return { ...message, parts: [] };
  return { ...message, parts: message.parts.filter(({ kind }) => kind !== 'tool-call') };
}

function redacted(raw: RawJson, redactor: Redactor, key: string): RawJson {
  return new RawJson(redactor.json(raw.text, key));
}

function redactedRow(row: SessionRow, redactor: Redactor): SessionRow {
  return new SessionRow(new Map([...row.entries()].map(([key, raw]) => [key, redacted(raw, redactor, key)])));
}

/** What the head of a readable session tells, where there is something to tell: name and value. */
export function headOf(
  row: SessionRow,
  time: (seconds: number | undefined) => string,
): [name: string, value: string][] {
  const text = (key: string): string => {
    const value = row.value(key);
    return value === null || value === undefined || value === '' ? '' : String(value);
  };
  const at = (key: string): string => {
    const value = row.value(key);
    return typeof value === 'number' ? time(value) : '';
  };
  const number = (key: string): number => Number(row.value(key) ?? 0) || 0;
  const tokens = number('input_tokens') + number('output_tokens');
  const cost = number('estimated_cost');
  const all: [string, string][] = [
    ['Session', row.id],
    ['Model', text('model')],
    ['Source', text('source_label') || text('source_tag')],
    ['Profile', text('profile')],
    ['Workspace', text('workspace')],
    ['Created', at('created_at')],
    ['Last message', at('last_message_at')],
    ['Messages', text('message_count')],
    ['Tokens', tokens > 0 ? `${number('input_tokens')} in, ${number('output_tokens')} out` : ''],
    ['Estimated cost', cost > 0 ? `$${cost.toFixed(4)}` : ''],
    ['Continues', text('parent_session_id')],
  ];
  return all.filter(([, value]) => value !== '');
}

/** What a session that is shown without its tool calls says at its end; undefined where nothing is missing. */
export function leftOutNote(count: number): string | undefined {
  if (count === 0) return undefined;
  return count === 1 ? '1 tool call or result is left out.' : `${count} tool calls and results are left out.`;
}
