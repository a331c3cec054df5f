import type { Config } from '@oclif/core';

import { bashCompletion } from './bash';
import { fishCompletion } from './fish';
import { powershellCompletion } from './powershell';
import { completionTable } from './table';
import { zshCompletion } from './zsh';

const WRITERS = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
  powershell: powershellCompletion,
};

export type Shell = keyof typeof WRITERS;

export const SHELLS = Object.keys(WRITERS) as Shell[];

/** The completion script of a shell, made of the commands that there are. */
export function completionScript(shell: Shell, config: Config): string {
  return WRITERS[shell](config.bin, completionTable(config));
}
