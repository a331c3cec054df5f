import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import {
  changeMetadata,
  createSession,
  restoreSession,
  retrySession,
  undoSession,
} from '../../src/core/changes/sessions';
import { parseNewSession } from '../../src/core/session/create';
import { isGeneration, WRITER_ORDER } from '../../src/core/session/writer';
import { HermesctlError } from '../../src/core/errors';
import { cli, cliJson } from '../support/cli';
import { makeStore, session, temporaryDirectory, type TestStore, treeHash, writeSidecar } from '../support/store';
import {
  changeTarget,
  coreDeps,
  inParallel,
  outcomeOf,
  rawMember,
  rawMembers,
  readIndexRows,
  readSidecar,
  sidecarFile,
} from '../support/writing';

const run = (store: TestStore, args: string[], stdin = '') => cliJson(args, { env: store.env, stdin });
const bytesOf = (store: TestStore, id: string): Buffer => fs.readFileSync(sidecarFile(store, id));
const backupOf = (store: TestStore, id: string): Buffer => fs.readFileSync(`${sidecarFile(store, id)}.bak`);
const indexFile = (store: TestStore): string => path.join(store.sessionsDir, '_index.json');
const failure = (code: string, exit: number) => ({ error: { code, exit } });

/** A session of so many turns of a question and an answer. */
const turns = (id: string, count: number, fields: Record<string, unknown> = {}) =>
  session(id, {
    messages: Array.from({ length: count }, (_, i) => [
      { role: 'user', content: `question ${i}`, timestamp: 1777000000 + 10 * i },
      { role: 'assistant', content: `answer ${i}`, timestamp: 1777000005 + 10 * i },
    ]).flat(),
    ...fields,
  });

describe('undo, retry and restore', () => {
  it('takes back a turn, and restore brings back every byte, index included', async () => {
    const store = makeStore({ talk: turns('talk', 3), other: turns('other', 1) });
    fs.chmodSync(sidecarFile(store, 'talk'), 0o640);
    await run(store, ['reindex']);
    const before = bytesOf(store, 'talk');
    const index = fs.readFileSync(indexFile(store));

    const undone = await run(store, ['undo', 'talk', '--turns', '2']);
    expect(undone.json).toEqual({
      undo: {
        session_id: 'talk',
        removed_count: 4,
        removed_preview: 'question 1',
        message_count: 2,
        backup: `${sidecarFile(store, 'talk')}.bak`,
        index: { updated: true },
      },
      warnings: [],
    });
    expect(backupOf(store, 'talk')).toEqual(before);
    expect(readIndexRows(store).map((row) => [row['session_id'], row['message_count']])).toEqual([
      ['talk', 2],
      ['other', 2],
    ]);
    const undoneBytes = bytesOf(store, 'talk');

    const restored = await run(store, ['sessions', 'restore', 'talk', '--from-bak']);
    expect(restored.json).toMatchObject({ restore: { session_id: 'talk', messages_before: 2, message_count: 6 } });
    expect(restored.code).toBe(0);
    expect(bytesOf(store, 'talk')).toEqual(before);
    expect(backupOf(store, 'talk')).toEqual(undoneBytes);
    expect(fs.readFileSync(indexFile(store))).toEqual(index);
    expect(fs.statSync(sidecarFile(store, 'talk')).mode & 0o777).toBe(0o640);

    // What is the backup now holds less: to restore that would lose messages.
    const sessions = treeHash(store.sessionsDir);
    const again = await run(store, ['sessions', 'restore', 'talk', '--from-bak']);
    expect(again.json).toMatchObject(failure('REFUSED', 13));
    expect(again.code).toBe(13);
    expect(treeHash(store.sessionsDir)).toBe(sessions);
  });

  it('retry gives the text to be sent again, whole and last', async () => {
    const text = `${'long '.repeat(20)}text`;
    const store = makeStore({
      talk: session('talk', { messages: [{ role: 'user', content: text }, { role: 'tool' }] }),
    });
    const { json, code } = await run(store, ['retry', 'talk']);
    expect(code).toBe(0);
    expect(json).toMatchObject({ retry: { last_user_text: text, removed_count: 2, message_count: 0 } });
    expect(readSidecar(store, 'talk')).toMatchObject({ messages: [], message_count: 0, truncation_watermark: 0 });
  });

  it('brings the index up to date though the user interrupts after the save', async () => {
    const store = makeStore({ talk: turns('talk', 2) });
    await run(store, ['reindex']);
    const before = bytesOf(store, 'talk');
    const breathe = () =>
      bytesOf(store, 'talk').equals(before) ? undefined : Promise.reject(new Error('interrupted after the save'));
    const undone = undoSession(changeTarget(store), 'talk', { turns: 1, force: false }, coreDeps({ breathe }));
    expect((await undone).result.index).toEqual({ updated: true });
    expect(readIndexRows(store)[0]).toMatchObject({ session_id: 'talk', message_count: 2 });
  });

  it('cuts the preview at 40 characters, not at half of one', async () => {
    const content = '😀'.repeat(41);
    const store = makeStore({ talk: session('talk', { messages: [{ role: 'user', content }] }) });
    const { result } = await undoSession(changeTarget(store, true), 'talk', { turns: 1, force: false }, coreDeps());
    expect(result.removed_preview).toBe(`${'😀'.repeat(40)}...`);
  });

  it('says how many turns there are where more are asked for', async () => {
    const store = makeStore({ talk: turns('talk', 2) });
    const { json, code } = await run(store, ['undo', 'talk', '--turns', '3']);
    expect(code).toBe(6);
    expect(json).toMatchObject({ error: { code: 'NOTHING_TO_UNDO', details: { user_turns: 2 } } });
  });

  it('restores where the two hold alike, and so toggles between them', async () => {
    const store = makeStore({ talk: turns('talk', 2, { title: 'One' }) });
    const backup = `${sidecarFile(store, 'talk')}.bak`;
    fs.writeFileSync(backup, JSON.stringify(turns('talk', 2, { title: 'Two' })));
    const versions = [bytesOf(store, 'talk'), backupOf(store, 'talk')];
    for (const [live, bak] of [
      [1, 0],
      [0, 1],
      [1, 0],
    ]) {
      expect((await run(store, ['sessions', 'restore', 'talk', '--from-bak'])).code).toBe(0);
      expect(bytesOf(store, 'talk')).toEqual(versions[live]);
      expect(backupOf(store, 'talk')).toEqual(versions[bak]);
      expect(readIndexRows(store)[0]['title']).toBe(live === 0 ? 'One' : 'Two');
    }
  });

  it('restores over a live file that is damaged, and keeps the damaged bytes', async () => {
    const good = JSON.stringify(turns('talk', 1));
    const store = makeStore({ talk: '{"session_id":"talk","mess' });
    fs.writeFileSync(`${sidecarFile(store, 'talk')}.bak`, good);
    expect((await run(store, ['sessions', 'restore', 'talk', '--from-bak'])).code).toBe(0);
    expect(bytesOf(store, 'talk').toString()).toBe(good);
    expect(backupOf(store, 'talk').toString()).toBe('{"session_id":"talk","mess');
    expect(readIndexRows(store)).toHaveLength(1);
  });

  it('restores a session whose live file is gone', async () => {
    const good = JSON.stringify(turns('talk', 1));
    const store = makeStore();
    fs.writeFileSync(`${sidecarFile(store, 'talk')}.bak`, good);
    expect((await run(store, ['sessions', 'restore', 'talk', '--from-bak'])).code).toBe(0);
    expect(bytesOf(store, 'talk').toString()).toBe(good);
    expect(backupOf(store, 'talk').toString()).toBe(good);
    expect(readIndexRows(store)).toHaveLength(1);
  });

  it('does not restore what is not there, or what is damaged itself', async () => {
    const store = makeStore({ talk: turns('talk', 1), hurt: turns('hurt', 1) });
    fs.writeFileSync(`${sidecarFile(store, 'hurt')}.bak`, '{"messages": [');
    const before = treeHash(store.sessionsDir);
    const restore = (id: string) => outcomeOf(restoreSession(changeTarget(store), id, false, coreDeps()));
    expect(await restore('talk')).toEqual({ code: 'SESSION_NOT_FOUND', exit: 5 });
    expect(await restore('none')).toEqual({ code: 'SESSION_NOT_FOUND', exit: 5 });
    expect(await restore('hurt')).toEqual({ code: 'SESSION_DAMAGED', exit: 7 });
    expect(treeHash(store.sessionsDir)).toBe(before);
  });

  it('takes only a whole id where a script asks for a cut', async () => {
    const store = makeStore({ abcdef123456: turns('abcdef123456', 2) });
    fs.writeFileSync(`${sidecarFile(store, 'abcdef123456')}.bak`, JSON.stringify(turns('abcdef123456', 3)));
    const before = treeHash(store.sessionsDir);
    const cuts = [
      ['undo', 'abcdef'],
      ['retry', 'abcdef'],
      ['sessions', 'restore', 'abcdef', '--from-bak'],
    ];
    for (const { json, code } of await inParallel(cuts, 3, (args) => run(store, args))) {
      expect(json).toMatchObject(failure('SESSION_NOT_FOUND', 5));
      expect(code).toBe(5);
    }
    expect(treeHash(store.sessionsDir)).toBe(before);
    expect((await run(store, ['sessions', 'pin', 'abcdef'])).json).toMatchObject({
      session: { session_id: 'abcdef123456', pinned: true },
    });
  });
});

const GENERATION = '0123456789ab4cde89abcdef01234567';
const OTHER_GENERATION = 'f123456789ab4cde89abcdef01234567';

describe('the backup that is there already', () => {
  it('is not replaced where it holds more than the session says it dropped', async () => {
    const store = makeStore({ talk: turns('talk', 2) });
    fs.writeFileSync(`${sidecarFile(store, 'talk')}.bak`, JSON.stringify(turns('talk', 3)));
    const before = treeHash(store.sessionsDir);
    const { json, code } = await run(store, ['undo', 'talk']);
    expect(code).toBe(13);
    expect(json).toMatchObject({
      error: {
        code: 'REFUSED',
        hint: expect.stringContaining('hermesctl doctor --repair') as string,
        details: { messages: 4, backup_messages: 6 },
      },
    });
    expect(treeHash(store.sessionsDir)).toBe(before);
  });

  it.each([
    ['as many messages', {}, turns('talk', 2), 'replaced'],
    ['fewer messages', {}, turns('talk', 1), 'replaced'],
    ['more, from before a cut', { intentional_shrink_generation: GENERATION }, turns('talk', 3), 'replaced'],
    [
      'more, from before a later cut',
      { intentional_shrink_generation: GENERATION },
      turns('talk', 3, { intentional_shrink_generation: OTHER_GENERATION }),
      'replaced',
    ],
    [
      'more, of the same cut',
      { intentional_shrink_generation: GENERATION },
      turns('talk', 3, { intentional_shrink_generation: GENERATION }),
      'REFUSED',
    ],
    ['more, the mark is none', { intentional_shrink_generation: 'x' }, turns('talk', 3), 'REFUSED'],
    [
      'more, from before a clear',
      { clear_generation: GENERATION, truncation_watermark: 0.0, truncation_boundary: 0.0 },
      turns('talk', 3),
      'replaced',
    ],
    [
      'more, of the same clear',
      { clear_generation: GENERATION, truncation_watermark: 0.0, truncation_boundary: 0.0 },
      turns('talk', 3, { clear_generation: GENERATION }),
      'REFUSED',
    ],
    ['no JSON', {}, '{"messages":', 'REFUSED'],
    ['no object', {}, '[]', 'REFUSED'],
    ['nothing', {}, '', 'REFUSED'],
  ])('%s', async (_what, fields, backup, fate) => {
    const store = makeStore({ talk: turns('talk', 2, fields) });
    const before = bytesOf(store, 'talk');
    fs.writeFileSync(`${sidecarFile(store, 'talk')}.bak`, typeof backup === 'string' ? backup : JSON.stringify(backup));
    const bak = backupOf(store, 'talk');
    const cut = await outcomeOf(undoSession(changeTarget(store), 'talk', { turns: 1, force: false }, coreDeps()));
    if (fate === 'replaced') {
      expect(cut).toMatchObject({ value: { result: { message_count: 2 } } });
      expect(backupOf(store, 'talk')).toEqual(before);
    } else {
      expect(cut).toEqual({ code: fate, exit: 13 });
      expect(bytesOf(store, 'talk')).toEqual(before);
      expect(backupOf(store, 'talk')).toEqual(bak);
    }
  });
});

describe('a session that must not be changed', () => {
  const force = { turns: 1, force: true };
  it.each([
    ['undo', (store: TestStore) => undoSession(changeTarget(store), 'talk', force, coreDeps())],
    ['retry', (store: TestStore) => retrySession(changeTarget(store), 'talk', force, coreDeps())],
    ['rename', (store: TestStore) => changeMetadata(changeTarget(store), 'talk', { title: 'x' }, true, coreDeps())],
    ['restore', (store: TestStore) => restoreSession(changeTarget(store), 'talk', true, coreDeps())],
    [
      'create --replace',
      (store: TestStore) =>
        createSession(
          changeTarget(store),
          parseNewSession(Buffer.from('{"session_id":"talk"}')),
          { replace: true, force: true },
          coreDeps(),
        ),
    ],
  ])('%s refuses one that is read-only, whatever is forced', async (_name, change) => {
    const store = makeStore({ talk: turns('talk', 2, { read_only: true }) });
    fs.writeFileSync(`${sidecarFile(store, 'talk')}.bak`, JSON.stringify(turns('talk', 2)));
    const before = treeHash(store.sessionsDir);
    expect(await outcomeOf<unknown>(change(store))).toEqual({ code: 'READ_ONLY_SESSION', exit: 13 });
    expect(treeHash(store.sessionsDir)).toBe(before);
  });

  it('pins and archives one that is read-only, as the server does', async () => {
    const store = makeStore({ talk: turns('talk', 2, { read_only: true }) });
    await changeMetadata(changeTarget(store), 'talk', { pinned: true }, false, coreDeps());
    await changeMetadata(changeTarget(store), 'talk', { archived: true }, false, coreDeps());
    expect(readSidecar(store, 'talk')).toMatchObject({ pinned: true, archived: true, read_only: true });
  });

  it.each([{ active_stream_id: 's1' }, { pending_user_message: 'hm' }])(
    'waits for %j, unless forced',
    async (fields) => {
      const store = makeStore({ talk: turns('talk', 1, fields) });
      const before = treeHash(store.sessionsDir);
      const pin = (forced: boolean) =>
        outcomeOf(changeMetadata(changeTarget(store), 'talk', { pinned: true }, forced, coreDeps()));
      expect(await pin(false)).toEqual({ code: 'SESSION_BUSY', exit: 8 });
      expect(treeHash(store.sessionsDir)).toBe(before);
      expect(await pin(true)).toMatchObject({ value: { result: { changed: true } } });
    },
  );

  it('refuses a link, and leaves it and what it names alone', async () => {
    const store = makeStore();
    const real = path.join(store.root, 'real.json');
    fs.writeFileSync(real, JSON.stringify(turns('talk', 2)));
    fs.symlinkSync(real, sidecarFile(store, 'talk'));
    fs.writeFileSync(`${sidecarFile(store, 'talk')}.bak`, JSON.stringify(turns('talk', 2)));
    const before = treeHash(store.root);
    const refused = { code: 'REFUSED', exit: 13 };
    for (const dry of [true, false]) {
      const target = changeTarget(store, dry);
      expect(await outcomeOf(undoSession(target, 'talk', force, coreDeps()))).toEqual(refused);
      expect(await outcomeOf(changeMetadata(target, 'talk', { pinned: true }, true, coreDeps()))).toEqual(refused);
      expect(await outcomeOf(restoreSession(target, 'talk', true, coreDeps()))).toEqual(refused);
      const replace = createSession(
        target,
        parseNewSession(Buffer.from('{"session_id":"talk"}')),
        { replace: true, force: true },
        coreDeps(),
      );
      expect(await outcomeOf(replace)).toEqual(refused);
    }
    expect(treeHash(store.root)).toBe(before);
  });
});

describe('create', () => {
  it('makes a session of defaults, all fields in the order of the server', async () => {
    const store = makeStore();
    const { json, code } = await run(store, ['sessions', 'create']);
    expect(code).toBe(0);
    const { session_id: id } = (json as { session: { session_id: string } }).session;
    expect(id).toMatch(/^[0-9a-f]{12}$/);
    expect(json).toEqual({
      session: {
        session_id: id,
        path: sidecarFile(store, id),
        message_count: 0,
        replaced: false,
        index: { updated: true },
      },
      warnings: [],
    });
    const made = readSidecar(store, id);
    expect(Object.keys(made)).toEqual(WRITER_ORDER);
    expect(made).toMatchObject({
      session_id: id,
      title: 'Untitled',
      workspace: '/srv/work',
      created_workspace: '/srv/work',
      model: '',
      profile: 'default',
      message_count: 0,
      messages: [],
      pinned: false,
    });
    expect(made['updated_at']).toBe(made['created_at']);
    expect(bytesOf(store, id).toString()).toMatch(/^\{\n {2}"session_id": "[^]*\]\n?\}$/);
    expect(fs.statSync(sidecarFile(store, id)).mode & 0o777).toBe(0o600);
  });

  it('takes what it is told from flags, in their order, and the last workspace and model from around', async () => {
    const store = makeStore();
    const workspace = temporaryDirectory();
    fs.writeFileSync(path.join(store.stateDir, 'last_workspace.txt'), `${workspace}\n`);
    const { code } = await cliJson(
      [
        'sessions',
        'create',
        '--id',
        'made1',
        '--title',
        'T',
        '--user',
        'a',
        '--assistant',
        'b',
        '--user',
        'c',
        '--assistant',
        'd',
      ],
      { env: { ...store.env, HERMES_WEBUI_DEFAULT_MODEL: 'some/model' } },
    );
    expect(code).toBe(0);
    expect(readSidecar(store, 'made1')).toMatchObject({
      title: 'T',
      workspace,
      model: 'some/model',
      message_count: 4,
      messages: [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b' },
        { role: 'user', content: 'c' },
        { role: 'assistant', content: 'd' },
      ],
    });
  });

  it('keeps what it is given as it is spelled, fields that nobody knows at the end', async () => {
    const store = makeStore();
    const input =
      '{"x_mine":{"n":12345678901234567890,"f":1.0,"e":"\\u00e9"},"session_id":"made2","estimated_cost":0.10,"__proto__":[1],"created_at":1777000000,"messages":[{"role":"user","content":"q","extra":1.50}]}';
    const { code } = await run(store, ['sessions', 'create', '--input', '-', '--title', 'Flag wins'], input);
    expect(code).toBe(0);
    const bytes = bytesOf(store, 'made2');
    expect(rawMembers(bytes).map(({ key }) => key)).toEqual([...WRITER_ORDER, 'x_mine', '__proto__']);
    expect(rawMember(bytes, 'x_mine')!.replace(/\s/g, '')).toBe('{"n":12345678901234567890,"f":1.0,"e":"é"}');
    expect(rawMember(bytes, 'estimated_cost')).toBe('0.10');
    expect(rawMember(bytes, 'messages')).toContain('"extra": 1.50');
    expect(readSidecar(store, 'made2')).toMatchObject({ title: 'Flag wins', updated_at: 1777000000, message_count: 1 });
  });

  it('reads standard input where nothing else tells what the session is', async () => {
    const store = makeStore();
    const input = '{"session_id":"made3","messages":[{"role":"user","content":"q"}]}';
    expect((await run(store, ['sessions', 'create', '-p', 'default'], input)).code).toBe(0);
    expect(readSidecar(store, 'made3')).toMatchObject({ message_count: 1 });

    const refused = await run(store, ['sessions', 'create'], '[1]');
    expect(refused.json).toMatchObject(failure('USAGE', 2));
    // Beside a flag it is somebody else's: a shell's loop over ids, say.
    expect((await run(store, ['sessions', 'create', '--id', 'made4'], '[1]')).code).toBe(0);
    expect(fs.readdirSync(store.sessionsDir).sort()).toEqual(['_index.json', 'made3.json', 'made4.json']);
  });

  const create = (store: TestStore, input: string, options: { replace?: boolean; force?: boolean } = {}) =>
    outcomeOf(
      createSession(
        changeTarget(store),
        parseNewSession(Buffer.from(input)),
        { replace: false, force: false, ...options },
        coreDeps(),
      ),
    );

  it('does not touch a session that is there, unless it is to replace it', async () => {
    const store = makeStore({ talk: turns('talk', 2) });
    const before = bytesOf(store, 'talk');
    const args = ['sessions', 'create', '--id', 'talk', '--user', 'new'];
    const refused = await run(store, args);
    expect(refused.json).toMatchObject(failure('ALREADY_EXISTS', 13));
    expect(refused.code).toBe(13);
    expect(bytesOf(store, 'talk')).toEqual(before);

    const replaced = await run(store, [...args, '--replace']);
    expect(replaced.json).toMatchObject({ session: { session_id: 'talk', replaced: true, message_count: 1 } });
    expect(backupOf(store, 'talk')).toEqual(before);
    // Else the server's next start would put the longer one back.
    expect(isGeneration(readSidecar(store, 'talk')['intentional_shrink_generation'])).toBe(true);
    expect(readIndexRows(store).map((row) => row['message_count'])).toEqual([1]);
  });

  it('replaces by the rules of a cut: not a busy one, not where the backup holds more', async () => {
    const store = makeStore({
      busy: turns('busy', 1, { active_stream_id: 's' }),
      more: turns('more', 1),
      hurt: '{"broken',
    });
    fs.writeFileSync(`${sidecarFile(store, 'more')}.bak`, JSON.stringify(turns('more', 2)));
    expect(await create(store, '{"session_id":"busy"}', { replace: true })).toMatchObject({ code: 'SESSION_BUSY' });
    expect(await create(store, '{"session_id":"more"}', { replace: true })).toMatchObject({ code: 'REFUSED' });
    expect(await create(store, '{"session_id":"busy"}', { replace: true, force: true })).toHaveProperty('value');
    expect(await create(store, '{"session_id":"hurt"}', { replace: true })).toHaveProperty('value');
    expect(backupOf(store, 'hurt').toString()).toBe('{"broken');
    // Beside a damaged file the backup may be all there is.
    fs.writeFileSync(sidecarFile(store, 'busy'), '{"broken');
    const kept = backupOf(store, 'busy');
    expect(await create(store, '{"session_id":"busy"}', { replace: true, force: true })).toMatchObject({
      code: 'REFUSED',
    });
    expect(backupOf(store, 'busy')).toEqual(kept);
    // As many messages or more is no shrink.
    const same = '{"session_id":"same","messages":[{"role":"user"}]}';
    expect(await create(store, same)).toHaveProperty('value');
    expect(await create(store, same, { replace: true })).toHaveProperty('value');
    expect(readSidecar(store, 'same')['intentional_shrink_generation']).toBeNull();
  });

  it('makes an id where the input says null', async () => {
    const store = makeStore();
    const made = await create(store, '{"session_id":null}');
    expect(made).toMatchObject({
      value: { result: { session_id: expect.stringMatching(/^[0-9a-f]{12}$/) as string } },
    });
    const [name] = fs.readdirSync(store.sessionsDir).filter((file) => file !== '_index.json');
    expect(`${String(readSidecar(store, path.basename(name, '.json'))['session_id'])}.json`).toBe(name);
  });

  it('forgets that the session was deleted, and nothing else', async () => {
    const store = makeStore();
    const deleted = path.join(store.sessionsDir, '_deleted_webui_sessions.json');
    const pruned = path.join(store.sessionsDir, '_pruned_webui_orphans.json');
    fs.writeFileSync(deleted, JSON.stringify({ version: 1, ids: ['a', 'talk', 'z'] }));
    fs.writeFileSync(pruned, JSON.stringify({ version: 1, ids: ['b'] }));
    const untouched = fs.statSync(pruned, { bigint: true }).mtimeNs;
    expect(await create(store, '{"session_id":"a"}')).toHaveProperty('value'); // without messages it may go again
    expect(await create(store, '{"session_id":"talk","messages":[{"role":"user"}]}')).toHaveProperty('value');
    expect(JSON.parse(fs.readFileSync(deleted, 'utf8'))).toEqual({ version: 1, ids: ['a', 'z'] });
    expect(fs.statSync(pruned, { bigint: true }).mtimeNs).toBe(untouched);
  });

  it('leaves nothing half done where that memory is broken', async () => {
    const store = makeStore();
    fs.writeFileSync(path.join(store.sessionsDir, '_deleted_webui_sessions.json'), '{');
    const before = treeHash(store.root);
    const made = await create(store, '{"session_id":"talk","messages":[{"role":"user"}]}');
    expect(made).toEqual({ code: 'STORE_DAMAGED', exit: 7 });
    expect(treeHash(store.root)).toBe(before);
  });

  it.each([
    ['{"title":5}', 'title'],
    ['{"title":null}', 'title'],
    ['{"messages":null}', 'messages'],
    ['{"messages":{}}', 'messages'],
    ['{"messages":[{"role":"user"},"hello"]}', 'messages[1]'],
    ['{"messages":[{"content":"no role"}]}', 'messages[0].role'],
    ['{"messages":[{"role":""}]}', 'messages[0].role'],
    ['{"messages":[{"role":"user","timestamp":"now"}]}', 'messages[0].timestamp'],
    ['{"context_messages":[[]]}', 'context_messages[0]'],
    ['{"pinned":"yes"}', 'pinned'],
    ['{"created_at":"2026-01-01"}', 'created_at'],
    ['{"session_id":"a/b"}', 'session_id'],
    ['{"session_id":"_x"}', 'session_id'],
    ['{"session_id":""}', 'session_id'],
    ['{"title":"\\ud800"}', 'title'],
    ['{"messages":[{"role":"user"},{"role":"user","content":["ok","\\udc00x"]}]}', 'messages[1].content[1]'],
    ['{"x_mine":{"a":[{"\\ud800":1}]}}', 'x_mine.a[0].\ud800'],
    ['{"\\ud800":null}', '\ud800'],
    [`{"title":"${'é'.repeat(2049)}"}`, 'title'],
    ['[]', ''],
    ['"x"', ''],
  ])('refuses %.60s and names the place', (input, where) => {
    try {
      parseNewSession(Buffer.from(input));
    } catch (error) {
      expect(error).toMatchObject({ code: 'USAGE', exit: 2, details: { path: where } });
      return;
    }
    throw new HermesctlError('UNEXPECTED', 'it was taken');
  });

  it.each([
    [`{"title":"${'é'.repeat(2048)}"}`],
    ['{"title":"\\ud83d\\ude00"}'],
    ['{"model":null,"profile":null,"created_at":1e9}'],
    ['{"messages":[{"role":"user","timestamp":null,"content":null}]}'],
  ])('takes %.60s', (input) => {
    expect(parseNewSession(Buffer.from(input)).size).toBeGreaterThan(0);
  });

  it('exits 2 for input it cannot take, and writes nothing', async () => {
    const store = makeStore();
    const before = treeHash(store.root);
    const inputs = ['{"messages":[{"role":"user","content":"\\ud800"}]}', '{"title":', ''];
    const results = await inParallel(inputs, 3, (input) => run(store, ['sessions', 'create', '-i', '-'], input));
    expect(results.map(({ code }) => code)).toEqual([2, 2, 2]);
    expect(results[0].json).toMatchObject({ error: { code: 'USAGE', details: { path: 'messages[0].content' } } });
    expect(results[1].json).toMatchObject({ error: { code: 'USAGE', details: { offset: 9 } } });
    const badId = await run(store, ['sessions', 'create', '--id', '../x']);
    expect(badId.json).toMatchObject(failure('USAGE', 2));
    expect(treeHash(store.root)).toBe(before);
  });
});

describe('rename, pin and archive', () => {
  const change = async (store: TestStore, what: Parameters<typeof changeMetadata>[2]) =>
    (await changeMetadata(changeTarget(store), 'talk', what, false, coreDeps())).result;

  it('sets what the server sets, once', async () => {
    const store = makeStore({ talk: turns('talk', 1, { llm_title_generated: true }) });
    const renamed = await run(store, ['sessions', 'rename', 'talk', '  A better title ']);
    expect(renamed.json).toMatchObject({ session: { session_id: 'talk', changed: true, title: 'A better title' } });
    const now = readSidecar(store, 'talk');
    expect(now).toMatchObject({ title: 'A better title', manual_title: true, llm_title_generated: false });
    expect(now['updated_at']).toBeGreaterThan(1777000100.5);
    expect(readIndexRows(store)[0]).toMatchObject({ title: 'A better title', updated_at: now['updated_at'] });

    const before = treeHash(store.sessionsDir);
    const again = await run(store, ['sessions', 'rename', 'talk', 'A better title']);
    expect(again.json).toMatchObject({ session: { changed: false, index: null } });
    expect(treeHash(store.sessionsDir)).toBe(before);
    expect(fs.existsSync(`${sidecarFile(store, 'talk')}.bak`)).toBe(false);
  });

  it.each([
    ['x'.repeat(100), 'x'.repeat(80), true],
    ['😀'.repeat(81), '😀'.repeat(80), true],
    ['', 'Untitled', false],
    [' \t', 'Untitled', false],
    ['untitled', 'untitled', false],
    ['New Chat', 'New Chat', false],
    ['New Chats', 'New Chats', true],
  ])('stores the title %.12j as the server would, and is done then', async (given, stored, manual) => {
    const store = makeStore({ talk: turns('talk', 1, { manual_title: !manual }) });
    expect(await change(store, { title: given })).toMatchObject({ changed: true, title: stored });
    expect(readSidecar(store, 'talk')).toMatchObject({ title: stored, manual_title: manual });
    expect(await change(store, { title: given })).toMatchObject({ changed: false });
  });

  it('touches the time of the last update for a pin, and not for an archive', async () => {
    const store = makeStore({ talk: turns('talk', 1) });
    for (const [what, touched] of [
      [{ archived: true }, false],
      [{ archived: false }, false],
      [{ pinned: true }, true],
      [{ pinned: false }, true],
    ] as const) {
      const before = rawMember(bytesOf(store, 'talk'), 'updated_at');
      expect(await change(store, what)).toMatchObject({ ...what, changed: true });
      expect(readSidecar(store, 'talk')).toMatchObject(what);
      expect(readIndexRows(store)[0]).toMatchObject(what);
      expect(rawMember(bytesOf(store, 'talk'), 'updated_at') !== before).toBe(touched);
      const hash = treeHash(store.sessionsDir);
      expect(await change(store, what)).toMatchObject({ changed: false, index: null });
      expect(treeHash(store.sessionsDir)).toBe(hash);
    }
  });

  it('changes several at a time, also those on standard input, and goes on where one fails', async () => {
    const ids = ['aaaa0001', 'aaaa0002', 'aaaa0003', 'aaaa0004'];
    const store = makeStore(Object.fromEntries(ids.map((id) => [id, turns(id, 1)])));
    writeSidecar(store, 'hurt', '{');
    const pinned = await run(store, ['sessions', 'pin', ids[0], '-'], `${ids[1]}\n\n${ids[2]}\n`);
    expect(pinned.code).toBe(0);
    expect(pinned.json).toMatchObject({ sessions: ids.slice(0, 3).map((id) => ({ session_id: id, pinned: true })) });

    const mixed = await run(store, ['sessions', 'archive', ids[0], 'none0000', 'hurt', ids[3]]);
    expect(mixed.code).toBe(3);
    expect(mixed.json).toMatchObject({
      sessions: [{ session_id: ids[0] }, { session_id: ids[3] }],
      failed: [
        { session_id: 'none0000', error: { code: 'SESSION_NOT_FOUND' } },
        { session_id: 'hurt', error: { code: 'SESSION_DAMAGED' } },
      ],
      error: { code: 'PARTIAL', exit: 3 },
    });
    // From standard input an id is whole, or none.
    const prefix = await run(store, ['sessions', 'unpin', '-'], 'aaaa\n');
    expect(prefix.code).toBe(5);
    const zero = await run(store, ['sessions', 'unpin', '-', '--null'], `${ids[1]}\0${ids[2]}\0`);
    expect(zero.code).toBe(0);
    const rows = new Map(readIndexRows(store).map((row) => [row['session_id'], [row['pinned'], row['archived']]]));
    expect(ids.map((id) => rows.get(id))).toEqual([
      [true, true],
      [false, false],
      [false, false],
      [false, true],
    ]);
    const restored = await run(store, ['sessions', 'unarchive', ids[0], ids[3]]);
    expect(restored.code).toBe(0);
    expect(readSidecar(store, ids[0])['archived']).toBe(false);
  });
});

describe('reindex', () => {
  it('keeps the bytes of all rows but those named, drops ghosts and what cannot be read', async () => {
    const store = makeStore({ aaaa: turns('aaaa', 1), bbbb: turns('bbbb', 1), cccc: turns('cccc', 1) });
    const rows = [
      '{"session_id":"aaaa", "updated_at":1777000300, "mine": 12345678901234567890, "__proto__": 1.0}',
      '{"session_id":"gone","updated_at":1777000200}',
      '{"session_id":"bbbb","title":"old","updated_at":1777000100.5}',
      '{"updated_at":5,"session_id":"cccc"}',
    ];
    fs.writeFileSync(indexFile(store), `[${rows.join(',')}]`);
    writeSidecar(store, 'cccc', '{"messages":');
    const { json, code } = await run(store, ['reindex', 'bbbb', 'cccc', 'gone']);
    expect(code).toBe(0);
    expect(json).toMatchObject({
      reindex: { mode: 'patch', rows: 2, added: [], updated: ['bbbb'], removed: ['gone', 'cccc'], skipped: ['cccc'] },
      warnings: [{ code: 'SESSION_DAMAGED', session_id: 'cccc' }],
    });
    const text = fs.readFileSync(indexFile(store), 'utf8');
    expect(text.startsWith(`[\n  ${rows[0]},\n  {\n    "session_id": "bbbb",\n`)).toBe(true);
    expect(readIndexRows(store)[1]).toMatchObject({ title: 'Session bbbb', message_count: 2 });
  });

  it('leaves one row of a session where the index had two', async () => {
    const store = makeStore({ aaaa: turns('aaaa', 1) });
    fs.writeFileSync(indexFile(store), '[{"session_id":"aaaa","title":"old"},{"session_id":"aaaa","title":"older"}]');
    await changeMetadata(changeTarget(store), 'aaaa', { pinned: true }, false, coreDeps());
    expect(readIndexRows(store).map(({ title, pinned }) => [title, pinned])).toEqual([['Session aaaa', true]]);
  });

  it('checks, tells each difference, and writes nothing', async () => {
    const store = makeStore({ aaaa: turns('aaaa', 1), bbbb: turns('bbbb', 1), cccc: turns('cccc', 1) });
    expect((await run(store, ['reindex'])).code).toBe(0);
    const good = await run(store, ['reindex', '--check']);
    expect(good.json).toEqual({ drift: [], warnings: [] });
    expect(good.code).toBe(0);

    const rows = readIndexRows(store).filter((row) => row['session_id'] !== 'bbbb');
    Object.assign(
      rows.find((row) => row['session_id'] === 'cccc')!,
      { title: 'stale', message_count: 12, mine: 1 },
    );
    rows.push({ session_id: 'gone', updated_at: 1 });
    fs.writeFileSync(indexFile(store), JSON.stringify(rows));
    const before = treeHash(store.root);
    const { json, code } = await run(store, ['reindex', '--check']);
    expect(code).toBe(4);
    expect(json).toEqual({
      drift: [
        { session_id: 'bbbb', kind: 'missing' },
        { session_id: 'gone', kind: 'ghost' },
        {
          session_id: 'cccc',
          kind: 'stale',
          fields: { title: { old: 'stale', new: 'Session cccc' }, message_count: { old: 12, new: 2 } },
        },
      ],
      warnings: [],
      error: expect.objectContaining({ code: 'PROBLEMS_FOUND', exit: 4 }) as unknown,
    });
    const lines = (await cli(['reindex', '--check', 'cccc'], { env: store.env })).stdout.split('\n');
    expect(lines).toContain('stale\tcccc\ttitle\t"stale"\t"Session cccc"');
    expect(treeHash(store.root)).toBe(before);
  });

  it.each(['{', '', '{}', '[1]', '[{"session_id":"aaaa"}', '\xff'])('makes a broken index anew: %j', async (text) => {
    const store = makeStore({ aaaa: turns('aaaa', 1), bbbb: turns('bbbb', 1) });
    fs.writeFileSync(indexFile(store), text, 'latin1');
    const { result } = await changeMetadata(changeTarget(store), 'aaaa', { pinned: true }, false, coreDeps());
    expect(result.index).toEqual({ updated: true });
    expect(readIndexRows(store).map((row) => row['session_id'])).toEqual(['aaaa', 'bbbb']);
  });

  it('survives times of every type, which stop the server', async () => {
    const times: Record<string, unknown> = {
      num1: 1777000000,
      text: '1777000005.5',
      word: 'yesterday',
      none: null,
      bool: true,
      list: [1],
    };
    const store = makeStore(
      Object.fromEntries(Object.entries(times).map(([id, updated_at]) => [id, turns(id, 1, { updated_at })])),
    );
    writeSidecar(store, 'nans', JSON.stringify(turns('nans', 1)).replace('1777000100.5', 'NaN'));
    const { json, code } = await run(store, ['reindex']);
    expect(code).toBe(0);
    expect(json).toMatchObject({ reindex: { mode: 'rebuild', rows: 7, skipped: [] } });
    expect(readIndexRows(store).map((row) => row['session_id'])).toEqual([
      'text',
      'num1',
      'bool',
      'list',
      'nans',
      'none',
      'word',
    ]);
    expect(fs.readFileSync(indexFile(store), 'utf8')).toContain('"updated_at": NaN');
    expect((await run(store, ['reindex', '--check'])).code).toBe(0);
  });

  it('writes no byte where nothing has changed, and an empty list for an empty store', async () => {
    const store = makeStore();
    expect((await run(store, ['reindex'])).json).toMatchObject({ reindex: { rows: 0, changed: true } });
    expect(fs.readFileSync(indexFile(store), 'utf8')).toBe('[]');
    const before = treeHash(store.sessionsDir);
    expect((await run(store, ['reindex'])).json).toMatchObject({ reindex: { rows: 0, changed: false } });
    expect(treeHash(store.sessionsDir)).toBe(before);
  });
});

describe('gc-tmp', () => {
  const DEAD = 4194999; // beyond the largest number that Linux gives a process
  const OLD = [
    ['aaaa.tmp.4194999.140000000000000', '<name>.tmp.<pid>.<tid>'],
    ['aaaa.json.bak.tmp.4194999.1', '<name>.tmp.<pid>.<tid>'],
    ['_index.tmp.4194999.1', '<name>.tmp.<pid>.<tid>'],
    ['_index.tmp.recovery.4194999.1', '<name>.tmp.<pid>.<tid>'],
    ['_deleted_webui_sessions.tmp.4194999.1', '<name>.tmp.<pid>.<tid>'],
    ['_pruned_webui_orphans.tmp.4194999.1', '<name>.tmp.<pid>.<tid>'],
    ['aaaa.json.reconcile.tmp.4194999.1', '<name>.tmp.<pid>.<tid>'],
    ['aaaa.json.tmp.4194999.1', '<name>.tmp.<pid>.<tid>'],
    ['aaaa.json.recover.tmp', '<sid>.json.recover.tmp'],
    ['._index.json.4194999.2.tmp', '.<name>.<pid>.<tid>.tmp'],
    ['aaaa.json.123456789', '<sid>.json[.bak].<digits>'],
    ['aaaa.json.bak.1', '<sid>.json[.bak].<digits>'],
    ['_index.json.4294967295', '<sid>.json[.bak].<digits>'],
    ['_deleted_webui_sessions.json.77', '<sid>.json[.bak].<digits>'],
  ] as const;
  const DECOYS = [
    'aaaa.json',
    'aaaa.json.bak',
    'notes.2025',
    'abc.json.2025-01-01',
    'aaaa.json.12345678901',
    'aaaa.json.old.5',
    'a b.json.5',
    'my.tmp.notes',
    'aaaa.tmp',
    'aaaa.tmp.1',
    'aaaa.tmp.x.1',
    'report.json.tmp.4194999.1.txt',
    'recover.tmp',
    '.hidden.tmp',
    '_index.json',
  ];

  const put = (store: TestStore, name: string, age: number, content = 'xyz'): void => {
    const file = path.join(store.sessionsDir, name);
    fs.writeFileSync(file, content);
    const at = Date.now() / 1000 - age;
    fs.utimesSync(file, at, at);
  };
  interface File {
    name: string;
    pattern: string;
    action: string;
    reason: string | null;
    removed: boolean;
    bytes: number;
    age_seconds: number;
  }
  const filesOf = (json: unknown): File[] => (json as { files: File[] }).files;

  it('removes what follows a pattern and is old, and nothing else', async () => {
    const store = makeStore();
    for (const [name] of OLD) put(store, name, 7200);
    for (const name of DECOYS) put(store, name, 7200);
    put(store, 'bbbb.tmp.4194999.1', 60);
    fs.mkdirSync(path.join(store.sessionsDir, 'cccc.json.5'));
    put(store, path.join('cccc.json.5', 'aaaa.json.6'), 7200);
    const outside = path.join(store.root, 'outside');
    fs.writeFileSync(outside, 'mine');
    fs.symlinkSync(outside, path.join(store.sessionsDir, 'dddd.json.5'));
    fs.lutimesSync(path.join(store.sessionsDir, 'dddd.json.5'), 1, 1);
    fs.utimesSync(path.join(store.sessionsDir, 'cccc.json.5'), 1, 1);

    const before = treeHash(store.root);
    const planned = await run(store, ['gc-tmp', '--dry-run']);
    expect(planned.json).toMatchObject({ removed: 0, bytes: 0, dry_run: true });
    expect(treeHash(store.root)).toBe(before);

    const { json, code } = await run(store, ['gc-tmp']);
    expect(code).toBe(0);
    expect(json).toMatchObject({ removed: OLD.length, bytes: 3 * OLD.length, warnings: [] });
    const files = filesOf(json);
    expect(
      files
        .filter(({ removed }) => removed)
        .map(({ name, pattern, action, reason, bytes }) => [name, pattern, action, reason, bytes]),
    ).toEqual(OLD.map(([name, pattern]) => [name, pattern, 'remove', null, 3]).sort());
    expect(files.every(({ age_seconds: age, name }) => age >= 7200 === (name !== 'bbbb.tmp.4194999.1'))).toBe(true);
    expect(files.filter(({ removed }) => !removed).map(({ name, reason }) => [name, reason])).toEqual([
      ['bbbb.tmp.4194999.1', 'too-young'],
      ['cccc.json.5', 'not-a-regular-file'],
      ['dddd.json.5', 'not-a-regular-file'],
    ]);
    expect(fs.readdirSync(store.sessionsDir).sort()).toEqual(
      [...DECOYS, 'bbbb.tmp.4194999.1', 'cccc.json.5', 'dddd.json.5'].sort(),
    );
    expect(fs.readFileSync(outside, 'utf8')).toBe('mine');
    expect(fs.readdirSync(path.join(store.sessionsDir, 'cccc.json.5'))).toEqual(['aaaa.json.6']);
    const same = ({ name, pattern, action, reason }: File) => ({ name, pattern, action, reason });
    expect(filesOf(planned.json).map(same)).toEqual(files.map(same));
  });

  it('keeps a file whose writer is alive, not one whose number another process has since', async () => {
    expect(fs.existsSync(`/proc/${DEAD}`)).toBe(false);
    const store = makeStore();
    const own = `aaaa.tmp.${process.pid}.1`;
    const hidden = `._index.json.${process.pid}.1.tmp`;
    const reused = `bbbb.json.bak.tmp.${process.pid}.1`;
    put(store, own, 0);
    put(store, hidden, 0);
    put(store, reused, 30 * 86400);
    put(store, `cccc.tmp.${DEAD}.1`, 0);
    const { json } = await run(store, ['gc-tmp', '--older-than', '0']);
    expect(filesOf(json).map(({ name, removed, reason }) => [name, removed, reason])).toEqual([
      [hidden, false, 'writer-alive'],
      [own, false, 'writer-alive'],
      [reused, true, null],
      [`cccc.tmp.${DEAD}.1`, true, null],
    ]);
    expect(fs.readdirSync(store.sessionsDir).sort()).toEqual([hidden, own].sort());
  });

  it('takes an age in words, and reports a line for each file', async () => {
    const store = makeStore();
    put(store, 'aaaa.json.1', 86400 * 3);
    put(store, 'bbbb.json.1', 3600 * 30);
    const { stdout, code } = await cli(['gc-tmp', '--older-than', '2d'], { env: store.env });
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.replace(/\t\d+s\t/, '\tAGE\t'))).toEqual([
      'aaaa.json.1\t3\tAGE\t<sid>.json[.bak].<digits>\tremoved',
      'bbbb.json.1\t3\tAGE\t<sid>.json[.bak].<digits>\tkept: too-young',
      '',
    ]);
    expect((await run(store, ['gc-tmp', '--older-than', 'soon'])).code).toBe(2);
  });
});
