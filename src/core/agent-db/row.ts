import { truthy } from '../json/python';
import { FALSE, NULL, RawJson, TRUE, ZERO } from '../json/raw';
import { SessionRow } from '../session/row';
import type { AgentSession } from './projection';
import { normalizedSource, titleCase } from './sources';
import { type AgentSurroundings, cronJobOf } from './surroundings';
import { plain, sqlJson, type SqlValue } from './values';

/** The value of {@link agentRow}'s `stored_in`: the session is in the agent's database and in no file of the store. */
export const IN_AGENT_DATABASE = 'agent';

/** Keys that only rows of the agent's database, and rows completed from it, have. */
export const AGENT_ROW_KEYS = [
  'parent_title',
  'parent_source',
  'relationship_type',
  '_parent_lineage_root_id',
  '_lineage_root_id',
  '_lineage_tip_id',
  '_compression_segment_count',
  'ended_at',
  'end_reason',
  'user_id',
  'chat_id',
  'chat_type',
  'thread_id',
  'session_key',
  'platform',
  'stored_in',
] as const;

/** What a row is made of. */
interface Parts {
  session: AgentSession;
  /** Messages of the tip, for a session that records no count; undefined: not asked yet. */
  counted: number | undefined;
  around: AgentSurroundings;
}

/**
 * What each key of a row holds: the keys of May's `get_cli_sessions`
 * (reference: webui-store §5.4) in its order, then what else the database knows
 * that a store's row has, and `stored_in`. Times are epoch seconds.
 */
const FIELDS: Record<string, (parts: Parts) => RawJson> = {
  session_id: ({ session }) => RawJson.of(session.tip.id),
  title: ({ session, around }) => RawJson.of(agentTitle(session, around)),
  workspace: ({ around }) => RawJson.of(around.workspace),
  model: ({ session }) => orNull(session.tip.model),
  message_count: ({ session, counted }) => recordedCount(session) ?? RawJson.of(counted),
  created_at: ({ session }) => sqlJson(session.head.started_at),
  updated_at: ({ session: { head, tip } }) =>
    sqlJson(truthy(plain(tip.last_activity)) ? tip.last_activity : head.started_at),
  pinned: ({ session }) => flag(session.tip.pinned),
  archived: ({ session }) => flag(session.tip.archived),
  project_id: ({ session, around }) =>
    RawJson.of(isCron(session.tip.id, sourceOf(session)) ? around.cronProject : null),
  profile: ({ around }) => RawJson.of(around.profile),
  source_tag: ({ session }) => sqlJson(sourceOf(session)),
  raw_source: ({ session }) => RawJson.of(normalizedSource(sourceOf(session)).raw_source),
  session_source: ({ session }) => RawJson.of(normalizedSource(sourceOf(session)).session_source),
  source_label: ({ session }) => RawJson.of(normalizedSource(sourceOf(session)).source_label),
  parent_session_id: ({ session }) => sqlJson(session.head.parent_session_id),
  parent_title: () => NULL,
  parent_source: () => NULL,
  relationship_type: ({ session }) => (session.parentRoot === undefined ? NULL : RawJson.of('child_session')),
  _parent_lineage_root_id: ({ session }) => RawJson.of(session.parentRoot),
  _lineage_root_id: ({ session: { head, tip } }) => (tip === head ? NULL : RawJson.of(head.id)),
  _lineage_tip_id: ({ session: { head, tip } }) => (tip === head ? NULL : RawJson.of(tip.id)),
  _compression_segment_count: ({ session: { head, tip, path } }) => (tip === head ? NULL : RawJson.of(path.length)),
  is_cli_session: () => TRUE,
  last_message_at: ({ session }) => sqlJson(session.tip.last_activity),
  input_tokens: ({ session }) => integer(session.tip.input_tokens),
  output_tokens: ({ session }) => integer(session.tip.output_tokens),
  cache_read_tokens: ({ session }) => integer(session.tip.cache_read_tokens),
  cache_write_tokens: ({ session }) => integer(session.tip.cache_write_tokens),
  estimated_cost: ({ session: { tip } }) =>
    sqlJson([tip.actual_cost_usd, tip.estimated_cost_usd].find((cost) => truthy(plain(cost)))),
  ended_at: ({ session }) => sqlJson(session.tip.ended_at),
  end_reason: ({ session }) => sqlJson(session.tip.end_reason),
  user_id: ({ session }) => sqlJson(session.head.user_id),
  chat_id: ({ session }) => sqlJson(session.head.chat_id),
  chat_type: ({ session }) => sqlJson(session.head.chat_type),
  thread_id: ({ session }) => sqlJson(session.head.thread_id),
  session_key: ({ session }) => sqlJson(session.head.session_key),
  platform: ({ session }) => sqlJson(session.head.platform),
  is_streaming: () => FALSE,
  stored_in: () => RawJson.of(IN_AGENT_DATABASE),
};

/**
 * The row of an agent session in a list.
 *
 * @param counted messages of the tip, for a session that records no count; undefined: not asked yet.
 */
export function agentRow(session: AgentSession, counted: number | undefined, around: AgentSurroundings): SessionRow {
  return new AgentRow(session, counted, around);
}

/** Values are made when they are asked for: of many rows most are filtered and sorted away. */
class AgentRow extends SessionRow {
  private readonly parts: Parts;

  constructor(session: AgentSession, counted: number | undefined, around: AgentSurroundings) {
    super(new Map());
    this.parts = { session, counted, around };
  }

  override get id(): string {
    return this.parts.session.tip.id;
  }

  override has(key: string): boolean {
    return Object.hasOwn(FIELDS, key);
  }

  override raw(key: string): RawJson | undefined {
    return this.has(key) ? FIELDS[key](this.parts) : undefined;
  }

  override value(key: string): unknown {
    return this.raw(key)?.value();
  }

  override *entries(): Generator<[string, RawJson]> {
    for (const [key, make] of Object.entries(FIELDS)) yield [key, make(this.parts)];
  }

  override with(changes: Record<string, RawJson>): SessionRow {
    return new SessionRow(new Map(this.entries())).with(changes);
  }
}

function orNull(value: SqlValue): RawJson {
  return truthy(plain(value)) ? sqlJson(value) : NULL;
}

function flag(value: SqlValue): RawJson {
  return truthy(plain(value)) ? TRUE : FALSE;
}

/** Of the first segment, which the conversation is known by. */
function sourceOf({ head, tip }: AgentSession): SqlValue {
  return [head.source, tip.source].find((source) => truthy(plain(source))) ?? 'cli';
}

/** The count that the database records, where it records one; 0 says nothing: old agents never raised it. */
export function recordedCount({ tip }: AgentSession): RawJson | undefined {
  return truthy(plain(tip.message_count)) ? sqlJson(tip.message_count) : undefined;
}

/** The title of a conversation: its own, the name of the cron job that it was a run of, else `<Source> Session`. */
export function agentTitle(session: AgentSession, around: Pick<AgentSurroundings, 'cronNames'>): string {
  const { head, tip } = session;
  const own = [head.title, tip.title].find((title) => truthy(plain(title)));
  if (own !== undefined) return String(plain(own));
  const source = String(plain(sourceOf(session)));
  const job = source === 'cron' ? cronJobOf(tip.id) : undefined;
  const name = job === undefined ? undefined : around.cronNames.get(job);
  return name ?? `${titleCase(source)} Session`;
}

/** Whether a session is of a cron job (seed 001). */
export function isCron(id: string, source: SqlValue): boolean {
  return source === 'cron' || id.startsWith('cron_');
}

function integer(value: SqlValue): RawJson {
  return typeof value === 'bigint' ? sqlJson(value) : ZERO;
}
