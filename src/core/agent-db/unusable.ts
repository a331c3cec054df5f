import { HermesctlError } from '../errors';

/** Why an agent database cannot be used: in `details.reason`. */
export type UnusableReason =
  | 'missing'
  | 'not_a_file'
  | 'unreadable'
  | 'empty'
  | 'not_sqlite'
  | 'encrypted'
  | 'truncated'
  | 'damaged'
  | 'locked'
  | 'needs_recovery'
  | 'read_only_directory'
  | 'in_use'
  | 'changing'
  | 'too_large'
  | 'schema';

/** What better-sqlite3 throws: SQLite's extended result code in words, and its message. */
export interface SqliteError extends Error {
  code: string;
}

export function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && /^SQLITE_[A-Z_]+$/.test(String((error as { code?: unknown }).code));
}

const BACKUP_HINT = "Keep a copy, then try 'hermes sessions repair' or 'hermes sessions recover'.";

const HINTS: Record<UnusableReason, string> = {
  missing: 'The agent makes it when it first runs; -p and --hermes-home say whose is meant.',
  not_a_file: "-p and --hermes-home say whose database is meant; 'hermesctl paths' shows where it was looked for.",
  unreadable: 'Run hermesctl as the user that the agent runs as.',
  empty: 'The agent fills it when it next runs; restore a backup if it held sessions.',
  not_sqlite: "'hermesctl paths' shows where it was looked for.",
  encrypted: 'hermesctl reads plain SQLite databases; decrypt it to a copy in another home and name that.',
  truncated: `It was cut off, perhaps by a full disk or an unfinished copy. ${BACKUP_HINT}`,
  damaged: BACKUP_HINT,
  locked: 'Try again when the agent is less busy.',
  needs_recovery: 'A writer died in the middle of a change; run any hermes command that writes, it puts that right.',
  read_only_directory:
    'SQLite needs to write beside a database in WAL mode: copy it, and its -wal, to another home and name that.',
  in_use: 'Its directory is read-only for you: run hermesctl as the user that the agent runs as.',
  changing: 'Its directory is read-only for you: run hermesctl as the user that the agent runs as.',
  too_large: 'Copy it, and its -wal, to a directory that you can write to, as the state.db of a home, and name that.',
  schema: 'Upgrade hermes-agent and run it once: it adds what its database lacks.',
};

/** The one failure of this room. */
export function unusable(
  path: string,
  reason: UnusableReason,
  what: string,
  options: { cause?: unknown; details?: Record<string, unknown> } = {},
): HermesctlError {
  return new HermesctlError('DATABASE_UNUSABLE', `The agent database ${path} ${what}.`, {
    hint: HINTS[reason],
    details: { path, reason, ...options.details },
    cause: options.cause,
  });
}

/** What a SQLite error on an open database means. */
export function failedQuery(path: string, error: SqliteError): HermesctlError {
  const { code, message } = error;
  const because = { cause: error, details: { sqlite: code } };
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED'))
    return unusable(path, 'locked', 'is locked by another process', because);
  if (code === 'SQLITE_NOTADB') return unusable(path, 'not_sqlite', 'is not a SQLite database', because);
  if (code === 'SQLITE_ERROR') return unusable(path, 'schema', `lacks what is needed (${message})`, because);
  return unusable(path, 'damaged', `cannot be read (${message}, ${code})`, because);
}
