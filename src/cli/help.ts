import { Command, CommandHelp, Help as OclifHelp } from '@oclif/core';

import { type ErrorCode, ERRORS } from '../core/errors';
import { processTerminal } from './output/terminal';

/** The failures that every command can end with. */
const COMMON: ErrorCode[] = ['UNEXPECTED', 'IO_ERROR', 'USAGE', 'INTERRUPTED', 'TERMINATED'];

/**
 * Help as oclif makes it, with the exit codes of the command below. Written
 * like all output of hermesctl, so that a full disk or a closed pipe ends in an
 * exit code and not in a stack trace.
 */
export default class Help extends OclifHelp {
  private readonly out = processTerminal().stdout;
  protected override CommandHelpClass = HelpWithExitCodes;

  /** oclif passes over the word `help`: `help --help` would show the list of commands. */
  override async showHelp(argv: string[]): Promise<void> {
    const words = argv.filter((arg) => !arg.startsWith('-'));
    const help = words.length === 1 && words[0] === 'help' ? this.config.findCommand('help') : undefined;
    if (help) await this.showCommandHelp(help);
    else await super.showHelp(argv);
    this.out.flush();
  }

  /** Below a topic a command is listed once; at the root the short names are what people look for. */
  protected override formatCommands(commands: Command.Loadable[]): string {
    return super.formatCommands(commands.filter((command) => !isAlias(command) || !/[: ]/.test(command.id)));
  }

  protected override log(...args: string[]): void {
    this.out.write(`${args.join(' ')}\n`);
  }
}

/** Whether this is a second entry of a command, under another name of its. */
export function isAlias({ id, aliases }: Pick<Command.Loadable, 'id' | 'aliases'>): boolean {
  return aliases.some((alias) => alias.replaceAll(':', ' ') === id.replaceAll(':', ' '));
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
