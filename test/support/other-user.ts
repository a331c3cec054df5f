import { spawnSync } from 'node:child_process';

import { bareEnvironment, BIN } from './cli';

/** A user and group that own nothing here and have no line in the password file. */
export const SOMEBODY = 12345;

/** Why no command can be run as {@link SOMEBODY}; undefined where it can. */
export const noOtherUser = ((): string | undefined => {
  if (process.geteuid?.() !== 0) return 'only root can act as another user';
  const { status, error } = spawnSync(process.execPath, [BIN, 'version'], {
    uid: SOMEBODY,
    gid: SOMEBODY,
    cwd: '/',
    env: bareEnvironment(),
  });
  return status === 0 ? undefined : `the program cannot be run as another user: ${error?.message ?? `exit ${status}`}`;
})();

/** A word for a test's name, so that a skipped one says why. */
export function whySkipped(reason: string | undefined): string {
  return reason === undefined ? '' : ` (skipped: ${reason})`;
}
