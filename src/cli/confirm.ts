import { readSync } from 'node:fs';

import { HermesctlError, isSystemError } from '../core/errors';
import type { Context } from './context';
import { waitABit } from './output/sink';
import { visibleLine } from './output/visible';

/**
 * Refuses to go on where somebody would have to be asked and nobody can be.
 * To be called first: whether there is a terminal does not hang on the data.
 *
 * @throws HermesctlError `USAGE`
 */
export function assertCanAsk(context: Context, what: string): void {
  const { stdinIsTerminal, stderrIsTerminal } = context.terminal;
  if (stdinIsTerminal && stderrIsTerminal && context.face === 'human') return;
  throw new HermesctlError('USAGE', `${what} has to be confirmed, and there is no terminal to ask on.`, {
    hint: '--yes says that you mean it; --dry-run shows what would be done.',
  });
}

/** Asks a person on the terminal. Anything but `y` or `yes` means no. Never to be called while a lock is held. */
export function confirm(context: Context, question: string): boolean {
  context.terminal.stdout.flush();
  context.terminal.stderr.write(`${visibleLine(question)} [y/N] `);
  context.terminal.stderr.flush();
  return /^y(es)?$/i.test(readLine().trim());
}

function readLine(): string {
  const bytes: number[] = [];
  const byte = Buffer.alloc(1);
  for (;;) {
    try {
      if (readSync(0, byte, 0, 1, null) === 0 || byte[0] === 0x0a) return Buffer.from(bytes).toString('utf8');
      bytes.push(byte[0]);
    } catch (error) {
      if (!isSystemError(error) || error.code !== 'EAGAIN') throw error;
      waitABit();
    }
  }
}
