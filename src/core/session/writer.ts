import { RawJson } from '../json/raw';

/** The top-level keys of a sidecar in the order in which the server writes them, with the value of a session that has none. */
export const WRITER_FIELDS: readonly (readonly [key: string, json: string])[] = [
  ['session_id', 'null'],
  ['title', '"Untitled"'],
  ['workspace', 'null'],
  ['created_workspace', 'null'],
  ['model', '""'],
  ['model_provider', 'null'],
  ['model_explicit_pick_signature', 'null'],
  ['created_at', 'null'],
  ['updated_at', 'null'],
  ['pinned', 'false'],
  ['archived', 'false'],
  ['project_id', 'null'],
  ['profile', 'null'],
  ['input_tokens', '0'],
  ['output_tokens', '0'],
  ['estimated_cost', 'null'],
  ['cache_read_tokens', '0'],
  ['cache_write_tokens', '0'],
  ['personality', 'null'],
  ['active_stream_id', 'null'],
  ['pending_user_message', 'null'],
  ['pending_attachments', '[]'],
  ['pending_started_at', 'null'],
  ['pending_user_source', 'null'],
  ['compression_anchor_visible_idx', 'null'],
  ['compression_anchor_message_key', 'null'],
  ['compression_anchor_summary', 'null'],
  ['pre_compression_snapshot', 'false'],
  ['context_engine', 'null'],
  ['compression_anchor_engine', 'null'],
  ['compression_anchor_mode', 'null'],
  ['compression_anchor_details', '{}'],
  ['context_engine_state', '{}'],
  ['context_length', 'null'],
  ['threshold_tokens', 'null'],
  ['last_prompt_tokens', 'null'],
  ['post_compression_context_tokens_estimate', 'null'],
  ['compression_recovery', '{}'],
  ['recommended_recovery_action', 'null'],
  ['compression_recovery_source_session_id', 'null'],
  ['compression_recovery_action', 'null'],
  ['truncation_watermark', 'null'],
  ['truncation_boundary', 'null'],
  ['clear_generation', 'null'],
  ['intentional_shrink_generation', 'null'],
  ['gateway_routing', 'null'],
  ['gateway_routing_history', '[]'],
  ['llm_title_generated', 'false'],
  ['manual_title', 'false'],
  ['parent_session_id', 'null'],
  ['worktree_path', 'null'],
  ['worktree_branch', 'null'],
  ['worktree_repo_root', 'null'],
  ['worktree_created_at', 'null'],
  ['is_cli_session', 'false'],
  ['source_tag', 'null'],
  ['raw_source', 'null'],
  ['session_source', 'null'],
  ['source_label', 'null'],
  ['read_only', 'false'],
  ['enabled_toolsets', 'null'],
  ['composer_draft', '{}'],
  ['process_wakeup_pause', '{}'],
  ['share_token', 'null'],
  ['share_created_at', 'null'],
  ['message_count', '0'],
  ['anchor_scene_index', '{}'],
  ['messages', '[]'],
  ['tool_calls', '[]'],
  ['anchor_activity_scenes', '{}'],
  ['context_messages', '[]'],
];

export const WRITER_ORDER: readonly string[] = WRITER_FIELDS.map(([key]) => key);

const GENERATION = /^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/;

/** Whether this is a mark that a shrink was meant: a version 4 UUID as the server spells it. */
export function isGeneration(value: unknown): value is string {
  return typeof value === 'string' && GENERATION.test(value);
}

/** A time or a watermark as the server writes it. */
export function floatText(seconds: number): string {
  return RawJson.float(seconds).text;
}
