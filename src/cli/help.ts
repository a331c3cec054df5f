import { Command, CommandHelp, Help as OclifHelp } from '@oclif/core';

import { type ErrorCode, ERRORS } from '../core/errors';

/** The failures that every command can end with. */
const COMMON: ErrorCode[] = ['UNEXPECTED', 'IO_ERROR', 'USAGE', 'INTERRUPTED', 'TERMINATED'];

/** Help as oclif makes it, with the exit codes of the command below. */
export default class Help extends OclifHelp {
  protected override CommandHelpClass = HelpWithExitCodes;
}

const HEADER = 'EXIT CODES';

class HelpWithExitCodes extends CommandHelp {
  protected override sections(): ReturnType<CommandHelp['sections']> {
    const { exitCodes = [] } = this.command as Command.Loadable & { exitCodes?: ErrorCode[] };
    return [
      ...super.sections(),
      { header: HEADER, generate: () => ({ header: HEADER, body: exitCodeTable(exitCodes) }) },
    ];
  }
}

/** One row an exit code, with what it means for a command that names these codes as its own. */
export function exitCodeTable(exitCodes: readonly ErrorCode[]): [string, string][] {
  const byExit = new Map<number, string[]>([[0, ['done, or nothing to do']]]);
  for (const code of [...COMMON, ...exitCodes]) {
    const { exit, means } = ERRORS[code];
    byExit.set(exit, [...(byExit.get(exit) ?? []), `${code}: ${means}`]);
  }
  return [...byExit].sort(([a], [b]) => a - b).map(([exit, meanings]) => [String(exit), meanings.join('; ')]);
}
