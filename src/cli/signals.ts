import { setMaxListeners } from 'node:events';

import type { Breathe, Clock } from '../core/deps';

/** The user or the system ended the command. */
export class Interrupted extends Error {
  constructor(readonly signal: 'SIGINT' | 'SIGTERM') {
    super(signal === 'SIGINT' ? 'Interrupted.' : 'Terminated.');
  }

  get exit(): number {
    return this.signal === 'SIGINT' ? 130 : 143;
  }
}

const PAUSE_EVERY_MS = 40;

/** What listens for signals, until `stop`. */
interface Listening {
  breathe: Breathe;
  sleep: Clock['sleep'];
  /** Aborts with the {@link Interrupted}: for what waits for something other than time. */
  interrupted: AbortSignal;
  stop: () => void;
}

/**
 * Turns the first SIGINT or SIGTERM into a rejection at the next breath, so
 * that a command ends in order, with its documented exit code; a second one
 * ends the process at once, as soon as either is noticed: reading one session
 * does not breathe, so that a file of a gigabyte may take a moment more.
 */
export function listenForSignals(): Listening {
  let received: Interrupted | undefined;
  let interruption: AbortController | undefined;
  // Most commands wait for nothing.
  const interrupted = (): AbortSignal => {
    if (!interruption) {
      interruption = new AbortController();
      setMaxListeners(0, interruption.signal); // each sleep and each request listens
      if (received) interruption.abort(received);
    }
    return interruption.signal;
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    received = new Interrupted(signal as 'SIGINT' | 'SIGTERM');
    stop();
    interruption?.abort(received);
  };
  const stop = (): void => {
    process.removeListener('SIGINT', onSignal);
    process.removeListener('SIGTERM', onSignal);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);

  let last = Date.now();
  const breathe: Breathe = () => {
    if (Date.now() - last < PAUSE_EVERY_MS) return undefined;
    return new Promise((resolve, reject) => {
      setImmediate(() => {
        last = Date.now();
        if (received) reject(received);
        else resolve();
      });
    });
  };
  const sleep: Listening['sleep'] = (seconds, signal) =>
    new Promise((resolve, reject) => {
      const wakers = [interrupted(), ...(signal ? [signal] : [])];
      const end = (): void => {
        clearTimeout(timer);
        for (const waker of wakers) waker.removeEventListener('abort', end);
        if (received) reject(received);
        else resolve();
      };
      for (const waker of wakers) waker.addEventListener('abort', end);
      const timer = setTimeout(end, wakers.some((waker) => waker.aborted) ? 0 : seconds * 1000);
    });
  return {
    breathe,
    sleep,
    get interrupted() {
      return interrupted();
    },
    stop,
  };
}
