import type { Deps } from '../deps';
import { HermesctlError } from '../errors';
import type { OpenFile } from '../files/open-file';
import type { MemberSpan } from '../json/document';
import { memberOf } from '../json/member';
import type { RawJson } from '../json/raw';
import { changedFields } from '../session/fields';
import type { RowSource } from '../session/row';
import { contentText } from '../session/text';
import { factsUpTo } from '../session/transcript';
import { floatText } from '../session/writer';
import { assertBackupMayGo } from './backup';
import { type Cut, findCut, landmarkBefore } from './cut';
import { assertMayChange, editMembers, type SidecarEdit } from './edit';
import { readSpan } from './messages';
import type { ScannedSidecar } from './read';

export type TruncateCommand = 'undo' | 'retry';

/** An undo or a retry, decided. */
export interface TruncatePlan {
  edit: SidecarEdit;
  /** Text of the user message at which the transcript is cut. */
  text: string;
  removedCount: number;
  /** Messages that stay. */
  messageCount: number;
  /** What the row of the new version is made of, so that it need not be read. */
  after: RowSource;
}

export interface TruncateOptions {
  /** User turns to cut, from the end. */
  turns: number;
  /** Cut although a stream or a pending turn is recorded. */
  force: boolean;
}

const NOTHING = {
  undo: ['NOTHING_TO_UNDO', 'Nothing to undo'],
  retry: ['NOTHING_TO_RETRY', 'No previous message to retry'],
} as const;

/**
 * Plans to cut a session's last user turns, as the server's undo and retry do
 * (seed 003; reference: webui-store §7): the display transcript at its user
 * message, the model's context at its own, watermark and boundary at the last
 * message that stays, and a fresh shrink generation, without which the next
 * server start would put the old transcript back.
 *
 * @throws HermesctlError `NOTHING_TO_UNDO`/`NOTHING_TO_RETRY`, `SESSION_BUSY`, `READ_ONLY_SESSION`, `REFUSED`.
 */
export function planTruncate(
  command: TruncateCommand,
  file: OpenFile,
  sidecar: ScannedSidecar,
  options: TruncateOptions,
  deps: Deps,
): TruncatePlan {
  const messages = arrayMember(sidecar, 'messages');
  const from = landmarkBefore(sidecar.landmarks, sidecar.transcript.userCount, options.turns);
  const cut = messages ? findCut(file.source, messages, options.turns, from) : { turnsFound: 0 };
  if (!messages || 'turnsFound' in cut)
    throw nothing(command, sidecar.id, 'turnsFound' in cut ? cut.turnsFound : 0, options.turns);
  assertMayChange(sidecar, options);
  assertBackupMayGo(deps, sidecar);

  const watermark = floatText(cut.watermark);
  const changes = new Map([
    ['updated_at', floatText(deps.clock.now())],
    ['truncation_watermark', watermark],
    ['truncation_boundary', watermark],
    ['intentional_shrink_generation', JSON.stringify(deps.ids.uuidHex())],
    ['message_count', String(cut.kept)],
  ]);
  const splices = [...editMembers(file, sidecar, changes), cut.splice, ...contextCut(file, sidecar, options.turns)];
  return {
    edit: { id: sidecar.id, path: sidecar.path, stamp: sidecar.stamp, splices, backup: true },
    text: messageText(readSpan(file, cut.userMessage)),
    removedCount: cut.removed,
    messageCount: cut.kept,
    after: {
      id: sidecar.id,
      fields: changedFields(sidecar.fields, changes),
      transcript: factsUpTo(file.source, messages.start, cut.splice.start, sidecar.landmarks),
    },
  };
}

/** The model's context has its own last user messages; where it has fewer than the turns to cut, all of them go. */
function contextCut(file: OpenFile, sidecar: ScannedSidecar, turns: number): Cut['splice'][] {
  const context = arrayMember(sidecar, 'context_messages');
  if (!context) return [];
  let cut = findCut(file.source, context, turns);
  if ('turnsFound' in cut && cut.turnsFound > 0) cut = findCut(file.source, context, cut.turnsFound);
  return 'turnsFound' in cut ? [] : [cut.splice];
}

function arrayMember(sidecar: ScannedSidecar, key: string): MemberSpan | undefined {
  const member = sidecar.members.findLast((candidate) => candidate.key === key);
  return member?.kind === 'array' ? member : undefined;
}

/** The text of a stored message, its content's last duplicate. */
function messageText(message: RawJson): string {
  return contentText(memberOf(message, 'content'));
}

function nothing(command: TruncateCommand, id: string, found: number, wanted: number): HermesctlError {
  const [code, words] = NOTHING[command];
  const message =
    found === 0
      ? `${words}: session ${id} has no user message.`
      : `Session ${id} has ${found} user turns, not ${wanted}.`;
  return new HermesctlError(code, message, { details: { session_id: id, user_turns: found } });
}
