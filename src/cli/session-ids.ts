import { readSync } from 'node:fs';

import { HermesctlError, isSystemError } from '../core/errors';
import { resolveAgentId } from '../core/listing/agent-session';
import { resolveSessionId } from '../core/listing/resolve-id';
import { sessionIds } from '../core/sidecar/directory';
import { assertStoreId } from '../core/session/id';
import type { Context } from './context';
import { waitABit } from './output/sink';

/** A session that a reading command works on: one with a file in the store, or one that only the agent's database has. */
export interface SessionToRead {
  id: string;
  in: 'store' | 'agent';
}

/**
 * The session ids that a command line names. `-` stands for the ids on standard
 * input: one a line, or NUL-separated; always exact.
 *
 * @throws HermesctlError `USAGE`, `SESSION_NOT_FOUND`, `STORE_NOT_FOUND`.
 */
export function givenIds(args: readonly string[], nullSeparated: boolean): { id: string; exact: boolean }[] {
  return args.flatMap((arg) =>
    arg === '-'
      ? readIdsFromInput(nullSeparated).map((id) => ({ id, exact: true }))
      : [{ id: arg, exact: nullSeparated }],
  );
}

function readIdsFromInput(nullSeparated: boolean): string[] {
  let text: string;
  try {
    text = readInput().toString('utf8');
  } catch (error) {
    throw new HermesctlError('USAGE', 'Standard input cannot be read for the ids that - stands for.', { cause: error });
  }
  return text
    .split(nullSeparated ? '\0' : /\r?\n/)
    .map((id) => (nullSeparated ? id : id.trim()))
    .filter((id) => id !== '');
}

/** All of standard input. Whoever started us may have made the pipe non-blocking: it is waited for then. */
export function readInput(): Buffer {
  const pieces: Buffer[] = [];
  for (;;) {
    const piece = Buffer.allocUnsafe(64 * 1024);
    try {
      const n = readSync(0, piece, 0, piece.length, null);
      if (n === 0) return Buffer.concat(pieces);
      pieces.push(piece.subarray(0, n));
    } catch (error) {
      if (!isSystemError(error) || error.code !== 'EAGAIN') throw error;
      waitABit();
    }
  }
}

/**
 * Whether a command line names one session. Ids from standard input are many,
 * also where only one comes: the shape of a result must not hang on the data.
 */
export function namesOne(args: readonly string[]): boolean {
  return args.length === 1 && args[0] !== '-';
}

/**
 * Whether every session is meant, and not some that are named.
 *
 * @throws HermesctlError `USAGE` where both are said.
 */
export function wantsAll(args: readonly string[], flags: { all?: boolean }): boolean {
  if (flags.all && args.length > 0) throw new HermesctlError('USAGE', '--all and session ids exclude each other.');
  return flags.all ?? false;
}

/**
 * The ids that a reading command works on, in the order given: those named (a
 * unique prefix will do, except for ids that came from a script), or with
 * `--all` every one of the store.
 *
 * @param prefixes false for a command that cuts or removes: only whole ids will do.
 * @throws HermesctlError `USAGE`, `SESSION_NOT_FOUND`, `STORE_NOT_FOUND`.
 */
export function idsToRead(
  context: Context,
  args: readonly string[],
  flags: { all?: boolean; null?: boolean },
  { prefixes = true }: { prefixes?: boolean } = {},
): string[] {
  const { deps, location } = context;
  if (wantsAll(args, flags)) return sessionIds(deps.fs, location).sort();
  if (args.length === 0) {
    throw new HermesctlError('USAGE', 'No session was named.', {
      hint: "Give session ids, - to read them from standard input, or --all; 'hermesctl sessions list' shows them.",
    });
  }
  const given = givenIds(args, flags.null ?? false).map(({ id, exact }) => ({ id, exact: exact || !prefixes }));
  // One that is not there must not hide the others: reading it says so.
  return given.map(({ id, exact }) =>
    given.length === 1 ? resolveSessionId(deps.fs, location, id, !exact) : resolveOrKeep(context, id, exact),
  );
}

function resolveOrKeep(context: Context, id: string, exact: boolean): string {
  try {
    return resolveSessionId(context.deps.fs, context.location, id, !exact);
  } catch (error) {
    if (error instanceof HermesctlError && error.code === 'SESSION_NOT_FOUND') return id;
    throw error;
  }
}

/**
 * The sessions that a reading command works on, as {@link idsToRead} finds
 * them; what the store does not have is looked for in the agent's database.
 *
 * @throws HermesctlError as {@link idsToRead}; for a single id `DATABASE_UNUSABLE` where nobody can tell.
 */
export async function sessionsToRead(
  context: Context,
  args: readonly string[],
  flags: { all?: boolean; null?: boolean },
): Promise<SessionToRead[]> {
  if (wantsAll(args, flags) || args.length === 0)
    return idsToRead(context, args, flags).map((id) => ({ id, in: 'store' }));
  const given = givenIds(args, flags.null ?? false);
  const sessions: SessionToRead[] = [];
  for (const { id, exact } of given) sessions.push(await sessionToRead(context, id, exact, given.length === 1));
  return sessions;
}

/** One that is nowhere is the command's failure where it is the only one; else reading it will say so. */
async function sessionToRead(context: Context, given: string, exact: boolean, only: boolean): Promise<SessionToRead> {
  const { deps, location } = context;
  try {
    return { id: resolveSessionId(deps.fs, location, given, !exact), in: 'store' };
  } catch (error) {
    if (!(error instanceof HermesctlError) || error.details['candidates'] !== undefined) throw error;
    if (!['SESSION_NOT_FOUND', 'STORE_NOT_FOUND', 'USAGE'].includes(error.code)) throw error;
    const found = await agentIdOrFailure(context, given, exact);
    if (typeof found === 'string') return { id: found, in: 'agent' };
    if (found !== undefined && only) throw found;
    if (only || error.code !== 'SESSION_NOT_FOUND') throw error;
    return { id: given, in: found === undefined ? 'store' : 'agent' };
  }
}

async function agentIdOrFailure(
  context: Context,
  given: string,
  exact: boolean,
): Promise<string | HermesctlError | undefined> {
  try {
    return await resolveAgentId(context.location, context.deps, given, !exact);
  } catch (error) {
    if (error instanceof HermesctlError && error.code === 'DATABASE_UNUSABLE') return error;
    throw error;
  }
}

/**
 * The ids that a command takes as they are, without looking for them.
 *
 * @throws HermesctlError `USAGE` for what cannot be an id.
 */
export function exactIds(args: readonly string[], nullSeparated: boolean): string[] {
  const ids = givenIds(args, nullSeparated).map(({ id }) => id);
  ids.forEach(assertStoreId);
  return ids;
}

/** The ids of agent sessions that a command line names, as they are: any text can be one. */
export function agentIds(args: readonly string[], nullSeparated: boolean): string[] {
  return givenIds(args, nullSeparated).map(({ id }) => id);
}
