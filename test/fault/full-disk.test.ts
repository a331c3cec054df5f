import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, onTestFinished, test } from 'vitest';
import writeFileAtomic from 'write-file-atomic';

import { cliJson } from '../support/cli';
import { testDeps } from '../support/deps';
import { faultOptions, withFaults } from '../support/faults';
import { whySkipped } from '../support/other-user';
import { makeStore, session, temporaryDirectory, type TestStore, writeSidecar } from '../support/store';
import { durableWrite } from '../../src/core/files/durable-write';
import { stampOf } from '../../src/core/files/stamp';

const ID = 'full000001';
const KIB = 1024;

/** Why no small disk can be had here; undefined where it can. */
const noTmpfs = ((): string | undefined => {
  if (process.platform !== 'linux') return 'tmpfs is a file system of Linux';
  const dir = fs.mkdtempSync(path.join(fs.realpathSync('/tmp'), 'hermesctl-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', dir], { stdio: 'pipe' });
    execFileSync('umount', [dir]);
    return undefined;
  } catch (error) {
    return `no tmpfs can be mounted: ${(error as Error).message.split('\n')[0]}`;
  } finally {
    fs.rmdirSync(dir);
  }
})();

/** A directory that is a disk of so many bytes. */
function smallDisk(bytes: number): string {
  const dir = temporaryDirectory();
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=755`, 'none', dir]);
  onTestFinished(() => void execFileSync('umount', [dir]));
  return dir;
}

/** Leaves so many bytes free, and no inode short. */
function fill(dir: string, free: number): void {
  const fd = fs.openSync(path.join(dir, 'ballast'), 'w');
  const page = Buffer.alloc(4 * KIB);
  while (fs.statfsSync(dir).bavail * fs.statfsSync(dir).bsize > free) fs.writeSync(fd, page);
  fs.closeSync(fd);
}

function longSession(bytes: number): object {
  const messages = ['user', 'assistant', 'user', 'assistant'].map((role, i) => ({
    role,
    content: 'x'.repeat(bytes / 4),
    timestamp: 1777000000 + i,
  }));
  return session(ID, { messages });
}

/** A store whose sessions are on a disk of their own. */
function storeOnDisk(size: number): TestStore {
  const disk = smallDisk(size);
  const store = makeStore();
  const stateDir = path.join(disk, 'webui');
  const sessionsDir = path.join(stateDir, 'sessions');
  fs.mkdirSync(sessionsDir, { recursive: true });
  return { ...store, stateDir, sessionsDir, env: { ...store.env, HERMES_WEBUI_STATE_DIR: stateDir } };
}

describe.skipIf(noTmpfs)(`a full disk${whySkipped(noTmpfs)}`, () => {
  test.each([
    ['undo', ['undo', ID]],
    ['rename', ['sessions', 'rename', ID, 'A name']],
    ['create --replace', ['sessions', 'create', '--id', ID, '--user', 'y'.repeat(60 * KIB), '--replace']],
  ])('stops %s with exit 1, the session and its older backup as they were', async (_, args) => {
    const store = storeOnDisk(512 * KIB);
    const file = writeSidecar(store, ID, longSession(200 * KIB));
    const backup = JSON.stringify(longSession(4));
    fs.writeFileSync(`${file}.bak`, backup);
    const before = fs.readFileSync(file);
    fill(store.stateDir, 40 * KIB);
    const { code, json } = await cliJson<{ error: { code: string; details: object } }>(args, { env: store.env });
    expect(code).toBe(1);
    expect(json.error).toMatchObject({ code: 'IO_ERROR', details: { errno: 'ENOSPC' } });
    expect(fs.readFileSync(file).equals(before)).toBe(true);
    expect(fs.readdirSync(store.sessionsDir).sort()).toEqual([`${ID}.json`, `${ID}.json.bak`]);
    expect(fs.readFileSync(`${file}.bak`, 'utf8')).toBe(backup);
  });

  test('stops the copy of a backup where there are no links', async () => {
    const store = storeOnDisk(512 * KIB);
    const file = writeSidecar(store, ID, longSession(200 * KIB));
    const before = fs.readFileSync(file);
    // Room for the new version, which is half as long, and not for a copy of the old one beside it.
    fill(store.stateDir, 160 * KIB);
    const { nodeArgs, env } = faultOptions({ root: store.stateDir, noLinks: true });
    const { code, json } = await cliJson<{ error: { code: string; details: object } }>(['undo', ID], {
      nodeArgs,
      env: { ...store.env, ...env },
    });
    expect(code).toBe(1);
    expect(json.error).toMatchObject({ code: 'IO_ERROR', details: { errno: 'ENOSPC' } });
    expect(fs.readFileSync(file).equals(before)).toBe(true);
    expect(fs.readdirSync(store.sessionsDir)).toEqual([`${ID}.json`]);
  });

  test('says that the session was saved where only the index does not fit', async () => {
    const store = storeOnDisk(512 * KIB);
    for (const id of ['more000001', 'more000002', 'more000003', 'more000004']) writeSidecar(store, id, session(id));
    const file = writeSidecar(store, ID, session(ID));
    // A page for the lock's holder, one for the new version; then there is that of the old one, and the index needs three.
    fill(store.stateDir, 8 * KIB);
    const { code, json } = await cliJson<{ session: { index: object }; warnings: object[] }>(
      ['sessions', 'rename', ID, 'A name'],
      { env: store.env },
    );
    expect(code).toBe(0);
    expect(json.session.index).toMatchObject({ updated: false, hint: `hermesctl reindex ${ID}` });
    expect(json.warnings).toMatchObject([{ code: 'INDEX_NOT_UPDATED', command: `hermesctl reindex ${ID}` }]);
    expect(fs.readFileSync(file, 'utf8')).toContain('"A name"');
  });

  test('does not stop gc-tmp, which makes room', async () => {
    const store = storeOnDisk(512 * KIB);
    const leftover = path.join(store.sessionsDir, `${ID}.json.123456`);
    fs.writeFileSync(leftover, Buffer.alloc(100 * KIB));
    fill(store.stateDir, 0);
    const { code, json } = await cliJson(['gc-tmp', '--older-than', '0'], { env: store.env });
    expect({ code, json }).toMatchObject({ code: 0, json: { removed: 1, bytes: 100 * KIB } });
    expect(fs.existsSync(leftover)).toBe(false);
  });
});

/** The same full disk for both forms of write-file-atomic: see docs/adr/0003. */
describe('write-file-atomic where the disk is full', () => {
  const OLD = Buffer.from('the good old version\n');
  const NEW = Buffer.alloc(200 * KIB, 'n');
  const FREE = 40 * KIB;

  /** A file on a disk with room for a fifth of its next version, real or, where none can be mounted, pretended. */
  function almostFull(): { file: string; dir: string; meanwhile: (work: () => unknown) => Promise<void> } {
    const dir = noTmpfs ? temporaryDirectory() : smallDisk(256 * KIB);
    const file = path.join(dir, 'session.json');
    fs.writeFileSync(file, OLD);
    if (!noTmpfs) fill(dir, FREE);
    const meanwhile = async (work: () => unknown): Promise<void> => {
      if (noTmpfs) await withFaults({ root: dir, kind: 'short-write', at: 1, persistent: true }, work);
      else await work();
    };
    return { file, dir, meanwhile };
  }

  // Should this fail, write-file-atomic checks what it writes by now: the ADR says what to think over then.
  test.each([
    ['bytes', NEW],
    ['text', NEW.toString()],
  ])('handed the %s, it says nothing and puts a part of them in place of the good file', async (_, data) => {
    const { file, meanwhile } = almostFull();
    await meanwhile(() => writeFileAtomic.sync(file, data));
    const { size } = fs.statSync(file);
    expect(size).toBeLessThan(NEW.length);
    if (!noTmpfs) expect(size).toBe(FREE);
  });

  test('in the form that hermesctl uses, it fails and the good file stays', async () => {
    const { file, dir, meanwhile } = almostFull();
    const names = fs.readdirSync(dir);
    const target = { path: file, expected: stampOf(fs.lstatSync(file, { bigint: true })) };
    await expect(meanwhile(() => durableWrite(target, (write) => write(NEW), testDeps()))).rejects.toMatchObject({
      code: 'IO_ERROR',
      details: { errno: 'ENOSPC' },
    });
    expect(fs.readFileSync(file).equals(OLD)).toBe(true);
    expect(fs.readdirSync(dir)).toEqual(names);
  });
});
