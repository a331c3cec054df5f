import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { addAgentMessages, addAgentSessions } from '../support/agent-sessions';
import { cli, cliJson } from '../support/cli';
import { makeStore, session, type TestStore, writeSidecar } from '../support/store';
import { readIndexRows, readSidecar, sidecarFile } from '../support/writing';

interface Result {
  import: Record<string, unknown>;
  sessions: Record<string, unknown>[];
  failed?: { session_id: string; error: { code: string } }[];
  error?: { code: string; message: string; hint: string };
  warnings: object[];
}

const run = (store: TestStore, args: string[], stdin = '') =>
  cliJson<Result>(['import-cli', ...args], { env: store.env, stdin });
const bytesOf = (store: TestStore, id: string): string => fs.readFileSync(sidecarFile(store, id), 'utf8');
const projectsFile = (store: TestStore): string => path.join(store.stateDir, 'projects.json');

/** A store in which the agent's session `talk` was imported. */
async function imported(): Promise<TestStore> {
  const store = makeStore();
  addAgentSessions(store, [{ session: { id: 'talk' }, messages: ['Hello', 'Hi.', 'More?', 'Yes.'] }]);
  expect((await run(store, ['talk'])).json.sessions).toMatchObject([{ status: 'imported', message_count: 4 }]);
  return store;
}

describe('a session that is new', () => {
  it('makes the sessions directory where the store has none yet', async () => {
    const store = makeStore();
    fs.rmdirSync(store.sessionsDir);
    addAgentSessions(store, [{ session: { id: 'talk' }, messages: ['Hello', 'Hi.'] }]);
    expect(await run(store, ['--all'])).toMatchObject({ code: 0, json: { sessions: [{ status: 'imported' }] } });
    expect(readIndexRows(store)).toMatchObject([{ session_id: 'talk' }]);
  });

  it('becomes a file of its own, with its row in the index', async () => {
    const store = await imported();
    expect(readSidecar(store, 'talk')).toMatchObject({
      title: 'Title of talk',
      created_at: 1777000000,
      updated_at: 1777000003,
      source_tag: 'cli',
      source_label: 'CLI',
      is_cli_session: true,
      profile: 'default',
      message_count: 4,
    });
    expect(fs.statSync(sidecarFile(store, 'talk')).mode & 0o777).toBe(0o600);
    expect(readIndexRows(store)).toMatchObject([{ session_id: 'talk', message_count: 4, is_cli_session: true }]);
  });

  it('brings its tool calls, reasoning, parts and what it continues, and not what was taken back', async () => {
    const store = makeStore();
    addAgentSessions(store, [
      {
        session: { id: 'first', title: 'The whole', ended_at: 1777000500, end_reason: 'compression' },
        messages: ['From the beginning', 'Yes.'],
      },
      {
        session: { id: 'second', title: null, parent_session_id: 'first' },
        messages: [
          { role: 'user', content: '\0json:[{"type":"text","text":"a part"}]' },
          { role: 'user', content: 'taken back', active: 0 },
          { role: 'assistant', content: '', tool_calls: '[{"id":"c1"}]', reasoning: 'Hm.' },
          { role: 'tool', content: 'ok', tool_call_id: 'c1', tool_name: 'terminal' },
        ],
      },
    ]);
    await run(store, ['second']);
    const { title, messages } = readSidecar(store, 'second') as { title: string; messages: object[] };
    expect(title).toBe('The whole');
    expect(messages).toMatchObject([
      { role: 'user', content: 'From the beginning' },
      { role: 'assistant', content: 'Yes.' },
      { role: 'user', content: [{ type: 'text', text: 'a part' }] },
      { role: 'assistant', tool_calls: [{ id: 'c1' }], reasoning: 'Hm.' },
      { role: 'tool', content: 'ok', tool_call_id: 'c1', tool_name: 'terminal', name: 'terminal' },
    ]);
    expect(messages).toHaveLength(5);
  });

  it('goes to the project for cron sessions only where there is one, or one is asked for', async () => {
    const store = makeStore();
    const run1 = 'cron_job1_20260425_000000';
    const run2 = 'cron_job1_20260425_000001';
    addAgentSessions(
      store,
      [run1, run2].map((id) => ({ session: { id, source: 'cron', title: null }, messages: ['Report', 'Done.'] })),
    );
    fs.mkdirSync(path.join(store.hermesHome, 'cron'));
    const jobs = { jobs: [{ id: 'job1', name: 'Nightly' }] };
    fs.writeFileSync(path.join(store.hermesHome, 'cron', 'jobs.json'), JSON.stringify(jobs));
    await run(store, [run1]);
    expect(readSidecar(store, run1)).toMatchObject({ title: 'Nightly', project_id: null });
    expect(fs.existsSync(projectsFile(store))).toBe(false);
    await run(store, [run2, '--ensure-project']);
    const [project] = JSON.parse(fs.readFileSync(projectsFile(store), 'utf8')) as { project_id: string }[];
    expect(readSidecar(store, run2)['project_id']).toBe(project.project_id);
    expect((await run(store, [run1, run2, '--ensure-project'])).json.import).toMatchObject({ unchanged: 2 });
  });

  it.each([
    ['without messages', { id: 'none' }, [], 'empty'],
    ['of a subagent', { id: 'sub', source: 'subagent' }, ['Do it'], 'subagent'],
  ])('is skipped %s, with the reason', async (_, spec, messages, reason) => {
    const store = makeStore();
    addAgentSessions(store, [{ session: spec, messages }]);
    const { code, json } = await run(store, [spec.id]);
    expect(code).toBe(0);
    expect(json.sessions).toEqual([
      expect.objectContaining({ session_id: spec.id, status: 'skipped', reason, message_count: null }),
    ]);
    expect(fs.readdirSync(store.sessionsDir)).toEqual([]);
  });
});

describe('a session that was imported before', () => {
  it('gets what is new at its end, and keeps every other byte', async () => {
    const store = await imported();
    const odd = bytesOf(store, 'talk')
      .replace('"estimated_cost": null', '"estimated_cost": 1.50, "unknown":[ 12345678901234567890 ]')
      .replace('"content": "Hi."', '"content" :"\\u0048i." , "mine": NaN');
    writeSidecar(store, 'talk', odd);
    addAgentMessages(store, 'talk', ['And now?', 'Nothing.']);
    // What somebody added to a message is a difference: the import must not overwrite it.
    expect((await run(store, ['talk'])).json.sessions).toMatchObject([{ status: 'skipped', reason: 'diverged' }]);
    expect(bytesOf(store, 'talk')).toBe(odd);

    const plain = odd.replace(' , "mine": NaN', '');
    writeSidecar(store, 'talk', plain);
    const { json } = await run(store, ['talk']);
    expect(json.sessions).toEqual([{ session_id: 'talk', status: 'refreshed', message_count: 6, added: 2 }]);
    const [head, tail] = [plain.slice(0, plain.indexOf('\n  ],\n  "tool_calls"')), '\n  ],\n  "tool_calls"'];
    const after = bytesOf(store, 'talk');
    expect(after.startsWith(head.replace('"message_count": 4', '"message_count": 6'))).toBe(true);
    expect(after.slice(after.indexOf(tail))).toBe(plain.slice(plain.indexOf(tail)));
    const laidOut =
      /,\n {4}\{\n {6}"role": "user",\n {6}"content": "And now\?",\n {6}"timestamp": 1778000000\.0\n {4}\}/;
    expect(after).toMatch(laidOut);
    expect((await run(store, ['talk'])).json.sessions).toMatchObject([{ status: 'unchanged', message_count: 6 }]);
  });

  it('gets what is new in its own layout, on one line', async () => {
    const store = await imported();
    writeSidecar(store, 'talk', JSON.stringify(readSidecar(store, 'talk')));
    addAgentMessages(store, 'talk', ['And now?']);
    await run(store, ['talk']);
    expect(bytesOf(store, 'talk')).not.toContain('\n');
    expect(readSidecar(store, 'talk')['messages']).toMatchObject([{}, {}, {}, {}, { content: 'And now?' }]);
  });

  it.each([
    ['an empty array', { messages: [] }],
    ['null', { messages: null }],
  ])('gets all where it has %s', async (_, fields) => {
    const store = await imported();
    writeSidecar(store, 'talk', { ...readSidecar(store, 'talk'), ...fields, message_count: 0 });
    expect((await run(store, ['talk'])).json.sessions).toMatchObject([{ status: 'refreshed', added: 4 }]);
    expect(readSidecar(store, 'talk')).toMatchObject({ message_count: 4, messages: [{}, {}, {}, { content: 'Yes.' }] });
  });

  it('gets the tool fields that old imports left out', async () => {
    const store = makeStore();
    addAgentSessions(store, [
      {
        session: { id: 'talk' },
        messages: [
          'Look',
          { role: 'assistant', content: '', tool_calls: '[{"id":"c1","function":{"name":"ls"}}]' },
          { role: 'tool', content: 'ok', tool_call_id: 'c1', tool_name: 'ls' },
        ],
      },
    ]);
    await run(store, ['talk']);
    const whole = bytesOf(store, 'talk');
    const { messages, ...rest } = readSidecar(store, 'talk') as { messages: Record<string, unknown>[] };
    const bare = messages.map(({ role, content, timestamp }) => ({ role, content, timestamp }));
    writeSidecar(store, 'talk', { ...rest, messages: bare });
    expect((await run(store, ['talk'])).json.sessions).toMatchObject([{ status: 'refreshed', added: 0 }]);
    expect((readSidecar(store, 'talk') as { messages: object[] }).messages).toEqual(
      (JSON.parse(whole) as { messages: object[] }).messages,
    );
    expect((await run(store, ['talk'])).json.import).toMatchObject({ unchanged: 1 });
  });

  it('takes what the server imported in its way for the same', async () => {
    const store = makeStore();
    const content = '\0json:[{"type":"text","text":"a part"}]';
    const message = { role: 'user', content, display_kind: 'hidden', display_metadata: '{"a":1}' };
    addAgentSessions(store, [{ session: { id: 'talk' }, messages: [message] }]);
    await run(store, ['talk']);
    const { messages, ...rest } = readSidecar(store, 'talk') as { messages: { role: string; timestamp: number }[] };
    expect(messages).toMatchObject([{ display_kind: 'hidden', display_metadata: { a: 1 } }]);
    // Undecoded, and without what is for showing.
    const theirs = messages.map(({ role, timestamp }) => ({ role, content, timestamp }));
    writeSidecar(store, 'talk', { ...rest, messages: theirs });
    expect((await run(store, ['talk'])).json.import).toMatchObject({ unchanged: 1 });
  });

  it('stays cut where it was cut, unless that is forced by name', async () => {
    const store = await imported();
    await cli(['undo', 'talk'], { env: store.env });
    const cut = bytesOf(store, 'talk');
    for (const args of [['--all'], ['talk']]) {
      const { code, json } = await run(store, args);
      expect(code).toBe(0);
      expect(json.sessions).toMatchObject([{ status: 'skipped', reason: 'truncated', message_count: 2 }]);
    }
    expect(bytesOf(store, 'talk')).toBe(cut);
    expect((await run(store, ['--all', '--force'])).code, 'a sweep never undoes an undo').toBe(2);
    expect(bytesOf(store, 'talk')).toBe(cut);
    expect((await run(store, ['talk', '--force'])).json.sessions).toMatchObject([{ status: 'refreshed', added: 2 }]);
  });

  it.each([
    ['goes on in the WebUI', { messages: 'more' }, 'diverged'],
    ['says something else', { messages: 'other' }, 'diverged'],
    ['belongs to another profile', { profile: 'work' }, 'other-profile'],
    ['is read-only', { read_only: true }, 'read-only'],
    ['records a stream', { active_stream_id: 's1' }, 'busy'],
  ])('is left alone where it %s', async (_, fields: Record<string, unknown>, reason) => {
    const store = await imported();
    addAgentMessages(store, 'talk', ['And now?']);
    const { messages } = readSidecar(store, 'talk') as { messages: object[] };
    const more = { role: 'user', content: 'In the WebUI' };
    const changed = fields['messages'] === 'more' ? [...messages, more] : [more, ...messages.slice(1)];
    writeSidecar(store, 'talk', {
      ...readSidecar(store, 'talk'),
      ...fields,
      messages: 'messages' in fields ? changed : messages,
    });
    const before = bytesOf(store, 'talk');
    const { code, json } = await run(store, ['--all']);
    expect(code).toBe(0);
    expect(json.sessions).toMatchObject([{ status: 'skipped', reason, message_count: changed.length }]);
    expect(bytesOf(store, 'talk')).toBe(before);
  });
});

describe('several sessions', () => {
  const three = ['one', 'two', 'three'].map((id) => ({ session: { id }, messages: ['Hello', 'Hi.', 'More?', 'Yes.'] }));

  it('go on after one that fails, and the index has the others', async () => {
    const store = makeStore({ two: '{"session_id": "two", "mess' });
    addAgentSessions(store, three);
    const { code, json } = await run(store, ['one', 'two', 'three', 'none']);
    expect(code).toBe(3);
    expect(json.sessions).toMatchObject([
      { session_id: 'one', status: 'imported' },
      { session_id: 'two', status: 'failed' },
      { session_id: 'three', status: 'imported' },
      { session_id: 'none', status: 'failed' },
    ]);
    expect(json.failed).toMatchObject([
      { session_id: 'two', error: { code: 'SESSION_DAMAGED' } },
      { session_id: 'none', error: { code: 'SESSION_NOT_FOUND' } },
    ]);
    expect(
      readIndexRows(store)
        .map((row) => row['session_id'])
        .sort(),
    ).toEqual(['one', 'three']);
  });

  it('are named on standard input, and one named twice is imported once', async () => {
    const store = makeStore();
    addAgentSessions(store, three);
    const { code, json } = await run(store, ['-'], 'one\ntwo\n\none\n');
    expect(code).toBe(0);
    expect(json.sessions.map((result) => result['session_id'])).toEqual(['one', 'two']);
  });

  it('are the most recent ones of a source, since a time', async () => {
    const store = makeStore();
    addAgentSessions(store, [
      ...three,
      { session: { id: 'tele', source: 'telegram' }, messages: ['Hello'] },
      { session: { id: 'web', source: 'webui' }, messages: ['Hello'] },
      { session: { id: 'ended', title: null, end_reason: 'user_exit', ended_at: 1777009999 }, messages: ['Hello'] },
    ]);
    const ids = async (...args: string[]): Promise<unknown[]> =>
      (await run(store, ['--all', '--dry-run', ...args])).json.sessions.map((result) => result['session_id']);
    expect(await ids()).toEqual(['tele', 'three', 'two', 'one']);
    expect(await ids('--limit', '2')).toEqual(['tele', 'three']);
    expect(await ids('--source', 'CLI', '--limit', '2')).toEqual(['three', 'two']);
    expect(await ids('--since', '2026-04-24T04:06:00Z')).toEqual(['tele', 'three', 'two']);
    expect((await run(store, ['web'])).json.sessions).toMatchObject([{ status: 'imported' }]);
  });

  it('are interrupted with what was saved in the index', async () => {
    const store = makeStore();
    const many = Array.from({ length: 400 }, (_, i) => ({ session: { id: `s${i}` }, messages: ['Hello', 'Hi.'] }));
    addAgentSessions(store, many);
    const { code } = await cli(['import-cli', '--all', '--json'], {
      env: store.env,
      started: (child) => {
        const timer = setInterval(() => {
          if (fs.readdirSync(store.sessionsDir).length < 20) return;
          child.kill('SIGINT');
          clearInterval(timer);
        }, 1);
        child.on('close', () => clearInterval(timer));
      },
    });
    expect(code).toBe(130);
    const files = fs.readdirSync(store.sessionsDir).filter((name) => /^s\d+\.json$/.test(name));
    expect(files.length).toBeLessThan(400);
    expect(readIndexRows(store)).toHaveLength(files.length);
    expect((await run(store, ['--all'])).json.import).toMatchObject({
      imported: 400 - files.length,
      unchanged: files.length,
    });
  });
});

describe('what was deleted', () => {
  const tombstones = (store: TestStore): string => path.join(store.sessionsDir, '_deleted_webui_sessions.json');
  const deleted = (): TestStore => {
    const store = makeStore();
    addAgentSessions(store, [{ session: { id: 'talk' }, messages: ['Hello', 'Hi.', 'More?'] }]);
    fs.writeFileSync(tombstones(store), '{"version":1,"ids":["talk"]}');
    return store;
  };

  it('stays deleted in a sweep, and comes back by name', async () => {
    const store = deleted();
    expect((await run(store, ['--all'])).json.sessions).toMatchObject([{ status: 'skipped', reason: 'deleted' }]);
    expect(fs.existsSync(sidecarFile(store, 'talk'))).toBe(false);
    expect((await run(store, ['talk'])).json.sessions).toMatchObject([{ status: 'imported' }]);
    expect(fs.existsSync(tombstones(store)), 'nothing is recorded as deleted any more').toBe(false);
  });

  it('is not guessed where the list of it is broken', async () => {
    const store = deleted();
    fs.writeFileSync(tombstones(store), '{"version":1,"ids":');
    const { code, json } = await run(store, ['--all']);
    expect(code).toBe(7);
    expect(json.error).toMatchObject({ code: 'STORE_DAMAGED' });
    expect(fs.existsSync(sidecarFile(store, 'talk'))).toBe(false);
  });

  it('is no reason to leave a session alone that lives', async () => {
    const store = deleted();
    writeSidecar(store, 'talk', session('talk', { messages: [{ role: 'user', content: 'Hello', timestamp: 1.5 }] }));
    expect((await run(store, ['--all'])).json.sessions).toMatchObject([{ status: 'refreshed', added: 2 }]);
  });
});

describe('a command line', () => {
  it.each([
    [['talk', '--limit', '3'], 2, 'USAGE'],
    [['--all', 'talk'], 2, 'USAGE'],
    [[], 2, 'USAGE'],
    [['none'], 5, 'SESSION_NOT_FOUND'],
    [['../odd'], 2, 'USAGE'],
  ])('%j ends with %i %s', async (args, exit, code) => {
    const store = makeStore();
    addAgentSessions(store, [
      { session: { id: 'talk' }, messages: ['Hello'] },
      { session: { id: '../odd' }, messages: ['Hello', 'Hi.', 'More?'] },
    ]);
    const result = await run(store, args);
    expect(result.code).toBe(exit);
    expect(result.json.error).toMatchObject({ code });
    expect(fs.readdirSync(store.sessionsDir)).toEqual([]);
  });

  it('sweeps past an id that cannot be a file', async () => {
    const store = makeStore();
    addAgentSessions(store, [{ session: { id: '../odd' }, messages: ['Hello', 'Hi.', 'More?'] }]);
    expect((await run(store, ['--all'])).json.sessions).toMatchObject([{ status: 'skipped', reason: 'invalid-id' }]);
  });

  it('says that there is no database', async () => {
    const { code, json } = await run(makeStore(), ['--all']);
    expect(code).toBe(12);
    expect(json.error).toMatchObject({ code: 'DATABASE_UNUSABLE' });
  });
});
