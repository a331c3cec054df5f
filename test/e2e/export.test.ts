import fs from 'node:fs';
import path from 'node:path';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { WRITER_ORDER } from '../../src/core/session/writer';
import { tokensOf } from '../../src/core/json/tokens';
import { addAgentSessions } from '../support/agent-sessions';
import { cli } from '../support/cli';
import { oddDocument } from '../support/documents';
import { type InProcessResult, runInProcess } from '../support/in-process';
import { makeStore, session, temporaryDirectory, type TestStore, treeHash, writeSidecar } from '../support/store';

const exported = (store: TestStore, ...args: string[]): Promise<InProcessResult> =>
  runInProcess(['sessions', 'export', ...args], store.env);
const imported = (store: TestStore, ...args: string[]): Promise<InProcessResult> =>
  runInProcess(['sessions', 'import', ...args], store.env);

const SECRET = 'sk-proj-Abc123_def456ghi789';
const tools = session('cccc00000003', {
  title: 'Tools',
  messages: [
    { role: 'user', content: `Use ${SECRET}` },
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ function: { name: 'terminal', arguments: '{"command":"ls"}' } }],
    },
    { role: 'tool', tool_name: 'terminal', content: 'file.txt' },
    { role: 'assistant', content: 'One file.' },
  ],
});

const smallStore = (): TestStore =>
  makeStore({
    aaaa00000001: session('aaaa00000001'),
    bbbb00000002: session('bbbb00000002', { archived: true, title: 'Old' }),
    cccc00000003: tools,
    hurt00000004: '{"session_id": "hurt00000004", "messages": [{"role": "us',
  });

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const idsIn = (text: string): unknown[] =>
  linesOf(text).map((line) => (JSON.parse(line) as { session_id: unknown }).session_id);
const file = (...names: string[]): string => fs.readFileSync(path.join(...names), 'utf8');

/** Writes an export to a file, and gives its path. */
async function exportFile(store: TestStore, ...args: string[]): Promise<string> {
  const output = path.join(temporaryDirectory(), 'export');
  const { code, stderr } = await exported(store, ...args, '--output', output);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return output;
}

describe('sessions export', () => {
  it('gives the sessions of the store whole, without the white space', async () => {
    const store = smallStore();
    const before = treeHash(store.root);
    const { code, stdout, stderr } = await exported(store, 'cccc', 'aaaa00000001');
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'Exported 2 sessions.\n' });
    expect(stdout).toBe(`${JSON.stringify(tools)}\n${JSON.stringify(session('aaaa00000001'))}\n`);
    expect(treeHash(store.root)).toBe(before);
  });

  it('goes on after a damaged one, and tells which', async () => {
    const store = smallStore();
    const all = await exported(store, '--all', '-q');
    expect(all.code).toBe(3);
    expect(idsIn(all.stdout)).toEqual(['aaaa00000001', 'bbbb00000002', 'cccc00000003']);
    expect(all.stderr).toMatch(
      /^hurt00000004: .*hurt00000004\.json is not JSON \(byte 53: string without an end\)\.\nerror: 1 of 4/,
    );
    const document = await exported(store, '--all', '--json');
    expect(document.code).toBe(3);
    expect(JSON.parse(document.stdout)).toMatchObject({
      sessions: [{ session_id: 'aaaa00000001' }, { title: 'Old' }, { title: 'Tools' }],
      export: { format: 'json', output: null, exported: 3 },
      failed: [{ session_id: 'hurt00000004', error: { code: 'SESSION_DAMAGED' } }],
      error: { code: 'PARTIAL' },
    });
    for (const format of ['markdown', 'html', 'jsonl-agent', 'json']) {
      const { code, stdout } = await exported(store, 'hurt00000004', 'aaaa00000001', '-q', '-f', format);
      expect({ format, code }).toEqual({ format, code: 3 });
      expect(stdout).toContain('Session aaaa00000001');
      expect((await exported(store, 'hurt00000004', '-q', '-f', format)).code).toBe(7);
    }
    const ndjson = await exported(store, 'hurt00000004', 'cccc', '--ndjson');
    expect(idsIn(ndjson.stdout)).toEqual(['cccc00000003']);
    expect(linesOf(ndjson.stderr).map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { session_id: 'hurt00000004', error: { code: 'SESSION_DAMAGED' } },
      { error: { code: 'PARTIAL' } },
    ]);
  });

  it('takes the filters of a list, and no session for none', async () => {
    const store = smallStore();
    fs.rmSync(path.join(store.sessionsDir, 'hurt00000004.json'));
    const ids = async (...args: string[]): Promise<unknown[]> => idsIn((await exported(store, ...args, '-q')).stdout);
    expect(await ids('--title', 'old')).toEqual([]); // archived
    expect(await ids('--title', 'old', '--archived')).toEqual(['bbbb00000002']);
    expect(await ids('--only-archived')).toEqual(['bbbb00000002']);
    expect(await ids('--model', 'gpt')).toEqual(['aaaa00000001', 'cccc00000003']);
    expect(await ids('-p', 'default')).toEqual(['aaaa00000001', 'cccc00000003']);
    const nothing = await exported(store, '--title', 'no such', '--json');
    expect(JSON.parse(nothing.stdout)).toMatchObject({ sessions: [], export: { exported: 0 }, warnings: [] });
    for (const args of [
      [],
      ['--all', 'aaaa00000001'],
      ['--title', 'x', 'aaaa00000001'],
      ['aaaa', '--json', '-f', 'html'],
      ['--all', '--force'],
      ['aaaa', '--embed'],
      ['aaaa', '--raw', '-f', 'markdown'],
    ]) {
      const { code, stdout } = await exported(store, ...args);
      expect({ args, code }).toEqual({ args, code: 2 });
      if (!args.includes('--json')) expect(stdout).toBe('');
    }
    expect((await exported(store, 'none00000000')).code).toBe(5);
  });

  it('writes a file that is whole or not there, and replaces none unasked', async () => {
    const store = smallStore();
    const dir = temporaryDirectory();
    const output = path.join(dir, 'out.ndjson');
    const first = await exported(store, 'aaaa', '-o', output);
    expect(first).toMatchObject({ code: 0, stdout: `${output}\n`, stderr: `Exported 1 session to ${output}.\n` });
    expect(idsIn(file(output))).toEqual(['aaaa00000001']);
    expect(fs.statSync(output).mode & 0o777).toBe(0o600);
    const again = await exported(store, 'cccc', '-o', output, '--json');
    expect([again.code, JSON.parse(again.stdout)]).toMatchObject([
      13,
      { error: { code: 'ALREADY_EXISTS', hint: expect.stringContaining('--force') as string } },
    ]);
    expect(idsIn(file(output))).toEqual(['aaaa00000001']);
    expect((await exported(store, 'cccc', '-o', output, '--force', '-q')).code).toBe(0);
    expect(idsIn(file(output))).toEqual(['cccc00000003']);
    // Nothing was read: nothing is there.
    expect((await exported(store, 'hurt00000004', '-o', path.join(dir, 'hurt.md'), '-f', 'markdown')).code).toBe(7);
    fs.symlinkSync(output, path.join(dir, 'link'));
    expect((await exported(store, 'aaaa', '-o', path.join(dir, 'link'), '--force')).code).toBe(13);
    expect((await exported(store, 'aaaa', '-o', path.join(dir, 'no', 'dir'))).code).toBe(1);
    expect((await exported(store, 'aaaa', '-o', path.join(store.sessionsDir, 'x.json'))).code).toBe(13);
    expect((await exported(store, 'aaaa', '-o', store.sessionsDir)).code).toBe(13);
    expect(fs.readdirSync(dir).sort()).toEqual(['link', 'out.ndjson']);
    expect(fs.readdirSync(store.sessionsDir)).toHaveLength(4);
  });

  it('writes a file a session into a directory', async () => {
    const store = smallStore();
    const dir = temporaryDirectory();
    const { code, stdout } = await exported(store, '--all', '-f', 'markdown', '-o', `${dir}/new/`, '--json');
    expect(code).toBe(3);
    const { files } = JSON.parse(stdout) as { files: { session_id: string; path: string; bytes: number }[] };
    expect(files.map(({ path: name }) => path.relative(dir, name))).toEqual(
      ['aaaa00000001', 'bbbb00000002', 'cccc00000003'].map((id) => `new/${id}.md`),
    );
    for (const { path: name, bytes } of files) expect(fs.statSync(name).size).toBe(bytes);
    expect(fs.readdirSync(path.join(dir, 'new'))).toHaveLength(3);
    // One that is there does not stop the others.
    fs.rmSync(files[1].path);
    const again = await exported(store, 'aaaa', 'bbbb', '-f', 'markdown', '-o', `${dir}/new`);
    expect(again).toMatchObject({ code: 3, stdout: `${files[1].path}\n` });
    for (const [format, extension] of [
      ['json', 'json'],
      ['jsonl-agent', 'jsonl'],
      ['html', 'html'],
      ['ndjson', 'ndjson'],
    ]) {
      expect((await exported(store, 'aaaa', '-f', format, '-o', dir)).code).toBe(0);
      expect(fs.existsSync(path.join(dir, `aaaa00000001.${extension}`))).toBe(true);
    }
    expect(JSON.parse(file(dir, 'aaaa00000001.json'))).toEqual({ sessions: [session('aaaa00000001')] });
  });

  it('has null for what JSON does not know, and says where', async () => {
    const store = makeStore({
      odd00001: '{"session_id": "odd00001", "cost": NaN, "messages": [{"role": "user", "n": [1.0, -Infinity]}]}',
    });
    const { code, stdout } = await exported(store, 'odd00001', '--json');
    const { sessions, warnings } = JSON.parse(stdout) as { sessions: unknown[]; warnings: unknown[] };
    expect(code).toBe(0);
    expect(sessions).toEqual([{ session_id: 'odd00001', cost: null, messages: [{ role: 'user', n: [1, null] }] }]);
    expect(warnings).toMatchObject([
      { code: 'NOT_FINITE', session_id: 'odd00001', path: 'cost', paths: ['cost', 'messages[0].n[1]'], count: 2 },
    ]);
    const raw = await exported(store, 'odd00001', '--raw', '-q');
    expect(raw).toMatchObject({
      stderr: '',
      stdout: '{"session_id":"odd00001","cost":NaN,"messages":[{"role":"user","n":[1.0,-Infinity]}]}\n',
    });
    const agent = await exported(store, 'odd00001', '-f', 'jsonl-agent');
    expect(JSON.parse(agent.stdout)).toMatchObject({ id: 'odd00001', messages: [{ n: [1, null] }] });
    expect(agent.stderr).toContain('(--raw keeps it). So is 1 more.');
  });

  it('tells of a session whose export could not come back by its name', async () => {
    const store = makeStore({ other001: session('inner001'), without1: '{"messages": []}' });
    const { stdout } = await exported(store, '--all', '--json');
    expect((JSON.parse(stdout) as { warnings: unknown[] }).warnings).toMatchObject([
      { code: 'ID_MISMATCH', session_id: 'other001', inner_session_id: 'inner001' },
      { code: 'ID_MISMATCH', session_id: 'without1' },
    ]);
  });

  it('leaves out tool calls for a reader, and says so', async () => {
    const store = smallStore();
    const plain = (await exported(store, 'cccc', '-f', 'markdown')).stdout;
    expect(plain).toContain('# Tools\n');
    expect(plain).toContain('- Model: openai/gpt-5\n');
    expect(plain).toContain('One file.');
    expect(plain).toContain('*2 tool calls and results are left out.*');
    expect(plain).not.toMatch(/terminal|file\.txt/);
    const whole = (await exported(store, 'cccc', '-f', 'markdown', '--include-tools')).stdout;
    expect(whole).toMatch(/terminal[^]*\{"command":"ls"\}[^]*file\.txt/);
    expect(whole).not.toContain('left out');
    const page = (await exported(store, 'cccc', '-f', 'html')).stdout;
    expect(page).toContain('2 tool calls and results are left out.');
    expect(page).not.toMatch(/file\.txt/);
  });

  it('has no secret where it is to have none, in any format', async () => {
    const store = smallStore();
    writeSidecar(store, 'cccc00000003', {
      ...tools,
      share_token: 'abcdef',
      workspace: `${store.root}/work`,
      title: `About ${SECRET}`,
    });
    for (const format of ['ndjson', 'json', 'jsonl-agent', 'markdown', 'html']) {
      const { code, stdout, stderr } = await exported(store, 'cccc', '-f', format, '--redact', '--include-tools');
      expect({ format, code }).toEqual({ format, code: 0 });
      for (const secret of [SECRET, 'abcdef', store.root])
        expect({ format, has: stdout.includes(secret) }).toEqual({ format, has: false });
      expect(stdout).toContain('Use [api-key-1]');
      expect(stdout).toContain('About [api-key-1]');
      expect(stdout).toContain('[home-1]/work');
      if (format !== 'json') expect(stderr).toMatch(/^Exported 1 session; \d+ secrets replaced\.\n$/);
    }
    const { stdout } = await exported(store, 'cccc', '--redact', '--json');
    const { export: report, sessions } = JSON.parse(stdout) as { export: unknown; sessions: unknown[] };
    expect(report).toMatchObject({ redactions: 4, redacted: { 'api-key': 2, secret: 1, home: 1 } });
    expect(sessions).toMatchObject([{ share_token: '[secret-1]', messages: [{}, {}, { content: 'file.txt' }, {}] }]);
  });

  it('closes what a message leaves open in Markdown', async () => {
    const said = ['~~~~\nx\n~~~', '```js\nx\n````\ny', 'inline ```\n ``` x', '```` \n```\nx'];
    const messages = said.map((content) => ({ role: 'user', content }));
    const store = makeStore({ aaaa00000001: session('aaaa00000001', { messages }) });
    const { stdout } = await exported(store, 'aaaa', '-f', 'markdown');
    const shown = stdout.split('## user\n\n').slice(1);
    expect(shown.map((text) => text.trimEnd())).toEqual([`${said[0]}\n~~~~`, said[1], said[2], `${said[3]}\n\`\`\`\``]);
  });

  it('has a page for a result of a tool that is nested as deep as can be', async () => {
    const messages = [{ role: 'tool', content: '['.repeat(24_000) + ']'.repeat(24_000) }];
    const store = makeStore({ aaaa00000001: session('aaaa00000001', { messages }) });
    expect((await exported(store, 'aaaa', '-f', 'html', '--include-tools')).code).toBe(0);
  });

  it('gives two sessions of the agent two files, whatever they are called', async () => {
    const store = makeStore();
    const long = 'x'.repeat(230);
    const ids = ['Aa/b', 'aA/b', `${long}1`, `${long}2`, '..', '\x01' + '2', '\x12'];
    addAgentSessions(
      store,
      ids.map((id) => ({ session: { id }, messages: [`hello from ${id}`] })),
    );
    const dir = path.join(temporaryDirectory(), 'out');
    const { code, stdout } = await exported(store, '--all', '--agent', '-o', `${dir}/`, '--json', '--force');
    expect(code).toBe(0);
    const { files } = JSON.parse(stdout) as { files: { path: string; session_id: string }[] };
    expect(new Set(files.map((one) => one.path.toLowerCase())).size).toBe(ids.length);
    for (const one of files) expect(JSON.parse(file(one.path))).toMatchObject({ id: one.session_id });
  });

  it('has no secrets in the names of members either', async () => {
    const store = makeStore({ aaaa00000001: session('aaaa00000001', { '/home/ada/x': 1, map: { '/home/ada/y': 2 } }) });
    writeSidecar(store, 'bbbb00000002', '{"session_id": "bbbb00000002", "map": {"/home/ada/z": NaN}, "messages": []}');
    for (const format of ['ndjson', 'json', 'jsonl-agent']) {
      const { stdout, stderr } = await exported(store, '--all', '-f', format, '--redact');
      expect(stdout + stderr).not.toContain('ada');
      expect(stdout + stderr).toContain('map.[home-1]/z');
    }
  });

  it('puts nothing into the store, also not behind a link', async () => {
    const store = smallStore();
    const link = path.join(store.root, 'link');
    fs.symlinkSync(store.sessionsDir, link);
    const before = treeHash(store.root);
    for (const output of [store.sessionsDir, `${link}/`, `${link}/new/`, `${link}/a/b/`, `${link}/x.ndjson`]) {
      const { code, stderr } = await exported(store, 'aaaa', '--output', output);
      expect({ output, code }).toEqual({ output, code: 13 });
      expect(stderr).toContain('is in the store');
    }
    expect(treeHash(store.root)).toBe(before);
  });

  it('streams through a pipe that closes early', async () => {
    const store = smallStore();
    writeSidecar(store, 'aaaa00000001', session('aaaa00000001', { pad: 'x'.repeat(3_000_000) }));
    const script = `"$0" "$1" sessions export --all -q | head -c 10`;
    const { execFileSync } = await import('node:child_process');
    const out = execFileSync('sh', ['-c', script, process.execPath, path.resolve('bin/run.js')], {
      env: { ...process.env, ...store.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    expect(out.toString()).toBe('{"session_');
  });
});

describe('an export that comes back', () => {
  /** Imports into a new store, and gives it. */
  async function into(input: string, ...args: string[]): Promise<TestStore> {
    const store = makeStore();
    const { code, stdout, stderr } = await imported(store, input, '--json', ...args);
    expect({ code, stderr, failed: (JSON.parse(stdout) as { failed?: unknown }).failed }).toEqual({
      code: 0,
      stderr: '',
      failed: undefined,
    });
    return store;
  }

  it('is the same for any sessions: ndjson, json and the agent’s lines', async () => {
    const documents = fc.array(oddDocument(WRITER_ORDER.filter((key) => key !== 'session_id')), {
      minLength: 8,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(documents, async (odd) => {
        // Any documents, each with the id that its file's name needs.
        const whole = odd.map(({ bytes }, i): [string, string] => {
          const text = bytes.toString('utf8').replace(/^\ufeff/, '');
          const open = text.indexOf('{');
          const comma = /^\{\s*\}/.test(text.slice(open)) ? '' : ',';
          return [`odd${i}`, `${text.slice(0, open + 1)}"session_id": "odd${i}"${comma}${text.slice(open + 1)}`];
        });
        const store = makeStore(Object.fromEntries(whole));
        const compact = whole.map(([, text]) => `${[...tokensOf(text)].join('')}\n`).join('');
        for (const format of ['ndjson', 'json', 'jsonl-agent']) {
          const first = await exportFile(store, '--all', '--raw', '-f', format);
          if (format === 'ndjson') expect(file(first)).toBe(compact);
          const second = await into(first);
          expect(file(await exportFile(second, '--all', '--raw', '-f', format))).toBe(file(first));
          expect(file(await exportFile(second, '--all', '--raw'))).toBe(compact);
          const again = JSON.parse((await imported(second, first, '--json')).stdout) as object;
          expect(again).toMatchObject({ import: { unchanged: 8, imported: 0, failed: 0 } });
        }
      }),
      { numRuns: 8 },
    );
  });

  it('gives back the very files that the server wrote', async () => {
    const messages = [
      { role: 'user', content: 'Grüße, 日本 "x" \\ \n', timestamp: 1777000010.0, parts: [], extra: {} },
    ];
    const text = JSON.stringify(
      session('same0001', { messages, estimated_cost: 0.1, 'key with space': null }),
      null,
      2,
    );
    const store = makeStore({ same0001: text.replace('1777000010', '1777000010.0').replace('0.1', '0.10') });
    for (const format of ['ndjson', 'json', 'jsonl-agent']) {
      const back = await into(await exportFile(store, '--all', '-f', format));
      expect(file(back.sessionsDir, 'same0001.json')).toBe(file(store.sessionsDir, 'same0001.json'));
    }
    const whole = await into(path.join(store.sessionsDir, 'same0001.json'));
    expect(file(whole.sessionsDir, 'same0001.json')).toBe(file(store.sessionsDir, 'same0001.json'));
  });

  it('keeps both names of a file that calls itself otherwise, as a line for the agent', async () => {
    const store = makeStore({ other001: session('inner001'), null0001: '{"session_id":"null0001","messages":null}' });
    const back = await into(await exportFile(store, '--all', '-f', 'jsonl-agent'));
    expect(JSON.parse(file(back.sessionsDir, 'other001.json'))).toEqual(session('inner001'));
    expect(JSON.parse(file(back.sessionsDir, 'null0001.json'))).toEqual({ session_id: 'null0001', messages: null });
  });

  it('is the same for sessions of the agent', async () => {
    const store = makeStore({ aaaa00000001: session('aaaa00000001') });
    addAgentSessions(store, [
      {
        session: { id: 'root0001', title: 'Root', end_reason: 'compression', ended_at: 1777003000.5 },
        messages: ['Hello', 'Hi.'],
      },
      {
        session: { id: 'tip00001', title: null, parent_session_id: 'root0001' },
        messages: [
          'More?',
          { role: 'tool', tool_name: 'ls', content: '\0json:[{"type":"text","text":"x"}]' },
          { role: 'assistant', content: 'y', tool_calls: '[{"id":"c1"}]' },
        ],
      },
    ]);
    const lines = await exportFile(store, '--all', '--agent');
    const objects = linesOf(file(lines)).map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(objects.map(({ id, session_id: own }) => id ?? own)).toEqual(['aaaa00000001', 'root0001', 'tip00001']);
    expect(objects[2]).toMatchObject({
      source: 'cli',
      parent_session_id: 'root0001',
      messages: [
        { role: 'user', content: 'More?', session_id: 'tip00001' },
        { content: [{ type: 'text', text: 'x' }] },
        { tool_calls: [{ id: 'c1' }] },
      ],
    });
    const named = await exported(store, 'tip00001', '-f', 'jsonl-agent', '-q');
    expect(named.stdout).toBe(`${linesOf(file(lines)).slice(1).join('\n')}\n`);

    const back = await into(lines);
    expect(JSON.parse(file(back.sessionsDir, 'tip00001.json'))).toMatchObject({
      title: 'More?',
      source_tag: 'cli',
      is_cli_session: true,
      parent_session_id: 'root0001',
      message_count: 3,
      agent_session: { id: 'tip00001' },
    });
    // Their own lines again, as long as nobody changed them.
    const again = await exported(back, 'root0001', 'tip00001', '-f', 'jsonl-agent', '-q');
    expect(again.stdout).toBe(named.stdout);
    expect(JSON.parse((await imported(back, lines, '--json')).stdout)).toMatchObject({ import: { unchanged: 3 } });
    expect((await runInProcess(['sessions', 'rename', 'tip00001', 'Renamed'], back.env)).code).toBe(0);
    const renamed = await exported(back, 'tip00001', '-f', 'jsonl-agent', '-q');
    expect(JSON.parse(renamed.stdout)).toMatchObject({
      title: 'Renamed',
      webui: { agent_session: { id: 'tip00001' } },
    });
    expect((await imported(back, lines)).code).toBe(3);

    const read = await exported(store, 'tip00001', '-f', 'markdown', '-q');
    expect(read.stdout).toMatch(/# Root[^]*Hello[^]*Hi\.[^]*More\?/);
    expect((await exported(store, '--all', '--agent', '-f', 'html', '-q')).stdout).toContain(
      '<h1 dir="auto">Root</h1>',
    );
  });
});

it('exports for another program what it can read line by line', async () => {
  const store = smallStore();
  const { code, stdout } = await cli(['sessions', 'export', '-', '-q'], {
    env: store.env,
    stdin: 'cccc00000003\naaaa00000001\n',
  });
  expect(code).toBe(0);
  expect(idsIn(stdout)).toEqual(['cccc00000003', 'aaaa00000001']);
});
