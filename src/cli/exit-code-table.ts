import { type ErrorCode, ERRORS } from '../core/errors';

/** The failures that every command can end with. */
const COMMON: ErrorCode[] = ['UNEXPECTED', 'IO_ERROR', 'USAGE', 'INTERRUPTED', 'TERMINATED'];

/** One row an exit code, with what it means for a command that names these codes as its own. */
export function exitCodeTable(exitCodes: readonly ErrorCode[]): [string, string][] {
  const byExit = new Map<number, string[]>([[0, ['done, or nothing to do']]]);
  for (const code of [...COMMON, ...exitCodes]) {
    const { exit, means } = ERRORS[code];
    byExit.set(exit, [...(byExit.get(exit) ?? []), `${code}: ${means}`]);
  }
  return [...byExit].sort(([a], [b]) => a - b).map(([exit, meanings]) => [String(exit), meanings.join('; ')]);
}
