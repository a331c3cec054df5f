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
  return new ProcessTerminal();
}

/** Asks what kind a stream is when somebody wants to know: on a terminal the answer loads half of the network code. */
class ProcessTerminal implements Terminal {
  readonly stdout = new Sink(1);
  readonly stderr = new Sink(2);
  private readonly kinds: (boolean | undefined)[] = [];

  get stdinIsTerminal(): boolean {
    return this.isTerminal(0);
  }

  get stdoutIsTerminal(): boolean {
    return this.isTerminal(1);
  }

  get stderrIsTerminal(): boolean {
    return this.isTerminal(2);
  }

  get columns(): number {
    return this.stdoutIsTerminal ? process.stdout.columns || 80 : 80;
  }

  private isTerminal(fd: number): boolean {
    return (this.kinds[fd] ??= isTerminal(fd));
  }
}

/** Of Linux: /dev/null, /dev/full and their like, which are devices and no terminals. */
const MEMORY_DEVICES = 1;

/** A cheap question first: pipes and files need no `tty` module to tell. */
function isTerminal(fd: number): boolean {
  try {
    const stats = fstatSync(fd);
    if (!stats.isCharacterDevice() || (process.platform === 'linux' && stats.rdev >> 8 === MEMORY_DEVICES))
      return false;
  } catch {
    return false; // closed by whoever started us
  }
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only where there may be a terminal
  return (require('node:tty') as typeof import('node:tty')).isatty(fd);
}

/** Colours, or the same functions doing nothing. */
export function colors(enabled: boolean): Colors {
  if (!enabled) return PLAIN;
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only for people, not for pipes
  return (require('picocolors') as { createColors: (on: boolean) => Colors }).createColors(true);
}

const PLAIN = new Proxy({} as Colors, {
  get: (_, name) => (name === 'isColorSupported' ? false : String),
});
