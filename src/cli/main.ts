import * as path from 'node:path';

import { Config, run } from '@oclif/core';

import { asksFor, failOutsideCommand } from './failure';
import { processTerminal } from './output/terminal';

/** The package's root, from `dist/cli`. */
const ROOT = path.resolve(__dirname, '..', '..');

/**
 * What to run for a command line that names no command: the ways to ask for
 * help and for the version are commands of ours, so that they too have a JSON
 * face and end in an exit code.
 */
function commandLine(argv: string[], config: Config): string[] {
  if (argv.length === 0) return ['--help'];
  if (!asksFor(argv, '--json')) return argv;
  if (argv[0] === '--version') return ['version', ...argv.slice(1)];
  const end = argv.findIndex((arg) => arg.startsWith('-'));
  const id = argv.slice(0, end).join(':');
  const namesNoCommand = id === '' ? argv.length === 1 : config.findTopic(id) && !config.findCommand(id);
  return namesNoCommand ? ['help', ...argv] : argv;
}

/**
 * Runs one command line. Never exits the process: what is still on its way to
 * a pipe would be cut off. The exit code is set and the event loop runs dry.
 */
export async function main(argv: string[]): Promise<void> {
  // oclif asks for the user's shell in the password file, where an arbitrary user of a container has no line.
  process.env['SHELL'] ??= 'unknown';
  let config: Config | undefined;
  try {
    config = await Config.load({ root: ROOT, enableAutoTranspile: false } as never);
    if (argv[0] === '--version' && !asksFor(argv, '--json')) {
      const { stdout } = processTerminal();
      stdout.write(`${config.userAgent}\n`);
      stdout.flush();
      return;
    }
    await run(commandLine(argv, config), config);
  } catch (error) {
    failOutsideCommand(error, argv, config?.commandIDs);
  }
}
