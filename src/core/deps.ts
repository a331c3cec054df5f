import type { FileSystem } from './files/file-system';

/** Time, so that tests can set it. */
export interface Clock {
  /** Now, in epoch seconds with a fraction, as the store counts. */
  now(): number;
  /** Resolves after so many seconds, and rejects when the command is interrupted. */
  sleep(seconds: number): Promise<void>;
}

/** Fresh identifiers, so that tests can foresee them. */
export interface Ids {
  /** A version 4 UUID as 32 hexadecimal digits. */
  uuidHex(): string;
}

/** What the core asks about processes. */
export interface Processes {
  /** This process, for a lock's holder file. */
  readonly self: { pid: number; host: string; command: string };
  /** The user this process acts as; undefined where the platform has none. */
  readonly uid: number | undefined;
  /** When a process began, in epoch seconds; undefined where there is no such process, null where nobody can tell. */
  startedAt(pid: number): number | null | undefined;
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
  ids: Ids;
  processes: Processes;
  /** The system's directory for temporary files: only for private copies of what cannot be read where it is. */
  temporaryRoot: string;
  breathe: Breathe;
  progress: Progress;
}
