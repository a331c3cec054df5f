import type { FileSystem } from './files/file-system';
import type { Http } from './http';

/** Time, so that tests can set it. */
export interface Clock {
  /** Now, in epoch seconds with a fraction, as the store counts. */
  now(): number;
  /** Resolves after so many seconds, or as soon as the signal aborts; rejects when the command is interrupted. */
  sleep(seconds: number, signal?: AbortSignal): Promise<void>;
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
  /** Which start of the system this is; null where nobody can tell. */
  readonly bootId: string | null;
  /** Which numbering of processes the own pid belongs to: that of another container tells nothing here. Null where nobody can tell. */
  readonly pidSpace: string | null;
  /** When a process began, in epoch seconds; undefined where there is no such process, null where nobody can tell. */
  startedAt(pid: number): number | null | undefined;
  /** The same in ticks since the system's start, which stays when the clock is set. */
  startTick(pid: number): number | null | undefined;
}

/** How a program ended. */
export interface ProgramEnd {
  /** Null where a signal ended it. */
  code: number | null;
  signal: string | null;
  /** The end of what it wrote to its standard error. */
  stderr: string;
}

/** Starts programs, without a shell. */
export interface Programs {
  /**
   * Runs one to its end; its standard output is thrown away.
   *
   * @param argv its name or path, and its arguments.
   * @param options.environment added to the environment of this process.
   * @param options.signal ends it, with what it has started.
   * @throws a system error where it cannot be started.
   */
  run(
    argv: readonly string[],
    options: { environment: Readonly<Record<string, string>>; signal: AbortSignal },
  ): Promise<ProgramEnd>;
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
  http: Http;
  programs: Programs;
  /** The system's directory for temporary files: only for private copies of what cannot be read where it is. */
  temporaryRoot: string;
  breathe: Breathe;
  progress: Progress;
}
