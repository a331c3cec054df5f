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

/**
 * The row of an agent session in a list: the keys of May's `get_cli_sessions`
 * (reference: webui-store §5.4) in its order, then what else the database knows
 * that a store's row has, and `stored_in`. Times are epoch seconds.
 *
 * @param counted messages of the tip, for a session that records no count; undefined: not asked yet.
 */
export function agentRow(session: AgentSession, counted: number | undefined, around: AgentSurroundings): SessionRow {
  const { head, tip, path, parentRoot } = session;
  const source = sourceOf(session);
  const normal = normalizedSource(source);
  const continued = tip !== head;
  const orNull = (value: SqlValue): RawJson => (truthy(plain(value)) ? sqlJson(value) : NULL);
  const firstOf = (...values: SqlValue[]): RawJson => sqlJson(values.find((value) => truthy(plain(value))));
  const fields = new Map<string, RawJson>(
    Object.entries({
      session_id: RawJson.of(tip.id),
      title: RawJson.of(agentTitle(session, around)),
      workspace: RawJson.of(around.workspace),
      model: orNull(tip.model),
      message_count: recordedCount(session) ?? RawJson.of(counted),
      created_at: sqlJson(head.started_at),
      updated_at: truthy(plain(tip.last_activity)) ? sqlJson(tip.last_activity) : sqlJson(head.started_at),
      pinned: truthy(plain(tip.pinned)) ? TRUE : FALSE,
      archived: truthy(plain(tip.archived)) ? TRUE : FALSE,
      project_id: RawJson.of(isCron(tip.id, source) ? around.cronProject : null),
      profile: RawJson.of(around.profile),
      source_tag: sqlJson(source),
      raw_source: RawJson.of(normal.raw_source),
      session_source: RawJson.of(normal.session_source),
      source_label: RawJson.of(normal.source_label),
      parent_session_id: sqlJson(head.parent_session_id),
      parent_title: NULL,
      parent_source: NULL,
      relationship_type: parentRoot === undefined ? NULL : RawJson.of('child_session'),
      _parent_lineage_root_id: RawJson.of(parentRoot),
      _lineage_root_id: continued ? RawJson.of(head.id) : NULL,
      _lineage_tip_id: continued ? RawJson.of(tip.id) : NULL,
      _compression_segment_count: continued ? RawJson.of(path.length) : NULL,
      is_cli_session: TRUE,
      last_message_at: sqlJson(tip.last_activity),
      input_tokens: integer(tip.input_tokens),
      output_tokens: integer(tip.output_tokens),
      cache_read_tokens: integer(tip.cache_read_tokens),
      cache_write_tokens: integer(tip.cache_write_tokens),
      estimated_cost: firstOf(tip.actual_cost_usd, tip.estimated_cost_usd),
      ended_at: sqlJson(tip.ended_at),
      end_reason: sqlJson(tip.end_reason),
      user_id: sqlJson(head.user_id),
      chat_id: sqlJson(head.chat_id),
      chat_type: sqlJson(head.chat_type),
      thread_id: sqlJson(head.thread_id),
      session_key: sqlJson(head.session_key),
      platform: sqlJson(head.platform),
      is_streaming: FALSE,
      stored_in: RawJson.of(IN_AGENT_DATABASE),
    }),
  );
  return new SessionRow(fields);
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
