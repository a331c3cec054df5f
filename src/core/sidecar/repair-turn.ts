import * as path from 'node:path';

import type { Deps } from '../deps';
import type { OpenFile } from '../files/open-file';
import { appendSplice, arrayEnds, arrayText } from '../json/append';
import { formatJson } from '../json/format';
import { truthy } from '../json/python';
import { RawJson } from '../json/raw';
import type { Splice } from '../json/splice';
import {
  interruptedMarker,
  isPrompt,
  type KeepReason,
  type PendingTurn,
  recoveredMessage,
  stalePendingTurn,
} from '../session/stale-turn';
import { floatText } from '../session/writer';
import { assertBackupMayGo } from './backup';
import { type CoreTranscript, readCoreTranscript } from './core-transcript';
import { assertMayChange, editMembers, type SidecarEdit } from './edit';
import { readSpan } from './messages';
import type { ScannedSidecar } from './read';

/** What a repair must know besides the session's own file. */
export interface RepairSurroundings {
  /** Home of the session's profile: the agent's own transcripts are there. */
  profileHome: string;
  /** Whether a server may still be running a turn of this store. */
  streamMayLive: boolean;
  /** Whether another session names this one as its parent. */
  isContinued: boolean;
}

/** The repair of a stale pending turn, decided. */
export interface RepairPlan {
  edit: SidecarEdit;
  /** Where the messages come from: the agent's transcript, or the prompt that was pending. */
  source: 'core-transcript' | 'pending-turn';
  /** Whether the prompt is in the transcript afterwards. Where it is not, the backup has it. */
  promptKept: boolean;
  messageCount: number;
}

/**
 * Plans to end a turn that a dead server left pending (seed 001,
 * `_repair_stale_pending`; reference: webui-store §8). A session without
 * messages takes over the agent's transcript where there is one; otherwise the
 * pending prompt becomes a user's message and a mark that the turn broke off
 * follows it. Only what has to change is changed, and the old version is kept.
 *
 * @returns the reason where the turn is to be left alone.
 * @throws HermesctlError `READ_ONLY_SESSION`, `REFUSED` (the backup), `SESSION_DAMAGED` (the agent's transcript).
 */
export function planRepairTurn(
  file: OpenFile,
  sidecar: ScannedSidecar,
  surroundings: RepairSurroundings,
  deps: Deps,
): RepairPlan | KeepReason {
  const now = deps.clock.now();
  const turn = stalePendingTurn(sidecar.fields, now);
  if (typeof turn === 'string') return turn;
  if (surroundings.streamMayLive) return 'stream-alive';
  if (surroundings.isContinued) return 'continued';
  assertMayChange(sidecar, { force: true });
  assertBackupMayGo(deps, sidecar);
  const core =
    sidecar.transcript.count === 0 ? readCoreTranscript(deps.fs, surroundings.profileHome, sidecar.id) : undefined;
  return core ? fromCore(core, turn, file, sidecar, now) : fromPrompt(turn, file, sidecar, now, deps);
}

/** The members that no longer tell of a turn; what the file does not have needs no ending. */
function ended(sidecar: ScannedSidecar, now: number): Map<string, string> {
  const has = (key: string): boolean => sidecar.members.some((member) => member.key === key);
  const cleared: [string, string][] = [
    ['active_stream_id', 'null'],
    ['pending_user_message', 'null'],
    ['pending_attachments', '[]'],
    ['pending_started_at', 'null'],
    ['pending_user_source', 'null'],
  ];
  return new Map([['updated_at', floatText(now)], ...cleared.filter(([key]) => has(key))]);
}

function fromCore(
  core: CoreTranscript,
  turn: PendingTurn,
  file: OpenFile,
  sidecar: ScannedSidecar,
  now: number,
): RepairPlan {
  const changes = ended(sidecar, now);
  for (const [key, text] of core.others) changes.set(key, text);
  changes.set('messages', isIndented(file, sidecar) ? formatJson(core.messages.text, 1) : core.messages.text);
  changes.set('message_count', String(core.count));
  const items = core.messages.value() as unknown[];
  return {
    edit: editOf(sidecar, editMembers(file, sidecar, changes)),
    source: 'core-transcript',
    promptKept: items.some((message) => isPrompt(RawJson.of(message), turn)),
    messageCount: core.count,
  };
}

function fromPrompt(turn: PendingTurn, file: OpenFile, sidecar: ScannedSidecar, now: number, deps: Deps): RepairPlan {
  const messages = arrayOf(file, sidecar, 'messages');
  const sentAt = turn.startedAt ?? Math.trunc(now);
  const prompt = recoveredMessage(turn, sentAt);
  const isThere = messages !== undefined && isPrompt(readSpan(file, messages.ends.last), turn);
  const typed = sidecar.transcript.count > 0;
  const marker = interruptedMarker(turn, now, { typed, journal: hasJournal(sidecar, turn, deps) });
  const added = isThere ? [marker] : [prompt, marker];
  const messageCount = sidecar.transcript.count + added.length;

  const changes = ended(sidecar, now);
  changes.set('message_count', String(messageCount));
  if (truthy(sidecar.fields.get('truncation_watermark')?.value())) {
    changes.set('truncation_watermark', floatText(sentAt));
  }
  if (!messages) changes.set('messages', arrayText(added, isIndented(file, sidecar)));
  const read = (start: number, end: number): string => readSpan(file, { start, end }).text;
  const splices = editMembers(file, sidecar, changes);
  if (messages) splices.push(appendSplice(messages.span, messages.ends, added, read));
  // An empty context is none: the server then takes the messages.
  const context = arrayOf(file, sidecar, 'context_messages');
  if (context && !isPrompt(readSpan(file, context.ends.last), turn)) {
    splices.push(appendSplice(context.span, context.ends, [prompt], read));
  }
  return { edit: editOf(sidecar, splices), source: 'pending-turn', promptKept: true, messageCount };
}

function editOf({ id, path: file, stamp }: ScannedSidecar, splices: Splice[]): SidecarEdit {
  return { id, path: file, stamp, splices, backup: true };
}

/** An array of the top level that is not empty. */
function arrayOf(file: OpenFile, sidecar: ScannedSidecar, key: string) {
  const span = sidecar.members.findLast((member) => member.key === key);
  if (span?.kind !== 'array') return undefined;
  const ends = arrayEnds(file.source, span);
  return ends && { span, ends };
}

function isIndented(file: OpenFile, sidecar: ScannedSidecar): boolean {
  return readSpan(file, { start: 0, end: sidecar.members[0].keyStart }).text.includes('\n');
}

const JOURNAL_NAME = /^[A-Za-z0-9_.-]+$/;

/** Whether the server wrote down what the stream said, which it can still put into the session. */
function hasJournal(sidecar: ScannedSidecar, { streamId }: PendingTurn, deps: Deps): boolean {
  if (!JOURNAL_NAME.test(streamId) || /^\.+$/.test(streamId)) return false;
  const file = path.join(path.dirname(sidecar.path), '_run_journal', sidecar.id, `${streamId}.jsonl`);
  return deps.fs.statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}
