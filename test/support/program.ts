import { createRequire } from 'node:module';
import path from 'node:path';

import type { Config } from '@oclif/core';

import type { Program } from '../../src/cli/program';
import { ROOT } from './cli';

interface Bundle {
  run: (argv: string[]) => Promise<void>;
  internals: () => { program: Program; wholeConfig: (program: Program) => Promise<Config> };
}

/** The built program, in this process. */
export const bundle = (
  createRequire(import.meta.url)(path.join(ROOT, 'dist', 'launch.js')) as { load: () => Bundle }
).load();

/** What oclif knows of the built commands. */
export async function builtCommands(): Promise<Config> {
  const { program, wholeConfig } = bundle.internals();
  return wholeConfig(program);
}
