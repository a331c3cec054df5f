import { Flags } from '@oclif/core';

import { HermesctlError } from '../core/errors';
import type { Context } from './context';

/** `--all-profiles`, where the summary says what it takes in of every profile. */
export function allProfilesFlag(summary: string, more: { helpGroup?: string; exclusive?: string[] } = {}) {
  const { exclusive = [], ...rest } = more;
  return Flags.boolean({ ...rest, exclusive: ['profile', ...exclusive], summary });
}

/**
 * Ends a command that was to ask the database of every profile: one that is
 * there and could not be used is a warning, and makes the result a part of what
 * was asked for.
 *
 * @throws HermesctlError `PARTIAL`
 */
export function assertEveryDatabase(context: Context, flags: { 'all-profiles': boolean }): void {
  if (!flags['all-profiles']) return;
  const failed = context.warnings.filter(({ code, reason }) => code === 'DATABASE_UNUSABLE' && reason !== 'missing');
  if (failed.length === 0) return;
  const paths = failed.map(({ path }) => String(path));
  throw new HermesctlError('PARTIAL', `Without what could not be asked: ${paths.join(', ')}.`, {
    hint: "'hermesctl doctor --all-profiles' tells what is wrong with each.",
    details: { failed: failed.map(({ code, path }) => ({ path, code })) },
  });
}
