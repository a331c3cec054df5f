import { truthy } from '../json/python';
import type { RawJson } from '../json/raw';
import type { OpenFile } from '../files/open-file';
import type { ScannedSidecar } from '../sidecar/read';
import { readSpan } from '../sidecar/messages';
import { AGENT_MEMBER, stillSays } from './agent-members';
import { type Pieces, type Spell, spellMember, spellSession } from './spell-session';

/**
 * The member of an agent's line that holds all of a session file but its
 * messages: what the agent has no place for is not lost. `messages` is true
 * there where the line's own are meant.
 */
export const WEBUI_MEMBER = 'webui';

/** The agent's columns that a session file has something for, in the agent's order, and where it stands there. */
const COLUMNS: readonly (readonly [column: string, key: string])[] = [
  ['user_id', 'user_id'],
  ['session_key', 'session_key'],
  ['chat_id', 'chat_id'],
  ['chat_type', 'chat_type'],
  ['thread_id', 'thread_id'],
  ['model', 'model'],
  ['parent_session_id', 'parent_session_id'],
  ['started_at', 'created_at'],
  ['input_tokens', 'input_tokens'],
  ['output_tokens', 'output_tokens'],
  ['cache_read_tokens', 'cache_read_tokens'],
  ['cache_write_tokens', 'cache_write_tokens'],
  ['cwd', 'workspace'],
  ['estimated_cost_usd', 'estimated_cost'],
  ['title', 'title'],
  ['last_activity_at', 'updated_at'],
  ['profile_name', 'profile'],
];

/**
 * A session of the store as a line of the agent's own export (reference:
 * hermes-agent §2): the columns of its row, then its messages as they are. With
 * `webui` behind it the session can be made again from it, byte for byte.
 */
export function* spellAgentLine(file: OpenFile, sidecar: ScannedSidecar, spell: Spell): Pieces {
  const messages = sidecar.members.findLast((member) => member.key === 'messages');
  const own = sidecar.members.findLast((member) => member.key === AGENT_MEMBER && member.kind === 'object');
  if (own && messages?.kind === 'array' && stillSays(readSpan(file, own), sidecar)) {
    // It came from the agent and nobody changed it since: its own row.
    const row = spell(readSpan(file, own), `.${AGENT_MEMBER}`, AGENT_MEMBER);
    yield `${row.slice(0, -1)}${row === '{}' ? '' : ','}"messages":`;
    yield* spellMember(file, messages, spell);
    yield '}';
    return;
  }
  yield '{';
  yield spellRow(file, sidecar, spell);
  yield `,"${WEBUI_MEMBER}":`;
  yield* spellSession(file, sidecar, spell, (member) =>
    member === messages && member.kind === 'array' ? 'true' : undefined,
  );
  yield ',"messages":';
  if (messages?.kind === 'array') yield* spellMember(file, messages, spell);
  else yield '[]';
  yield '}';
}

function spellRow(file: OpenFile, sidecar: ScannedSidecar, spell: Spell): string {
  const { id, transcript } = sidecar;
  const at = (key: string): RawJson | undefined => memberValue(file, sidecar, key);
  const source = ['source_tag', 'raw_source', 'session_source'].find((key) => truthy(at(key)?.value()));
  const flag = (key: string): string => (truthy(at(key)?.value()) ? '1' : '0');
  const columns: [string, string][] = [
    ['id', JSON.stringify(id)],
    ['source', source === undefined ? '"webui"' : spell(at(source)!, `.${source}`, source)],
  ];
  for (const [column, key] of COLUMNS) {
    const raw = at(key);
    if (raw !== undefined) columns.push([column, spell(raw, `.${key}`, key)]);
  }
  columns.push(['message_count', String(transcript.count)], ['archived', flag('archived')], ['pinned', flag('pinned')]);
  return columns.map(([key, text]) => `${JSON.stringify(key)}:${text}`).join(',');
}

/** A member's value; undefined where there is none. */
function memberValue(file: OpenFile, sidecar: ScannedSidecar, key: string): RawJson | undefined {
  const known = sidecar.fields.get(key);
  if (known) return known;
  const member = sidecar.members.findLast((candidate) => candidate.key === key);
  return member && readSpan(file, member);
}
