import * as path from 'node:path';

import { Config, run } from '@oclif/core';

import { failOutsideCommand } from './failure';

/** The package's root, from `dist/cli`. */
const ROOT = path.resolve(__dirname, '..', '..');

/**
 * Runs one command line. Never exits the process: what is still on its way to
 * a pipe would be cut off. The exit code is set and the event loop runs dry.
 */
export async function main(argv: string[]): Promise<void> {
  // oclif asks for the user's shell in the password file, where an arbitrary user of a container has no line.
  process.env['SHELL'] ??= 'unknown';
  try {
    const config = await Config.load({ root: ROOT, enableAutoTranspile: false } as never);
    await run(argv.length === 0 ? ['--help'] : argv, config);
  } catch (error) {
    failOutsideCommand(error, argv);
  }
}
