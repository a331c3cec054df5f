import * as path from 'node:path';

import { isTruthy, pythonStr, strip, toInt, truthy } from '../json/python';
import { EMPTY_ARRAY, EMPTY_OBJECT, FALSE, NULL, RawJson, TRUE, ZERO } from '../json/raw';
import { expandUser } from '../location/location';
import { type Fields, MetadataFields } from './fields';
import type { TranscriptFacts } from './transcript';
import { DEFAULT_TITLE } from './text';
import { WRITER_ORDER } from './writer';

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

/** How a row's value is made of the session's member of the same key alone; undefined where the row has no such key. */
type OwnRule = (own: RawJson) => RawJson | undefined;
/** The same where more than that member counts. */
type ContextRule = (own: RawJson, context: RowContext) => RawJson | undefined;
type Rule = OwnRule | { inContext: ContextRule };

/** What the rules look at beside the member that they are for. */
export class RowContext {
  readonly isPending: boolean;
  private knownWorkspace: RawJson | undefined;

  constructor(
    readonly source: RowSource,
    readonly defaults: RowDefaults,
  ) {
    this.isPending = this.isSet('pending_user_message');
  }

  /** The session's member of the key at this place among those of rows. */
  own(place: number): RawJson {
    const { fields } = this.source;
    if (!(fields instanceof MetadataFields)) return fields.get(ROW_KEYS[place]) ?? NULL;
    const at = placeInFile(place);
    return at < 0 ? NULL : (fields.at(at) ?? NULL);
  }

  at(key: string): RawJson {
    return this.source.fields.get(key) ?? NULL;
  }

  isSet(key: string): boolean {
    return isTruthy(this.at(key));
  }

  path(raw: RawJson): RawJson | undefined {
    return storedPath(raw, this.defaults.userHome);
  }

  get workspace(): RawJson {
    return (this.knownWorkspace ??= this.path(this.at('workspace')) ?? RawJson.of(this.defaults.workspace));
  }

  /** Asked of what remains without white space. */
  get isRecovery(): boolean {
    return RECOVERY.some((key) => isTruthy(strippedOrNull(this.at(key))));
  }
}

const asIs: OwnRule = (own) => own;
const orNull: OwnRule = (own) => (isTruthy(own) ? own : NULL);
const orZero: OwnRule = (own) => (isTruthy(own) ? own : ZERO);
const bool: OwnRule = (own) => (isTruthy(own) ? TRUE : FALSE);
const object: OwnRule = (own) => (own.text.startsWith('{') ? own : EMPTY_OBJECT);
const inContext = (rule: ContextRule): Rule => ({ inContext: rule });
const strippedOrNull = (own: RawJson): RawJson => (isTruthy(own) ? stripped(own) : NULL);
const textOrNull: OwnRule = (own) => (isTruthy(own) ? asText(own) : NULL);
const RECOVERY = ['compression_recovery_source_session_id', 'compression_recovery_action'] as const;
const ifRecovery = inContext((own, { isRecovery }) => (isRecovery ? strippedOrNull(own) : undefined));
const ifWorktree = (rule: ContextRule): Rule =>
  inContext((own, context) => (context.isSet('worktree_path') ? rule(own, context) : undefined));
const pathOrNull: ContextRule = (own, context) => context.path(own) ?? NULL;

/** Every key a compact row can have, in order, and what stands there. */
const ROW = [
  ['session_id', inContext((_, { source }) => RawJson.of(source.id))],
  ['title', inContext((own, { source }) => (source.fields.has('title') ? own : RawJson.of(DEFAULT_TITLE)))],
  ['workspace', inContext((_, context) => context.workspace)],
  ['model', inContext((own, { source, defaults }) => (source.fields.has('model') ? own : RawJson.of(defaults.model)))],
  ['model_provider', (own) => provider(own)],
  ['message_count', inContext((_, context) => messageCount(context))],
  ['created_at', orNull],
  ['updated_at', orNull],
  ['last_message_at', inContext((_, context) => lastMessageAt(context))],
  ['pinned', bool],
  ['archived', bool],
  ['project_id', orNull],
  ['profile', asIs],
  ['input_tokens', orZero],
  ['output_tokens', orZero],
  ['estimated_cost', asIs],
  ['cache_read_tokens', orZero],
  ['cache_write_tokens', orZero],
  [
    'cache_hit_percent',
    inContext((_, context) => cacheHitPercent(context.at('cache_read_tokens'), context.at('input_tokens'))),
  ],
  ['personality', asIs],
  ['compression_anchor_visible_idx', asIs],
  ['compression_anchor_message_key', asIs],
  ['compression_anchor_summary', asIs],
  ['pre_compression_snapshot', bool],
  ['context_engine', asIs],
  ['compression_anchor_engine', asIs],
  ['compression_anchor_mode', asIs],
  ['compression_anchor_details', object],
  ['context_engine_state', object],
  ['context_length', asIs],
  ['threshold_tokens', asIs],
  ['last_prompt_tokens', asIs],
  ['post_compression_context_tokens_estimate', (own) => positiveInt(own)],
  ['compression_recovery', object],
  ['recommended_recovery_action', asIs],
  ['gateway_routing', (own) => (own.text.startsWith('{') ? own : NULL)],
  ['gateway_routing_history', (own) => (own.text.startsWith('[') ? own : EMPTY_ARRAY)],
  ['manual_title', bool],
  ['parent_session_id', (own) => (isTruthy(own) ? own : undefined)],
  ['created_workspace', inContext((own, context) => context.path(own) ?? context.workspace)],
  ['compression_recovery_source_session_id', ifRecovery],
  ['compression_recovery_action', ifRecovery],
  ['worktree_path', ifWorktree(pathOrNull)],
  ['worktree_branch', ifWorktree(textOrNull)],
  ['worktree_repo_root', ifWorktree(pathOrNull)],
  ['worktree_created_at', ifWorktree(asIs)],
  ['user_message_count', inContext((_, { source }) => RawJson.of(source.transcript?.userCount))],
  ['active_stream_id', asIs],
  ['pending_user_message', asIs],
  ['has_pending_user_message', inContext((_, { isPending }) => (isPending ? TRUE : FALSE))],
  ['is_cli_session', bool],
  ['source_tag', asIs],
  ['raw_source', asIs],
  ['session_source', asIs],
  ['source_label', asIs],
  ['read_only', bool],
  ['enabled_toolsets', asIs],
  ['composer_draft', object],
  ['process_wakeup_pause', object],
  ['share_token', strippedOrNull],
  ['share_created_at', asIs],
  ['is_streaming', () => FALSE],
] as const satisfies readonly (readonly [key: string, rule: Rule])[];

type RowKey = (typeof ROW)[number][0];

/** Every key a compact row can have, in order. */
export const ROW_KEYS: readonly RowKey[] = ROW.map(([key]) => key);
const RULES: readonly Rule[] = ROW.map(([, rule]) => rule);
/** Where each is among the keys of a session file. Made when the first row is. */
let keyPlaces: readonly number[] | undefined;

/** Where a row's key is among those of the writer of session files; -1 where these have none such. */
export function placeInFile(place: number): number {
  return (keyPlaces ??= ROW_KEYS.map((key) => WRITER_ORDER.indexOf(key)))[place];
}

/**
 * The compact row of a session: every key of the server's `compact()`, with
 * its defaults and coercions (reference: webui-store §2.1, §3). Values that
 * the server would make up anew at each read (a creation time that is not
 * recorded) are null here.
 */
export function compactRow(source: RowSource, defaults: RowDefaults): SessionRow {
  const row = new Map<string, RawJson>();
  eachRowMember(source, defaults, (place, raw) => row.set(ROW_KEYS[place], raw));
  return new SessionRow(row);
}

/** {@link compactRow} for who asks for little of it: a member is made when it is asked for. */
export function briefRow(source: RowSource, defaults: RowDefaults): SessionRow {
  return new BriefRow(source, defaults);
}

class BriefRow extends SessionRow {
  private readonly context: RowContext;

  constructor(
    private readonly source: RowSource,
    private readonly defaults: RowDefaults,
  ) {
    super(NO_FIELDS);
    this.context = new RowContext(source, defaults);
  }

  override get id(): string {
    return this.source.id;
  }

  override has(key: string): boolean {
    return this.raw(key) !== undefined;
  }

  override raw(key: string): RawJson | undefined {
    const place = ROW_KEYS.indexOf(key as RowKey);
    return place < 0 ? undefined : rowValue(place, this.context);
  }

  override value(key: string): unknown {
    return this.raw(key)?.value();
  }

  override entries(): IterableIterator<[string, RawJson]> {
    return this.whole().entries();
  }

  override with(changes: Record<string, RawJson>): SessionRow {
    return this.whole().with(changes);
  }

  override whole(): SessionRow {
    return compactRow(this.source, this.defaults);
  }
}

const NO_FIELDS = new Map<string, RawJson>();

/**
 * The members of {@link compactRow}, one by one, for who makes no row of them.
 *
 * @param put is told the place of the key among {@link ROW_KEYS}.
 */
export function eachRowMember(
  source: RowSource,
  defaults: RowDefaults,
  put: (place: number, raw: RawJson) => unknown,
): void {
  const context = new RowContext(source, defaults);
  for (let place = 0; place < RULES.length; place++) {
    const raw = rowValue(place, context);
    if (raw !== undefined) put(place, raw);
  }
}

/** The value of one key, by its place among {@link ROW_KEYS}; undefined where the row has none. */
export function rowValue(place: number, context: RowContext): RawJson | undefined {
  const rule = RULES[place];
  const own = context.own(place);
  return typeof rule === 'function' ? rule(own) : rule.inContext(own, context);
}

/** Whether the value of this key hangs on the session's member of the same key alone. */
export function isOfOwnMember(place: number): boolean {
  return typeof RULES[place] === 'function';
}

/** The recorded count, else the items there are, else what the index knows; at least 1 with a turn pending. */
function messageCount({ source, isPending }: RowContext): RawJson {
  const raw = source.fields.get('message_count');
  const count = nonNegativeInt(raw) ?? source.transcript?.count ?? source.knownMessageCount;
  if (count === undefined) return NULL;
  return isPending && count === 0 ? RawJson.of(1) : wholeNumber(count, raw);
}

function lastMessageAt({ source: { fields, transcript }, isPending }: RowContext): RawJson {
  const started = fields.get('pending_started_at');
  if (isPending && truthy(started?.value())) return started!;
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
  return count ? wholeNumber(count, raw) : NULL;
}

/** A whole number with all its digits, also where a double has not so many: then those that were recorded. */
function wholeNumber(count: number, recorded: RawJson | undefined): RawJson {
  if (Number.isSafeInteger(count)) return RawJson.of(count);
  const digits = recorded && /^"?(\d+)"?$/.exec(recorded.text)?.[1];
  return new RawJson(BigInt(digits ?? count).toString());
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
  return respelled(raw, strip(textOf(raw)).toLowerCase());
}

function asText(raw: RawJson): RawJson {
  return respelled(raw, textOf(raw));
}

function stripped(raw: RawJson): RawJson {
  return respelled(raw, strip(textOf(raw)));
}

/** `str()` of what should be a text and may be anything. */
function textOf(raw: RawJson): string {
  const value = raw.value();
  return typeof value === 'string' ? value : pythonStr(raw.text);
}

/** A text, in the spelling that it came from where it is the same. */
function respelled(raw: RawJson, text: string): RawJson {
  return raw.value() === text ? raw : RawJson.of(text);
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
