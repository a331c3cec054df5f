import { HermesctlError } from '../core/errors';
import { claimState } from '../core/memory/claim';
import type { DrainPlan, Remaining } from '../core/memory/due';
import type { Drained, DrainedSegment } from '../core/memory/drain';
import type { LedgerSession } from '../core/memory/ledger-rows';
import { NEW_LIFECYCLE, type Segment } from '../core/memory/lifecycle';
import { describeOwner } from '../core/memory/owner';
import type { Marked } from '../core/memory/mark';
import type { Context } from './context';
import { type Failure, failuresForOutput } from './each-session';
import { ownerForOutput } from './memory';
import type { OutputValue } from './output/document';
import { visibleLine } from './output/visible';

/** A session that the ledger does not know: all of it is clean. */
export function unknownSession(sessionId: string): LedgerSession {
  return { ...NEW_LIFECYCLE, sessionId, born: '', profile: null, claim: null, attempt: null, upload: null };
}

/** What `memory status` says of a session. */
export function statusRow(session: LedgerSession, { deps }: Context): Record<string, unknown> {
  const { sessionId, profile, generation, committed, owner, claim, attempt, upload } = session;
  return {
    session_id: sessionId,
    profile,
    generation,
    committed_generation: committed,
    uncommitted: generation - committed,
    owner: ownerForOutput(owner),
    segments: session.segments.map(segmentRow),
    in_flight: claim && {
      pid: claim.pid,
      host: claim.host,
      since: claim.since,
      expires: claim.expires,
      state: claimState(claim, deps.processes, deps.clock.now()),
    },
    last_attempt: attempt,
    upload_sent: upload,
  };
}

function segmentRow({ start, end, owner, firstAt, lastAt }: Segment): Record<string, unknown> {
  return { start, end, owner: ownerForOutput(owner), first_at: firstAt, last_at: lastAt };
}

/** Shows of which sessions a turn was counted: `marked` where one was named, `marks` of several. */
export function showMarks(
  context: Context,
  marked: readonly Marked[],
  failures: readonly Failure[],
  one: boolean,
  dryRun: boolean,
): Promise<void> {
  return context.show({
    json: (document) => {
      const rows = marked.map(({ sessionId, generation, owner }) => ({
        session_id: sessionId,
        generation,
        owner: ownerForOutput(owner),
      }));
      if (one) document.member('marked', rows[0]);
      else document.member('marks', rows);
      if (dryRun) document.member('dry_run', true);
      if (failures.length > 0) document.member('failed', failuresForOutput(failures));
    },
    human: () => {
      for (const { sessionId, generation } of marked) context.line(`${sessionId}\t${generation}`);
      if (dryRun) context.note('Dry run: nothing was changed.');
    },
  });
}

interface DrainShown {
  segments: (Pick<DrainedSegment, 'sessionId' | 'profile' | 'segment'> & Partial<DrainedSegment>)[];
  remaining: Remaining[];
  drained?: Drained;
}

/**
 * Shows what a drain did, or would do.
 *
 * @throws HermesctlError `PARTIAL` where something remains.
 */
export async function showDrain(context: Context, result: Drained | DrainPlan, deadline: number): Promise<void> {
  const drained = 'stopped' in result ? result : undefined;
  const { segments, remaining } = result as DrainShown;
  await context.show({
    json: (document) => {
      document.member('segments', segments.map(drainedRow) as unknown as OutputValue);
      document.member('remaining', remaining.map(remainingRow) as unknown as OutputValue);
      if (drained) {
        const { stopped, passes, took } = drained;
        document.member('drain', { stopped, passes, took_seconds: took, deadline_seconds: deadline });
      } else document.member('dry_run', true);
    },
    human: () => {
      for (const { sessionId, segment, outcome, extraction } of segments) {
        const { start, end, owner } = segment;
        const fate = [outcome ?? 'would commit', extraction && `extraction ${extraction}`].filter(Boolean).join(', ');
        const cells = [sessionId, `${start}-${end}`, fate.replaceAll('_', ' '), describeOwner(owner)];
        context.line(cells.map(visibleLine).join('\t'));
      }
      for (const line of remainingLines(remaining)) context.note(line, true);
      context.note(summary(segments.length, drained));
    },
  });
  const stuck = segments.filter(({ extraction }) => extraction === 'failed' || extraction === 'cancelled');
  const failure = partial(remaining, stuck);
  if (failure) throw failure;
}

function summary(segments: number, drained: Drained | undefined): string {
  if (!drained) return `Dry run: nothing was changed. ${plural(segments, 'segment')} would be committed.`;
  if (segments === 0 && drained.stopped === 'clean') return 'Nothing to commit.';
  return `${plural(segments, 'segment')} committed in ${drained.took.toFixed(1)} s.`;
}

const NAMED = 3;

/** One line for all that remain for the same reason: a server that is away is no news for each of 200 sessions. */
function remainingLines(remaining: readonly Remaining[]): string[] {
  const groups = new Map<string, string[]>();
  for (const { session, failure } of remaining) {
    const why = `${failure.reason.replaceAll('_', ' ')}: ${failure.message}`;
    groups.set(why, [...(groups.get(why) ?? []), session.sessionId]);
  }
  return [...groups].map(([why, ids]) => {
    const more = ids.length > NAMED ? ` and ${ids.length - NAMED} more` : '';
    return `${ids.slice(0, NAMED).join(', ')}${more}: ${why}`;
  });
}

/** `1 turn`, `2 turns`. */
export function plural(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

function drainedRow({
  sessionId,
  profile,
  segment,
  outcome,
  taskId,
  extraction,
}: DrainShown['segments'][number]): object {
  return {
    session_id: sessionId,
    profile,
    start: segment.start,
    end: segment.end,
    turns: segment.end - segment.start + 1,
    owner: ownerForOutput(segment.owner),
    outcome: outcome ?? 'would_commit',
    task_id: taskId ?? null,
    extraction: extraction ?? null,
  };
}

function remainingRow({ session, failure }: Remaining): object {
  const { sessionId, profile, generation, committed, segments } = session;
  return {
    session_id: sessionId,
    profile,
    uncommitted: generation - committed,
    segments: segments.map(segmentRow),
    reason: failure.reason,
    code: failure.code,
    message: failure.message,
  };
}

function partial(remaining: readonly Remaining[], stuck: DrainShown['segments']): HermesctlError | undefined {
  if (remaining.length === 0 && stuck.length === 0) return undefined;
  const counts = new Map<string, number>();
  for (const { failure } of remaining) counts.set(failure.reason, (counts.get(failure.reason) ?? 0) + 1);
  const why = [...counts].map(([reason, n]) => `${n} ${reason.replaceAll('_', ' ')}`).join(', ');
  const parts = [
    remaining.length > 0 ? `${plural(remaining.length, 'session')} with uncommitted turns (${why})` : '',
    stuck.length > 0 ? `${plural(stuck.length, 'extraction')} failed` : '',
  ].filter(Boolean);
  return new HermesctlError('PARTIAL', `There remain: ${parts.join('; ')}.`, {
    hint: "'hermesctl memory status' shows what is left; the next drain tries it again.",
    details: {
      remaining: remaining.map(({ session, failure }) => ({
        session_id: session.sessionId,
        reason: failure.reason,
        code: failure.code,
      })),
    },
  });
}
