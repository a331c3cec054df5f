import { Args } from '@oclif/core';

import { BaseCommand } from '../cli/base-command';
import { programOf, wholeConfig } from '../cli/program';
import { type Shell, completionScript, SHELLS } from '../cli/completion/script';

export default class Completion extends BaseCommand {
  static override summary = 'Print a completion script for a shell.';
  static override description =
    'Completes commands, flags, their values, and session ids, which the script asks hermesctl for; nothing is written. It is made of the commands of this version: make it anew after an upgrade. The scripts of bash, zsh and fish are tested; that of PowerShell is not.';

  static override args = {
    shell: Args.string({ required: true, options: SHELLS, description: 'Which shell it is for.' }),
  };

  static override examples = [
    {
      description: 'bash, for this shell; or in ~/.bashrc',
      command: 'eval "$(<%= config.bin %> completion bash)"',
    },
    {
      description: 'zsh, in ~/.zshrc below compinit',
      command: '<%= config.bin %> completion zsh >_<%= config.bin %>',
    },
    {
      description: 'fish',
      command: '<%= config.bin %> completion fish >~/.config/fish/completions/<%= config.bin %>.fish',
    },
    {
      description: 'PowerShell, at the end of the file $PROFILE names',
      command: '<%= config.bin %> completion powershell',
    },
  ];

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Completion);
    const context = this.context(flags);
    const shell = args.shell as Shell;
    const script = completionScript(shell, await wholeConfig(programOf(this.config)));
    await context.show({
      json: (document) => document.member('completion', { shell, script }),
      human: () => context.terminal.stdout.write(script),
    });
  }
}
