import { availableParallelism } from 'node:os';
import * as path from 'node:path';
import type { Worker } from 'node:worker_threads';

import type { Thread, Threads } from '../core/deps';

/** A thread takes some 50 ms to start. */
const COST_IN_BYTES = 32 * 1024 * 1024;

/** Whether Node.js was started with something that a thread would have to be given too. */
const isPreloaded = (): boolean => process.execArgv.some((arg) => /^(?:-r|--require|--import|--loader)\b/.test(arg));

/**
 * Threads of this process, whose files are beside the running program.
 *
 * @param interrupted ends them when the user ends the command.
 * @param directory where their files are.
 * @param alone whether there are to be none.
 */
export function systemThreads(
  interrupted: AbortSignal,
  directory = path.join(__dirname, 'workers'),
  alone = isPreloaded() || availableParallelism() < 2,
): Threads {
  return {
    costInBytes: COST_IN_BYTES,
    start: (name, workerData, onMessage) => {
      if (alone) return undefined;
      try {
        // eslint-disable-next-line @typescript-eslint/no-require-imports -- takes 3 ms that few commands need
        const threads = require('node:worker_threads') as typeof import('node:worker_threads');
        const worker = new threads.Worker(path.join(directory, `${name}.js`), { workerData, execArgv: [] });
        worker.on('message', onMessage);
        return { done: endOf(worker, interrupted), stop: () => void worker.terminate() };
      } catch {
        return undefined;
      }
    },
  };
}

/** Why a thread failed is not told: what it did not do is done again, and fails again if it must. */
function endOf(worker: Worker, interrupted: AbortSignal): Thread['done'] {
  const done = new Promise<void>((resolve, reject) => {
    const stop = (): void => reject(interrupted.reason as Error);
    if (interrupted.aborted) stop();
    interrupted.addEventListener('abort', stop, { once: true });
    worker.on('error', () => undefined);
    worker.on('exit', () => {
      interrupted.removeEventListener('abort', stop);
      resolve();
    });
  });
  // It may be that nobody waits for it when it is rejected.
  done.catch(() => undefined);
  return done;
}
