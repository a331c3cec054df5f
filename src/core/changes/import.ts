import type { AgentTranscript } from '../agent-db/messages';
import { isCron } from '../agent-db/row';
import type { Deps } from '../deps';
import { HermesctlError, type Warning } from '../errors';
import { durableWrite } from '../files/durable-write';
import { type OpenFile, withFileAsync } from '../files/open-file';
import { formatJson } from '../json/format';
import { memberOf } from '../json/member';
import { truthy } from '../json/python';
import { RawJson } from '../json/raw';
import { DEFAULT_PROFILE, type Location } from '../location/location';
import { lastWorkspace } from '../location/last-workspace';
import { type NewMembers, newSessionFrame, type SessionFrame } from '../session/create';
import { assertStoreId } from '../session/id';
import type { SessionRow } from '../session/row';
import { titleFromContent } from '../session/text';
import { applyEdit, assertMayChange, editMembers, type SidecarEdit } from '../sidecar/edit';
import { type ScannedSidecar, scanOpenSidecar, sidecarPath } from '../sidecar/read';
import { appendedMessages, compareTranscripts } from '../sidecar/refresh';
import { removeTombstonesAfterSave } from '../sidecar/tombstones';

/** What the agent's database knows of a session: what a row of the list shows, and its transcript. */
export interface ImportSource {
  id: string;
  /** Keys and values of its row in the list of agent sessions (reference: webui-store §5.4). */
  row: SessionRow;
  transcript: AgentTranscript;
}

export interface ImportOptions {
  /** Also where the session was cut on purpose, or records a stream or a pending turn. */
  force: boolean;
  /** The project that a new cron session goes to; none where null. */
  cronProject: string | null;
  /** Ids that are not to come back: deleted in the store, and no session there. */
  tombstones: ReadonlySet<string>;
}

/** Why a session is left alone. */
export type SkipReason =
  'truncated' | 'diverged' | 'deleted' | 'subagent' | 'read-only' | 'busy' | 'empty' | 'other-profile' | 'invalid-id';

/** What an import of one session comes to, decided. */
export type ImportPlan = {
  session_id: string;
  /** Messages in the store's session afterwards; null where there is none. */
  message_count: number | null;
} & (
  | { status: 'skipped'; reason: SkipReason; why: string }
  | { status: 'unchanged' }
  | { status: 'imported'; path: string; frame: SessionFrame; messages: Buffer[] }
  | { status: 'refreshed'; added: number; edit: SidecarEdit }
);

/** Of a message in a session file as the server lays it out. */
const MESSAGE_DEPTH = 2;
const FALLBACK_TITLE = 'CLI Session';
const UNKNOWN_MODEL = 'unknown';

/** What an imported session takes over from its row as it is; the server adds the last ones at the end of the file. */
const TAKEN_OVER = [
  'parent_session_id',
  'source_tag',
  'raw_source',
  'session_source',
  'source_label',
  'user_id',
  'chat_id',
  'chat_type',
  'thread_id',
  'session_key',
  'platform',
] as const;

/** What a refresh fills in where the stored session has nothing. */
const FILLED_IN = ['source_tag', 'raw_source', 'session_source', 'source_label', 'parent_session_id'] as const;

/** Set in a session that was cut on purpose: what the agent still has of it must not come back by itself. */
const CUT_MARKS = [
  'truncation_watermark',
  'truncation_boundary',
  'intentional_shrink_generation',
  'clear_generation',
] as const;

/**
 * Decides what importing one agent session into the store comes to (reference:
 * webui-store §6): a new session file; new messages at the end of one that was
 * imported before and is still the beginning of the agent's; or nothing, and
 * why. Reads only.
 *
 * @throws HermesctlError `USAGE` (an id that no file can have), `SESSION_DAMAGED`, `IO_ERROR`, `DATABASE_UNUSABLE`, `CHANGED_ON_DISK`
 */
export async function planImport(
  location: Location,
  source: ImportSource,
  options: ImportOptions,
  deps: Deps,
): Promise<ImportPlan> {
  assertStoreId(source.id);
  if (text(source.row, 'source_tag').toLowerCase() === 'subagent') {
    return skipped(source.id, 'subagent', 'it is a subagent’s, which the agent alone writes to', null);
  }
  const path = sidecarPath(location.sessionsDir.value, source.id);
  const refreshed = await withFileAsync(deps.fs, path, (file) => planRefresh(location, source, file, options));
  return refreshed ?? planNew(location, source, path, options, deps);
}

async function planNew(
  location: Location,
  source: ImportSource,
  path: string,
  { cronProject, tombstones }: ImportOptions,
  deps: Deps,
): Promise<ImportPlan> {
  const { id, row, transcript } = source;
  if (tombstones.has(id)) return skipped(id, 'deleted', 'it was deleted in the WebUI', null);
  if (transcript.count === 0) return skipped(id, 'empty', 'the agent has no messages of it', null);
  const messages: Buffer[] = [];
  let firstWords: string | undefined;
  for await (const message of transcript.messages()) {
    if (firstWords === undefined && memberOf(message, 'role')?.value() === 'user')
      firstWords = titleFromContent(memberOf(message, 'content'));
    messages.push(Buffer.from(formatJson(message.text, MESSAGE_DEPTH), 'utf8'));
  }
  const now = deps.clock.now();
  const members: NewMembers = new Map([
    ['title', JSON.stringify(text(row, 'title') || firstWords || FALLBACK_TITLE)],
    ['model', row.raw('model')?.text ?? 'null'],
    ['created_at', time(row, 'created_at') ?? RawJson.float(now).text],
    ['updated_at', time(row, 'updated_at') ?? RawJson.float(now).text],
    ['is_cli_session', 'true'],
    ...TAKEN_OVER.map((key): [string, string] => [key, row.raw(key)?.text ?? 'null']),
  ]);
  if (!truthy(row.value('raw_source'))) members.set('raw_source', row.raw('source_tag')?.text ?? 'null');
  if (isCronRun(source) && cronProject !== null) members.set('project_id', JSON.stringify(cronProject));
  const frame = newSessionFrame(
    members,
    {
      id,
      workspace: lastWorkspace(location, deps.fs),
      model: UNKNOWN_MODEL,
      profile: location.profile.value,
      now,
    },
    messages.length,
  );
  return { session_id: id, status: 'imported', message_count: messages.length, path, frame, messages };
}

/** Whether a session is a cron job's run. */
export function isCronRun({ id, row }: Pick<ImportSource, 'id' | 'row'>): boolean {
  return isCron(id, text(row, 'source_tag'));
}

async function planRefresh(
  location: Location,
  source: ImportSource,
  file: OpenFile,
  options: ImportOptions,
): Promise<ImportPlan> {
  const { id, transcript } = source;
  const sidecar = scanOpenSidecar(file, id);
  const { count } = sidecar.transcript;
  const at = (key: string): unknown => sidecar.fields.get(key)?.value();
  const leave = (reason: SkipReason, why: string): ImportPlan => skipped(id, reason, why, count);

  const profile = at('profile');
  if (truthy(profile) && profile !== location.profile.value && !isRootAlias(location, String(profile)))
    return leave('other-profile', `it belongs to profile ${String(profile)}`);
  if (transcript.count === 0) return leave('empty', 'the agent has no messages of it');

  const array = sidecar.members.findLast((member) => member.key === 'messages' && member.kind === 'array');
  const span = array ?? { start: 0, end: 0 };
  const compared = array
    ? await compareTranscripts(file, span, transcript.messages(), transcript.count)
    : { state: 'behind' as const };
  if (compared.state === 'diverged') {
    return leave(
      'diverged',
      `its ${count} messages are not the beginning of the agent’s ${transcript.count}: it was written to in the WebUI`,
    );
  }
  const changes = filledIn(source, sidecar);
  if (compared.state === 'same' && changes.size === 0)
    return { session_id: id, status: 'unchanged', message_count: count };
  if (!options.force && CUT_MARKS.some((key) => (at(key) ?? null) !== null))
    return leave('truncated', 'it was cut on purpose (undo, retry or clear)');
  const owner = whyNotToChange(sidecar, options.force);
  if (owner) return leave(...owner);

  const splices = compared.state === 'without-tools' ? compared.splices : [];
  if (compared.state === 'behind') {
    const fresh: RawJson[] = [];
    for await (const message of transcript.messages(count)) fresh.push(message);
    changes.set('message_count', String(transcript.count));
    if (array) splices.push(appendedMessages(file, span, fresh));
    else changes.set('messages', formatJson(`[${fresh.map((message) => message.text).join(',')}]`, 1));
  }
  splices.push(...editMembers(file, sidecar, changes));
  return {
    session_id: id,
    status: 'refreshed',
    message_count: transcript.count,
    added: transcript.count - count,
    edit: { id, path: sidecar.path, stamp: sidecar.stamp, splices, backup: false },
  };
}

/** The agent's own home has several names as a profile. */
function isRootAlias(location: Location, profile: string): boolean {
  return profile === DEFAULT_PROFILE && location.profileHome.value === location.baseHome.value;
}

/** What the stored session does not say of its origin, as JSON text. */
function filledIn({ row }: ImportSource, sidecar: ScannedSidecar): Map<string, string> {
  const changes = new Map<string, string>();
  if (sidecar.fields.get('is_cli_session')?.value() !== true) changes.set('is_cli_session', 'true');
  for (const key of FILLED_IN) {
    const value = row.raw(key === 'raw_source' && !truthy(row.value(key)) ? 'source_tag' : key);
    if (value === undefined || !truthy(value.value()) || truthy(sidecar.fields.get(key)?.value())) continue;
    changes.set(key, value.text);
  }
  return changes;
}

function whyNotToChange(sidecar: ScannedSidecar, force: boolean): [SkipReason, string] | undefined {
  try {
    assertMayChange(sidecar, { force });
    return undefined;
  } catch (error) {
    if (!(error instanceof HermesctlError)) throw error;
    return [error.code === 'READ_ONLY_SESSION' ? 'read-only' : 'busy', error.message];
  }
}

/** A session that is left alone. */
export function skipped(id: string, reason: SkipReason, why: string, count: number | null): ImportPlan {
  return { session_id: id, status: 'skipped', reason, why, message_count: count };
}

function text(row: SessionRow, key: string): string {
  const value = row.value(key);
  return typeof value === 'string' ? value : '';
}

/** A time in epoch seconds as the server would write it. */
function time(row: SessionRow, key: string): string | undefined {
  const raw = row.raw(key);
  return typeof raw?.value() === 'number' ? raw.text : undefined;
}

/**
 * Saves what was planned. The store's lock must be held.
 *
 * @throws HermesctlError `CHANGED_ON_DISK`, `REFUSED`, `IO_ERROR`
 */
export async function applyImport(location: Location, plan: ImportPlan, deps: Deps): Promise<Warning[]> {
  if (plan.status === 'refreshed') await applyEdit(plan.edit, deps);
  if (plan.status !== 'imported') return [];
  const { frame, messages } = plan;
  await durableWrite(
    { path: plan.path, expected: 'absent' },
    (write) => {
      write(Buffer.from(`${frame.head}[`, 'utf8'));
      messages.forEach((message, i) => {
        write(Buffer.from(i === 0 ? '\n    ' : ',\n    ', 'utf8'));
        write(message);
      });
      write(Buffer.from(`\n  ]${frame.tail}`, 'utf8'));
    },
    deps,
  );
  return removeTombstonesAfterSave(location.sessionsDir.value, plan.session_id, deps);
}
