import type { ChildProcess } from 'node:child_process';

import type { ProgramEnd, Programs } from '../core/deps';

const STDERR_BYTES = 4096;
/** What a program that is asked to end may take for it. */
const GRACE_MS = 500;

/**
 * Programs of this system. Each gets a process group of its own, so that what
 * it has started ends with it.
 *
 * @param interrupted ends what is under way when the user ends the command.
 */
export function systemPrograms(interrupted: AbortSignal): Programs {
  return {
    run: async (argv, { environment, signal }) => {
      interrupted.throwIfAborted();
      const { spawn } = await import('node:child_process');
      const child = spawn(argv[0], argv.slice(1), {
        env: { ...process.env, ...environment },
        stdio: ['ignore', 'ignore', 'pipe'],
        detached: true,
      });
      const end = await ending(child, AbortSignal.any([signal, interrupted]));
      interrupted.throwIfAborted();
      return end;
    },
  };
}

function ending(child: ChildProcess, stop: AbortSignal): Promise<ProgramEnd> {
  return new Promise((resolve, reject) => {
    let stderr = Buffer.alloc(0);
    let grace: NodeJS.Timeout | undefined;
    const onStop = (): void => {
      signalGroup(child, 'SIGTERM');
      grace = setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_MS);
    };
    const settle = (): void => {
      clearTimeout(grace);
      stop.removeEventListener('abort', onStop);
      child.stderr?.destroy(); // what it has left running may hold the other end
    };
    child.stderr?.on('data', (piece: Buffer) => (stderr = Buffer.concat([stderr, piece]).subarray(-STDERR_BYTES)));
    child.on('error', (error) => {
      settle();
      reject(error);
    });
    child.on('exit', (code, signal) => {
      if (stop.aborted) signalGroup(child, 'SIGKILL'); // it has obeyed; what it has started may not
      // One turn more, for what it wrote last.
      setImmediate(() => {
        settle();
        resolve({ code, signal, stderr: stderr.toString('utf8') });
      });
    });
    stop.addEventListener('abort', onStop, { once: true });
    if (stop.aborted) onStop();
  });
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // it has ended
  }
}
