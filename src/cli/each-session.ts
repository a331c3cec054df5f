import { Flags } from '@oclif/core';

import { type ErrorCode, HermesctlError } from '../core/errors';
import type { Read } from '../core/listing/details';
import type { Context } from './context';
import { errorEnvelope, type OutputValue, type RawFields } from './output/document';
import type { SessionToRead } from './session-ids';

/** The flag that goes with ids on standard input. */
export const nullFlag = Flags.boolean({
  char: '0' as 'z', // oclif's type knows letters only; its parser takes any character
  summary: 'Ids on standard input are NUL-separated.',
});

export interface Failure {
  session_id: string;
  error: HermesctlError;
}

/** What reading several sessions gave: one broken file never hides the others. */
export interface Gathered<T> {
  values: T[];
  failures: Failure[];
}

/**
 * Reads each of these sessions. Of `one` its failure is the command's; of
 * several they are gathered, and {@link failureOf} tells how the command ends.
 */
export async function gather<T>(
  context: Context,
  sessions: readonly SessionToRead[],
  one: boolean,
  read: (session: SessionToRead) => Read<T> | Promise<Read<T>>,
): Promise<Gathered<T>> {
  const values: T[] = [];
  const failures = await forEachSession(context, sessions, one, async (session) => {
    const { value, warnings } = await read(session);
    context.warn(...warnings);
    values.push(value);
  });
  return { values, failures };
}

/**
 * Does something for each of these sessions. Of `one` its failure is the
 * command's; of several, what fails does not stop the others.
 *
 * @returns what failed.
 */
export async function forEachSession<S extends string | { id: string }>(
  context: Context,
  sessions: readonly S[],
  one: boolean,
  work: (session: S) => Promise<void>,
): Promise<Failure[]> {
  const failures: Failure[] = [];
  for (const [done, session] of sessions.entries()) {
    try {
      await work(session);
    } catch (error) {
      if (!(error instanceof HermesctlError) || one) throw error;
      failures.push({ session_id: typeof session === 'string' ? session : session.id, error });
    }
    context.deps.progress(done + 1, sessions.length);
    const pause = context.deps.breathe();
    if (pause) await pause;
  }
  return failures;
}

/** Failures for the JSON face. */
export function failuresForOutput(failures: readonly Failure[]): OutputValue {
  return failures.map(failureForOutput);
}

/** One of them. */
export function failureForOutput({ session_id, error }: Failure): RawFields {
  return { session_id, error: errorEnvelope(error) as unknown as OutputValue };
}

/**
 * How a command over several sessions ends: undefined where all went well; the
 * common code where all failed alike; else `PARTIAL`.
 */
export function failureOf(failures: readonly Failure[], asked: number): HermesctlError | undefined {
  if (failures.length === 0) return undefined;
  const details = { failed: failures.map(({ session_id, error }) => ({ session_id, code: error.code })) };
  const message = `${failures.length} of ${asked} sessions failed: ${failures.map(({ session_id }) => session_id).join(', ')}.`;
  return new HermesctlError(sharedCode(failures, asked), message, { details });
}

/** The code that all have in common, where all failed; else `PARTIAL`. */
export function sharedCode(failures: readonly { error: HermesctlError }[], asked: number): ErrorCode {
  const codes = new Set(failures.map(({ error }) => error.code));
  return failures.length === asked && codes.size === 1 ? failures[0].error.code : 'PARTIAL';
}
