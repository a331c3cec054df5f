import { closeSync, openSync, readSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { type ImportedSession, importFile, type ImportFileRun } from '../core/changes/import-file';
import type { ImportFileOptions } from '../core/changes/import-session';
import { HermesctlError, ioError, isSystemError } from '../core/errors';
import { type OpenFile, withFileAsync } from '../core/files/open-file';
import type { Context } from './context';
import { type Failure, failureOf, failuresForOutput } from './each-session';
import { mutate, type MutationFlagValues, warnOfIndex } from './mutation';
import { waitABit } from './output/sink';
import { visibleLine } from './output/visible';

/** Imports the sessions of a file, or of standard input, and shows what became of each. */
export async function importFrom(
  context: Context,
  name: string,
  flags: MutationFlagValues & ImportFileOptions,
): Promise<void> {
  context.doing('importing');
  const run = await withInput(context, name, (file) =>
    mutate(context, flags, (target) => importFile(target, file, flags, context.deps)),
  );
  await showRun(context, run, flags['dry-run']);
}

/**
 * Opens the input. What can be read only once, standard input or a pipe, is
 * copied first, to where only this user can read: nobody is waited for while
 * the store's lock is held.
 */
async function withInput<T>(context: Context, name: string, use: (file: OpenFile) => Promise<T>): Promise<T> {
  const { fs, temporaryRoot } = context.deps;
  const path = resolve(context.environment.cwd, name);
  if (name !== '-' && (fs.statSync(path, { throwIfNoEntry: false })?.isFile() ?? false))
    return opened(context, path, name, use);
  let fd: number;
  try {
    fd = name === '-' ? 0 : openSync(path, 'r');
  } catch (error) {
    throw unreadable(name, error);
  }
  const dir = fs.mkdtempSync(join(temporaryRoot, 'hermesctl-import-'));
  try {
    const copy = join(dir, 'input');
    copyTo(context, fd, copy, name);
    return await opened(context, copy, name, use);
  } finally {
    if (name !== '-') closeSync(fd);
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

async function opened<T>(
  context: Context,
  path: string,
  name: string,
  use: (file: OpenFile) => Promise<T>,
): Promise<T> {
  const result = await withFileAsync(context.deps.fs, path, async (file) => ({ value: await use(file) }));
  if (!result) throw unreadable(name, new Error('it is gone'));
  return result.value;
}

function copyTo({ deps: { fs } }: Context, from: number, path: string, name: string): void {
  const to = fs.openSync(path, 'wx', 0o600);
  try {
    const piece = Buffer.allocUnsafe(256 * 1024);
    for (;;) {
      let n: number;
      try {
        n = readSync(from, piece, 0, piece.length, null);
      } catch (error) {
        if (!isSystemError(error) || error.code !== 'EAGAIN') throw unreadable(name, error);
        waitABit();
        continue;
      }
      if (n === 0) return;
      for (let at = 0; at < n;) at += fs.writeSync(to, piece, at, n - at);
    }
  } catch (error) {
    throw isSystemError(error) ? ioError(error, path) : error;
  } finally {
    fs.closeSync(to);
  }
}

function unreadable(name: string, error: unknown): HermesctlError {
  return new HermesctlError('USAGE', `The input ${name} cannot be read: ${(error as Error).message}.`, {
    cause: error,
  });
}

async function showRun(context: Context, { results, index, warnings }: ImportFileRun, dryRun: boolean): Promise<void> {
  context.warn(...warnings);
  warnOfIndex(context, index, 'The sessions were saved');
  const failures: Failure[] = results.flatMap(({ session_id: id, place, error }) =>
    error ? [{ session_id: id ?? place, error }] : [],
  );
  const counts = countsOf(results);
  await context.show({
    json: (document) => {
      document.member('import', { ...counts, index });
      document.member(
        'sessions',
        results.map(({ place, session_id, status, message_count }) => ({ place, session_id, status, message_count })),
      );
      if (dryRun) document.member('dry_run', true);
      if (failures.length > 0) document.member('failed', failuresForOutput(failures));
    },
    human: () => {
      for (const result of results) context.line(lineOf(result));
      if (dryRun) context.note('Dry run: nothing was changed.');
      const said = Object.entries(counts).filter(([, count]) => count > 0);
      context.note(said.map(([status, count]) => `${count} ${status}`).join(', ') || 'No sessions in the input.');
    },
  });
  const failure =
    failures.length === 1 && results.length === 1 ? failures[0].error : failureOf(failures, results.length);
  if (failure) throw failure;
}

function countsOf(results: readonly ImportedSession[]): Record<ImportedSession['status'], number> {
  const counts = { imported: 0, replaced: 0, unchanged: 0, failed: 0 };
  for (const { status } of results) counts[status]++;
  return counts;
}

/** Tab-separated: what became of it, id, messages, and of a failure where and why. */
function lineOf({ status, session_id: id, message_count: count, place, error }: ImportedSession): string {
  const message = error?.message ?? '';
  const why = error === undefined ? '' : visibleLine(message.startsWith(place) ? message : `${place}: ${message}`);
  return [status, visibleLine(id ?? '-'), count ?? '-', why].join('\t').trimEnd();
}
