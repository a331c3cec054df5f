import type { Deps } from '../deps';
import { withFile } from '../files/open-file';
import { spellStamp } from '../files/stamp';
import { strip, toFloat, truthy } from '../json/python';
import { RawJson } from '../json/raw';
import { DEFAULT_PROFILE, type Location } from '../location/location';
import { isStoreId } from '../session/id';
import { contentText } from '../session/text';
import { messagesOf } from '../sidecar/messages';
import { scanOpenSidecar, type ScannedSidecar, sidecarPath } from '../sidecar/read';
import type { CommitRequest, TranscriptMessage } from './providers/provider';
import { completedTurns, type Turn } from './turns';

/** What a session's file says about its turns. */
export interface SessionTurns {
  turns: Turn[];
  /** The profile it was held under. */
  profile: string;
  /** The version of the file, as text. */
  stamp: string;
}

/**
 * The completed turns of a session; undefined where it has no file, and
 * `unchanged` where the file is the version that was seen before.
 *
 * @throws HermesctlError `SESSION_DAMAGED`, `IO_ERROR`.
 */
export function readTurns(
  { sessionsDir }: Location,
  id: string,
  seen: string | null,
  deps: Pick<Deps, 'fs'>,
): SessionTurns | 'unchanged' | undefined {
  if (!isStoreId(id)) return undefined;
  return withFile(deps.fs, sidecarPath(sessionsDir.value, id), (file) => {
    const stamp = spellStamp(file.stamp);
    if (stamp === seen) return 'unchanged';
    const sidecar = scanOpenSidecar(file, id);
    const value = (key: string): unknown => sidecar.fields.get(key)?.value();
    const isBusy = truthy(value('active_stream_id')) || truthy(value('pending_user_message'));
    const profile = value('profile');
    const turns = completedTurns(decoded(messagesOf(file, sidecar)), isBusy, lastTouched(sidecar));
    const written = Number(file.stamp.mtimeNs) / 1e9;
    return {
      // A time that is in milliseconds, or wrong, must not make a turn look newer than every commit.
      turns: turns.map(({ digest, at }) => ({ digest, at: Math.min(at, written) })),
      profile: typeof profile === 'string' && profile !== '' ? profile : DEFAULT_PROFILE,
      stamp,
    };
  });
}

function* decoded(messages: Iterable<{ raw: RawJson }>): Generator {
  for (const { raw } of messages) yield raw.value();
}

/** Later than its turns were completed, or then: of messages without a time. */
function lastTouched({ fields }: ScannedSidecar): number {
  const updated = toFloat(fields.get('updated_at')?.value());
  return updated !== undefined && Number.isFinite(updated) ? updated : Infinity;
}

/** What a provider may ask of a session's transcript. */
export function transcriptOf(location: Location, id: string, deps: Pick<Deps, 'fs'>): CommitRequest['transcript'] {
  const path = isStoreId(id) ? sidecarPath(location.sessionsDir.value, id) : undefined;
  const isThere = path !== undefined && deps.fs.statSync(path, { throwIfNoEntry: false }) !== undefined;
  return {
    path: isThere ? path : undefined,
    messages: () => {
      const read = (): TranscriptMessage[] | undefined =>
        path === undefined
          ? undefined
          : withFile(deps.fs, path, (file) => [...spoken(decoded(messagesOf(file, scanOpenSidecar(file, id))))]);
      return new Promise((resolve) => resolve(read()));
    },
  };
}

/** What user and assistant said, without errors, unfinished answers and what has no text. */
function* spoken(messages: Iterable<unknown>): Generator<TranscriptMessage> {
  for (const message of messages) {
    if (typeof message !== 'object' || message === null) continue;
    const { role, content, _partial, _error } = message as Record<string, unknown>;
    if ((role !== 'user' && role !== 'assistant') || truthy(_partial) || truthy(_error)) continue;
    const text = content === undefined || content === null ? '' : contentText(RawJson.of(content));
    if (strip(text) !== '') yield { role, text };
  }
}
