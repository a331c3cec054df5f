import { toFloat, toInt, truthy } from '../json/python';
import { DEFAULT_PROFILE } from '../location/location';

/** What the server keys a cached list by (seed 002): values as its caller gives them. */
export interface ServerKeyParts {
  active_profile: unknown;
  all_profiles: unknown;
  show_cli_sessions: unknown;
  show_previous_messaging_sessions: unknown;
  show_cron_sessions: unknown;
  include_archived?: unknown;
  exclude_hidden?: unknown;
  visible_only?: unknown;
  show_webhook_sessions?: unknown;
  source_filter?: unknown;
  sidebar_source?: unknown;
  archived_limit?: unknown;
  archived_offset?: unknown;
}

/** The profile that a cached list is of: no name is the default one. */
export function profileScope(profile: unknown): string {
  return typeof profile === 'string' && profile.trim() !== '' ? profile.trim() : DEFAULT_PROFILE;
}

/** The server's key of a cached list, normalised: equal questions have equal keys. */
export function serverKey(parts: ServerKeyParts): unknown[] {
  return [
    profileScope(parts.active_profile),
    truthy(parts.all_profiles),
    truthy(parts.show_cli_sessions),
    truthy(parts.show_previous_messaging_sessions),
    truthy(parts.show_cron_sessions),
    truthy(parts.include_archived),
    truthy(parts.exclude_hidden),
    truthy(parts.visible_only),
    truthy(parts.show_webhook_sessions),
    parts.source_filter ?? null,
    parts.sidebar_source ?? null,
    atLeastZero(parts.archived_limit) ?? null,
    truthy(parts.archived_offset) ? (atLeastZero(parts.archived_offset) ?? 0) : 0,
  ];
}

function atLeastZero(value: unknown): number | undefined {
  const number = toInt(value);
  return number === undefined ? undefined : Math.max(0, number);
}

type Row = Readonly<Record<string, unknown>>;

const positive = (value: unknown): number => {
  const number = truthy(value) ? toFloat(value) : undefined;
  return number !== undefined && number > 0 ? number : 0;
};

/**
 * When a row was last active, as the browser sorts it: the first of last
 * message, update and creation that is a time, and a pending turn where that is
 * later. In epoch seconds; 0 where nothing is.
 */
export function runtimeTimestamp(row: Row): number {
  const base = ['last_message_at', 'updated_at', 'created_at']
    .map((key) => positive(row[key]))
    .find((time) => time > 0);
  return Math.max(base ?? 0, positive(row['pending_started_at']));
}

/** Whether a turn runs in a session, or waits to. */
export function isRuntimeActive(row: Row): boolean {
  return truthy(row['is_streaming']) || (truthy(row['active_stream_id']) && truthy(row['has_pending_user_message']));
}

/** The browser's order, a comparison: active sessions first, then the latest. Equal rows keep their places. */
export function byRuntime(a: Row, b: Row): number {
  return Number(isRuntimeActive(b)) - Number(isRuntimeActive(a)) || runtimeTimestamp(b) - runtimeTimestamp(a);
}
