import type { Deps } from '../deps';
import { HermesctlError, type Warning } from '../errors';
import { AGENT_MEMBER, columnsOf, membersFromAgent, stillSays } from '../export/agent-members';
import { WEBUI_MEMBER } from '../export/agent-line';
import { assertNoLink, assertUnchanged, durableWrite, type KeepOld } from '../files/durable-write';
import { type OpenFile, withFile, withFileAsync } from '../files/open-file';
import type { FileStamp } from '../files/stamp';
import { arrayItemSpans, type MemberSpan, type Span, topLevelSpans } from '../json/document';
import { compactJson, layOut } from '../json/lay-out';
import { memberOf } from '../json/member';
import { RawJson } from '../json/raw';
import { bytesSource } from '../json/reader';
import { JsonSyntaxError } from '../json/syntax-error';
import type { Location } from '../location/location';
import { lastWorkspace } from '../location/last-workspace';
import { newSessionFrame } from '../session/create';
import { isStoreId } from '../session/id';
import { titleFromContent } from '../session/text';
import { isGeneration } from '../session/writer';
import { assertBackupMayGo, assertNoBackup, keepBackup } from '../sidecar/backup';
import { assertMayChange } from '../sidecar/edit';
import { readSpan } from '../sidecar/messages';
import { scanOpenSidecar, type ScannedSidecar, sidecarPath } from '../sidecar/read';
import type { InputItem } from './import-input';

/** A session that came in, as its file will hold it but for the layout. */
export interface IncomingSession {
  id: string;
  /** What it came as: a session of the store, or of the agent's own export. */
  form: 'session' | 'agent';
  /** All of the session file, without white space. */
  bytes: Buffer;
  messageCount: number;
  /** Of the agent's: its row without its messages, and these, as they are spelled. What else the file says was made here. */
  agent?: { row: string; messages: string };
}

/**
 * Reads one session of the input: of the store where it has a `session_id`; of
 * the agent's own export where it has an `id` and `messages`.
 *
 * @throws HermesctlError `SESSION_DAMAGED` for what is none.
 */
export function readIncoming(item: InputItem, location: Location, deps: Deps): IncomingSession {
  let bytes: Buffer;
  try {
    bytes = compactJson(item.bytes);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw notASession(item, `is not JSON (byte ${error.offset}: ${error.reason})`, { offset: error.offset });
  }
  if (bytes[0] !== 0x7b) throw notASession(item, 'is not a JSON object');
  const members = topLevelSpans(bytesSource(bytes));
  const last = (key: string): MemberSpan | undefined => members.findLast((member) => member.key === key);
  const text = (span: Span): string => bytes.toString('utf8', span.start, span.end);
  const own = last('session_id');
  if (own?.kind === 'string') return ofStore(item, JSON.parse(text(own)) as string, bytes, last('messages'));
  const [id, messages] = [last('id'), last('messages')];
  if (own === undefined && id?.kind === 'string' && messages?.kind === 'array') {
    const name = checkedId(item, JSON.parse(text(id)) as string);
    const webui = last(WEBUI_MEMBER);
    if (webui?.kind === 'object')
      return withWebui(
        item,
        name,
        bytes.subarray(webui.start, webui.end),
        bytes.subarray(messages.start, messages.end),
      );
    return ofAgent(name, members, messages, text, location, deps);
  }
  throw notASession(item, 'is no session: it has no session_id, nor id and messages as the agent’s export has them');
}

function ofStore(item: InputItem, given: string, bytes: Buffer, messages: MemberSpan | undefined): IncomingSession {
  const id = checkedId(item, given);
  if (messages !== undefined && messages.kind !== 'array' && messages.kind !== 'null')
    throw notASession(item, 'has messages that are not a list');
  const messageCount = messages?.kind === 'array' ? countItems(bytes, messages) : 0;
  return { id, form: 'session', bytes, messageCount };
}

/** A session of the store that was exported for the agent: its file is all there, but for the messages. */
function withWebui(item: InputItem, id: string, webui: Buffer, messages: Buffer): IncomingSession {
  const place = topLevelSpans(bytesSource(webui)).findLast(({ key }) => key === 'messages');
  const whole = place?.kind === 'true' ? spliced(webui, place, messages) : webui;
  const own = topLevelSpans(bytesSource(whole)).findLast(({ key }) => key === 'messages');
  // By the name that its file had, whatever it calls itself.
  return { ...ofStore(item, id, whole, own), form: 'agent' };
}

/** The agent's own: a new session file as an import from its database makes it, with all of the row beside it. */
function ofAgent(
  id: string,
  members: readonly MemberSpan[],
  messages: MemberSpan,
  text: (span: Span) => string,
  location: Location,
  deps: Deps,
): IncomingSession {
  const columns = members.filter(({ key }) => key !== 'messages');
  const key = ({ keyStart, keyEnd }: MemberSpan): string => text({ start: keyStart, end: keyEnd });
  const row = `{${columns.map((member) => `${key(member)}:${text(member)}`).join(',')}}`;
  const list = text(messages);
  const messageCount = countItems(Buffer.from(list), { start: 0, end: list.length });
  const frame = newSessionFrame(
    membersFromAgent(columnsOf(new RawJson(row)), firstWords(list)),
    {
      id,
      workspace: lastWorkspace(location, deps.fs),
      model: location.defaultModel.value,
      profile: location.profile.value,
      now: deps.clock.now(),
    },
    messageCount,
  );
  const empty = compactJson(Buffer.from(`${frame.head}[]${frame.tail}`, 'utf8'));
  const place = topLevelSpans(bytesSource(empty)).findLast((member) => member.key === 'messages')!;
  const filled = spliced(empty, place, Buffer.from(list, 'utf8'));
  const bytes = Buffer.concat([
    filled.subarray(0, -1),
    Buffer.from(`,${JSON.stringify(AGENT_MEMBER)}:${row}}`, 'utf8'),
  ]);
  return { id, form: 'agent', bytes, messageCount, agent: { row, messages: list } };
}

function firstWords(list: string): string | undefined {
  const bytes = Buffer.from(list, 'utf8');
  for (const span of arrayItemSpans(bytesSource(bytes), 0)) {
    if (span.kind !== 'object') continue;
    const message = new RawJson(bytes.toString('utf8', span.start, span.end));
    if (memberOf(message, 'role')?.value() !== 'user') continue;
    return titleFromContent(memberOf(message, 'content'));
  }
  return undefined;
}

function countItems(bytes: Buffer, array: Span): number {
  let count = 0;
  for (const { end } of arrayItemSpans(bytesSource(bytes), array.start)) count += end > 0 ? 1 : 0;
  return count;
}

function spliced(bytes: Buffer, span: Span, instead: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, span.start), instead, bytes.subarray(span.end)]);
}

function checkedId({ place }: InputItem, id: string): string {
  if (isStoreId(id)) return id;
  throw new HermesctlError('USAGE', `${place}: ${JSON.stringify(id)} cannot be the id of a session in the store.`, {
    hint: 'A session id has 1 to 200 letters, digits, _ and -, and begins with a letter or digit.',
    details: { place, session_id: id },
  });
}

function notASession({ place }: InputItem, what: string, details: Record<string, unknown> = {}): HermesctlError {
  return new HermesctlError('SESSION_DAMAGED', `${place} ${what}.`, { details: { place, ...details } });
}

export interface ImportFileOptions {
  /** Replace a session that is there and differs; its file is kept as `.json.bak`. */
  replace: boolean;
  /** Also one that records a running stream or a pending turn. */
  force: boolean;
  /** Also sessions that were deleted here. */
  deleted: boolean;
}

/** What importing one session comes to, decided. */
export interface ImportSessionPlan {
  id: string;
  status: 'imported' | 'replaced' | 'unchanged';
  path: string;
  /** The version that it replaces; absent where it is new. */
  expected: FileStamp | 'absent';
  bytes: Buffer;
  messageCount: number;
  warnings: Warning[];
}

/**
 * Decides what importing a session into the store comes to. Reads only.
 *
 * @param tombstones ids of sessions that were deleted here.
 * @throws HermesctlError `ALREADY_EXISTS`, `REFUSED`, `SESSION_BUSY`, `READ_ONLY_SESSION`, `IO_ERROR`
 */
export function planImportSession(
  sessionsDir: string,
  incoming: IncomingSession,
  tombstones: ReadonlySet<string>,
  options: ImportFileOptions,
  deps: Deps,
): ImportSessionPlan {
  const { id, bytes, messageCount } = incoming;
  const path = sidecarPath(sessionsDir, id);
  assertNoLink(deps.fs, path);
  const warnings = hazardsOf(incoming);
  const there = withFile(deps.fs, path, (file) => planReplace(file, incoming, options, deps));
  if (there) return { id, path, messageCount, ...there, warnings: [...warnings, ...there.warnings] };
  if (tombstones.has(id) && !options.deleted) {
    throw new HermesctlError('REFUSED', `Session ${id} was deleted here.`, {
      hint: '--deleted brings it in all the same.',
      details: { session_id: id },
    });
  }
  return { id, status: 'imported', path, expected: 'absent', bytes, messageCount, warnings };
}

type Replacement = Pick<ImportSessionPlan, 'status' | 'expected' | 'bytes' | 'warnings'>;

function planReplace(file: OpenFile, incoming: IncomingSession, options: ImportFileOptions, deps: Deps): Replacement {
  const { id, bytes } = incoming;
  const old = scanned(file, id);
  const expected = file.stamp;
  if (old && isSame(file, old, incoming)) return { status: 'unchanged', expected, bytes, warnings: [] };
  if (!options.replace) throw alreadyThere(id, file.path);
  if (!old) {
    assertNoBackup(deps, file.path, id);
    return { status: 'replaced', expected, bytes, warnings: [] };
  }
  assertMayChange(old, options);
  assertBackupMayGo(deps, old);
  if (incoming.messageCount >= old.transcript.count || isMarked(incoming, old))
    return { status: 'replaced', expected, bytes, warnings: [] };
  return { status: 'replaced', expected, bytes: marked(bytes, deps.ids.uuidHex()), warnings: [markWarning(id)] };
}

/** That a session of this id is there and is another one. */
export function alreadyThere(id: string, path: string): HermesctlError {
  return new HermesctlError('ALREADY_EXISTS', `There is a session ${id} already, and it differs.`, {
    hint: '--replace puts this one in its place (its file is kept as .json.bak).',
    details: { session_id: id, path },
  });
}

/** What is damaged is kept as the backup, and has no messages to compare. */
function scanned(file: OpenFile, id: string): ScannedSidecar | undefined {
  try {
    return scanOpenSidecar(file, id);
  } catch (error) {
    if (error instanceof HermesctlError && error.code === 'SESSION_DAMAGED') return undefined;
    throw error;
  }
}

/** Whether the file says the same, however it is laid out. */
function isSame(file: OpenFile, old: ScannedSidecar, { agent, bytes }: IncomingSession): boolean {
  if (!agent) {
    const size = Number(file.stamp.size);
    return size >= bytes.length && compactJson(bytesOf(file, { start: 0, end: size })).equals(bytes);
  }
  const at = (key: string): MemberSpan | undefined => old.members.findLast((member) => member.key === key);
  const [row, messages] = [at(AGENT_MEMBER), at('messages')];
  return (
    row !== undefined &&
    messages !== undefined &&
    compactJson(bytesOf(file, row)).equals(Buffer.from(agent.row, 'utf8')) &&
    compactJson(bytesOf(file, messages)).equals(Buffer.from(agent.messages, 'utf8')) &&
    stillSays(readSpan(file, row), old)
  );
}

function bytesOf(file: OpenFile, span: Span): Buffer {
  return Buffer.from(readSpan(file, span).text, 'utf8');
}

const SHRINK_MARK = 'intentional_shrink_generation';

/** Whether what comes in says itself that it is meant to hold less than what is there. */
function isMarked({ bytes }: IncomingSession, old: ScannedSidecar): boolean {
  const member = topLevelSpans(bytesSource(bytes)).findLast(({ key }) => key === SHRINK_MARK);
  if (!member) return false;
  const mark = new RawJson(bytes.toString('utf8', member.start, member.end)).value();
  return isGeneration(mark) && mark !== old.fields.get(SHRINK_MARK)?.value();
}

/** Without the mark a server would put the backup back, which holds more. */
function marked(bytes: Buffer, generation: string): Buffer {
  const value = Buffer.from(JSON.stringify(generation));
  const member = topLevelSpans(bytesSource(bytes)).findLast(({ key }) => key === SHRINK_MARK);
  if (member) return spliced(bytes, member, value);
  return Buffer.concat([bytes.subarray(0, -1), Buffer.from(`,"${SHRINK_MARK}":`), value, Buffer.from('}')]);
}

function markWarning(id: string): Warning {
  return {
    code: 'SHRINK_MARKED',
    message: `Session ${id} holds fewer messages now; it is marked as meant, so that a server leaves it so.`,
    session_id: id,
  };
}

const HALF_CHARACTER = /\\u[dD][89a-fA-F]/;

/** What can be stored and makes trouble in the server. */
function hazardsOf({ id, bytes }: IncomingSession): Warning[] {
  if (!bytes.includes('\\ud') && !bytes.includes('\\uD')) return [];
  const text = bytes.toString('utf8');
  if (isPaired(text)) return [];
  return [
    {
      code: 'LONE_SURROGATE',
      message: `Session ${id} holds half a surrogate pair: the server can load it, but not save it.`,
      session_id: id,
    },
  ];
}

/** Whether every escape of half a character stands beside its other half. */
function isPaired(text: string): boolean {
  const halves = text.replace(/\\\\/g, '').replace(/\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}/g, '');
  return !HALF_CHARACTER.test(halves);
}

/**
 * Writes the planned session, whole or not at all. The store's lock must be held.
 *
 * @throws HermesctlError `CHANGED_ON_DISK`, `REFUSED`, `IO_ERROR`
 */
export async function applyImportSession(plan: ImportSessionPlan, deps: Deps): Promise<void> {
  const { path, expected } = plan;
  const save = (keepOld?: KeepOld): Promise<FileStamp> =>
    durableWrite({ path, expected }, (write) => layOut(plan.bytes, write), deps, keepOld);
  if (expected === 'absent') {
    await save();
    return;
  }
  const saved = await withFileAsync(deps.fs, path, (file) => {
    assertUnchanged(deps.fs, plan);
    return save((writeNow) => keepBackup(file, writeNow, deps));
  });
  if (!saved) assertUnchanged(deps.fs, plan);
}
