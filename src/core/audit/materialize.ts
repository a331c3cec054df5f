import { readTranscript } from '../agent-db/messages';
import { withAgentDatabase } from '../agent-db/open';
import { storedSession, type StoredSession } from '../agent-db/stored';
import { plain } from '../agent-db/values';
import type { Deps } from '../deps';
import { HermesctlError } from '../errors';
import { lastWorkspace } from '../location/last-workspace';
import { DEFAULT_PROFILE, type Location } from '../location/location';
import { type NewMembers, newSessionText } from '../session/create';
import { floatText } from '../session/writer';

const TITLE = 'Recovered WebUI Session';

/**
 * The file of a session of the WebUI of which only the agent's database is
 * left (reference: webui-store §9.1): its own messages with their tool data,
 * without those that were taken back.
 *
 * @throws HermesctlError `DATABASE_UNUSABLE`, `SESSION_NOT_FOUND`
 */
export async function sessionFromDatabase(location: Location, id: string, deps: Deps): Promise<string> {
  return withAgentDatabase(location.agentDatabase.value, deps, async (database) => {
    const row = await storedSession(database, id);
    if (row === undefined) {
      throw new HermesctlError('SESSION_NOT_FOUND', `The agent’s database no longer has session ${id}.`, {
        details: { session_id: id },
      });
    }
    const messages: string[] = [];
    let lastAt: unknown;
    const transcript = await readTranscript(database, id, { stitched: false });
    for await (const message of transcript.messages()) {
      messages.push(message.text);
      lastAt = (message.value() as { timestamp?: unknown }).timestamp;
    }
    const now = deps.clock.now();
    const startedAt = seconds(plain(row.started_at)) ?? now;
    const members = membersOf(row, location, deps);
    members.set('created_at', floatText(startedAt));
    members.set('updated_at', floatText(seconds(lastAt) ?? startedAt));
    members.set('messages', `[${messages.join(',')}]`);
    return newSessionText(members, { id, workspace: '', model: 'unknown', profile: DEFAULT_PROFILE, now });
  });
}

function membersOf(row: StoredSession, location: Location, deps: Deps): NewMembers {
  const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
  const profile = location.profile.value;
  const members: NewMembers = new Map();
  const set = (key: string, value: unknown): unknown => members.set(key, JSON.stringify(value ?? null));
  set('title', text(plain(row.title)) ?? TITLE);
  set('workspace', text(plain(row.cwd)) ?? lastWorkspace(location, deps.fs));
  set('model', text(plain(row.model)) ?? 'unknown');
  set('profile', profile === DEFAULT_PROFILE ? null : profile);
  set('parent_session_id', text(plain(row.parent_session_id)));
  for (const key of ['input_tokens', 'output_tokens', 'cache_read_tokens', 'cache_write_tokens'] as const) {
    if (typeof row[key] === 'bigint') members.set(key, String(row[key]));
  }
  set('source_tag', 'webui');
  set('raw_source', 'webui');
  set('session_source', 'webui');
  set('source_label', 'WebUI');
  return members;
}

function seconds(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value !== 0 ? value : undefined;
}
