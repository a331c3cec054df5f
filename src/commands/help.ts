import { Args } from '@oclif/core';

import { BaseCommand } from '../cli/base-command';
import { isAlias, programOf, wholeConfig } from '../cli/program';
import { HermesctlError } from '../core/errors';

export default class Help extends BaseCommand {
  static override summary = 'Show help for a command.';
  static override description = 'The same as --help behind the command. With --json, lists the commands.';
  static override strict = false;

  static override args = {
    command: Args.string({ description: 'The command to explain.', ignoreStdin: true }),
  };

  static override examples = [
    { description: 'All commands', command: '<%= config.bin %> help' },
    { description: 'One command', command: '<%= config.bin %> help sessions list' },
  ];

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(Help);
    const context = this.context(flags);
    const words = argv as string[];
    const id = words.join(':');
    const config = await wholeConfig(programOf(this.config));
    if (id !== '' && !config.findCommand(id) && !config.findTopic(id)) {
      throw new HermesctlError('USAGE', `There is no command '${words.join(' ')}'.`, {
        hint: "'hermesctl help' lists the commands.",
      });
    }
    await context.show({
      json: (document) =>
        document.member(
          'commands',
          config.commands
            .filter(
              (command) => !command.hidden && (command.id === id || (isUnder(id, command.id) && !isAlias(command))),
            )
            .map(({ id: name, summary, aliases }) => ({
              command: name.replaceAll(':', ' '),
              summary: summary ?? null,
              aliases: aliases.map((alias) => alias.replaceAll(':', ' ')),
            })),
        ),
      human: async () => {
        const { HelpPages } = await import('../cli/help.js');
        await new HelpPages(config).showHelp(words);
      },
    });
  }
}

function isUnder(topic: string, id: string): boolean {
  return topic === '' || id.startsWith(`${topic}:`);
}
