import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, test } from 'vitest';

import { type DurableTarget, durableWrite } from '../../../src/core/files/durable-write';
import type { FileSystem } from '../../../src/core/files/file-system';
import { stampOf } from '../../../src/core/files/stamp';
import { cli, cliJson } from '../../support/cli';
import { testDeps } from '../../support/deps';
import { noOtherUser, SOMEBODY, whySkipped } from '../../support/other-user';
import { makeStore, session, temporaryDirectory, treeHash, writeSidecar } from '../../support/store';

function targetOf(file: string): DurableTarget {
  return { path: file, expected: stampOf(fs.lstatSync(file, { bigint: true })) };
}

function fileIn(dir: string, mode = 0o644): string {
  const file = path.join(dir, 'session.json');
  fs.writeFileSync(file, 'the old version\n');
  fs.chmodSync(file, mode);
  return file;
}

const newVersion = (write: (bytes: Uint8Array) => void): void => {
  write(Buffer.from('the new '));
  write(Buffer.from('version\n'));
};

/** What is in a directory: each file's number and bytes, each link's target. */
function contents(dir: string): Record<string, string> {
  return Object.fromEntries(
    fs.readdirSync(dir).map((name) => {
      const file = path.join(dir, name);
      const stats = fs.lstatSync(file);
      return [name, stats.isSymbolicLink() ? fs.readlinkSync(file) : `${stats.ino} ${fs.readFileSync(file, 'utf8')}`];
    }),
  );
}

/** A file system on which something happens when the new version is on the disk and not yet in its place. */
function interfering(meanwhile: () => void): Partial<FileSystem> {
  let isDone = false;
  return {
    fsyncSync: (fd) => {
      fs.fsyncSync(fd);
      if (!isDone) meanwhile();
      isDone = true;
    },
  };
}

describe('a target that another program changed meanwhile', () => {
  const changes: [string, (file: string) => void][] = [
    [
      'replaced',
      (file) => {
        fs.writeFileSync(`${file}.theirs`, 'their version');
        fs.renameSync(`${file}.theirs`, file);
      },
    ],
    [
      'replaced by a file that looks the same',
      (file) => {
        const { atime, mtime } = fs.statSync(file);
        fs.writeFileSync(`${file}.theirs`, 'THE OLD VERSION\n');
        fs.utimesSync(`${file}.theirs`, atime, mtime);
        fs.renameSync(`${file}.theirs`, file);
      },
    ],
    ['appended to', (file) => fs.appendFileSync(file, 'more')],
    [
      'edited in place, its time set back',
      (file) => {
        const { atime, mtime } = fs.statSync(file);
        fs.writeFileSync(file, 'THE OLD VERSION\n');
        fs.utimesSync(file, atime, mtime);
      },
    ],
    ['removed', (file) => fs.unlinkSync(file)],
    [
      'replaced by a link',
      (file) => {
        fs.renameSync(file, path.join(path.dirname(file), 'elsewhere'));
        fs.symlinkSync('elsewhere', file);
      },
    ],
  ];

  test.each(changes)('is left alone: %s', async (_, change) => {
    const dir = temporaryDirectory();
    const file = fileIn(dir);
    const target = targetOf(file);
    let changed = {};
    const deps = testDeps({
      fs: interfering(() => {
        const [own, ...others] = fs.readdirSync(dir).filter((name) => name !== 'session.json');
        expect(fs.readFileSync(path.join(dir, own), 'utf8'), 'it waits beside the old one').toBe('the new version\n');
        expect(others).toEqual([]);
        change(file);
        changed = contents(dir);
        Reflect.deleteProperty(changed, own);
      }),
    });
    await expect(durableWrite(target, newVersion, deps)).rejects.toMatchObject({
      code: 'CHANGED_ON_DISK',
      exit: 9,
      details: { path: file },
    });
    expect(contents(dir)).toEqual(changed);
  });

  test('is left alone: made where there was none', async () => {
    const dir = temporaryDirectory();
    const file = path.join(dir, 'session.json');
    const deps = testDeps({ fs: interfering(() => fs.writeFileSync(file, 'theirs')) });
    await expect(durableWrite({ path: file, expected: 'absent' }, newVersion, deps)).rejects.toMatchObject({
      code: 'CHANGED_ON_DISK',
    });
    expect(fs.readdirSync(dir)).toEqual(['session.json']);
    expect(fs.readFileSync(file, 'utf8')).toBe('theirs');
  });

  test('was changed before: nothing is written either', async () => {
    const dir = temporaryDirectory();
    const file = fileIn(dir);
    const target = targetOf(file);
    fs.appendFileSync(file, 'more');
    await expect(durableWrite(target, newVersion, testDeps())).rejects.toMatchObject({ code: 'CHANGED_ON_DISK' });
    expect(fs.readdirSync(dir)).toEqual(['session.json']);
    expect(fs.readFileSync(file, 'utf8')).toBe('the old version\nmore');
  });
});

describe('the new version', () => {
  test('takes the place of the old one, and its stamp is told', async () => {
    const file = fileIn(temporaryDirectory());
    const stamp = await durableWrite(targetOf(file), newVersion, testDeps());
    expect(fs.readFileSync(file, 'utf8')).toBe('the new version\n');
    expect(stamp).toEqual(stampOf(fs.lstatSync(file, { bigint: true })));
  });

  test('is on the disk before it is in place, and its directory after', async () => {
    const file = fileIn(temporaryDirectory());
    const calls: string[] = [];
    const named = new Map<number, string>();
    const own: Partial<FileSystem> = {
      openSync: (name, ...rest) => {
        const fd = fs.openSync(name, ...rest);
        named.set(fd, String(name) === path.dirname(file) ? 'directory' : 'temporary');
        return fd;
      },
      fsyncSync: (fd) => {
        calls.push(`${named.get(fd)} synced, target is ${fs.readFileSync(file, 'utf8').slice(4, 7)}`);
        fs.fsyncSync(fd);
      },
    };
    await durableWrite(targetOf(file), newVersion, testDeps({ fs: own }));
    expect(calls).toEqual(['temporary synced, target is old', 'directory synced, target is new']);
  });

  test('does not wait for a disk that takes no byte', async () => {
    const file = fileIn(temporaryDirectory());
    const stuck = { writeSync: (() => 0) as FileSystem['writeSync'] };
    await expect(durableWrite(targetOf(file), newVersion, testDeps({ fs: stuck }))).rejects.toMatchObject({
      code: 'IO_ERROR',
    });
    expect(fs.readFileSync(file, 'utf8')).toBe('the old version\n');
  });

  test('is not taken for whole where bytes went missing', async () => {
    const dir = temporaryDirectory();
    const file = fileIn(dir);
    const lossy: Partial<FileSystem> = {
      writeSync: ((fd: number, bytes: Uint8Array, offset: number, length: number) => {
        fs.writeSync(fd, bytes, offset, length >> 1);
        return length; // says it wrote all
      }) as FileSystem['writeSync'],
    };
    await expect(durableWrite(targetOf(file), newVersion, testDeps({ fs: lossy }))).rejects.toMatchObject({
      code: 'IO_ERROR',
    });
    expect(fs.readFileSync(file, 'utf8')).toBe('the old version\n');
    expect(fs.readdirSync(dir)).toEqual(['session.json']);
  });

  test('does not come to be where its maker fails', async () => {
    const dir = temporaryDirectory();
    const file = fileIn(dir);
    const failing = (write: (bytes: Uint8Array) => void): void => {
      write(Buffer.from('half'));
      throw new Error('no more');
    };
    await expect(durableWrite(targetOf(file), failing, testDeps())).rejects.toThrow('no more');
    expect(fs.readFileSync(file, 'utf8')).toBe('the old version\n');
    expect(fs.readdirSync(dir)).toEqual(['session.json']);
  });

  test.each([0o600, 0o444, 0o644, 0o666])('keeps the mode %o', async (mode) => {
    const file = fileIn(temporaryDirectory(), mode);
    const umask = process.umask(0o077);
    try {
      await durableWrite(targetOf(file), newVersion, testDeps());
    } finally {
      process.umask(umask);
    }
    expect(fs.statSync(file).mode & 0o7777).toBe(mode);
    expect(fs.readFileSync(file, 'utf8')).toBe('the new version\n');
  });

  test('gets 0600 where there was none, whatever the umask', async () => {
    const file = path.join(temporaryDirectory(), 'session.json');
    const umask = process.umask(0);
    try {
      await durableWrite({ path: file, expected: 'absent' }, newVersion, testDeps());
    } finally {
      process.umask(umask);
    }
    expect(fs.statSync(file).mode & 0o7777).toBe(0o600);
  });

  test('does not take the place of a link', async () => {
    const dir = temporaryDirectory();
    const real = fileIn(dir);
    const link = path.join(dir, 'link.json');
    fs.symlinkSync('session.json', link);
    const before = treeHash(dir);
    await expect(durableWrite(targetOf(link), newVersion, testDeps())).rejects.toMatchObject({ code: 'REFUSED' });
    expect(treeHash(dir)).toBe(before);
    expect(fs.readFileSync(real, 'utf8')).toBe('the old version\n');
  });
});

const notRoot = process.geteuid?.() === 0 ? undefined : 'only root can give files away';

describe.skipIf(notRoot)(`owners${whySkipped(notRoot)}`, () => {
  test('root keeps the owner of a file', async () => {
    const file = fileIn(temporaryDirectory(), 0o640);
    fs.chownSync(file, SOMEBODY, SOMEBODY + 1);
    await durableWrite(targetOf(file), newVersion, testDeps());
    expect(fs.statSync(file)).toMatchObject({ uid: SOMEBODY, gid: SOMEBODY + 1, mode: 0o100640 });
  });

  test('root gives a new file the owner of its directory', async () => {
    const dir = temporaryDirectory();
    fs.chownSync(dir, SOMEBODY, SOMEBODY + 1);
    const file = path.join(dir, 'session.json');
    await durableWrite({ path: file, expected: 'absent' }, newVersion, testDeps());
    expect(fs.statSync(file)).toMatchObject({ uid: SOMEBODY, gid: SOMEBODY + 1, mode: 0o100600 });
  });

  test('no new version is left where the owner cannot be kept', async () => {
    const dir = temporaryDirectory();
    const file = fileIn(dir);
    fs.chownSync(file, SOMEBODY, SOMEBODY);
    const forbidden: Partial<FileSystem> = {
      fchownSync: () => {
        throw Object.assign(new Error('EPERM: operation not permitted, fchown'), { code: 'EPERM', syscall: 'fchown' });
      },
    };
    await expect(durableWrite(targetOf(file), newVersion, testDeps({ fs: forbidden }))).rejects.toMatchObject({
      code: 'REFUSED',
      details: { uid: SOMEBODY },
    });
    expect(fs.readdirSync(dir)).toEqual(['session.json']);
    expect(fs.readFileSync(file, 'utf8')).toBe('the old version\n');
  });
});

describe.skipIf(noOtherUser)(`another user than root${whySkipped(noOtherUser)}`, () => {
  test('is refused a session that is not theirs, and nothing is changed', async () => {
    const store = makeStore({ shared0001: session('shared0001') });
    // Anybody may write into the directories, so that nothing but the owner is in the way.
    for (const dir of [store.root, store.stateDir, store.sessionsDir]) fs.chmodSync(dir, 0o777);
    const before = treeHash(store.sessionsDir);
    const { code, json } = await cliJson<{ error: object }>(['sessions', 'rename', 'shared0001', 'Mine'], {
      env: store.env,
      user: SOMEBODY,
    });
    expect(json.error).toMatchObject({ code: 'REFUSED', details: { uid: 0, gid: 0 } });
    expect(code).toBe(13);
    expect(treeHash(store.sessionsDir)).toBe(before);
  });

  test('writes a session of mode 0444, which stays 0444', async () => {
    const store = makeStore();
    const file = writeSidecar(store, 'locked0001', session('locked0001'));
    fs.chmodSync(file, 0o444);
    for (const name of [store.root, store.stateDir, store.sessionsDir, file]) fs.chownSync(name, SOMEBODY, SOMEBODY);
    const { code, stdout, stderr } = await cli(['sessions', 'rename', 'locked0001', 'A name', '--json'], {
      env: store.env,
      user: SOMEBODY,
    });
    expect(code, stdout + stderr).toBe(0);
    expect(fs.readFileSync(file, 'utf8')).toContain('"A name"');
    expect(fs.statSync(file)).toMatchObject({ uid: SOMEBODY, mode: 0o100444 });
  });
});
