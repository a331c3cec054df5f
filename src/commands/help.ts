import { Args, loadHelpClass } from '@oclif/core';

import { BaseCommand } from '../cli/base-command';
import { isAlias } from '../cli/help';
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
    if (id !== '' && !this.config.findCommand(id) && !this.config.findTopic(id)) {
      throw new HermesctlError('USAGE', `There is no command '${words.join(' ')}'.`, {
        hint: "'hermesctl help' lists the commands.",
      });
    }
    await context.show({
      json: (document) =>
        document.member(
          'commands',
          this.config.commands
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
        const HelpClass = await loadHelpClass(this.config);
        await new HelpClass(this.config, this.config.pjson.oclif.helpOptions).showHelp(words);
      },
    });
  }
}

function isUnder(topic: string, id: string): boolean {
  return topic === '' || id.startsWith(`${topic}:`);
}
