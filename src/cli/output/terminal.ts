import { fstatSync } from 'node:fs';

import type { Colors } from 'picocolors/types';

import { Sink } from './sink';

/** Where a command talks to: the three standard streams, and what kind they are. */
export interface Terminal {
  stdout: Sink;
  stderr: Sink;
  stdoutIsTerminal: boolean;
  stderrIsTerminal: boolean;
  stdinIsTerminal: boolean;
  /** Width of the terminal in columns. */
  columns: number;
}

export function processTerminal(): Terminal {
  const stdoutIsTerminal = isTerminal(1);
  return {
    stdout: new Sink(1),
    stderr: new Sink(2),
    stdoutIsTerminal,
    stderrIsTerminal: isTerminal(2),
    stdinIsTerminal: isTerminal(0),
    columns: stdoutIsTerminal ? process.stdout.columns || 80 : 80,
  };
}

/** A cheap question first: pipes and files need no `tty` module to tell. */
function isTerminal(fd: number): boolean {
  try {
    if (!fstatSync(fd).isCharacterDevice()) return false;
  } catch {
    return false; // closed by whoever started us
  }
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only where there may be a terminal
  return (require('node:tty') as typeof import('node:tty')).isatty(fd);
}

/** Colours, or the same functions doing nothing. */
export function colors(enabled: boolean): Colors {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only for people, not for pipes
  return (require('picocolors') as { createColors: (on: boolean) => Colors }).createColors(enabled);
}
