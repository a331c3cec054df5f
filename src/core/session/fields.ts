import { WRITER_ORDER } from './writer';

/** The top-level keys that can be large and that no row needs. */
const LARGE: ReadonlySet<string> = new Set([
  'anchor_scene_index',
  'messages',
  'tool_calls',
  'anchor_activity_scenes',
  'context_messages',
]);

/**
 * The top-level keys of a sidecar that are small and that a row, a status or a
 * usage needs. Reading a session keeps these and steps over the rest.
 */
export const METADATA_FIELDS: ReadonlySet<string> = new Set(WRITER_ORDER.filter((key) => !LARGE.has(key)));

/** The keys at which a metadata-only read stops: what follows them is large. */
export const METADATA_STOPS: ReadonlySet<string> = new Set(['messages', 'anchor_activity_scenes']);

/** What a prefix must hold to be used as it is; a file without them is read in full. */
export const METADATA_NEEDED = ['session_id', 'title', 'created_at', 'updated_at'] as const;
