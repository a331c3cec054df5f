import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';

import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';

import { retryingIo } from '../../../src/core/agent-db/database';
import { holdersOf } from '../../../src/core/agent-db/holders';
import { withAgentDatabase } from '../../../src/core/agent-db/open';
import { withPrivateCopy } from '../../../src/core/agent-db/private-copy';
import type { Deps } from '../../../src/core/deps';
import { executed, PLAIN_SCHEMA } from '../../support/agent-db';
import { testDeps } from '../../support/deps';
import { temporaryDirectory, treeHash } from '../../support/store';

const ONE_SESSION = `${PLAIN_SCHEMA} INSERT INTO sessions (id, source, started_at) VALUES ('s1', 'cli', 1.5);`;
const ANOTHER = "INSERT INTO sessions (id, source, started_at) VALUES ('s2', 'cli', 2.5)";

const newFile = (): string => path.join(temporaryDirectory(), 'state.db');

/** A connection of another program, closed when the test is over. */
function writer(file: string): Database.Database {
  const database = new Database(file);
  onTestFinished(() => void database.close());
  return database;
}

const idsIn = (file: string, deps: Deps = testDeps()): Promise<unknown[]> =>
  withAgentDatabase(file, deps, async (database) =>
    (await database.all('SELECT id FROM sessions ORDER BY id')).map((row) => row['id']),
  );

/** Descriptors of this process on the database and what is beside it. */
const descriptorsOn = (file: string): string[] =>
  fs
    .readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return fs.readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return '';
      }
    })
    .filter((target) => target.startsWith(file));

const hasProc = fs.existsSync('/proc/self/fd');

describe('a database that can be read', () => {
  it('in WAL mode, with what is in the log only', async () => {
    const file = executed(newFile(), ONE_SESSION);
    const other = writer(file);
    other.pragma('journal_mode = WAL');
    other.exec(ANOTHER);
    expect(await idsIn(file)).toEqual(['s1', 's2']);
  });

  it('in rollback mode, and leaves nothing beside it', async () => {
    const file = executed(newFile(), ONE_SESSION);
    const before = treeHash(path.dirname(file));
    expect(await idsIn(file)).toEqual(['s1']);
    expect(treeHash(path.dirname(file))).toBe(before);
    expect(fs.readdirSync(path.dirname(file))).toEqual(['state.db']);
  });

  it.each(['WAL', 'DELETE'])('while a writer is in the middle of a transaction (%s)', async (mode) => {
    const file = executed(newFile(), ONE_SESSION);
    const other = writer(file);
    other.pragma(`journal_mode = ${mode}`);
    other.exec(`BEGIN IMMEDIATE; ${ANOTHER}`);
    expect(await idsIn(file)).toEqual(['s1']);
    other.exec('COMMIT');
    expect(await idsIn(file)).toEqual(['s1', 's2']);
  });

  it('while a writer checkpoints between the reads, and the writer loses nothing', async () => {
    const file = executed(newFile(), ONE_SESSION);
    const other = writer(file);
    other.pragma('journal_mode = WAL');
    for (let i = 0; i < 50; i++) {
      other.exec(`INSERT INTO sessions (id, source, started_at) VALUES ('n${i}', 'cli', ${i})`);
      if (i % 5 === 0) other.pragma(`wal_checkpoint(${['TRUNCATE', 'RESTART', 'PASSIVE'][i % 3]})`);
      expect(await idsIn(file)).toHaveLength(i + 2);
    }
    expect(fs.existsSync(`${file}-wal`)).toBe(true);
    expect(other.prepare('SELECT count(*) FROM sessions').pluck().get()).toBe(51);
  });

  it('at any path that a file system takes', async () => {
    const dir = path.join(temporaryDirectory(), 'a b?c#d%20e\u00e9');
    fs.mkdirSync(dir);
    expect(await idsIn(executed(path.join(dir, 'state.db'), ONE_SESSION))).toEqual(['s1']);
  });

  it('keeps integers exact and reals apart from them', async () => {
    const file = executed(
      newFile(),
      "CREATE TABLE sessions (a, b, c); INSERT INTO sessions VALUES (9007199254740993, 1.0, x'00ff')",
    );
    const [row] = await withAgentDatabase(file, testDeps(), (database) => database.all('SELECT * FROM sessions'));
    expect(row).toEqual({ a: 9007199254740993n, b: 1, c: Buffer.from([0, 255]) });
  });
});

describe.runIf(hasProc)('descriptors', () => {
  it('are closed however it ends', async () => {
    const file = executed(newFile(), ONE_SESSION);
    writer(file).pragma('journal_mode = WAL');
    const own = descriptorsOn(file).length;
    await idsIn(file);
    await expect(withAgentDatabase(file, testDeps(), () => Promise.reject(new Error('midway')))).rejects.toThrow(
      'midway',
    );
    await expect(
      withAgentDatabase(file, testDeps(), (database) => database.all('SELECT nothing FROM sessions')),
    ).rejects.toMatchObject({ code: 'DATABASE_UNUSABLE', details: { reason: 'schema' } });
    expect(descriptorsOn(file)).toHaveLength(own);
    const junk = newFile();
    fs.writeFileSync(junk, randomBytes(4096));
    await expect(idsIn(junk)).rejects.toThrow();
    expect(descriptorsOn(junk)).toEqual([]);
  });
});

describe('a database that cannot be read', () => {
  const fails = async (file: string, reason: string): Promise<void> => {
    const before = treeHash(path.dirname(file));
    await expect(idsIn(file)).rejects.toMatchObject({
      code: 'DATABASE_UNUSABLE',
      exit: 12,
      hint: expect.stringMatching(/\S/) as string,
      details: { path: file, reason },
    });
    expect(treeHash(path.dirname(file))).toBe(before);
  };

  it('says that it is missing, and makes none', async () => {
    const file = newFile();
    await fails(file, 'missing');
    await fails(path.join(temporaryDirectory(), 'no', 'such', 'state.db'), 'missing').catch((error: unknown) => {
      if ((error as { code?: string }).code !== 'ENOENT') throw error; // there is no directory to look at afterwards
    });
    expect(fs.existsSync(file)).toBe(false);
  });

  it('says that it is empty, and leaves the log beside it', async () => {
    const file = newFile();
    fs.writeFileSync(file, '');
    fs.writeFileSync(`${file}-wal`, 'the only copy of something');
    await fails(file, 'empty');
    expect(fs.existsSync(`${file}-wal`)).toBe(true);
  });

  it('says that it is no file', async () => {
    const file = newFile();
    fs.mkdirSync(file);
    await fails(file, 'not_a_file');
  });

  it('does not wait at a FIFO', async () => {
    const file = newFile();
    execFileSync('mkfifo', [file]);
    await expect(idsIn(file)).rejects.toMatchObject({ details: { reason: 'not_a_file' } });
  });

  it.each([
    ['text', 'This is a note, not a database.\n'.repeat(50), 'not_sqlite'],
    ['a few letters', 'x', 'not_sqlite'],
    ['encrypted', randomBytes(8192), 'encrypted'],
  ])('says what it is instead: %s', async (_name, content, reason) => {
    const file = newFile();
    fs.writeFileSync(file, content);
    await fails(file, reason);
  });

  it.each([50, 512, 4096, 20480])('says that it is truncated (to %i bytes)', async (bytes) => {
    const file = executed(newFile(), ONE_SESSION);
    expect(fs.statSync(file).size).toBeGreaterThan(20480);
    fs.truncateSync(file, bytes);
    await fails(file, 'truncated');
  });

  it('says that a page is damaged, when it is read', async () => {
    const file = executed(newFile(), ONE_SESSION);
    const fd = fs.openSync(file, 'r+');
    const pages = fs.statSync(file).size / 4096;
    for (let page = 1; page < pages; page++) fs.writeSync(fd, randomBytes(4096), 0, 4096, page * 4096);
    fs.closeSync(fd);
    await fails(file, 'damaged');
  });

  it('says that it was left in the middle of a change, and does not repair it', async () => {
    const source = executed(newFile(), ONE_SESSION);
    const other = writer(source);
    other.pragma('cache_size = 1');
    other.exec('CREATE TABLE filler (x); BEGIN');
    const insert = other.prepare('INSERT INTO filler VALUES (?)');
    for (let i = 0; i < 200; i++) insert.run('x'.repeat(2000));
    const file = newFile();
    for (const end of ['', '-journal']) fs.copyFileSync(`${source}${end}`, `${file}${end}`);
    other.exec('ROLLBACK');
    await fails(file, 'needs_recovery');
  });

  it('says that it is locked, after it waited', { timeout: 30_000 }, async () => {
    const file = executed(newFile(), ONE_SESSION);
    const other = writer(file);
    other.exec('BEGIN EXCLUSIVE');
    await expect(idsIn(file)).rejects.toMatchObject({ code: 'DATABASE_UNUSABLE', details: { reason: 'locked' } });
    other.exec('ROLLBACK');
    expect(await idsIn(file)).toEqual(['s1']);
  });
});

describe('an I/O error of the disk', () => {
  const failing = (code: string, times: number): { tries: () => number; work: () => string } => {
    let tries = 0;
    return {
      tries: () => tries,
      work: () => {
        if (++tries <= times) throw Object.assign(new Error('disk I/O error'), { code });
        return 'done';
      },
    };
  };
  const waits: number[] = [];
  const clock = { now: () => 0, sleep: (seconds: number) => Promise.resolve(void waits.push(seconds)) };

  it('is tried again three times, 50 ms apart', async () => {
    const often = failing('SQLITE_IOERR_SHORT_READ', 3);
    expect(await retryingIo({ clock }, often.work)).toBe('done');
    expect(waits).toEqual([0.05, 0.05, 0.05]);
    const always = failing('SQLITE_IOERR', Infinity);
    await expect(retryingIo({ clock }, always.work)).rejects.toMatchObject({ code: 'SQLITE_IOERR' });
    expect(always.tries()).toBe(4);
  });

  it('is the only one that is', async () => {
    for (const code of ['SQLITE_BUSY', 'SQLITE_CORRUPT', 'EIO']) {
      const other = failing(code, 1);
      await expect(retryingIo({ clock }, other.work)).rejects.toMatchObject({ code });
      expect(other.tries()).toBe(1);
    }
  });
});

describe('a private copy', () => {
  /** A database in WAL mode with a session that is in its log only, held by nobody. */
  function walDatabase(): string {
    const source = executed(newFile(), ONE_SESSION);
    const other = writer(source);
    other.pragma('journal_mode = WAL');
    other.exec(ANOTHER);
    const file = newFile();
    for (const end of ['', '-wal']) fs.copyFileSync(`${source}${end}`, `${file}${end}`);
    return file;
  }

  const inOwnPlace = (overrides: Partial<Deps['fs']> = {}): Deps =>
    testDeps({ temporaryRoot: temporaryDirectory(), fs: overrides });

  it('has the database and its log, leaves the original alone, and is removed', async () => {
    const file = walDatabase();
    const deps = inOwnPlace();
    const before = treeHash(path.dirname(file));
    expect(await withPrivateCopy(file, deps, (copy) => idsIn(copy))).toEqual(['s1', 's2']);
    await expect(withPrivateCopy(file, deps, () => Promise.reject(new Error('midway')))).rejects.toThrow('midway');
    expect(treeHash(path.dirname(file))).toBe(before);
    expect(fs.readdirSync(deps.temporaryRoot)).toEqual([]);
  });

  it.runIf(hasProc)('is not made of one that a process has open', async () => {
    const file = walDatabase();
    const fd = fs.openSync(file, 'r');
    const holder = spawn('sleep', ['60'], { stdio: [fd, 'ignore', 'ignore'] });
    onTestFinished(() => void holder.kill());
    await once(holder, 'spawn');
    fs.closeSync(fd);
    expect(holdersOf(file, testDeps())).toEqual([{ pid: holder.pid, files: [file] }]);
    await expect(withPrivateCopy(file, inOwnPlace(), () => Promise.resolve())).rejects.toMatchObject({
      code: 'DATABASE_UNUSABLE',
      details: { reason: 'in_use', pids: [holder.pid] },
    });
  });

  it('is not used where the original changed meanwhile', async () => {
    const file = walDatabase();
    const changing: Partial<Deps['fs']> = {
      copyFileSync: (from, to, mode) => {
        fs.copyFileSync(from, to, mode);
        fs.appendFileSync(`${file}-wal`, 'a frame');
      },
    };
    const deps = inOwnPlace(changing);
    await expect(withPrivateCopy(file, deps, () => Promise.resolve())).rejects.toMatchObject({
      code: 'DATABASE_UNUSABLE',
      details: { reason: 'changing' },
    });
    expect(fs.readdirSync(deps.temporaryRoot)).toEqual([]);
  });

  it('is not made of more than 1 GiB', async () => {
    const file = walDatabase();
    fs.truncateSync(file, 1024 ** 3);
    await expect(withPrivateCopy(file, inOwnPlace(), () => Promise.resolve())).rejects.toMatchObject({
      code: 'DATABASE_UNUSABLE',
      details: { reason: 'too_large' },
    });
  });

  it('says so where there is no room for it', async () => {
    const full: Partial<Deps['fs']> = {
      copyFileSync: () => {
        throw Object.assign(new Error('ENOSPC: no space left on device, copyfile'), {
          code: 'ENOSPC',
          syscall: 'copyfile',
        });
      },
    };
    const deps = inOwnPlace(full);
    await expect(withPrivateCopy(walDatabase(), deps, () => Promise.resolve())).rejects.toMatchObject({
      code: 'IO_ERROR',
      hint: expect.stringContaining('TMPDIR') as string,
    });
    expect(fs.readdirSync(deps.temporaryRoot)).toEqual([]);
  });
});
