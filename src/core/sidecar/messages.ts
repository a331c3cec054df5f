import { HermesctlError } from '../errors';
import type { OpenFile } from '../files/open-file';
import { arrayItemSpans, type Span } from '../json/document';
import { RawJson } from '../json/raw';
import type { Landmark } from '../session/transcript';
import { Window } from '../json/window';
import type { ScannedSidecar } from './read';

const CHUNK = 256 * 1024;

/** One message of a transcript, as spelled. */
export interface StoredMessage {
  /** Position in `messages`, from 0. */
  index: number;
  raw: RawJson;
}

export interface MessageSelection {
  /** Only the last so many (of those that the role leaves). */
  last?: number | undefined;
  /** Only messages with exactly this role. */
  role?: string | undefined;
}

/**
 * The messages of a sidecar that was scanned and is still open, one at a time:
 * memory is that of the longest message. Of a selection by count only the
 * places are kept until it is known which are the last.
 */
export function* messagesOf(
  file: OpenFile,
  sidecar: ScannedSidecar,
  selection: MessageSelection = {},
): Generator<StoredMessage> {
  const messages = sidecar.members.findLast((member) => member.key === 'messages');
  if (messages?.kind !== 'array') return;
  const { last, role } = selection;
  const kept: { index: number; span: Span }[] = [];
  const from = last === undefined || role !== undefined ? undefined : startFor(sidecar, last);
  let index = (from?.count ?? 0) - 1;
  const window = Window.forSize(messages.end - messages.start, CHUNK);
  for (const span of arrayItemSpans(file.source, messages.start, {
    chunkSize: CHUNK,
    window,
    ...(from ? { resumeAt: from.offset } : {}),
  })) {
    index++;
    if (last !== undefined && role === undefined && index < sidecar.transcript.count - last) continue;
    const raw = role === undefined && last !== undefined ? undefined : readSpan(file, span);
    if (role !== undefined && roleOf(raw!) !== role) continue;
    if (last === undefined) yield { index, raw: raw! };
    else {
      kept.push({ index, span });
      if (kept.length > last) kept.shift();
    }
  }
  for (const { index: at, span } of kept) yield { index: at, raw: readSpan(file, span) };
}

/** The last place that has all of the wanted last messages behind it. */
function startFor({ transcript, landmarks }: ScannedSidecar, last: number): Landmark | undefined {
  return landmarks.findLast(({ count }) => count <= transcript.count - last);
}

/** The role of a message; undefined for what is no object or has none. */
export function roleOf(message: RawJson): unknown {
  const value = message.value();
  return typeof value === 'object' && value !== null ? (value as { role?: unknown }).role : undefined;
}

/** The value at this place, as it is spelled. */
export function readSpan(file: OpenFile, span: Span): RawJson {
  const bytes = Buffer.allocUnsafe(span.end - span.start);
  let filled = 0;
  while (filled < bytes.length) {
    const n = file.source.read(bytes, filled, bytes.length - filled, span.start + filled);
    if (n === 0)
      throw new HermesctlError('CHANGED_ON_DISK', `${file.path} became shorter while it was read.`, {
        details: { path: file.path },
      });
    filled += n;
  }
  return RawJson.fromBytes(bytes);
}
