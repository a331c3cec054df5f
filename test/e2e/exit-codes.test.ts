import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { bareEnvironment, BIN, cli, type CliResult, ROOT } from '../support/cli';
import { runInProcess } from '../support/in-process';
import { finished, inGroups, shell } from '../support/spawn';
import { makeStore, session, temporaryDirectory, type TestStore, writeSidecar } from '../support/store';

interface Failure {
  code: string;
  exit: number;
  message: string;
  hint?: string;
  details: Record<string, unknown>;
}

interface Faces {
  human: CliResult;
  /** The document of the JSON face, and its error. */
  document: Record<string, unknown>;
  error: Failure;
}

/** Runs a command line that must fail, in both faces, and checks that they tell the same. */
async function failsWith(args: string[], env: Record<string, string>, exit: number, code: string): Promise<Faces> {
  const [human, json] = await Promise.all([cli(args, { env }), cli([...args, '--json'], { env })]);
  const document = JSON.parse(json.stdout) as { error: Failure };
  const { error } = document;
  expect({ args, human: human.code, json: json.code, exit: error.exit, code: error.code }).toEqual({
    args,
    human: exit,
    json: exit,
    exit,
    code,
  });
  expect(json.stderr).toBe('');
  expect(document).toHaveProperty('warnings');
  const said = human.stderr.split('\n').filter((line) => line.startsWith('error: '));
  expect(said).toEqual([`error: ${error.message}`]);
  expect(human.stderr).not.toMatch(/\n\s+at /);
  return { human, document: document as unknown as Record<string, unknown>, error };
}

function storeOf(...ids: string[]): TestStore {
  return makeStore(Object.fromEntries(ids.map((id) => [id, session(id)])));
}

describe('0: done, or nothing to do', () => {
  it.each([
    ['an empty store', []],
    ['filters that match nothing', ['--title', 'no such title', '--all']],
    ['a page beyond the end', ['--offset', '100']],
  ])('lists %s', async (name, flags) => {
    const store = name === 'an empty store' ? storeOf() : storeOf('aaaa0001');
    const args = ['sessions', 'list', ...flags];
    const [human, json, ndjson] = await Promise.all([
      cli(args, { env: store.env }),
      cli([...args, '--json'], { env: store.env }),
      cli([...args, '--ndjson'], { env: store.env }),
    ]);
    expect(human).toMatchObject({ code: 0, stdout: '' });
    expect(human.stderr).toMatch(/^No sessions/);
    expect(json).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(json.stdout)).toMatchObject({ sessions: [], warnings: [] });
    expect(ndjson).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  it('takes a store that has no sessions directory yet for an empty one', async () => {
    const store = storeOf();
    fs.rmdirSync(store.sessionsDir);
    const [list, usage] = await Promise.all([
      cli(['sessions', 'list', '--json'], { env: store.env }),
      cli(['usage', '--json'], { env: store.env }),
    ]);
    expect(list).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(list.stdout)).toEqual({ sessions: [], total: 0, warnings: [] });
    expect(usage).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(usage.stdout)).toMatchObject({ usages: [], totals: { sessions: 0 } });
    const reindex = await runInProcess(['reindex', '--json'], store.env);
    expect(reindex).toMatchObject({ code: 0, stderr: '' });
    expect(fs.existsSync(store.sessionsDir)).toBe(false);
  });

  it('shows where everything is also where the sessions directory is a file', async () => {
    const store = storeOf();
    fs.rmdirSync(store.sessionsDir);
    fs.writeFileSync(store.sessionsDir, '');
    const { code, stdout } = await runInProcess(['paths', '--json'], store.env);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { paths: object }).paths).toMatchObject({
      sessions_dir: { exists: true },
      index_file: { exists: false },
    });
  });
});

describe('1: the file system said no', () => {
  it.runIf(fs.existsSync('/dev/full'))('ends when the output cannot be written, and says so where it can', async () => {
    const store = storeOf('aaaa0001');
    const lines = [
      'sessions list',
      'sessions list --ndjson',
      'show aaaa --raw',
      'paths',
      'help',
      'show --help',
      '--version',
    ];
    await inGroups(lines, async (line) => {
      const result = await shell(`$HERMESCTL ${line} > /dev/full`, store.env);
      expect({ line, code: result.code }).toEqual({ line, code: 1 });
      expect(result.stderr).toMatch(/ENOSPC/);
      expect(result.stderr).not.toMatch(/\n\s+at /);
    });
    await inGroups(['sessions list --json', 'paths --json', 'show nope1234 --json'], async (line) => {
      const result = await shell(`$HERMESCTL ${line} > /dev/full`, store.env);
      expect({ line, code: result.code }).toEqual({ line, code: 1 });
      expect((JSON.parse(result.stderr) as { error: Failure }).error.code).toBe('IO_ERROR');
    });
  });

  it('ends where the sessions directory is a file', async () => {
    const store = storeOf();
    fs.rmdirSync(store.sessionsDir);
    fs.writeFileSync(store.sessionsDir, '');
    for (const args of [['sessions', 'list'], ['usage'], ['show', 'aaaa0001']]) {
      const { error } = await failsWith(args, store.env, 1, 'IO_ERROR');
      expect(error.message).toContain(store.sessionsDir);
      expect(error.details).toMatchObject({ errno: 'ENOTDIR' });
    }
  });

  it('ends where a session is no regular file', async () => {
    const store = storeOf('aaaa0001');
    fs.mkdirSync(path.join(store.sessionsDir, 'dddd0001.json'));
    const { error } = await failsWith(['show', 'dddd0001'], store.env, 1, 'IO_ERROR');
    expect(error.message).toContain('dddd0001.json');
    // A listing goes on, and names it.
    const list = await cli(['sessions', 'list', '--json'], { env: store.env });
    expect(list).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(list.stdout)).toMatchObject({
      total: 1,
      warnings: [{ code: 'IO_ERROR', session_id: 'dddd0001' }],
    });
  });

  it.skipIf(process.getuid?.() === 0)('ends where a file may not be read (not as root, who may read all)', async () => {
    const store = storeOf('aaaa0001');
    fs.chmodSync(path.join(store.sessionsDir, 'aaaa0001.json'), 0);
    const { error } = await failsWith(['show', 'aaaa0001'], store.env, 1, 'IO_ERROR');
    expect(error.details).toMatchObject({ errno: 'EACCES' });
  });
});

describe('2: usage', () => {
  const LINES: [string, string[], RegExp][] = [
    ['an unknown flag', ['sessions', 'list', '--nope'], /--nope/],
    ['an unknown command', ['nope'], /'nope'/],
    ['an unknown command of a topic', ['sessions', 'nope'], /'sessions nope'/],
    ['a flag in the place of the command', ['--nope'], /--nope/],
    ['an unknown command to explain', ['help', 'nope'], /'nope'/],
    ['a missing argument', ['show'], /ID/],
    ['an argument where none is taken', ['sessions', 'list', 'aaaa0001'], /^Unexpected argument: aaaa0001/],
    ['an argument too many', ['show', 'aaaa0001', 'aaaa0002'], /aaaa0002/],
    ['no session at all', ['status'], /No session/],
    ['an id that climbs', ['show', '../x'], /"\.\.\/x" is not a session id/],
    ['an id that climbs, of several', ['status', 'aaaa0001', '../../etc/passwd'], /passwd/],
    ['an id that is a path', ['usage', '/etc/passwd'], /passwd/],
    ['an id that begins like the index', ['show', '_index'], /_index/],
    ['an id with a control character', ['show', 'a\x1b[2Jb'], /a\\u001b\[2Jb/],
    ['an empty id', ['show', ''], /""/],
    ['ids and --all', ['usage', 'aaaa0001', '--all'], /--all/],
    ['a time that is none', ['sessions', 'list', '--since', 'nonsense'], /--since "nonsense"/],
    [
      'flags that exclude each other',
      ['sessions', 'list', '--all-profiles', '--profile', 'work'],
      /--all-profiles.*--profile|--profile.*--all-profiles/,
    ],
    ['a flag without the one it needs', ['sessions', 'list', '-0'], /--ids/],
    ['an unknown column', ['sessions', 'list', '--columns', 'title,nope'], /'nope'/],
    ['no column', ['sessions', 'list', '--columns', ','], /--columns/],
    ['a profile that can be none', ['sessions', 'list', '-p', '../x'], /'\.\.\/x'/],
    ['a value out of range', ['sessions', 'list', '--limit', '-1'], /--limit/],
    ['a value of another kind', ['show', 'aaaa0001', '-m', 'some'], /--messages.*some/],
  ];

  it.each(LINES)('refuses %s', async (_, args, message) => {
    const { human, error } = await failsWith(args, storeOf('aaaa0001', 'aaaa0002').env, 2, 'USAGE');
    expect(error.message).toMatch(message);
    expect(error.message).not.toMatch(/\n/);
    expect(human.stdout).toBe('');
  });

  it('lists the candidates of an ambiguous prefix', async () => {
    const store = storeOf('abcd0001', 'abcd0002', 'abce0003');
    for (const command of ['show', 'status', 'usage']) {
      const { error } = await failsWith([command, 'abcd'], store.env, 2, 'USAGE');
      expect(error.message).toContain('abcd0001, abcd0002');
      expect(error.details).toEqual({ candidates: ['abcd0001', 'abcd0002'] });
    }
  });

  it('tells the command that was meant', async () => {
    const { error } = await failsWith(['list'], storeOf().env, 2, 'USAGE');
    expect(error.hint).toContain('hermesctl sessions list');
  });

  it.each([
    [['--state-dir', '/srv/webui', 'sessions', 'list'], "'--state-dir' stands where", 'Flags come after the name.'],
    [['sessions', 'lst'], "no command 'sessions lst'", "'hermesctl sessions --help'"],
  ])('says of %j what is wrong with it', async (args, message, hint) => {
    const { code, stderr } = await runInProcess(args, storeOf().env);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr).toContain(hint);
  });
});

describe('3: some failed', () => {
  it.each(['status', 'usage'])(
    '%s of several sessions, of which one is missing and one is damaged',
    async (command) => {
      const store = storeOf('aaaa0001', 'aaaa0002');
      writeSidecar(store, 'bad00001', '[]');
      const args = [command, 'aaaa0001', 'gone0001', 'bad00001', 'aaaa0002'];
      const { human, document, error } = await failsWith(args, store.env, 3, 'PARTIAL');
      expect(error.details).toEqual({
        failed: [
          { session_id: 'gone0001', code: 'SESSION_NOT_FOUND' },
          { session_id: 'bad00001', code: 'SESSION_DAMAGED' },
        ],
      });
      const several = document[command === 'status' ? 'statuses' : 'usages'] as { session_id: string }[];
      expect(several.map(({ session_id }) => session_id)).toEqual(['aaaa0001', 'aaaa0002']);
      expect(Object.keys(document).slice(-2)).toEqual(['warnings', 'error']);
      expect(document['failed']).toMatchObject([
        { session_id: 'gone0001', error: { code: 'SESSION_NOT_FOUND', exit: 5 } },
        { session_id: 'bad00001', error: { code: 'SESSION_DAMAGED', exit: 7 } },
      ]);
      expect(human.stdout).toContain('aaaa0002');
      expect(human.stderr).toMatch(/^gone0001: /m);
      expect(human.stderr).toMatch(/^bad00001: .*byte 0/m);
    },
  );

  it('is the common code where all failed alike', async () => {
    const store = storeOf('aaaa0001');
    await failsWith(['status', 'gone0001', 'gone0002'], store.env, 5, 'SESSION_NOT_FOUND');
    writeSidecar(store, 'bad00001', '');
    writeSidecar(store, 'bad00002', '[]');
    await failsWith(['usage', 'bad00001', 'bad00002'], store.env, 7, 'SESSION_DAMAGED');
    await failsWith(['usage', 'bad00001', 'gone0001'], store.env, 3, 'PARTIAL');
  });
});

describe('5: no such session', () => {
  const COMMANDS = [['show'], ['show', '--metadata'], ['show', '--raw'], ['show', '--markdown'], ['status'], ['usage']];

  it.each(COMMANDS.map((args) => [args.join(' '), args] as const))('%s', async (_, args) => {
    const isText = args.includes('--raw') || args.includes('--markdown'); // these have no JSON face
    const store = storeOf('aaaa0001');
    if (isText) {
      const result = await cli([...args, 'gone0001'], { env: store.env });
      expect(result).toMatchObject({ code: 5, stdout: '' });
      expect(result.stderr).toMatch(/^error: .*gone0001/);
      return;
    }
    const { human, error } = await failsWith([...args, 'gone0001'], store.env, 5, 'SESSION_NOT_FOUND');
    expect(human.stdout).toBe('');
    expect(error.details).toMatchObject({ session_id: 'gone0001' });
  });

  it('takes no prefix of fewer than four characters', async () => {
    await failsWith(['show', 'aaa'], storeOf('aaaa0001').env, 5, 'SESSION_NOT_FOUND');
  });
});

describe('7: damaged', () => {
  // An umlaut before the break: what is counted is bytes.
  const head = '{"session_id":"bad00001","title":"ä","messages":';
  const at = (text: string): number => Buffer.byteLength(text);
  const DAMAGES: [string, string | Buffer, string, number][] = [
    ['empty', '', 'empty', 0],
    ['only white space', ' \n', 'not-json', 2],
    ['cut in a string', `${head}[{"role":"user","content":"cut`, 'not-json', at(`${head}[{"role":"user","content":`)],
    ['cut after a message', `${head}[{"role":"user"}`, 'not-json', at(`${head}[{"role":"user"}`)],
    ['followed by something', `${head}[]} x`, 'not-json', at(`${head}[]} `)],
    [
      'not UTF-8',
      Buffer.concat([Buffer.from(`${head}["`), Buffer.from([0xff]), Buffer.from('"]}')]),
      'not-utf8',
      at(`${head}["`),
    ],
    ['a list', '[]', 'not-an-object', 0],
    ['a number', '12', 'not-an-object', 0],
    ['with messages that are a string', `${head}"hello"}`, 'messages-not-a-list', at(head)],
    ['with messages that are an object', `${head} {}}`, 'messages-not-a-list', at(`${head} `)],
  ];

  it.each(DAMAGES)('a session that is %s', async (_, content, kind, offset) => {
    const store = storeOf('aaaa0001');
    const file = writeSidecar(store, 'bad00001', content);
    const outcomes = await inGroups(
      [
        ['show', 'bad00001'],
        ['status', 'bad00001'],
      ],
      (args) => failsWith(args, store.env, 7, 'SESSION_DAMAGED'),
    );
    for (const { human, document, error } of outcomes) {
      expect(human.stdout).toBe('');
      expect(Object.keys(document)).toEqual(['error', 'warnings']);
      expect(error.message).toContain(`byte ${offset}`);
      expect(error.message).toContain(file);
      expect(error.details).toMatchObject({ session_id: 'bad00001', path: file, kind, offset });
    }
    const raw = await cli(['show', 'bad00001', '--raw'], { env: store.env });
    expect(raw).toMatchObject({ code: 0, stderr: '', stdout: content.toString() });
    const list = await cli(['sessions', 'list', '--json'], { env: store.env });
    expect(JSON.parse(list.stdout)).toMatchObject({
      total: 1,
      warnings: [{ code: 'SESSION_DAMAGED', session_id: 'bad00001', kind, offset }],
    });
    expect(list).toMatchObject({ code: 0, stderr: '' });
  });

  it.each([
    ['not JSON', '[{'],
    ['not a list', '{}'],
    ['empty', ''],
  ])('a projects.json that is %s, where a project was asked for by name', async (_, content) => {
    const store = storeOf('aaaa0001');
    const file = path.join(store.stateDir, 'projects.json');
    fs.writeFileSync(file, content);
    const { human, error } = await failsWith(['sessions', 'list', '--project', 'X'], store.env, 7, 'STORE_DAMAGED');
    expect(human.stdout).toBe('');
    expect(error.details).toMatchObject({ path: file });
    expect((await cli(['sessions', 'list'], { env: store.env })).code).toBe(0);
  });
});

describe('10: no store', () => {
  it('is where nothing is, or a file', async () => {
    const dir = temporaryDirectory();
    const file = path.join(dir, 'file');
    fs.writeFileSync(file, '');
    for (const place of [path.join(dir, 'nothing'), file, path.join(file, 'below')]) {
      const env = { HERMES_WEBUI_STATE_DIR: place };
      for (const args of [
        ['sessions', 'list'],
        ['show', 'aaaa0001'],
      ]) {
        const { error } = await failsWith(args, env, 10, 'STORE_NOT_FOUND');
        expect(error.message).toContain(place);
        expect(error.details).toMatchObject({ path: place, source: '$HERMES_WEBUI_STATE_DIR' });
      }
    }
  });
});

const SIGNALS = [
  ['SIGINT', 130, 'INTERRUPTED'],
  ['SIGTERM', 143, 'TERMINATED'],
] as const;

describe.each(SIGNALS)('%s', (signal, exit, code) => {
  /** Reads until the first output, lets the pipe fill up, signals, and reads on. The output must be more than a pipe holds. */
  async function signalWhileShowing(args: string[], env: Record<string, string>): Promise<CliResult> {
    const child = spawn(process.execPath, [BIN, ...args], {
      env: bareEnvironment(env),
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const result = finished(child);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.stdout.pause();
    child.kill(signal);
    await new Promise((resolve) => setTimeout(resolve, 100));
    child.stdout.resume();
    return result;
  }

  it(`ends a transcript with ${exit}, in both faces`, async () => {
    const message = { role: 'assistant', content: 'Words, words. '.repeat(7_000), timestamp: 1777000020 };
    const store = makeStore({ big00001: session('big00001', { messages: Array<object>(400).fill(message) }) });
    const [human, json] = await Promise.all([
      signalWhileShowing(['show', 'big00001'], store.env),
      signalWhileShowing(['show', 'big00001', '--json'], store.env),
    ]);
    expect(human).toMatchObject({ code: exit, signal: null });
    expect(human.stdout).toContain('Words, words.');
    expect(json).toMatchObject({ code: exit, signal: null, stderr: '' });
    const document = JSON.parse(json.stdout) as { messages: object[] };
    expect(document).toMatchObject({ error: { code, exit } });
    expect(Object.keys(document)).toEqual(['session', 'messages', 'warnings', 'error']);
    expect(document.messages.length).toBeLessThan(400);
  });

  /** Signals while the program has a session's file open; undefined where it was too fast to be caught. */
  async function signalWhileListing(args: string[], store: TestStore): Promise<CliResult | undefined> {
    const child = spawn(process.execPath, [BIN, ...args], {
      env: bareEnvironment(store.env),
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let ended = false;
    const result = finished(child).finally(() => (ended = true));
    while (!ended && !hasOpen(child.pid!, store.sessionsDir)) await new Promise((resolve) => setImmediate(resolve));
    child.kill(signal);
    const { code: exitCode } = await result;
    return exitCode === 0 ? undefined : result;
  }

  it.runIf(fs.existsSync('/proc/self/fd'))(`ends a listing with ${exit}, in both faces`, async () => {
    const store = makeStore();
    const text = JSON.stringify(
      session('x', { messages: Array<object>(2_000).fill({ role: 'user', content: 'Hello' }) }),
    );
    let files = 0;
    for (const flags of [[], ['--json']]) {
      let result: CliResult | undefined;
      for (let size = 3_000; result === undefined && size <= 24_000; size *= 2) {
        for (; files < size; files++) fs.writeFileSync(path.join(store.sessionsDir, `s${files}.json`), text);
        result = await signalWhileListing(['sessions', 'list', ...flags], store);
      }
      expect(result).toMatchObject({ code: exit, signal: null, stderr: '' });
      if (flags.length === 0) expect(result!.stdout).toBe('');
      else expect(JSON.parse(result!.stdout)).toMatchObject({ error: { code, exit, details: {} }, warnings: [] });
    }
  });
});

/** Whether a process has a file below this directory open. */
function hasOpen(pid: number, dir: string): boolean {
  const fds = `/proc/${pid}/fd`;
  try {
    return fs.readdirSync(fds).some((fd) => {
      try {
        return fs.readlinkSync(path.join(fds, fd)).startsWith(dir);
      } catch {
        return false; // closed meanwhile
      }
    });
  } catch {
    return false; // ended
  }
}
