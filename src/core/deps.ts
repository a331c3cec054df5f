import type { FileSystem } from './files/file-system';

/** Time, so that tests can set it. */
export interface Clock {
  /** Now, in epoch seconds with a fraction, as the store counts. */
  now(): number;
}

/**
 * Lets signals in during long work: returns a promise to await when it is time
 * to (some tens of milliseconds since the last), else undefined. The promise
 * rejects when the command was interrupted.
 */
export type Breathe = () => Promise<void> | undefined;

/** Told how far long work has come; what it is measured in is the caller's word. */
export type Progress = (done: number, total: number) => void;

/** What the core takes from outside instead of reaching for it. */
export interface Deps {
  fs: FileSystem;
  clock: Clock;
  breathe: Breathe;
  progress: Progress;
}
