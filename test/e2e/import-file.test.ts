import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { cli } from '../support/cli';
import { type InProcessResult, runInProcess } from '../support/in-process';
import { makeStore, session, temporaryDirectory, type TestStore, treeHash } from '../support/store';

interface Outcome {
  code: number;
  counts: Record<string, unknown>;
  sessions: { place: string; session_id: string | null; status: string; message_count: number | null }[];
  failed: Record<string, { code: string; hint?: string; message: string }>;
  warnings: { code: string; session_id?: string }[];
  error?: { code: string };
}

function inputFile(...lines: (string | object)[]): string {
  const file = path.join(temporaryDirectory(), 'input');
  fs.writeFileSync(file, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'));
  return file;
}

const run = (store: TestStore, ...args: string[]): Promise<InProcessResult> =>
  runInProcess(['sessions', 'import', ...args], store.env);

async function imports(store: TestStore, ...args: string[]): Promise<Outcome> {
  const { code, stdout } = await run(store, ...args, '--json');
  const json = JSON.parse(stdout) as {
    import?: Record<string, unknown>;
    sessions?: Outcome['sessions'];
    failed?: { session_id: string; error: Outcome['failed'][string] }[];
    warnings: Outcome['warnings'];
    error?: { code: string };
  };
  return {
    code,
    counts: json.import ?? {},
    sessions: json.sessions ?? [],
    failed: Object.fromEntries((json.failed ?? []).map(({ session_id: id, error }) => [id, error])),
    warnings: json.warnings,
    ...(json.error ? { error: json.error } : {}),
  };
}

const stored = (store: TestStore, name: string): Record<string, unknown> =>
  JSON.parse(fs.readFileSync(path.join(store.sessionsDir, name), 'utf8')) as Record<string, unknown>;
const indexed = (store: TestStore): unknown[] =>
  (JSON.parse(fs.readFileSync(path.join(store.sessionsDir, '_index.json'), 'utf8')) as { session_id: string }[])
    .map(({ session_id: id }) => id)
    .sort();

const long = (id: string, fields: object = {}): Record<string, unknown> =>
  session(id, { messages: ['a', 'b', 'c', 'd'].map((content) => ({ role: 'user', content })), ...fields });

describe('sessions import', () => {
  it('takes every session that is one, and tells where the others stand', async () => {
    const store = makeStore();
    const input = inputFile(
      session('aaaa0001'),
      '{"session_id": "broken01", "messages": [',
      '',
      '[1, 2]'.replace('[1, 2]', '"text"'),
      session('../escape'),
      session('words001', { messages: 'none' }),
      { title: 'nobody' },
      session('bbbb0002'),
    );
    const { code, counts, sessions, failed, error } = await imports(store, input);
    expect({ code, error }).toMatchObject({ code: 3, error: { code: 'PARTIAL' } });
    expect(counts).toEqual({ imported: 2, replaced: 0, unchanged: 0, failed: 5, index: { updated: true } });
    expect(sessions.map(({ place, status }) => [place, status])).toEqual([
      ['line 1', 'imported'],
      ['line 2', 'failed'],
      ['line 4', 'failed'],
      ['line 5', 'failed'],
      ['line 6', 'failed'],
      ['line 7', 'failed'],
      ['line 8', 'imported'],
    ]);
    expect(Object.entries(failed).map(([id, { code: what }]) => [id, what])).toEqual([
      ['line 2', 'SESSION_DAMAGED'],
      ['line 4', 'SESSION_DAMAGED'],
      ['line 5', 'USAGE'],
      ['line 6', 'SESSION_DAMAGED'],
      ['line 7', 'SESSION_DAMAGED'],
    ]);
    expect(failed['line 2'].message).toMatch(/^line 2 is not JSON \(byte \d+: .*\)\.$/);
    expect(fs.readdirSync(store.sessionsDir).sort()).toEqual(['_index.json', 'aaaa0001.json', 'bbbb0002.json']);
    expect(indexed(store)).toEqual(['aaaa0001', 'bbbb0002']);
    expect(stored(store, 'aaaa0001.json')).toEqual(session('aaaa0001'));
    expect(fs.statSync(path.join(store.sessionsDir, 'aaaa0001.json')).mode & 0o777).toBe(0o600);

    const human = await run(store, input);
    expect(human.code).toBe(3);
    expect(human.stdout).toMatch(/^unchanged\taaaa0001\t2\nfailed\t-\t-\tline 2 is not JSON/);
    expect(human.stderr).toMatch(/^2 unchanged, 5 failed\nerror: 5 of 7 sessions failed/);
  });

  it('takes a list, a document and a session file, in one line or many, and nothing of nothing', async () => {
    const [a, b] = [session('aaaa0001'), session('bbbb0002')];
    const inputs: [string, string[]][] = [
      [JSON.stringify([a, b]), ['line 1, item 1', 'line 1, item 2']],
      [JSON.stringify([a, b], null, 2), ['item 1', 'item 2']],
      [`[${JSON.stringify(a)}\n,${JSON.stringify(b)}]\n`, ['item 1', 'item 2']],
      [JSON.stringify({ sessions: [a, b], warnings: [] }), ['line 1, item 1', 'line 1, item 2']],
      [`\ufeff${JSON.stringify({ sessions: [a, b] }, null, '\t')}\n`, ['item 1', 'item 2']],
      [`{"sessions":[\n${JSON.stringify(a)},\n${JSON.stringify(b)}\n],"warnings":[]}\n`, ['item 1', 'item 2']],
      [JSON.stringify(a, null, 2), ['item 1']],
      [`\r\n${JSON.stringify(a)}\r\n\r\n${JSON.stringify(b)}\r\n`, ['line 2', 'line 4']],
      [' \n', []],
      ['', []],
      ['[]', []],
    ];
    for (const [text, places] of inputs) {
      const store = makeStore();
      const { code, sessions } = await imports(store, inputFile(text));
      expect({ text, code }).toEqual({ text, code: 0 });
      expect(sessions.map(({ place }) => place)).toEqual(places);
      if (places.length > 0) expect(stored(store, 'aaaa0001.json')).toEqual(a);
    }
    const store = makeStore();
    expect((await run(store, inputFile(''))).stderr).toBe('No sessions in the input.\n');
    expect((await run(store, '/nonexistent/input')).code).toBe(2);
    expect(await imports(store, inputFile('{\n"session_id": "cut00001",\n'))).toMatchObject({
      code: 7,
      sessions: [{ place: 'line 1' }, { place: 'line 2' }],
    });
  });

  it('leaves what is there and differs, and replaces it where that is asked for, keeping it', async () => {
    const store = makeStore({ aaaa0001: long('aaaa0001'), same0002: session('same0002') });
    const before = treeHash(store.sessionsDir);
    const input = inputFile(session('aaaa0001'), JSON.stringify(session('same0002')));
    const refused = await imports(store, input);
    expect(refused).toMatchObject({ code: 3, counts: { unchanged: 1, failed: 1, index: null } });
    expect(refused.failed['aaaa0001']).toMatchObject({
      code: 'ALREADY_EXISTS',
      hint: expect.stringContaining('--replace') as string,
    });
    expect(treeHash(store.sessionsDir)).toBe(before);

    const replaced = await imports(store, input, '--replace');
    expect(replaced).toMatchObject({
      code: 0,
      counts: { replaced: 1, unchanged: 1 },
      warnings: [{ code: 'SHRINK_MARKED', session_id: 'aaaa0001' }],
    });
    expect(stored(store, 'aaaa0001.json.bak')).toEqual(long('aaaa0001'));
    const { intentional_shrink_generation: mark, ...rest } = stored(store, 'aaaa0001.json');
    expect(mark).toMatch(/^[0-9a-f]{32}$/);
    expect(rest).toEqual(session('aaaa0001'));
    expect(indexed(store)).toEqual(['aaaa0001', 'same0002']);

    // Nothing more than the export is in it where nothing gets less.
    const grown = await imports(store, inputFile(long('same0002', { title: 'Longer' })), '--replace');
    expect(grown).toMatchObject({ code: 0, warnings: [] });
    expect(stored(store, 'same0002.json')).toEqual(long('same0002', { title: 'Longer' }));
  });

  it('never loses a backup that holds more, nor one beside a damaged file', async () => {
    const store = makeStore({
      aaaa0001: session('aaaa0001'),
      hurt0002: '{"messages":',
      busy0003: session('busy0003', { active_stream_id: 's' }),
    });
    for (const id of ['aaaa0001', 'hurt0002'])
      fs.writeFileSync(path.join(store.sessionsDir, `${id}.json.bak`), JSON.stringify(long(id)));
    const before = treeHash(store.sessionsDir);
    const input = inputFile(
      session('aaaa0001', { title: 'X' }),
      session('hurt0002'),
      session('busy0003', { title: 'X' }),
    );
    const { code, failed } = await imports(store, input, '--replace');
    expect(code).toBe(3);
    expect(Object.values(failed).map(({ code: what }) => what)).toEqual(['REFUSED', 'REFUSED', 'SESSION_BUSY']);
    expect(treeHash(store.sessionsDir)).toBe(before);
    fs.rmSync(path.join(store.sessionsDir, 'hurt0002.json.bak'));
    const again = await imports(store, input, '--replace', '--force');
    expect(again).toMatchObject({ code: 3, counts: { replaced: 2, failed: 1 } });
    expect(fs.readFileSync(path.join(store.sessionsDir, 'hurt0002.json.bak'), 'utf8')).toBe('{"messages":');
  });

  it('brings back nothing that was deleted here, unless it is to', async () => {
    const store = makeStore({ aaaa0001: session('aaaa0001'), live0002: session('live0002') });
    const input = inputFile(session('aaaa0001'));
    expect((await runInProcess(['sessions', 'delete', 'aaaa0001', '--yes'], store.env)).code).toBe(0);
    const refused = await run(store, input);
    expect(refused.code).toBe(13);
    expect(refused.stderr).toContain('--deleted');
    expect((await imports(store, input, '--deleted')).code).toBe(0);
    expect(fs.existsSync(path.join(store.sessionsDir, '_deleted_webui_sessions.json'))).toBe(false);
    fs.writeFileSync(path.join(store.sessionsDir, '_pruned_webui_orphans.json'), '{');
    expect(await imports(store, inputFile(session('cccc0003')))).toMatchObject({
      code: 7,
      error: { code: 'STORE_DAMAGED' },
    });
    expect(fs.existsSync(path.join(store.sessionsDir, 'cccc0003.json'))).toBe(false);
  });

  it('meets what came in before, in a dry run too', async () => {
    const input = inputFile(session('aaaa0001'), session('aaaa0001'), session('aaaa0001', { title: 'Other' }));
    for (const flags of [[], ['--replace']]) {
      const store = makeStore();
      const before = treeHash(store.root);
      const planned = await imports(store, input, '--dry-run', ...flags);
      expect(treeHash(store.root)).toBe(before);
      const done = await imports(store, input, ...flags);
      expect(planned.sessions).toEqual(done.sessions);
      expect(done.sessions.map(({ status }) => status)).toEqual([
        'imported',
        'unchanged',
        flags.length === 0 ? 'failed' : 'replaced',
      ]);
    }
  });

  it('meets an agent’s session that came in before, though what is made for it is of another moment', async () => {
    const line = { id: 'cli00001', source: 'cli', messages: [{ role: 'user', content: 'x' }] };
    const input = inputFile(...Array.from({ length: 60 }, () => line));
    const store = makeStore();
    const planned = await imports(store, input, '--dry-run');
    const done = await imports(store, input);
    expect(planned.sessions).toEqual(done.sessions);
    expect(new Set(done.sessions.slice(1).map(({ status }) => status))).toEqual(new Set(['unchanged']));
  });

  it('takes a session of the agent as the agent wrote it', async () => {
    const store = makeStore();
    const row = {
      id: '20260501_094500_77b0d2',
      source: 'telegram',
      title: null,
      started_at: 1777000000.5,
      model_config: '{"a": 1}',
      archived: 0,
    };
    const message = {
      id: 7,
      session_id: row.id,
      role: 'user',
      content: 'Was läuft?',
      timestamp: 1777000001.5,
      active: 1,
    };
    const line = JSON.stringify({ ...row, messages: [message] }).replace('ä', '\\u00e4');
    expect(await imports(store, inputFile(line))).toMatchObject({ code: 0, counts: { imported: 1 } });
    expect(stored(store, `${row.id}.json`)).toMatchObject({
      session_id: row.id,
      title: 'Was läuft?',
      source_tag: 'telegram',
      session_source: 'messaging',
      source_label: 'Telegram',
      created_at: 1777000000.5,
      messages: [message],
      agent_session: row,
    });
    expect(await imports(store, inputFile(line))).toMatchObject({ code: 0, counts: { unchanged: 1 } });
    const { stdout } = await runInProcess(['sessions', 'export', row.id, '-q', '-f', 'jsonl-agent'], store.env);
    expect(stdout).toBe(`${line}\n`);
  });

  it('begins a store that had no sessions', async () => {
    const store = makeStore();
    fs.rmdirSync(store.sessionsDir);
    const input = inputFile(session('aaaa0001'));
    expect((await imports(store, input, '--dry-run')).code).toBe(0);
    expect(fs.existsSync(store.sessionsDir)).toBe(false);
    expect((await imports(store, input)).code).toBe(0);
    expect(indexed(store)).toEqual(['aaaa0001']);
  });

  it('says of half a character that the server cannot save it', async () => {
    const store = makeStore();
    const line = (id: string, text: string): string =>
      `{"session_id":"${id}","messages":[{"role":"user","content":"${text}"}]}`;
    const input = inputFile(
      line('half0001', 'x\\ud83d'),
      line('pair0002', '\\ud83d\\ude00'),
      line('text0003', '\\\\ud83d'),
    );
    const { code, warnings } = await imports(store, input);
    expect({ code, warnings }).toMatchObject({
      code: 0,
      warnings: [{ code: 'LONE_SURROGATE', session_id: 'half0001' }],
    });
    expect(warnings).toHaveLength(1);
  });

  it('reads standard input and pipes, and leaves nothing behind', async () => {
    const store = makeStore();
    const temporary = temporaryDirectory();
    const { code, stdout } = await cli(['sessions', 'import', '-'], {
      env: { ...store.env, TMPDIR: temporary },
      stdin: `${JSON.stringify(session('aaaa0001'))}\n{"session_id"\n`,
    });
    expect(code).toBe(3);
    expect(stdout).toMatch(/^imported\taaaa0001\t2\nfailed\t-\t-\tline 2 /);
    expect(fs.readdirSync(temporary)).toEqual([]);
  });
});
