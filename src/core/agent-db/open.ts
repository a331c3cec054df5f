import type BetterSqlite3 from 'better-sqlite3';

import type { Deps } from '../deps';
import { HermesctlError, ioError, isSystemError } from '../errors';
import { withFile } from '../files/open-file';
import { AgentDatabase, retryingIo } from './database';
import { withPrivateCopy } from './private-copy';
import { failedQuery, isSqliteError, type SqliteError, unusable } from './unusable';

const BUSY_TIMEOUT_MS = 5000;

/** KiB of pages kept in memory: few pages are read twice, and fresh memory for more costs more than it saves. */
const CACHE_KIB = 1000;

/**
 * Opens the agent database at `path` for reading, hands it to `use`, and closes
 * it whatever happens (reference: hermes-agent §1.4). Waits up to 5 s for a
 * lock; creates and changes nothing. Where its directory cannot be written, as
 * the write-ahead log needs it, a private copy is read instead.
 *
 * What `use` gives must not need the database any more.
 *
 * @throws HermesctlError `DATABASE_UNUSABLE`, the reason in `details.reason`.
 */
export async function withAgentDatabase<T>(
  path: string,
  deps: Deps,
  use: (database: AgentDatabase) => Promise<T>,
): Promise<T> {
  assertFile(path, deps);
  let opened: BetterSqlite3.Database;
  try {
    opened = await open(path, deps);
  } catch (error) {
    if (!isSqliteError(error)) throw error;
    if (!asksForWritableDirectory(error, path, deps)) throw whyNot(path, error, deps);
    return withPrivateCopy(path, deps, (copy) => useOf(copy, path, deps, use));
  }
  return closing(opened, path, deps, use);
}

async function useOf<T>(
  copy: string,
  path: string,
  deps: Deps,
  use: (database: AgentDatabase) => Promise<T>,
): Promise<T> {
  let opened: BetterSqlite3.Database;
  try {
    opened = await open(copy, deps);
  } catch (error) {
    throw isSqliteError(error) ? whyNot(path, error, deps) : error;
  }
  return closing(opened, path, deps, use);
}

async function closing<T>(
  opened: BetterSqlite3.Database,
  path: string,
  deps: Deps,
  use: (database: AgentDatabase) => Promise<T>,
): Promise<T> {
  try {
    return await use(new AgentDatabase(path, opened, deps));
  } finally {
    opened.close();
  }
}

/** Opens the file and reads from it once: SQLite itself looks at nothing before the first query. */
async function open(file: string, deps: Deps): Promise<BetterSqlite3.Database> {
  const { default: Database } = await import('better-sqlite3');
  return retryingIo(deps, () => {
    const database = new Database(file, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
    try {
      database.pragma(`cache_size = -${CACHE_KIB}`);
      database.prepare('SELECT count(*) FROM sqlite_master').get();
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/** What SQLite must not be asked to open: it would wait at a FIFO, and remove the log beside a file too small for a page. */
function assertFile(path: string, deps: Deps): void {
  try {
    const stats = deps.fs.statSync(path);
    if (!stats.isFile()) throw unusable(path, 'not_a_file', 'is not a regular file');
    if (stats.size === 0) throw unusable(path, 'empty', 'is empty (0 bytes)');
    if (stats.size < SMALLEST) throw whatItIs(path, deps) ?? unusable(path, 'truncated', 'is truncated');
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') throw unusable(path, 'missing', 'does not exist');
    throw notReadable(path, error);
  }
}

function notReadable(path: string, error: NodeJS.ErrnoException): HermesctlError {
  if (error.code !== 'EACCES' && error.code !== 'EPERM') return ioError(error, path);
  return unusable(path, 'unreadable', `cannot be read (${error.code})`, { cause: error });
}

/** Bytes of the smallest page. */
const SMALLEST = 512;

const HEADER_BYTES = 100;
const MAGIC = 'SQLite format 3\0';

/** The facts of a database's first 100 bytes. */
interface Header {
  bytes: Buffer;
  isSqlite: boolean;
  isWal: boolean;
  /** Bytes that the header says the file has. */
  recorded: number;
  size: number;
}

/** Only to be called while no handle of this process is open on the file: closing it would drop SQLite's locks. */
function readHeader(path: string, deps: Deps): Header {
  const header = withFile(deps.fs, path, ({ source, stamp }) => {
    const bytes = Buffer.alloc(HEADER_BYTES);
    const n = source.read(bytes, 0, HEADER_BYTES, 0);
    const pageSize = bytes.readUInt16BE(16);
    return {
      bytes: bytes.subarray(0, n),
      isSqlite: bytes.toString('latin1', 0, MAGIC.length) === MAGIC,
      isWal: bytes[18] === 2 || bytes[19] === 2,
      recorded: bytes.readUInt32BE(28) * (pageSize === 1 ? 65536 : pageSize),
      size: Number(stamp.size),
    };
  });
  if (header === undefined) throw unusable(path, 'missing', 'does not exist');
  return header;
}

/** Beside a database in WAL mode SQLite makes or locks a `-shm`, also for a reader. */
function asksForWritableDirectory(error: SqliteError, path: string, deps: Deps): boolean {
  if (!/^SQLITE_(READONLY|CANTOPEN)/.test(error.code) || error.code === 'SQLITE_READONLY_ROLLBACK') return false;
  try {
    return readHeader(path, deps).isWal;
  } catch {
    return false; // then it is not the directory
  }
}

/** Why SQLite could not open the file, from the error and from the file's own beginning. */
function whyNot(path: string, error: SqliteError, deps: Deps): HermesctlError {
  const because = { cause: error, details: { sqlite: error.code } };
  if (error.code === 'SQLITE_READONLY_ROLLBACK' || error.code === 'SQLITE_READONLY_RECOVERY')
    return unusable(path, 'needs_recovery', 'was left in the middle of a change', because);
  if (!/^SQLITE_(NOTADB|CORRUPT|CANTOPEN|IOERR)/.test(error.code)) return failedQuery(path, error);
  return whatItIs(path, deps, error) ?? failedQuery(path, error);
}

/** What is wrong with the file, where its beginning tells; undefined where that is as it should be. */
function whatItIs(path: string, deps: Deps, error?: SqliteError): HermesctlError | undefined {
  const because = error ? { cause: error, details: { sqlite: error.code } } : {};
  let header: Header;
  try {
    header = readHeader(path, deps);
  } catch (reading) {
    const { cause } = reading as { cause?: unknown };
    return isSystemError(cause) ? notReadable(path, cause) : (reading as HermesctlError);
  }
  if (!header.isSqlite) {
    if (isText(header.bytes)) return unusable(path, 'not_sqlite', 'is not a SQLite database', because);
    return unusable(path, 'encrypted', 'is not a SQLite database, or is encrypted', because);
  }
  if (header.size >= Math.max(header.recorded, SMALLEST)) return undefined;
  const what = `is truncated: ${header.size} of ${header.recorded} bytes are there`;
  return unusable(path, 'truncated', what, because);
}

function isText(bytes: Buffer): boolean {
  return bytes.every((byte) => (byte >= 0x20 && byte !== 0x7f) || byte === 0x09 || byte === 0x0a || byte === 0x0d);
}
