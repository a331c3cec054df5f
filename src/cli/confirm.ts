import type { Context } from './context';
import { HermesctlError } from '../core/errors';
import { visibleLine } from './output/visible';

/** How often a person who thinks is looked after, for a Ctrl-C. */
const LOOK_SECONDS = 0.1;

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

/**
 * Asks a person on the terminal. Anything but `y` or `yes` means no, the end of
 * the input too. Never to be called while a lock is held.
 *
 * @throws Interrupted on Ctrl-C.
 */
export async function confirm(context: Context, question: string): Promise<boolean> {
  const { stdout, stderr } = context.terminal;
  stdout.flush();
  stderr.write(`${visibleLine(question)} [y/N] `);
  stderr.flush();
  const { createInterface } = await import('node:readline');
  // Not as a terminal: the line is the terminal's own to edit, and Ctrl-C stays a signal.
  const lines = createInterface({ input: process.stdin, terminal: false });
  let answer: string | undefined;
  lines.once('line', (line) => (answer = line));
  lines.once('close', () => (answer ??= ''));
  try {
    while (answer === undefined) await context.deps.clock.sleep(LOOK_SECONDS);
  } finally {
    lines.close();
  }
  return /^\s*y(es)?\s*$/i.test(answer);
}
