'use strict';

/**
 * Puts a fault at the k-th file-system call that concerns one directory.
 *
 * Wraps the functions of the `node:fs` module object, through which both
 * hermesctl and write-file-atomic call, so that a public call counts once,
 * whatever it calls inside. A call concerns the directory by its path or by a
 * descriptor that was opened under it. What SQLite does with the lock is done
 * outside of `node:fs` and is not counted.
 *
 * With `node -r` and the environment variable HERMESCTL_TEST_FAULT (the plan as
 * JSON) it works in a spawned process from its first call on; test/support/faults.ts
 * uses it in process.
 */
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const BY_PATH = [
  'accessSync',
  'appendFileSync',
  'chmodSync',
  'chownSync',
  'copyFileSync',
  'lchownSync',
  'linkSync',
  'lstatSync',
  'mkdirSync',
  'opendirSync',
  'openSync',
  'readdirSync',
  'readFileSync',
  'readlinkSync',
  'realpathSync',
  'renameSync',
  'rmdirSync',
  'rmSync',
  'statSync',
  'symlinkSync',
  'truncateSync',
  'unlinkSync',
  'utimesSync',
  'writeFileSync',
];
const BY_DESCRIPTOR = [
  'closeSync',
  'fchmodSync',
  'fchownSync',
  'fdatasyncSync',
  'fstatSync',
  'fsyncSync',
  'ftruncateSync',
  'futimesSync',
  'readSync',
  'readvSync',
  'writeSync',
  'writevSync',
];
const DATABASES = new Set(['state.db', '.hermesctl-memory.db']);
const TWO_PATHS = new Set(['copyFileSync', 'linkSync', 'renameSync', 'symlinkSync']);
/** Calls after which the directory is as it was before: a kill beside one is a kill beside its neighbour. */
const READING = new Set([
  'accessSync',
  'closeSync',
  'fstatSync',
  'lstatSync',
  'opendirSync',
  'readdirSync',
  'readFileSync',
  'readlinkSync',
  'readSync',
  'readvSync',
  'realpathSync',
  'statSync',
]);

function install(plan) {
  const session = { count: 0, met: false, calls: [], restore };
  const originals = new Map();
  const opened = new Map();
  let depth = 0;
  let brokenForGood = false;

  for (const name of [...BY_PATH, ...BY_DESCRIPTOR]) wrap(name);
  const unwrapSqlite = plan.sqlite ? wrapSqlite() : () => undefined;
  return session;

  function wrap(name) {
    const original = fs[name];
    originals.set(name, original);
    fs[name] = Object.assign(function (...args) {
      const file = depth === 0 ? concerns(name, args) : undefined;
      depth++;
      try {
        return file === undefined ? call(name, original, args) : counted(name, original, args, file);
      } finally {
        depth--;
      }
    }, original);
  }

  function restore() {
    unwrapSqlite();
    for (const [name, original] of originals) fs[name] = original;
  }

  /** Statements that write an agent database or a memory ledger under the directory are counted like calls. */
  function wrapSqlite() {
    const { prototype } = require('better-sqlite3');
    const { exec, prepare } = prototype;
    const isMeant = ({ name, readonly }) => !readonly && isUnder(name) && DATABASES.has(path.basename(name));
    prototype.exec = function (sql) {
      return isMeant(this) ? countedStatement(sql, () => exec.call(this, sql)) : exec.call(this, sql);
    };
    prototype.prepare = function (sql) {
      const statement = prepare.call(this, sql);
      if (!isMeant(this) || statement.readonly) return statement;
      const { run } = statement;
      statement.run = (...values) => countedStatement(sql, () => run.call(statement, ...values));
      return statement;
    };
    return () => Object.assign(prototype, { exec, prepare });
  }

  function countedStatement(sql, run) {
    if (plan.kind === 'short-write' || (plan.only && !plan.only.includes('sql'))) return run();
    session.count++;
    session.calls.push(`sql ${sql.replace(/\s+/g, ' ').slice(0, 60)}`);
    const isHere = session.count === plan.at;
    if (isHere) session.met = true;
    if (isHere && plan.persistent) brokenForGood = true;
    // Rolling back is what SQLite does by itself in the end.
    if (plan.kind === 'error' && (isHere || brokenForGood) && sql !== 'ROLLBACK') throw sqliteError();
    if (plan.kind === 'kill-before' && isHere) die();
    const result = run();
    if (plan.kind === 'kill-after' && isHere) die();
    if (plan.kind === 'error-after' && isHere) throw sqliteError();
    return result;
  }

  function sqliteError() {
    const { SqliteError } = require('better-sqlite3');
    return new SqliteError('disk I/O error', 'SQLITE_IOERR_WRITE');
  }

  /** The path under the directory that a call is about; undefined where it is about something else. */
  function concerns(name, args) {
    if (typeof args[0] === 'number') return opened.get(args[0]);
    const paths = TWO_PATHS.has(name) ? args.slice(0, 2) : args.slice(0, 1);
    return paths.map(String).find(isUnder);
  }

  function isUnder(file) {
    const absolute = path.resolve(file);
    return absolute === plan.root || absolute.startsWith(plan.root + path.sep);
  }

  /** The call itself, keeping account of the descriptors that belong to the directory. */
  function call(name, original, args) {
    if (name === 'closeSync') opened.delete(args[0]);
    const result = original.apply(fs, args);
    if (name === 'openSync' && isUnder(String(args[0]))) opened.set(result, String(args[0]));
    return result;
  }

  function counted(name, original, args, file) {
    if (plan.noLinks && name === 'linkSync') throw systemError('EPERM', name, file);
    if (!isMeant(name, args)) return call(name, original, args);
    session.count++;
    session.calls.push(`${name} ${path.relative(plan.root, file) || '.'}`);
    const isHere = session.count === plan.at;
    if (isHere) session.met = true;
    if (plan.kind === 'short-write') return shortWrite(name, original, args, file, isHere);
    if (isHere && plan.persistent) brokenForGood = true;
    if (plan.kind === 'error' && (isHere || brokenForGood)) return fail(name, original, args, file);
    if (plan.kind === 'kill-before' && isHere) die();
    if (plan.kind === 'stop-before' && isHere) process.kill(process.pid, 'SIGSTOP');
    const result = call(name, original, args);
    if (plan.kind === 'kill-after' && isHere) die();
    return result;
  }

  function isMeant(name, args) {
    if (plan.kind === 'short-write' && name !== 'writeSync') return false;
    if (plan.only && !plan.only.includes(name)) return false;
    return !(plan.changing && (READING.has(name) || (name === 'openSync' && opensForReading(args[1]))));
  }

  function opensForReading(flags) {
    if (typeof flags === 'string') return flags === 'r' || flags === 'r+';
    return ((flags ?? 0) & (fs.constants.O_CREAT | fs.constants.O_TRUNC)) === 0;
  }

  function shortWrite(name, original, args, file, isHere) {
    if (brokenForGood) throw systemError('ENOSPC', name, file);
    if (!isHere) return call(name, original, args);
    brokenForGood = plan.persistent === true;
    const [fd, data, ...rest] = args;
    if (typeof data === 'string') {
      const bytes = Buffer.from(data, typeof rest[1] === 'string' ? rest[1] : 'utf8');
      return original.call(fs, fd, bytes, 0, Math.ceil(bytes.length / 2), rest[0] ?? null);
    }
    const [offset = 0, length = data.length - offset, position = null] = rest;
    return original.call(fs, fd, data, offset, Math.ceil(length / 2), position);
  }

  function fail(name, original, args, file) {
    // A close that fails has closed all the same.
    if (name === 'closeSync') call(name, original, args);
    throw systemError(plan.errno, name, file);
  }

  function die() {
    process.kill(process.pid, 'SIGKILL');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  }
}

const WORDS = { EIO: 'i/o error', ENOSPC: 'no space left on device', EPERM: 'operation not permitted' };

function systemError(code, name, file) {
  const syscall = name.replace(/Sync$/, '');
  return Object.assign(new Error(`${code}: ${WORDS[code] ?? 'failed'}, ${syscall} '${file}'`), {
    code,
    errno: -os.constants.errno[code],
    syscall,
    path: file,
  });
}

module.exports = { install };

const plan = process.env['HERMESCTL_TEST_FAULT'];
if (plan) install(JSON.parse(plan));
