import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { addAgentSessions } from '../support/agent-sessions';
import { cli, cliJson } from '../support/cli';
import { makeStore, session, type TestStore, treeHash } from '../support/store';
import { startStub, type Stub, type StubOptions } from '../support/webui-stub';
import { readSidecar, sidecarFile } from '../support/writing';

const ID = 'aaaa00000001';

const talk = (): Record<string, unknown>[] => [
  { role: 'user', content: 'One', timestamp: 1777000010 },
  { role: 'assistant', content: 'First.', timestamp: 1777000020 },
  { role: 'user', content: 'Two, and a text that is longer than forty characters', timestamp: 1777000030 },
  { role: 'assistant', content: 'Second.', timestamp: 1777000040 },
];

const storeWithTalk = (): TestStore =>
  makeStore({
    [ID]: session(ID, { messages: talk(), message_count: 4 }),
    bbbb00000002: session('bbbb00000002', { profile: 'work' }),
    cccc00000003: session('cccc00000003', { messages: [] }),
    busy00000004: session('busy00000004', { active_stream_id: 's1' }),
    stale0000005: session('stale0000005', {
      active_stream_id: 's1',
      pending_user_message: 'Anybody?',
      pending_started_at: 1777000100,
    }),
  });

interface Document {
  error?: { code: string; exit: number; message: string };
  [name: string]: unknown;
}

/** Runs a command beside a stand-in for the server. */
async function beside(
  args: string[],
  options: StubOptions = {},
  env: Record<string, string> = {},
): Promise<{ code: number | null; json: Document; stub: Stub; store: TestStore }> {
  const store = storeWithTalk();
  const stub = await startStub(store, options);
  const own = { ...store.env, HERMES_WEBUI_PORT: stub.port, ...env };
  const { code, json } = await cliJson<Document>(args, { env: own });
  return { code, json, stub, store };
}

/** The parts of a result that are the same however it was made. */
function common(json: Document, name: string): unknown {
  const { backup, ...rest } = json[name] as Record<string, unknown>;
  return { ...rest, via: undefined, ...(backup === undefined ? {} : { backup: path.basename(String(backup)) }) };
}

describe('beside a server that has the store', () => {
  it.each([
    ['undo', ['undo', ID]],
    ['retry', ['retry', ID]],
    ['session', ['sessions', 'rename', ID, '  A new name ']],
    ['session', ['sessions', 'pin', ID]],
    ['session', ['sessions', 'unpin', ID]],
    ['session', ['sessions', 'archive', ID]],
    ['session', ['sessions', 'unarchive', 'bbbb00000002']],
  ])('%s through it gives what the disk gives: %j', async (name, args) => {
    const { code, json, stub, store } = await beside(args);
    expect(json).toMatchObject({ [name]: { via: 'server' }, warnings: [] });
    expect(code).toBe(0);
    expect(stub.requests()).toHaveLength(2);

    const alone = storeWithTalk();
    const disk = await cliJson<Document>([...args, '--via', 'disk'], { env: alone.env });
    expect(disk.code).toBe(0);
    const without = (value: unknown): unknown => ({ ...(value as object), index: undefined });
    expect(without(common(json, name))).toEqual(without(common(disk.json, name)));
    const id = args.find((word) => word === ID) ?? 'bbbb00000002';
    for (const key of ['title', 'pinned', 'archived', 'messages'])
      expect(readSidecar(store, id)[key] ?? false).toEqual(readSidecar(alone, id)[key] ?? false);
  });

  it('changes several sessions with one login, each in its profile', async () => {
    const env = { HERMES_WEBUI_PASSWORD: 'sesame' };
    const { code, json, stub, store } = await beside(
      ['sessions', 'pin', ID, 'bbbb00000002'],
      { password: 'sesame' },
      env,
    );
    expect(code).toBe(0);
    expect(json).toMatchObject({ sessions: [{ session_id: ID }, { session_id: 'bbbb00000002' }] });
    expect(stub.requests()).toEqual([
      'GET /health',
      'POST /api/session/pin',
      'POST /api/auth/login',
      'POST /api/profile/switch',
      'POST /api/session/pin',
      'POST /api/profile/switch',
      'POST /api/session/pin',
    ]);
    expect(readSidecar(store, 'bbbb00000002')['pinned']).toBe(true);
  });

  it('takes the password from a file', async () => {
    const store = storeWithTalk();
    const { port } = await startStub(store, { password: 'sesame' });
    fs.writeFileSync(path.join(store.root, 'secret'), 'sesame\nmore\n');
    const args = ['undo', ID, '--password-file', path.join(store.root, 'secret')];
    const { code, stdout, stderr } = await cli(args, { env: { ...store.env, HERMES_WEBUI_PORT: port } });
    expect(code).toBe(0);
    expect(stdout + stderr).not.toContain('sesame');
  });

  it.each<[string, StubOptions, string[], Record<string, string>, string, number]>([
    ['no password', { password: 'sesame' }, ['undo', ID], {}, 'AUTH_FAILED', 14],
    ['a wrong password', { password: 'sesame' }, ['undo', ID], { HERMES_WEBUI_PASSWORD: 'x' }, 'AUTH_FAILED', 14],
    ['no such session', { fail: { status: 404 } }, ['undo', ID], {}, 'SESSION_NOT_FOUND', 5],
    ['no file', {}, ['undo', 'nobody0001'], {}, 'SESSION_NOT_FOUND', 5],
    ['a busy session', { fail: { status: 409 } }, ['retry', ID], {}, 'SESSION_BUSY', 8],
    ['a lock that is held', { fail: { status: 503 } }, ['undo', ID], {}, 'SESSION_BUSY', 8],
    ['a limit', { fail: { status: 400, error: 'Up to 3' } }, ['sessions', 'pin', ID], {}, 'REFUSED', 13],
    [
      'a read-only session',
      { fail: { status: 403, error: 'Read-only imported sessions cannot be renamed from WebUI' } },
      ['sessions', 'rename', ID, 'x'],
      {},
      'READ_ONLY_SESSION',
      13,
    ],
    ['a broken server', { fail: { status: 500 } }, ['undo', ID], {}, 'SERVER_ERROR', 14],
    ['a server that dies', { fail: { dies: true } }, ['undo', ID], {}, 'OUTCOME_UNKNOWN', 14],
    ['nothing to undo', {}, ['undo', 'cccc00000003'], {}, 'NOTHING_TO_UNDO', 6],
    ['nothing to retry', {}, ['retry', 'cccc00000003'], {}, 'NOTHING_TO_RETRY', 6],
    ['a recorded stream', {}, ['undo', 'busy00000004'], {}, 'SESSION_BUSY', 8],
    ['two turns', {}, ['undo', ID, '--turns', '2'], {}, 'REFUSED', 13],
  ])('%s is a failure of its own, and nothing is written', async (_name, options, args, env, code, exit) => {
    const store = storeWithTalk();
    const stub = await startStub(store, options);
    const before = treeHash(store.stateDir);
    const result = await cliJson<Document>(args, { env: { ...store.env, HERMES_WEBUI_PORT: stub.port, ...env } });
    expect(result.json.error).toMatchObject({ code, exit });
    expect(result.code).toBe(exit);
    expect(treeHash(store.stateDir)).toBe(before);
  });

  it.each([
    [['sessions', 'create', '--id', 'made000001']],
    [['sessions', 'restore', ID, '--from-bak']],
    [['sessions', 'repair', 'stale0000005']],
    [['sessions', 'repair', '--all']],
    [['doctor', '--repair']],
  ])('refuses what it cannot do through it, and writes nothing: %j', async (args) => {
    const store = storeWithTalk();
    const stub = await startStub(store);
    fs.copyFileSync(sidecarFile(store, ID), `${sidecarFile(store, ID)}.bak`);
    const before = treeHash(store.stateDir);
    const env = { ...store.env, HERMES_WEBUI_PORT: stub.port };
    const { code, json } = await cliJson<Document>(args, { env });
    expect(json.error).toMatchObject({ code: 'SERVER_RUNNING', exit: 8 });
    expect(code).toBe(8);
    expect(treeHash(store.stateDir)).toBe(before);
    const usage = await cliJson<Document>([...args, '--via', 'server'], { env });
    expect(usage.json.error).toMatchObject({ code: 'USAGE' });
    const forced = await cliJson<Document>([...args, '--via', 'disk'], { env });
    expect(forced.json.error?.code ?? 'PROBLEMS_FOUND').toBe('PROBLEMS_FOUND');
    expect(treeHash(store.stateDir)).not.toBe(before);
  });

  it('does what it keeps nothing of in memory', async () => {
    for (const args of [['reindex'], ['gc-tmp', '--older-than', '0']]) {
      const { code, json } = await beside(args);
      expect(json.error).toBeUndefined();
      expect(code).toBe(0);
    }
  });

  it.each([[['reindex']], [['reindex', ID]]])('%j tells which rows it changed meanwhile', async (args) => {
    // It is asked for its health between the new index and the second look at it.
    const { code, json, stub, store } = await beside(args, { touches: ID });
    expect(code).toBe(0);
    expect(stub.requests()).toEqual(['GET /health']);
    expect(json['reindex']).toMatchObject({ changed: true, rows: 5 });
    expect(json['warnings']).toEqual([
      {
        code: 'CHANGED_MEANWHILE',
        message: `The server changed the row of session ${ID} meanwhile (stale).`,
        session_id: ID,
      },
    ]);
    const rows = JSON.parse(fs.readFileSync(path.join(store.sessionsDir, '_index.json'), 'utf8')) as object[];
    expect(rows, 'its row is left to it').toContainEqual(
      expect.objectContaining({ session_id: ID, title: 'From its memory' }) as unknown,
    );
  });

  it('answers a dry run from the disk, and asks nobody to change anything', async () => {
    const { code, json, stub } = await beside(['undo', ID, '--turns', '2', '--dry-run']);
    expect(code).toBe(0);
    expect(json).toMatchObject({ undo: { removed_count: 4 }, dry_run: true });
    expect(stub.requests().filter((line) => !line.startsWith('GET /health'))).toEqual([]);
  });

  it('leaves a turn alone that the server may be running', async () => {
    const store = storeWithTalk();
    const { port } = await startStub(store, { busy: true });
    const env = { ...store.env, HERMES_WEBUI_PORT: port };
    const { code, json } = await cliJson<Document>(['sessions', 'repair', 'stale0000005', '--via', 'disk'], { env });
    expect(json.error).toMatchObject({ code: 'SESSION_BUSY' });
    expect(code).toBe(8);
    const all = await cliJson<Document>(['sessions', 'repair', '--all', '--via', 'disk'], { env });
    expect(all.json).toMatchObject({ sessions: [{ session_id: 'stale0000005', reason: 'stream-alive' }] });
  });

  it('imports through it what is to be imported, and asks it for nothing else', async () => {
    const store = storeWithTalk();
    addAgentSessions(store, [
      { session: { id: 'fresh' }, messages: ['Hello', 'Hi.', 'More?'] },
      { session: { id: ID }, messages: ['Something else'] },
      { session: { id: 'empty' }, messages: [] },
    ]);
    const stub = await startStub(store);
    const env = { ...store.env, HERMES_WEBUI_PORT: stub.port };
    const { code, json } = await cliJson<Document>(['import-cli', 'fresh', ID, 'empty'], { env });
    expect(code).toBe(0);
    expect(json).toMatchObject({
      import: { imported: 1, skipped: 2, index: { updated: true } },
      sessions: [{ status: 'imported', message_count: 3 }, { reason: 'diverged' }, { reason: 'empty' }],
    });
    expect(stub.requests()).toEqual(['GET /health', 'POST /api/session/import_cli']);
    expect(readSidecar(store, 'fresh')['title']).toBe('From the server');
    const refused = await cliJson<Document>(['import-cli', 'fresh', '--ensure-project'], { env });
    expect(refused.json.error).toMatchObject({ code: 'REFUSED' });
  });

  it('deletes through it only where nothing is to be kept', async () => {
    const { code, json, stub, store } = await beside(['sessions', 'delete', ID, '--yes']);
    expect(code).toBe(13);
    expect(json.error).toMatchObject({ code: 'REFUSED' });
    const env = { ...store.env, HERMES_WEBUI_PORT: stub.port };
    const half = await cliJson<Document>(['sessions', 'delete', ID, '--yes', '--no-trash', '--store-only'], { env });
    expect(half.json.error).toMatchObject({ code: 'REFUSED' });
    expect(stub.requests().filter((line) => line.startsWith('POST'))).toEqual([]);
    const gone = await cliJson<Document>(['sessions', 'delete', ID, '--yes', '--no-trash'], { env });
    expect(gone.code).toBe(0);
    expect(gone.json).toMatchObject({ session: { session_id: ID, trash: null, via: 'server' } });
    expect(fs.existsSync(sidecarFile(store, ID))).toBe(false);
  });

  it('reads without asking it', async () => {
    const { code, stub } = await beside(['sessions', 'list']);
    expect(code).toBe(0);
    expect(stub.requests()).toEqual([]);
  });
});

describe('which server is this store’s', () => {
  const undone = async (store: TestStore, env: Record<string, string>): Promise<unknown> => {
    const { json } = await cliJson<Document>(['undo', ID], { env: { ...store.env, ...env } });
    const { via = 'disk' } = (json['undo'] ?? {}) as { via?: string };
    return json.error?.code ?? via;
  };
  const onLinux = it.runIf(fs.existsSync('/proc/self/environ'));

  onLinux('not one that has another store', async () => {
    const store = storeWithTalk();
    const { port } = await startStub(storeWithTalk());
    expect(await undone(store, { HERMES_WEBUI_PORT: port })).toBe('disk');
  });

  it('not another service at its port', async () => {
    const store = storeWithTalk();
    const { port } = await startStub(store, { isWebui: false });
    expect(await undone(store, { HERMES_WEBUI_PORT: port })).toBe('disk');
  });

  it('not one that is not there', async () => {
    const store = storeWithTalk();
    expect(await undone(store, { HERMES_WEBUI_URL: 'http://127.0.0.1:9' })).toBe('disk');
    const { code, json } = await cliJson<Document>(['undo', ID, '--via', 'server'], {
      env: { ...store.env, HERMES_WEBUI_URL: 'http://127.0.0.1:9' },
    });
    expect([code, json.error?.code]).toEqual([14, 'UNREACHABLE']);
  });

  it('one of which nobody can tell', async () => {
    const store = storeWithTalk();
    const { port } = await startStub(store);
    // By a name that may be another machine's.
    expect(await undone(store, { HERMES_WEBUI_URL: `http://127.0.0.2.nip.invalid:${port}` })).toBe('disk');
    expect(await undone(store, { HERMES_WEBUI_URL: `http://127.1:${port}` })).toBe('server');
  });

  it('one that its start script wrote down, at whatever port', async () => {
    const store = storeWithTalk();
    const { port, pid } = await startStub(store);
    fs.writeFileSync(path.join(store.hermesHome, 'webui.pid'), `${pid}\n`);
    const note = `PID=${pid}\nHOST=127.0.0.1\nPORT=${port}\nSTATE_DIR=${store.stateDir}\n`;
    fs.writeFileSync(path.join(store.hermesHome, 'webui.ctl.env'), note);
    expect(await undone(store, {})).toBe('server');
    fs.unlinkSync(`${sidecarFile(store, ID)}.bak`); // the stand-in sets no stamps
    const other = note.replace(store.stateDir, '/srv/other');
    fs.writeFileSync(path.join(store.hermesHome, 'webui.ctl.env'), other);
    expect(await undone(store, { HERMES_WEBUI_PORT: '9' })).toBe('disk');
  });

  it('--verbose says how it was decided', async () => {
    const store = storeWithTalk();
    const { url } = await startStub(store);
    const { stderr } = await cli(['undo', ID, '--server', url, '--verbose'], { env: store.env });
    expect(stderr).toContain(`A WebUI answers at ${url}.`);
    expect(stderr).toMatch(/this store|counts as this one’s server/);
  });

  it('a URL must be one', async () => {
    const { code, json } = await cliJson<Document>(['undo', ID, '--server', 'ftp://x'], { env: storeWithTalk().env });
    expect([code, json.error?.code]).toEqual([2, 'USAGE']);
  });
});
