import { asksFor, failOutsideCommand, noSuchCommand } from './failure';
import { processTerminal } from './output/terminal';
import { asksForHelp, configOf, isTopic, namedCommand, type Program, versionLine, wholeConfig } from './program';

/**
 * What to run for a command line: the ways to ask for help and for the version
 * that a script uses are commands of ours, so that they have a JSON face.
 */
function commandLine(argv: string[], program: Program): string[] {
  if (argv.length === 0) return ['--help'];
  if (!asksFor(argv, '--json')) return argv;
  if (argv[0] === '--version') return ['version', ...argv.slice(1)];
  const words = wordsOf(argv);
  return (words.length === 0 ? argv.length === 1 : isTopic(words, program)) ? ['help', ...argv] : argv;
}

/** The words before the first flag. */
function wordsOf(argv: readonly string[]): readonly string[] {
  const end = argv.findIndex((arg) => arg.startsWith('-'));
  return end < 0 ? argv : argv.slice(0, end);
}

/**
 * Runs one command line. Never exits the process: what is still on its way to
 * a pipe would be cut off. The exit code is set; the launcher ends the process
 * where nothing is under way.
 *
 * A command that is named is run as oclif runs it, without what oclif finds
 * out about all the others first; only help needs to know them.
 */
export async function main(given: string[], program: Program): Promise<void> {
  try {
    const argv = commandLine(given, program);
    if (argv[0] === '--version') {
      const { stdout } = processTerminal();
      stdout.write(`${versionLine(program)}\n`);
      stdout.flush();
    } else if (asksForHelp(argv) || isTopic(wordsOf(argv), program)) {
      const { HelpPages } = await import('./help.js');
      await new HelpPages(await wholeConfig(program)).showHelp(argv);
    } else {
      const named = namedCommand(argv, program);
      if (!named) throw noSuchCommand(argv, Object.keys(program.names));
      await named.command.run(named.argv, configOf(program));
    }
  } catch (error) {
    failOutsideCommand(error, given);
  }
}
