import type { Breathe } from '../core/deps';

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

/**
 * Turns the first SIGINT or SIGTERM into a rejection at the next breath, so
 * that a command ends in order, with its documented exit code; a second one
 * ends the process at once, as soon as either is noticed: reading one session
 * does not breathe, so that a file of a gigabyte may take a moment more.
 */
export function listenForSignals(): { breathe: Breathe; sleep: (seconds: number) => Promise<void>; stop: () => void } {
  let received: Interrupted | undefined;
  let wake: (() => void) | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    received = new Interrupted(signal as 'SIGINT' | 'SIGTERM');
    stop();
    wake?.();
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
  const sleep = (seconds: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        wake = undefined;
        if (received) reject(received);
        else resolve();
      };
      const timer = setTimeout(end, received ? 0 : seconds * 1000);
      wake = end;
    });
  return { breathe, sleep, stop };
}
