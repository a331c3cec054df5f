import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { addAgentSessions } from '../support/agent-sessions';
import { runInProcess } from '../support/in-process';
import { cliOnTerminal, hasProgram, shell } from '../support/spawn';
import { makeStore, session, type TestStore, treeHash } from '../support/store';

const DAY = 86400;
const BEGUN = 1777000000; // 2026-04-24T03:06:40Z

/** Sessions over some weeks, with titles in other scripts and one that would colour the screen. */
function richStore(): TestStore {
  const store = makeStore();
  const add = (id: string, weeks: number, fields: Record<string, unknown>): void => {
    const at = BEGUN + weeks * 7 * DAY;
    const content = {
      ...session(id, { created_at: at, updated_at: at + 100 }),
      messages: [
        { role: 'user', content: 'Where is the needle? I looked for it in all of the haystacks.', timestamp: at + 10 },
        {
          role: 'assistant',
          content: 'Let me grep.',
          tool_calls: [{ function: { name: 'grep', arguments: '{"for":"needle"}' } }],
        },
        { role: 'tool', name: 'grep', content: 'hay\nhay\n日本語 needle 🎉 needle\x1b[31m\nhay', timestamp: at + 30 },
      ],
      ...fields,
    };
    fs.writeFileSync(path.join(store.sessionsDir, `${id}.json`), JSON.stringify(content));
    fs.utimesSync(path.join(store.sessionsDir, `${id}.json`), at, at);
  };
  add('aaaa00000001', 0, {
    title: 'A needle, and a rather long title that has no room on a line of a narrow terminal',
    project_id: 'p1',
    estimated_cost: 1.5,
    input_tokens: 12000,
    output_tokens: 345,
  });
  add('bbbb00000002', 2, {
    title: '旅行計画 🗾 京都三日間',
    model: 'anthropic/claude-sonnet-4',
    profile: 'work',
    source_tag: 'telegram',
  });
  add('cccc00000003', 3, { title: '\x1b[31m<b>red</b>', archived: true, estimated_cost: 0.0042, input_tokens: 100 });
  fs.writeFileSync(
    path.join(store.stateDir, 'projects.json'),
    JSON.stringify([{ project_id: 'p1', name: 'Web <site>' }]),
  );
  return store;
}

const ESCAPES = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/;
const seen = (stdout: string): string => stdout.replaceAll('\r\n', '\n');

describe('sessions search', () => {
  it('fails where its output cannot be written, also midway', async () => {
    const store = makeStore();
    const messages = Array.from({ length: 2000 }, () => ({ role: 'user', content: 'needle '.repeat(9) }));
    for (const id of ['aaaa00000001', 'bbbb00000002'])
      fs.writeFileSync(path.join(store.sessionsDir, `${id}.json`), JSON.stringify(session(id, { messages })));
    const other = makeStore({ cccc00000003: session('cccc00000003', { title: 'needle' }) });
    const stores = path.join(store.root, 'stores');
    fs.writeFileSync(stores, `${store.stateDir}\n${other.stateDir}\n`);
    for (const args of ['', '--json', '--ndjson', '--json --stores "$STORES"', '--stores "$STORES"']) {
      const { code, stderr } = await shell(`$HERMESCTL sessions search needle ${args} > /dev/full`, {
        ...store.env,
        STORES: stores,
      });
      expect({ args, code }).toEqual({ args, code: 1 });
      expect(stderr).toContain('Writing the output failed');
      expect(stderr).not.toContain('warning');
    }
  });

  it('prints a line for each hit in a pipe, and says how much it read', async () => {
    const store = richStore();
    const before = treeHash(store.root);
    const { code, stdout, stderr } = await runInProcess(['sessions', 'search', 'needle'], store.env);
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.split('\t').slice(0, 5).join(' '))).toEqual([
      'bbbb00000002 0 user 2026-05-08T03:06:50Z content',
      'bbbb00000002 1 assistant  tools',
      'bbbb00000002 2 tool 2026-05-08T03:07:10Z tools',
      'aaaa00000001    title',
      'aaaa00000001 0 user 2026-04-24T03:06:50Z content',
      'aaaa00000001 1 assistant  tools',
      'aaaa00000001 2 tool 2026-04-24T03:07:10Z tools',
      '',
    ]);
    expect(stdout).not.toMatch(ESCAPES);
    expect(stderr).toMatch(/^7 hits in 2 sessions; searched 2 sessions \([\d.]+ kB of files\)\.\n$/);
    expect(treeHash(store.root)).toBe(before);
  });

  it('has a word for nothing, and succeeds', async () => {
    const { env } = richStore();
    const human = await runInProcess(['sessions', 'search', 'no such thing'], env);
    expect(human).toMatchObject({ code: 0, stdout: '' });
    expect(human.stderr).toMatch(/^Nothing found; searched \d sessions/);
    expect(await runInProcess(['sessions', 'search', 'no such thing', '-q', '--ndjson'], env)).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    const { stdout } = await runInProcess(['sessions', 'search', 'no such thing', '--json'], env);
    expect(JSON.parse(stdout)).toMatchObject({ hits: [], limited: false, searched: { skipped: 0 }, warnings: [] });
  });

  it('minds capitals where there are some, unless it is told', async () => {
    const { env } = richStore();
    const hits = async (...args: string[]): Promise<number> => {
      const { stdout } = await runInProcess(['sessions', 'search', ...args, '--json'], env);
      return (JSON.parse(stdout) as { hits: unknown[] }).hits.length;
    };
    expect([await hits('where is'), await hits('Where is'), await hits('WHERE is')]).toEqual([2, 2, 0]);
    expect([await hits('WHERE is', '-i'), await hits('where is', '-s')]).toEqual([2, 0]);
    expect([await hits('--regex', 'needle$'), await hits('-E', '^日本語\\s\\w+ \\p{Emoji}')]).toEqual([0, 2]);
    expect(await hits('needle', '--all', '--role', 'user')).toBe(3);
    expect(await hits('needle', '--in', 'tools', '--in', 'title', '--limit', '2')).toBe(2);
  });

  it('shows the same whether a message is spelled plainly or has to be decoded', async () => {
    const said = [
      'a needle',
      '"a"\n\tneedle\\',
      'é日🎉 needle\u2028\x7f',
      'needle, Needle\b',
      `${'x '.repeat(90)}needle${' y'.repeat(90)}`,
    ];
    const content = (role: string): string =>
      said
        .map((one, i) => `{"role": "${role}", "content": ${JSON.stringify(one)}, "timestamp": ${1777000000 + i}.5}`)
        .join(',');
    const storeOf = (spell: (json: string) => string): TestStore => {
      const store = makeStore({
        aaaa00000001: spell(`{"title": "A needle 日", "messages": [${content('user')},${content('tool')}]}`),
        bbbb00000002: spell(`{"title": [NaN, "needle"], "messages": [${content('assistant')}]}`),
      });
      // The file that was written last is searched first.
      for (const name of fs.readdirSync(store.sessionsDir)) fs.utimesSync(path.join(store.sessionsDir, name), 1, 1);
      return store;
    };
    const plain = storeOf((json) => json);
    const odd = storeOf((json) => json.replaceAll('"content"', '"c\\u006fntent"'));
    for (const face of [[], ['--ndjson'], ['--json'], ['--ndjson', '-C', '3'], ['--regex', '--json']]) {
      const outputs = [];
      for (const { env, stateDir } of [plain, odd]) {
        const { stdout, stderr } = await runInProcess(['sessions', 'search', 'needle', ...face], env);
        const neutral = (text: string): string =>
          text
            .replaceAll(/"(byte_offset|bytes)":\d+/g, '')
            .replaceAll(/\([\d.]+ kB/g, '')
            .replaceAll(stateDir, '');
        outputs.push({ stdout: neutral(stdout).split('\n').sort(), stderr: neutral(stderr) });
        expect(stdout.split('\n').length).toBeGreaterThan(16);
      }
      expect(outputs[0]).toEqual(outputs[1]);
    }
  });

  it('takes what is no expression for a bad command line', async () => {
    const { env } = richStore();
    for (const args of [['('], ['a{2,1}'], ['\\-']]) {
      const { code, stderr } = await runInProcess(['sessions', 'search', '--regex', ...args], env);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^error: This is no regular expression: .*\nhint: /);
    }
    expect((await runInProcess(['sessions', 'search', ''], env)).code).toBe(2);
  });

  it('ends an expression that would never end', { timeout: 60_000 }, async () => {
    const store = makeStore({ aaaa00000001: session('aaaa00000001', { title: `${'a'.repeat(60)}!` }) });
    const { code, stdout } = await runInProcess(['sessions', 'search', '--regex', '^(a+)+$', '--json'], store.env);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'USAGE', hint: expect.stringContaining('repetition') as string },
    });
  });

  it('ends well when nobody reads on', async () => {
    const { env } = richStore();
    const { code, stdout, stderr } = await shell(
      '$HERMESCTL sessions search needle --all --ndjson | head -1; exit "${PIPESTATUS[0]}"',
      env,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ session_id: 'cccc00000003', in: 'content' });
  });
});

describe('stats', () => {
  it('gives sums for scripts', async () => {
    const store = richStore();
    addAgentSessions(store, [
      { session: { id: 'aaaa00000001' }, messages: ['mirrored: not counted twice'] },
      { session: { id: '20260424_000000_abcdef', input_tokens: 7, output_tokens: 1 }, messages: ['hello', 'hi'] },
    ]);
    const before = treeHash(store.root);
    const { stdout } = await runInProcess(['stats', '--agent', '--json'], store.env);
    const result = JSON.parse(stdout) as Record<string, never>;
    expect(result['totals']).toMatchObject({
      sessions: 4,
      messages: 11,
      input_tokens: 12107,
      estimated_cost: 1.5042,
      sessions_with_cost: 2,
    });
    expect(result['by']['project']).toMatchObject([
      { key: null, sessions: 3 },
      { key: 'p1', name: 'Web <site>', sessions: 1 },
    ]);
    expect(result['growth']).toMatchObject([
      { week: '2026-04-20', sessions: 2, total: 2 },
      { week: '2026-04-27', sessions: 0, total: 2 },
      { week: '2026-05-04', sessions: 1, total: 3 },
      { week: '2026-05-11', sessions: 1, total: 4 },
    ]);
    expect(result['storage']).toMatchObject({ sessions: { files: 3 }, databases: [{ profile: 'default' }] });
    expect(treeHash(store.root)).toBe(before);
    const narrowed = JSON.parse(
      (await runInProcess(['stats', '--only-archived', '--by', 'month', '--json'], store.env)).stdout,
    ) as Record<string, never>;
    expect(narrowed['by']).toMatchObject({ month: [{ key: '2026-05', sessions: 1 }] });
    const lines = (await runInProcess(['stats', '--by', 'profile'], store.env)).stdout;
    expect(lines).toMatch(/^total\t\t3\t9\t12100\t345\t12445\t1\.5042\t2\t\d+\nprofile\tdefault\t2\t6\t/);
  });

  it('writes a page in which nothing of the store is markup', async () => {
    const store = richStore();
    const file = path.join(store.root, 'report.html');
    const { code, stderr } = await runInProcess(['stats', '--html', file], store.env);
    expect({ code, stderr }).toEqual({ code: 0, stderr: `The report is in ${file}.\n` });
    const page = fs.readFileSync(file, 'utf8');
    expect(page).toContain('Web &lt;site&gt;');
    expect(page).toContain('\\x1b[31m&lt;b&gt;red&lt;/b&gt;');
    expect(page).not.toMatch(/<script|<b>red|https?:|\x1b/);
    expect(page).toContain("default-src 'none'");
    expect(page.match(/<svg class="plot"/g)!.length).toBe(3);
    const inStore = await runInProcess(
      ['stats', '--html', path.join(store.sessionsDir, 'aaaa00000001.json')],
      store.env,
    );
    expect(inStore.code).toBe(2);
    expect((await runInProcess(['stats', '--html', '/nonexistent/dir/x.html', '--json'], store.env)).code).toBe(1);
  });

  it('counts nothing in an empty store', async () => {
    const { env } = makeStore();
    const { code, stdout, stderr } = await runInProcess(['stats'], env);
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'No sessions.\n' });
    expect(stdout).toBe('total\t\t0\t0\t0\t0\t0\t\t0\t0\n');
  });
});

describe.runIf(hasProgram('script')).each([80, 40])('on a terminal of %i columns', (columns) => {
  const onTerminal = async (args: string[]): Promise<string> => {
    const { env } = richStore();
    const { stdout } = await cliOnTerminal([...args, '--no-color'], env, columns);
    return seen(stdout);
  };

  it('sessions search', async () => {
    expect(await onTerminal(['sessions', 'search', 'needle', '--all'])).toMatchSnapshot();
  });

  it('stats', async () => {
    expect(await onTerminal(['stats'])).toMatchSnapshot();
  });
});
