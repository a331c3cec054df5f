import { Flags } from '@oclif/core';

import type { ChangeTarget, Changed } from '../core/changes/sessions';
import { HermesctlError } from '../core/errors';
import { withStoreLock } from '../core/files/lock';
import type { IndexOutcome } from '../core/index/reindex';
import { RawJson } from '../core/json/raw';
import { resolveSessionId } from '../core/listing/resolve-id';
import type { WebuiClient } from '../core/server/client';
import { assertStore } from '../core/sidecar/directory';
import type { Context } from './context';
import type { OutputValue } from './output/document';
import { showRecord } from './result-fields';
import { routeOf, serverFlags, type ServerFlagValues } from './server-route';

const group = { helpGroup: 'CHANGE' };

/** The flags of a command that changes what no server keeps in its memory. */
export const plainMutationFlags = {
  'dry-run': Flags.boolean({ ...group, char: 'n', summary: 'Tell what would be done; change no byte.' }),
  'lock-wait': Flags.integer({
    ...group,
    min: 0,
    default: 10,
    helpValue: 'SECONDS',
    summary: 'How long to wait for another hermesctl that changes the store.',
  }),
};

/** The flags of every other command that changes something. */
export const mutationFlags = { ...plainMutationFlags, ...serverFlags };

/** The flag of commands that refuse a session with a running stream or a pending turn. */
export const forceFlag = Flags.boolean({
  ...group,
  summary: 'Also where the session records a running stream or a pending turn.',
});

export interface MutationFlagValues extends ServerFlagValues {
  'dry-run': boolean;
  'lock-wait': number;
}

/** What a command can do besides changing the files. */
export interface Routes<T> {
  /** The same change through the server that has the store: with the same result. */
  onServer?: (client: WebuiClient) => Promise<T>;
  /** Changes only what no server keeps in its memory. */
  besideServer?: boolean;
}

/**
 * Does a change: through the server where one has the store and can do it;
 * else under the store's lock; or only decides it, from the files and without
 * the lock, in a dry run.
 *
 * @throws HermesctlError `SERVER_RUNNING` where a server has the store and cannot do it.
 */
export async function mutate<T>(
  context: Context,
  flags: MutationFlagValues,
  work: (target: ChangeTarget) => Promise<T>,
  { onServer, besideServer = false }: Routes<T> = {},
): Promise<T> {
  const { location, defaults, deps } = context;
  const target = { location, defaults, dryRun: flags['dry-run'] };
  assertStore(deps.fs, location);
  if (target.dryRun) return work(target);
  if (!besideServer) {
    const route = await routeOf(context, flags, onServer !== undefined);
    if (route.via === 'server') return onServer!(route.client);
  }
  return withStoreLock(location.stateDir.value, flags['lock-wait'], deps, () => work(target));
}

/**
 * The session that a command is to change. What cuts or removes takes part of
 * an id only from a person at a terminal: in a script a prefix that fits one
 * session today fits another tomorrow.
 */
export function resolveForChange(context: Context, given: string, cuts: boolean): string {
  const allowPrefix = !cuts || context.terminal.stdinIsTerminal;
  return resolveSessionId(context.deps.fs, context.location, given, allowPrefix);
}

/** Shows the result of a change of one session under its name, in both faces. */
export async function showChange<T extends { index?: unknown }>(
  context: Context,
  name: string,
  { result, warnings }: Changed<T>,
  flags: MutationFlagValues,
): Promise<void> {
  context.warn(...warnings);
  const dryRun = flags['dry-run'];
  warnOfIndex(context, result.index as IndexOutcome | null | undefined);
  await context.show({
    json: (document) => {
      document.member(name, result as unknown as OutputValue);
      if (dryRun) document.member('dry_run', true);
    },
    human: () => {
      if (dryRun) context.note('Dry run: nothing was changed.');
      const shown = Object.entries(result).filter(([key, value]) => key !== 'index' && value !== null);
      showRecord(context, Object.fromEntries(shown.map(([key, value]) => [key, RawJson.of(value)])));
    },
  });
}

/** What is done where only the index is behind. */
export const FILES_CHANGED = 'The files were changed';

/** A session that was saved and whose row was not is a warning: the save stands. */
export function warnOfIndex(
  context: Context,
  index: IndexOutcome | null | undefined,
  done = 'The session was saved',
): void {
  if (index?.updated !== false) return;
  context.warn({
    code: 'INDEX_NOT_UPDATED',
    message: `${done}, the index was not: ${index.error} '${index.hint}' mends it.`,
    command: index.hint,
  });
}

/** @throws HermesctlError `USAGE` unless there is something to work on. */
export function assertSome(ids: readonly string[]): void {
  if (ids.length === 0) throw new HermesctlError('USAGE', 'No session was named.', { hint: 'Give a session id.' });
}
