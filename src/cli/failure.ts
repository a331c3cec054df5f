import { stripVTControlCharacters } from 'node:util';

import { HermesctlError, ioError, isSystemError, type Warning } from '../core/errors';
import { errorEnvelope, JsonDocument, Renderer } from './output/document';
import { OutputClosed, type Sink } from './output/sink';
import { processTerminal } from './output/terminal';
import { visibleLine } from './output/visible';
import { Interrupted } from './signals';

/** Which face a failure is shown in. */
export interface FailureFace {
  stdout: Sink;
  stderr: Sink;
  /** The document that was begun, in the JSON face. */
  document: JsonDocument | undefined;
  ndjson: boolean;
  /** The command that failed, in words. */
  command?: string | undefined;
  verbose: boolean;
  warnings: readonly Warning[];
}

/**
 * Shows how a command ended when it did not end well, and gives its exit code.
 * The one place where anything thrown becomes output.
 */
export function presentFailure(thrown: unknown, face: FailureFace): number {
  if (thrown instanceof OutputClosed) return 0;
  try {
    if (thrown instanceof Interrupted) {
      face.document?.end(
        face.warnings,
        new HermesctlError(thrown.signal === 'SIGINT' ? 'INTERRUPTED' : 'TERMINATED', thrown.message),
      );
      return thrown.exit;
    }
    const error = named(thrown, face.command);
    if (face.document && !face.stdout.failed) face.document.end(face.warnings, error);
    else {
      flushQuietly(face.stdout);
      if (face.document || face.ndjson) face.stderr.write(`${JSON.stringify({ error: errorEnvelope(error) })}\n`);
      else face.stderr.write(humanFailure(error));
    }
    if (face.verbose) face.stderr.write(stackOf(thrown));
    face.stderr.flush();
    return error.exit;
  } catch (second) {
    if (second instanceof OutputClosed) return thrown instanceof Interrupted ? thrown.exit : named(thrown).exit;
    // What could not be said on standard output is said on standard error; where that fails too, nowhere.
    return face.stdout.failed && !face.stderr.failed ? presentFailure(second, face) : 1;
  }
}

function flushQuietly(sink: Sink): void {
  try {
    sink.flush();
  } catch {
    // The failure itself may be that the output cannot be written.
  }
}

function humanFailure(error: HermesctlError): string {
  const hint = error.hint === undefined ? '' : `hint: ${visibleLine(error.hint)}\n`;
  return `error: ${visibleLine(error.message)}\n${hint}`;
}

function stackOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return `${String(thrown)}\n`;
  const cause = thrown.cause === undefined ? '' : `caused by ${stackOf(thrown.cause)}`;
  return `${thrown.stack ?? thrown.message}\n${cause}`;
}

/** Gives every throw a name of the error table. */
function named(thrown: unknown, command?: string): HermesctlError {
  if (thrown instanceof HermesctlError) return thrown;
  if (isSystemError(thrown)) return ioError(thrown);
  if (isUsageError(thrown)) return usageError(thrown, command);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new HermesctlError('UNEXPECTED', `Unexpected: ${message}`, {
    hint: 'This is a bug in hermesctl. Run the command again with --verbose and report what it prints.',
    cause: thrown,
  });
}

/** What oclif throws for a command line it cannot read: these carry `oclif.exit`. */
function isUsageError(thrown: unknown): thrown is Error {
  return thrown instanceof Error && 'oclif' in thrown;
}

function usageError(thrown: Error, command: string | undefined): HermesctlError {
  const message = usageMessage(thrown);
  return new HermesctlError('USAGE', /[.?!]$/.test(message) ? message : `${message}.`, {
    hint: command === undefined ? LIST_OF_COMMANDS : `'hermesctl ${command} --help' tells what it takes.`,
    cause: thrown,
  });
}

const LIST_OF_COMMANDS = "'hermesctl --help' lists the commands; every command has --help.";

/** oclif's words as one sentence: its own are laid out in lines, coloured, and name commands by their ids. */
function usageMessage(thrown: Error): string {
  const lines = stripVTControlCharacters(thrown.message)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && line !== 'See more help with --help');
  if (isMissingArgs(thrown)) return `Missing argument: ${thrown.args.map(({ name }) => name.toUpperCase()).join(', ')}`;
  if (/^The following errors? occurred:$/.test(lines[0]))
    return lines
      .slice(1)
      .join('; ')
      .replace(/=true\b/g, '');
  return lines.join(' ').replace(/^Parsing (--\S+)\s+E/, '$1: e');
}

function isMissingArgs(thrown: Error): thrown is Error & { args: { name: string }[] } {
  return thrown.constructor.name === 'RequiredArgsError' && Array.isArray((thrown as { args?: unknown }).args);
}

/** Whether a command line asks for a face, read without parsing it: it may be the thing that cannot be parsed. */
export function asksFor(argv: readonly string[], flag: '--json' | '--ndjson' | '--verbose'): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).includes(flag);
}

/** A failure outside of a command: there is no such command, or help could not be shown. */
export function failOutsideCommand(thrown: unknown, argv: readonly string[]): void {
  const { stdout, stderr } = processTerminal();
  if (isHelpShown(thrown)) return;
  process.exitCode = presentFailure(thrown, {
    stdout,
    stderr,
    document: asksFor(argv, '--json') ? new JsonDocument(stdout, new Renderer(() => undefined)) : undefined,
    ndjson: asksFor(argv, '--ndjson'),
    verbose: asksFor(argv, '--verbose'),
    warnings: [],
  });
}

/** Whoever types `list` means `sessions list`. */
export function noSuchCommand(argv: readonly string[], names: readonly string[]): HermesctlError {
  const end = argv.findIndex((arg) => arg.startsWith('-'));
  const words = argv.slice(0, end < 0 ? argv.length : Math.max(end, 1));
  if (words[0].startsWith('-')) {
    const message = `'${words[0]}' stands where the name of a command should.`;
    return new HermesctlError('USAGE', message, { hint: `Flags come after the name. ${LIST_OF_COMMANDS}` });
  }
  const meant = names
    .filter((name) => name.endsWith(`:${words[0]}`))
    .map((name) => `'hermesctl ${name.replaceAll(':', ' ')}'`);
  const isTopic = names.some((name) => name.startsWith(`${words[0]}:`));
  const list = isTopic ? `'hermesctl ${words[0]} --help' lists its commands.` : LIST_OF_COMMANDS;
  const hint = meant.length === 0 ? list : `Did you mean ${meant.join(' or ')}?`;
  return new HermesctlError('USAGE', `There is no command '${words.join(' ')}'.`, { hint });
}

/** oclif ends the showing of help with a throw that means success. */
function isHelpShown(thrown: unknown): boolean {
  return thrown instanceof Error && (thrown as { oclif?: { exit?: number } }).oclif?.exit === 0;
}
