import { HermesctlError, isSystemError } from '../core/errors';
import type { Context } from './context';

/** For whoever writes there to begin with it. */
const PATIENCE_SECONDS = 3;

/**
 * All of standard input, for a command that was not told to read it; nothing
 * where that is a terminal. Whoever started the command may hold a pipe open
 * without a word, which is not waited for.
 *
 * @param hint what to do about such a pipe.
 * @throws HermesctlError `USAGE` where it is silent or cannot be read.
 * @throws Interrupted on Ctrl-C, until something comes.
 */
export async function inputIfAny(context: Context, hint: string): Promise<Buffer> {
  if (context.terminal.stdinIsTerminal) return Buffer.alloc(0);
  const { stdin } = process;
  const pieces: Buffer[] = [];
  const heard = new AbortController();
  const ended = new Promise<void>((resolve, reject) => stdin.once('end', resolve).once('error', reject));
  ended.catch(() => heard.abort());
  stdin.once('end', () => heard.abort());
  stdin.on('data', (piece: Buffer) => {
    pieces.push(piece);
    heard.abort();
  });
  try {
    await context.deps.clock.sleep(PATIENCE_SECONDS, heard.signal);
    if (!heard.signal.aborted) throw new HermesctlError('USAGE', 'Nothing comes from standard input.', { hint });
    await ended;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new HermesctlError('USAGE', `Standard input cannot be read: ${error.message}.`, { cause: error });
  } finally {
    stdin.destroy(); // else it keeps the process
  }
  return Buffer.concat(pieces);
}
