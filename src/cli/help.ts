import { type Command, CommandHelp, Help as OclifHelp } from '@oclif/core';

import type { ErrorCode } from '../core/errors';
import { exitCodeTable } from './exit-code-table';
import { processTerminal } from './output/terminal';
import { isAlias } from './program';

/**
 * Help as oclif makes it, with the exit codes of the command below. Written
 * like all output of hermesctl, so that a full disk or a closed pipe ends in an
 * exit code and not in a stack trace.
 */
export class HelpPages extends OclifHelp {
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
