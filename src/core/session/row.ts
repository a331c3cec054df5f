import * as path from 'node:path';

import { isTruthy, strip, toInt, truthy } from '../json/python';
import { EMPTY_ARRAY, EMPTY_OBJECT, FALSE, NULL, RawJson, TRUE, ZERO } from '../json/raw';
import { expandUser } from '../location/location';
import type { Fields } from './fields';
import type { TranscriptFacts } from './transcript';
import { DEFAULT_TITLE } from './text';

/**
 * One session as the index and every list show it: the store's own keys in the
 * order in which the server writes them, each value as it is spelled.
 */
export class SessionRow {
  constructor(private readonly fields: Map<string, RawJson>) {}

  get id(): string {
    return String(this.value('session_id') ?? '');
  }

  has(key: string): boolean {
    return this.fields.has(key);
  }

  raw(key: string): RawJson | undefined {
    return this.fields.get(key);
  }

  /** The decoded value; undefined where the row has no such key. */
  value(key: string): unknown {
    return this.fields.get(key)?.value();
  }

  /** The row as one line of JSON that any reader takes, where that is at hand: what rendering its entries gives. */
  line(): string | undefined {
    return undefined;
  }

  /** The same row, with nothing left to be read of the file that it came from. */
  // eslint-disable-next-line @typescript-eslint/prefer-return-this-type -- a row that is read now is another object
  whole(): SessionRow {
    return this;
  }

  entries(): IterableIterator<[string, RawJson]> {
    return this.fields.entries();
  }

  /** The same row with some values replaced (in place) or added (at the end). */
  with(changes: Record<string, RawJson>): SessionRow {
    const fields = new Map(this.fields);
    for (const [key, raw] of Object.entries(changes)) fields.set(key, raw);
    return new SessionRow(fields);
  }
}

/** Every key a compact row can have, in order. */
export const ROW_KEYS = [
  'session_id',
  'title',
  'workspace',
  'model',
  'model_provider',
  'message_count',
  'created_at',
  'updated_at',
  'last_message_at',
  'pinned',
  'archived',
  'project_id',
  'profile',
  'input_tokens',
  'output_tokens',
  'estimated_cost',
  'cache_read_tokens',
  'cache_write_tokens',
  'cache_hit_percent',
  'personality',
  'compression_anchor_visible_idx',
  'compression_anchor_message_key',
  'compression_anchor_summary',
  'pre_compression_snapshot',
  'context_engine',
  'compression_anchor_engine',
  'compression_anchor_mode',
  'compression_anchor_details',
  'context_engine_state',
  'context_length',
  'threshold_tokens',
  'last_prompt_tokens',
  'post_compression_context_tokens_estimate',
  'compression_recovery',
  'recommended_recovery_action',
  'gateway_routing',
  'gateway_routing_history',
  'manual_title',
  'parent_session_id',
  'created_workspace',
  'compression_recovery_source_session_id',
  'compression_recovery_action',
  'worktree_path',
  'worktree_branch',
  'worktree_repo_root',
  'worktree_created_at',
  'user_message_count',
  'active_stream_id',
  'pending_user_message',
  'has_pending_user_message',
  'is_cli_session',
  'source_tag',
  'raw_source',
  'session_source',
  'source_label',
  'read_only',
  'enabled_toolsets',
  'composer_draft',
  'process_wakeup_pause',
  'share_token',
  'share_created_at',
  'is_streaming',
] as const;

type RowKey = (typeof ROW_KEYS)[number];

/** What a session that records none of these is taken to have. */
export interface RowDefaults {
  workspace: string;
  model: string;
  /** For `~` in a stored path. */
  userHome: string;
}

/** The parts of a sidecar that a row is made of. */
export interface RowSource {
  /** The file's name without `.json`: what a command is given to find this session again. */
  id: string;
  /** Top-level members, as spelled. */
  fields: Fields;
  /** Undefined where only the metadata was read: what it would tell is then null. */
  transcript: TranscriptFacts | undefined;
  /** A message count known from elsewhere (the index), for metadata that records none. */
  knownMessageCount?: number | undefined;
}

/**
 * The compact row of a session: every key of the server's `compact()`, with
 * its defaults and coercions (reference: webui-store §2.1, §3). Values that
 * the server would make up anew at each read (a creation time that is not
 * recorded) are null here.
 */
export function compactRow(source: RowSource, defaults: RowDefaults): SessionRow {
  const row = new Map<string, RawJson>();
  eachRowMember(source, defaults, (key, raw) => row.set(key, raw));
  return new SessionRow(row);
}

/** The members of {@link compactRow}, one by one, for who makes no row of them. */
export function eachRowMember(
  source: RowSource,
  defaults: RowDefaults,
  put: (key: RowKey, raw: RawJson) => unknown,
): void {
  const { fields, transcript } = source;
  const at = (key: string): RawJson => fields.get(key) ?? NULL;
  const isSet = (key: string): boolean => isTruthy(at(key));
  const orElse = (key: string, fallback: RawJson): RawJson => {
    const raw = at(key);
    return isTruthy(raw) ? raw : fallback;
  };
  const bool = (key: string): RawJson => (isSet(key) ? TRUE : FALSE);
  const object = (key: string, fallback: RawJson): RawJson => {
    const raw = at(key);
    return raw.text.startsWith('{') ? raw : fallback;
  };
  const pathOf = (key: string): RawJson | undefined => storedPath(at(key), defaults.userHome);

  const workspace = pathOf('workspace') ?? RawJson.of(defaults.workspace);
  const pending = isSet('pending_user_message');
  const copy = (...keys: RowKey[]): void => {
    for (const key of keys) put(key, at(key));
  };

  put('session_id', RawJson.of(source.id));
  put('title', fields.get('title') ?? RawJson.of(DEFAULT_TITLE));
  put('workspace', workspace);
  put('model', fields.get('model') ?? RawJson.of(defaults.model));
  put('model_provider', provider(at('model_provider')));
  put('message_count', messageCount(source, pending));
  put('created_at', orElse('created_at', NULL));
  put('updated_at', orElse('updated_at', NULL));
  put('last_message_at', lastMessageAt(source, pending));
  put('pinned', bool('pinned'));
  put('archived', bool('archived'));
  put('project_id', orElse('project_id', NULL));
  copy('profile');
  put('input_tokens', orElse('input_tokens', ZERO));
  put('output_tokens', orElse('output_tokens', ZERO));
  copy('estimated_cost');
  put('cache_read_tokens', orElse('cache_read_tokens', ZERO));
  put('cache_write_tokens', orElse('cache_write_tokens', ZERO));
  put('cache_hit_percent', cacheHitPercent(at('cache_read_tokens'), at('input_tokens')));
  copy('personality', 'compression_anchor_visible_idx', 'compression_anchor_message_key', 'compression_anchor_summary');
  put('pre_compression_snapshot', bool('pre_compression_snapshot'));
  copy('context_engine', 'compression_anchor_engine', 'compression_anchor_mode');
  put('compression_anchor_details', object('compression_anchor_details', EMPTY_OBJECT));
  put('context_engine_state', object('context_engine_state', EMPTY_OBJECT));
  copy('context_length', 'threshold_tokens', 'last_prompt_tokens');
  put('post_compression_context_tokens_estimate', positiveInt(at('post_compression_context_tokens_estimate')));
  put('compression_recovery', object('compression_recovery', EMPTY_OBJECT));
  copy('recommended_recovery_action');
  put('gateway_routing', object('gateway_routing', NULL));
  const history = at('gateway_routing_history');
  put('gateway_routing_history', history.text.startsWith('[') ? history : EMPTY_ARRAY);
  put('manual_title', bool('manual_title'));
  if (isSet('parent_session_id')) copy('parent_session_id');
  put('created_workspace', pathOf('created_workspace') ?? workspace);
  const recovery = ['compression_recovery_source_session_id', 'compression_recovery_action'] as const;
  if (recovery.some(isSet)) {
    for (const key of recovery) put(key, isSet(key) ? stripped(at(key)) : NULL);
  }
  if (isSet('worktree_path')) {
    put('worktree_path', pathOf('worktree_path') ?? NULL);
    put('worktree_branch', orElse('worktree_branch', NULL));
    put('worktree_repo_root', pathOf('worktree_repo_root') ?? NULL);
    copy('worktree_created_at');
  }
  put('user_message_count', RawJson.of(transcript?.userCount));
  copy('active_stream_id', 'pending_user_message');
  put('has_pending_user_message', pending ? TRUE : FALSE);
  put('is_cli_session', bool('is_cli_session'));
  copy('source_tag', 'raw_source', 'session_source', 'source_label');
  put('read_only', bool('read_only'));
  copy('enabled_toolsets');
  put('composer_draft', object('composer_draft', EMPTY_OBJECT));
  put('process_wakeup_pause', object('process_wakeup_pause', EMPTY_OBJECT));
  put('share_token', isSet('share_token') ? stripped(at('share_token')) : NULL);
  copy('share_created_at');
  put('is_streaming', FALSE);
}

/** The recorded count, else the items there are, else what the index knows; at least 1 with a turn pending. */
function messageCount(source: RowSource, pending: boolean): RawJson {
  const recorded = nonNegativeInt(source.fields.get('message_count'));
  const count = recorded ?? source.transcript?.count ?? source.knownMessageCount;
  if (count === undefined) return NULL;
  return RawJson.of(pending ? Math.max(count, 1) : count);
}

function lastMessageAt({ fields, transcript }: RowSource, pending: boolean): RawJson {
  const started = fields.get('pending_started_at');
  if (pending && truthy(started?.value())) return started!;
  if (!transcript) return NULL;
  if (transcript.lastAt !== undefined) return RawJson.float(transcript.lastAt);
  const updated = fields.get('updated_at');
  return truthy(updated?.value()) ? updated! : NULL;
}

/** A count as the store may spell it: an integer, or one in a string; undefined where it is neither or below 0. */
export function nonNegativeInt(raw: RawJson | undefined): number | undefined {
  const count = raw === undefined ? undefined : toInt(raw.value());
  return count !== undefined && count >= 0 ? count : undefined;
}

function positiveInt(raw: RawJson): RawJson {
  const count = nonNegativeInt(raw);
  if (!count) return NULL;
  return /^\d+$/.test(raw.text) ? raw : RawJson.of(count);
}

/** Cache reads as a percentage of the prompt, 0 to 100, or null; halves go to the even number, as in Python. */
function cacheHitPercent(cacheRead: RawJson, prompt: RawJson): RawJson {
  if (cacheRead === NULL || cacheRead === ZERO) return NULL;
  const read = toInt(cacheRead.value()) ?? 0;
  const total = toInt(prompt.value()) ?? 0;
  if (read <= 0 || total <= 0) return NULL;
  const percent = (read / total) * 100;
  const floor = Math.floor(percent);
  const rounded = percent - floor === 0.5 ? floor + (floor % 2) : Math.round(percent);
  return RawJson.of(Math.min(100, rounded));
}

function provider(raw: RawJson): RawJson {
  if (!isTruthy(raw)) return NULL;
  const value = raw.value();
  const name = strip(String(value)).toLowerCase();
  return name === value ? raw : RawJson.of(name);
}

function stripped(raw: RawJson): RawJson {
  const value = raw.value();
  return typeof value === 'string' && strip(value) !== value ? RawJson.of(strip(value)) : raw;
}

/** A stored path with `~` and `..` resolved, undefined where there is none; links are left alone, so that no list waits for a dead mount. */
function storedPath(raw: RawJson, userHome: string): RawJson | undefined {
  if (!raw.text.startsWith('"') || raw.text.length === 2) return undefined;
  if (isCleanPath(raw.text)) return raw;
  const value = raw.value() as string;
  const expanded = expandUser(value, userHome);
  const normal = path.normalize(expanded);
  const clean = normal.length > 1 && normal.endsWith(path.sep) ? normal.slice(0, -1) : normal;
  return clean === value ? raw : RawJson.of(clean);
}

/** Whether nothing in this path, as JSON text, could need to be resolved: nearly all are so. */
const isCleanPath = (text: string): boolean => path.sep === '/' && CLEAN_PATH.test(text);
const CLEAN_PATH = /^"(?:\/[^/.\\][^/\\]*)+"$/;
