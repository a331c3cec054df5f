import { constants } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { HermesctlError } from '../../../src/core/errors';
import { type FileSystem, nodeFileSystem } from '../../../src/core/files/file-system';
import { withFile } from '../../../src/core/files/open-file';
import { Window } from '../../../src/core/json/window';
import { METADATA_FIELDS } from '../../../src/core/session/fields';
import { sessionIds } from '../../../src/core/sidecar/directory';
import { type MessageSelection, messagesOf } from '../../../src/core/sidecar/messages';
import {
  readSidecarMetadata,
  type ScannedSidecar,
  scanOpenSidecar,
  scanSidecar,
  sidecarPath,
} from '../../../src/core/sidecar/read';
import { cli, cliJson } from '../../support/cli';
import { locationOf } from '../../support/places';
import { makeStore, session, type TestStore, writeSidecar } from '../../support/store';

const scan = (store: TestStore, id = 'abc') => scanSidecar(nodeFileSystem, store.sessionsDir, id);
const metadata = (store: TestStore, id = 'abc', fileSystem: FileSystem = nodeFileSystem) =>
  readSidecarMetadata(fileSystem, store.sessionsDir, id);

/** What a scan tells, however it holds it. */
function told({
  id,
  path: file,
  stamp,
  fields,
  members,
  transcript,
  landmarks,
  hasBom,
  mayHaveHazards,
  warnings,
}: ScannedSidecar) {
  const texts = [...METADATA_FIELDS].map((key) => fields.get(key)?.text);
  return { id, file, stamp, texts, members, transcript, landmarks, hasBom, mayHaveHazards, warnings };
}

function failure(work: () => unknown): HermesctlError {
  try {
    work();
  } catch (error) {
    if (error instanceof HermesctlError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** A file system that counts the bytes read through it and the files left open. */
function counting(): { fileSystem: FileSystem; count: { bytes: number; open: number } } {
  const count = { bytes: 0, open: 0 };
  const fileSystem = {
    ...nodeFileSystem,
    openSync: (...args: Parameters<typeof fs.openSync>) => {
      const fd = fs.openSync(...args);
      count.open++;
      return fd;
    },
    closeSync: (fd: number) => {
      count.open--;
      fs.closeSync(fd);
    },
    readSync: (fd: number, into: NodeJS.ArrayBufferView, offset: number, length: number, position: number) => {
      const n = fs.readSync(fd, into, offset, length, position);
      count.bytes += n;
      return n;
    },
  } as FileSystem;
  return { fileSystem, count };
}

const manyMessages = Array.from({ length: 20_000 }, (_, i) => ({
  role: i % 2 === 0 ? 'user' : 'assistant',
  content: `message ${i} ${'x'.repeat(80)}`,
  timestamp: 1777000000 + i,
}));

describe('readSidecarMetadata', () => {
  it('reads the beginning of a large file only', () => {
    const { messages, ...prefix } = session('abc', { message_count: 20_000 });
    const store = makeStore({ abc: { ...prefix, messages: [...(messages as object[]), ...manyMessages] } });
    const { fileSystem, count } = counting();
    const read = metadata(store, 'abc', fileSystem)!;
    expect(Number(read.stamp.size)).toBeGreaterThan(2_000_000);
    expect(read.bytesRead).toBeLessThan(1000);
    expect(count.bytes).toBeLessThan(32 * 1024);
    expect(count.open).toBe(0);
    expect(read.fields.get('message_count')!.text).toBe('20000');
    expect(read.transcript).toBeUndefined();
  });

  it('reads a prefix of any length', () => {
    const draft = { text: 'x'.repeat(300_000) };
    const { messages, ...rest } = session('abc');
    const store = makeStore({ abc: { ...rest, composer_draft: draft, messages } });
    const read = metadata(store)!;
    expect(read.transcript).toBeUndefined();
    expect(read.fields.get('composer_draft')!.value()).toEqual(draft);
  });

  it('does not look at what follows the prefix', () => {
    const store = makeStore({
      abc: '{"session_id":"abc","title":"t","created_at":1,"updated_at":2,"messages":[ broken',
    });
    expect(metadata(store)!.fields.get('title')!.text).toBe('"t"');
    expect(failure(() => scan(store)).code).toBe('SESSION_DAMAGED');
  });

  it.each([
    ['messages first', '{"messages":[{"role":"user","timestamp":5}],"session_id":"abc","title":"t","updated_at":2}'],
    ['no created_at', '{"session_id":"abc","title":"t","updated_at":2,"messages":[{"role":"user","timestamp":5}]}'],
    [
      'scenes before the rest',
      '{"session_id":"abc","anchor_activity_scenes":{},"title":"t","messages":[{"role":"user","timestamp":5}]}',
    ],
  ])('reads all of a file with another layout: %s', (_what, text) => {
    const read = metadata(makeStore({ abc: text }))!;
    expect(read.transcript).toEqual({ count: 1, userCount: 1, lastAt: 5 });
    expect(read.bytesRead).toBe(text.length);
    expect(read.fields.get('title')!.text).toBe('"t"');
  });

  it('is undefined where there is no such file', () => {
    expect(metadata(makeStore(), 'abc')).toBeUndefined();
    expect(scan(makeStore(), 'abc')).toBeUndefined();
  });
});

describe('scanSidecar', () => {
  it('walks any file to its end, whatever the window it is given', () => {
    const store = makeStore({ abc: session('abc', { messages: manyMessages }) });
    const read = scanSidecar(nodeFileSystem, store.sessionsDir, 'abc', Window.plain(4096))!;
    expect(read.transcript).toEqual({ count: 20_000, userCount: 10_000, lastAt: 1777019999 });
    const fast = scanSidecar(nodeFileSystem, store.sessionsDir, 'abc', Window.fast())!;
    expect({ ...told(fast), landmarks: [] }).toEqual(told(read));
    expect(told(scan(store)!)).toEqual(told(fast));
  });

  it('takes null messages, and none, for an empty transcript', () => {
    const empty = { count: 0, userCount: 0, lastAt: undefined };
    expect(scan(makeStore({ abc: session('abc', { messages: null }) }))!.transcript).toEqual(empty);
    expect(scan(makeStore({ abc: '{"session_id":"abc"}' }))!.transcript).toEqual(empty);
  });

  it('lets the last of two equal keys count, the transcript too', () => {
    const text = '{"title":"a","messages":[1,2],"title":"b","messages":[{"role":"user"}]}';
    const read = scan(makeStore({ abc: text }))!;
    expect(read.fields.get('title')!.text).toBe('"b"');
    expect(read.transcript.count).toBe(1);
    expect(read.members.map(({ key }) => key)).toEqual(['title', 'messages', 'title', 'messages']);
  });

  it.each<[string, string | Buffer, string, number]>([
    ['empty', '', 'empty', 0],
    ['a list', '[1,2,3]', 'not-an-object', 0],
    ['a string', '"messages"', 'not-an-object', 0],
    ['white space', ' \n', 'not-json', 2],
    ['cut short', '{"messages": [{"role": "us', 'not-json', 23],
    ['followed by more', '{"messages": []} {}', 'not-json', 17],
    ['not UTF-8', Buffer.from('{"title":"\xff"}', 'latin1'), 'not-utf8', 10],
    ['NUL bytes', Buffer.alloc(64), 'not-json', 0],
    ['messages that are an object', '{"messages":{}}', 'messages-not-a-list', 12],
    ['messages that are text', '{"messages": "[]"}', 'messages-not-a-list', 13],
    ['messages that are false', '{"messages":false}', 'messages-not-a-list', 12],
  ])('says of a file that is %s what is wrong and where', (_what, content, kind, offset) => {
    const store = makeStore({ abc: content });
    for (const read of [scan, metadata]) {
      const error = failure(() => read(store));
      expect(error).toMatchObject({ code: 'SESSION_DAMAGED', exit: 7, details: { session_id: 'abc', kind, offset } });
      expect(error.details['path']).toBe(sidecarPath(store.sessionsDir, 'abc'));
      expect(error.message).toContain(`byte ${offset}`);
    }
  });

  it('warns of a byte-order mark, which the server stumbles over', () => {
    const store = makeStore({ abc: `\ufeff${JSON.stringify(session('abc'))}` });
    for (const read of [scan(store)!, metadata(store)!]) {
      expect(read.fields.get('title')!.text).toBe('"Session abc"');
      expect(read.warnings).toMatchObject([{ code: 'BOM', session_id: 'abc' }]);
    }
  });

  it('warns of a file that calls itself something else', () => {
    const store = makeStore({ abc: session('other'), fine: session('fine'), bare: session('', { session_id: null }) });
    for (const read of [scan(store)!, metadata(store)!]) {
      expect(read.warnings).toMatchObject([{ code: 'ID_MISMATCH', session_id: 'abc', inner_session_id: 'other' }]);
    }
    expect(scan(store, 'fine')!.warnings).toEqual([]);
    expect(scan(store, 'bare')!.warnings).toEqual([]);
  });

  it('reads through a link, and says so where it leads nowhere', () => {
    const store = makeStore({ abc: session('abc') });
    fs.symlinkSync('abc.json', path.join(store.sessionsDir, 'link.json'));
    expect(scan(store, 'link')!.transcript.count).toBe(2);
    fs.symlinkSync('nowhere.json', path.join(store.sessionsDir, 'gone.json'));
    expect(scan(store, 'gone')).toBeUndefined();
    fs.symlinkSync('loop.json', path.join(store.sessionsDir, 'loop.json'));
    expect(failure(() => scan(store, 'loop'))).toMatchObject({ code: 'IO_ERROR', details: { errno: 'ELOOP' } });
  });

  it('takes only regular files, and never waits for one that is none', async () => {
    const store = makeStore({ fine: session('fine') });
    fs.mkdirSync(path.join(store.sessionsDir, 'dir.json'));
    const fifo = path.join(store.sessionsDir, 'fifo.json');
    execFileSync('mkfifo', [fifo]);
    // Whoever waits for the FIFO after all is let go; and it is a process that would wait first, not this one.
    onTestFinished(() => fs.closeSync(fs.openSync(fifo, fs.constants.O_RDWR)));
    const list = await cliJson<{ sessions: { session_id: string }[]; warnings: { session_id: string }[] }>(
      ['sessions', 'list'],
      { env: store.env },
    );
    expect(list.code).toBe(0);
    expect(list.json.sessions.map(({ session_id: id }) => id)).toEqual(['fine']);
    expect(list.json.warnings.map(({ session_id: id }) => id).sort()).toEqual(['dir', 'fifo']);
    const shown = await Promise.all([
      cli(['show', 'fifo', '--raw'], { env: store.env }),
      cli(['show', 'fifo', '--metadata'], { env: store.env }),
      cli(['show', 'dir'], { env: store.env }),
    ]);
    for (const { code, stdout, stderr } of shown) {
      expect(code).toBe(1);
      expect(stdout).toBe('');
      expect(stderr).toContain('is not a regular file');
    }
    for (const id of ['dir', 'fifo']) {
      expect(failure(() => scan(store, id)).code, id).toBe('IO_ERROR');
      expect(failure(() => metadata(store, id)).code, id).toBe('IO_ERROR');
    }
  });

  it('closes what it opened, also where the file is damaged', () => {
    const { fileSystem, count } = counting();
    const store = makeStore({ good: session('good'), bad: '{"messages":[' });
    scanSidecar(fileSystem, store.sessionsDir, 'good');
    expect(failure(() => scanSidecar(fileSystem, store.sessionsDir, 'bad')).code).toBe('SESSION_DAMAGED');
    expect(count.open).toBe(0);
  });

  it('gives a value that is too long for a text a name', () => {
    const store = makeStore({ abc: session('abc') });
    const length = constants.MAX_STRING_LENGTH + 1;
    for (const read of [
      () => Buffer.allocUnsafeSlow(length).toString('latin1'),
      () => {
        Window.plain(8).grow(length);
      },
    ]) {
      const error = failure(() => withFile(nodeFileSystem, sidecarPath(store.sessionsDir, 'abc'), read));
      expect(error).toMatchObject({ code: 'IO_ERROR' });
    }
  });

  it('gives the failure of a read a name', () => {
    const store = makeStore({ abc: session('abc') });
    const failing = {
      ...nodeFileSystem,
      readSync: () => {
        throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', syscall: 'read', errno: -5 });
      },
    } as unknown as FileSystem;
    for (const read of [scanSidecar, readSidecarMetadata]) {
      const error = failure(() => read(failing, store.sessionsDir, 'abc'));
      expect(error).toMatchObject({ code: 'IO_ERROR', exit: 1, details: { errno: 'EIO' } });
    }
  });
});

describe('messagesOf', () => {
  const roles = ['user', 'assistant', 'user', 'tool', 'user', 'assistant'];
  const store = (): TestStore =>
    makeStore({ abc: session('abc', { messages: [...roles.map((role, i) => ({ role, i })), 'no object'] }) });

  const select = (s: TestStore, selection?: MessageSelection): number[] =>
    withFile(nodeFileSystem, sidecarPath(s.sessionsDir, 'abc'), (file) =>
      [...messagesOf(file, scanOpenSidecar(file, 'abc'), selection)].map(({ index }) => index),
    )!;

  it.each<[MessageSelection, number[]]>([
    [{}, [0, 1, 2, 3, 4, 5, 6]],
    [{ last: 2 }, [5, 6]],
    [{ last: 0 }, []],
    [{ last: 100 }, [0, 1, 2, 3, 4, 5, 6]],
    [{ role: 'user' }, [0, 2, 4]],
    [{ role: 'user', last: 2 }, [2, 4]],
    [{ role: 'user', last: 0 }, []],
    [{ role: 'nobody' }, []],
  ])('of %j gives the messages at %j', (selection, expected) => {
    expect(select(store(), selection)).toEqual(expected);
  });

  it('gives each message as it is spelled', () => {
    const s = makeStore({ abc: '{"messages": [{"n": 1.50,  "big": 12345678901234567890}, NaN]}' });
    const texts = withFile(nodeFileSystem, sidecarPath(s.sessionsDir, 'abc'), (file) =>
      [...messagesOf(file, scanOpenSidecar(file, 'abc'))].map(({ raw }) => raw.text),
    );
    expect(texts).toEqual(['{"n": 1.50,  "big": 12345678901234567890}', 'NaN']);
  });
});

describe('sessionIds', () => {
  it('takes for sessions what the server takes for them', () => {
    const s = makeStore({ abc: session('abc'), 'a-b_C': '' });
    for (const name of ['_index.json', 'abc.json.bak', 'abc.tmp.1.2', '.hidden.json', 'a.b.json', 'notes.txt']) {
      writeSidecar(s, 'x', '');
      fs.renameSync(path.join(s.sessionsDir, 'x.json'), path.join(s.sessionsDir, name));
    }
    expect(sessionIds(nodeFileSystem, locationOf(s)).sort()).toEqual(['a-b_C', 'abc']);
  });

  it('knows a store without sessions from none', () => {
    const s = makeStore();
    fs.rmdirSync(s.sessionsDir);
    expect(sessionIds(nodeFileSystem, locationOf(s))).toEqual([]);
    fs.writeFileSync(s.sessionsDir, '');
    expect(failure(() => sessionIds(nodeFileSystem, locationOf(s))).code).toBe('IO_ERROR');
    expect(failure(() => sessionIds(nodeFileSystem, locationOf(s, { stateDir: s.sessionsDir }))).code).toBe(
      'STORE_NOT_FOUND',
    );
  });
});
