import type { Deps } from '../deps';
import { HermesctlError } from '../errors';
import { toFloat, truthy } from '../json/python';
import { FALSE, NULL, RawJson, TRUE } from '../json/raw';
import type { Fields } from '../session/fields';
import type { Location } from '../location/location';
import type { SessionRow } from '../session/row';
import { readSidecarMetadata, scanSidecar, sidecarPath } from '../sidecar/read';
import { byRuntime, isRuntimeActive } from './cache-key';
import { pathStamp } from './source-stamp';

const RUNTIME_KEYS = [
  'is_streaming',
  'active_stream_id',
  'has_pending_user_message',
  'pending_started_at',
  'last_message_at',
  'updated_at',
  'created_at',
];

const runtimeOf = (row: SessionRow): Record<string, unknown> =>
  Object.fromEntries(RUNTIME_KEYS.map((key) => [key, row.value(key)]));

/** Whether a turn runs in a session, or waits to, as far as its file says: whether a server is at it only that knows. */
export function isRunning(row: SessionRow): boolean {
  return truthy(row.value('active_stream_id')) && isRuntimeActive(runtimeOf(row));
}

/** The rows with those that run first, as the browser sorts them; the others keep their order. */
export function runningFirst(rows: readonly SessionRow[]): SessionRow[] {
  const running = rows.filter(isRunning).map((row) => ({ row, runtime: runtimeOf(row) }));
  running.sort((a, b) => byRuntime(a.runtime, b.runtime));
  return [...running.map(({ row }) => row), ...rows.filter((row) => !isRunning(row))];
}

/** A session that runs, and what its file said when it was looked at last. */
interface RunningSession {
  id: string;
  file: string;
  stamp: string;
  /** Empty once it has ended, and where the file does not tell. */
  stream: string;
  runtime: Record<string, RawJson>;
}

/**
 * The sessions of an answer that run. Their files are written all the time: of
 * each only its beginning is read anew, and laid over the answer (seed 002: the
 * runtime overlay).
 */
export class RunningSessions {
  private readonly sessions: RunningSession[];

  constructor(
    rows: readonly SessionRow[],
    private readonly location: Location,
    private readonly deps: Deps,
  ) {
    this.sessions = rows.filter(isRunning).map((row) => ({
      id: row.id,
      file: sidecarPath(location.sessionsDir.value, row.id),
      stamp: '',
      stream: String(row.value('active_stream_id')),
      runtime: {},
    }));
  }

  get files(): string[] {
    return this.sessions.map(({ file }) => file);
  }

  /** Which streams there are: another text as soon as one begins or ends; undefined where there is none. */
  get marker(): string | undefined {
    const streams = this.sessions.filter(({ stream }) => stream !== '').map(({ id, stream }) => `${id} ${stream}`);
    return streams.length === 0 ? undefined : `streaming ${streams.sort().join(', ')}`;
  }

  /** Looks at those files again that are not the version that they were. */
  look(): void {
    for (const session of this.sessions) {
      const stamp = pathStamp(session.file, this.deps.fs);
      if (stamp === session.stamp) continue;
      session.runtime = this.read(session.id);
      const { active_stream_id: stream, pending_user_message: pending } = session.runtime;
      session.stream = stream && truthy(pending?.value()) ? String(stream.value() ?? '') : '';
      session.stamp = stamp;
    }
  }

  private read(id: string): Record<string, RawJson> {
    try {
      const fields = this.fieldsOf(id);
      if (fields === undefined) return {};
      const at = (key: string): RawJson => fields.get(key) ?? NULL;
      return {
        active_stream_id: at('active_stream_id'),
        pending_user_message: at('pending_user_message'),
        has_pending_user_message: truthy(at('pending_user_message').value()) ? TRUE : FALSE,
        updated_at: at('updated_at'),
        last_message_at: at('pending_started_at'),
      };
    } catch (error) {
      if (error instanceof HermesctlError) return {}; // the list says what is wrong with it
      throw error;
    }
  }

  private fieldsOf(id: string): Fields | undefined {
    const { fs } = this.deps;
    const directory = this.location.sessionsDir.value;
    const fields = readSidecarMetadata(fs, directory, id)?.fields;
    // Old files have it behind the messages, or not at all.
    return fields?.has('active_stream_id') ? fields : scanSidecar(fs, directory, id)?.fields;
  }

  /** These rows with what the files say now: of times the later ones. */
  overlay(rows: readonly SessionRow[]): readonly SessionRow[] {
    const runtimes = new Map(this.sessions.map(({ id, runtime }) => [id, runtime]));
    const overlaid = rows.map((row) => {
      const changes = Object.entries(runtimes.get(row.id) ?? {}).filter(([key, raw]) => isNews(row, key, raw));
      return changes.length === 0 ? row : row.with(Object.fromEntries(changes));
    });
    return overlaid.every((row, i) => row === rows[i]) ? rows : overlaid;
  }
}

function isNews(row: SessionRow, key: string, raw: RawJson): boolean {
  if (!key.endsWith('_at')) return row.raw(key)?.text !== raw.text;
  return (toFloat(raw.value()) ?? 0) > (toFloat(row.value(key)) ?? 0);
}
