/**
 * Every way a command can fail: the code that scripts read, the exit status,
 * and what the code means (the documentation's table is checked against it).
 * This is the one place that maps failures to exit codes.
 */
export const ERRORS = {
  UNEXPECTED: { exit: 1, means: 'a bug in hermesctl' },
  IO_ERROR: { exit: 1, means: 'the file system said no; nothing is half-written' },
  USAGE: { exit: 2, means: 'unknown flag, bad value, ambiguous prefix, or an answer needed without a terminal' },
  PARTIAL: { exit: 3, means: 'some items failed; the result says which and why' },
  PROBLEMS_FOUND: { exit: 4, means: 'a check found something' },
  SESSION_NOT_FOUND: { exit: 5, means: 'no such session' },
  NOTHING_TO_RETRY: { exit: 6, means: 'no user message in the transcript' },
  NOTHING_TO_UNDO: { exit: 6, means: 'no user message in the transcript' },
  SESSION_DAMAGED: { exit: 7, means: 'a sidecar is not JSON, not UTF-8, not an object, or has no usable messages' },
  STORE_DAMAGED: { exit: 7, means: 'projects.json or a tombstone file is broken' },
  SESSION_BUSY: { exit: 8, means: 'a live stream, a pending turn or a lease of the agent owns the session' },
  SERVER_RUNNING: { exit: 8, means: 'a running server or agent holds the store or the agent’s database' },
  CHANGED_ON_DISK: { exit: 9, means: 'another writer got in between; nothing was written' },
  STORE_NOT_FOUND: { exit: 10, means: 'nothing at the place named' },
  LOCKED: { exit: 11, means: 'another hermesctl holds the store’s lock' },
  DATABASE_UNUSABLE: { exit: 12, means: 'corrupt, not SQLite, or a schema without what is needed' },
  READ_ONLY_SESSION: { exit: 13, means: 'the session may not be changed' },
  ALREADY_EXISTS: { exit: 13, means: 'there is one already' },
  NOT_CLEAN: { exit: 13, means: 'there is work left that would be lost' },
  REFUSED: { exit: 13, means: 'not allowed without the flag that the hint names' },
  AUTH_FAILED: { exit: 14, means: 'a server or provider rejected the credentials' },
  UNREACHABLE: { exit: 14, means: 'a server or provider did not answer' },
  OUTCOME_UNKNOWN: { exit: 14, means: 'a server died before it answered: look before you repeat' },
  SERVER_ERROR: { exit: 14, means: 'a server or provider failed' },
  INTERRUPTED: { exit: 130, means: 'SIGINT (Ctrl-C)' },
  TERMINATED: { exit: 143, means: 'SIGTERM' },
} as const satisfies Record<string, { exit: number; means: string }>;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorOptions {
  /** What to do about it, one sentence. */
  hint?: string;
  /** Facts for scripts: path, offset, candidates … JSON values only. */
  details?: Record<string, unknown>;
  cause?: unknown;
}

/** A failure that has a name. Everything else that is thrown is a bug (`UNEXPECTED`). */
export class HermesctlError extends Error {
  override readonly name = 'HermesctlError';
  readonly hint: string | undefined;
  readonly details: Record<string, unknown>;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: ErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options.hint;
    this.details = options.details ?? {};
  }

  get exit(): number {
    return ERRORS[this.code].exit;
  }
}

/** Something a person should know although the command goes on. */
export interface Warning {
  code: string;
  message: string;
  [fact: string]: unknown;
}

/** A Node.js system error (`ENOENT`, `EACCES` …), told from any other throw. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string' && 'syscall' in error;
}

/** Words for a system error, with the path it is about. */
export function ioError(error: NodeJS.ErrnoException, path?: string): HermesctlError {
  const where = path ?? error.path;
  const reason = error.message.replace(/^[A-Z0-9]+: /, '').replace(/, \w+( '.*')?$/, '');
  return new HermesctlError('IO_ERROR', `${where ? `${where}: ` : ''}${reason} (${error.code}).`, {
    details: { errno: error.code, ...(where ? { path: where } : {}) },
    cause: error,
  });
}
