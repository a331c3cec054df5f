import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { cli } from '../support/cli';
import { hasProgram, inGroups, shell } from '../support/spawn';
import { makeStore, session, type TestStore } from '../support/store';

const MANY = 2_000;
/** What a pipe holds; a program that exits with more than that on its way loses it. */
const PIPE = 64 * 1024;

const idOf = (n: number): string => `s${String(n).padStart(11, '0')}`;
const IDS = Array.from({ length: MANY }, (_, n) => idOf(n));

/** A store of many sessions, and one whose transcript is some megabytes. */
function largeStore(): TestStore {
  const store = makeStore();
  for (const id of IDS) {
    fs.writeFileSync(
      path.join(store.sessionsDir, `${id}.json`),
      JSON.stringify(session(id, { title: `${id} 日本語` })),
    );
  }
  const message = {
    role: 'assistant',
    content: `${'Words and 日本語. '.repeat(20)}\n`.repeat(20),
    timestamp: 1777000020,
  };
  const big = session('big000000001', { archived: true, messages: Array<object>(600).fill(message) });
  fs.writeFileSync(path.join(store.sessionsDir, 'big000000001.json'), JSON.stringify(big));
  return store;
}

interface List {
  sessions: { session_id: string }[];
  total: number;
}

const idsOf = ({ sessions }: List): string[] => sessions.map(({ session_id }) => session_id).sort();

it('writes all of a large result to a pipe, also when it ends in a failure', async () => {
  const store = largeStore();
  const [list, status] = await Promise.all([
    cli(['sessions', 'list', '--json'], { env: store.env }),
    cli(['status', '-', '--json'], {
      env: store.env,
      stdin: [...IDS.slice(0, 700), 'gone', ...IDS.slice(700)].join('\n'),
    }),
  ]);
  expect(list).toMatchObject({ code: 0, stderr: '' });
  expect(list.stdout.length).toBeGreaterThan(4 * PIPE);
  expect(idsOf(JSON.parse(list.stdout) as List)).toEqual(IDS);

  expect(status).toMatchObject({ code: 3, stderr: '' });
  expect(status.stdout.length).toBeGreaterThan(4 * PIPE);
  const document = JSON.parse(status.stdout) as { statuses: { session_id: string }[] };
  expect(Object.keys(document)).toEqual(['statuses', 'failed', 'warnings', 'error']);
  expect(document.statuses.map(({ session_id }) => session_id)).toEqual(IDS);
  expect(document).toMatchObject({
    failed: [{ session_id: 'gone', error: { code: 'SESSION_NOT_FOUND' } }],
    error: { code: 'PARTIAL', exit: 3, details: { failed: [{ session_id: 'gone' }] } },
  });
});

it('ends with 0 and without a word when the reader goes away', async () => {
  const store = largeStore();
  const lines = [
    'sessions list',
    'sessions list --json',
    'sessions list --ndjson',
    'usage',
    'status --all',
    'show big000000001',
    'show big000000001 --json',
    'show big000000001 --raw',
    'show big000000001 --markdown',
  ];
  await inGroups(lines, async (line) => {
    const result = await shell(`$HERMESCTL ${line} | head -c 10; echo; echo "\${PIPESTATUS[0]}"`, store.env);
    const [first, exit] = result.stdout
      .split('\n')
      .filter((text) => text !== '')
      .slice(-2);
    expect({ line, exit, stderr: result.stderr }).toEqual({ line, exit: '0', stderr: '' });
    expect(first).toMatch(/\S/);
  });
});

it('loses nothing before a slow reader', async () => {
  const store = largeStore();
  const [list, raw] = await Promise.all([
    shell('$HERMESCTL sessions list --json | { sleep 1; cat; }; exit ${PIPESTATUS[0]}', store.env),
    shell('$HERMESCTL show big000000001 --raw | { sleep 1; cat; }; exit ${PIPESTATUS[0]}', store.env),
  ]);
  expect(list).toMatchObject({ code: 0, stderr: '' });
  expect(idsOf(JSON.parse(list.stdout) as List)).toEqual(IDS);
  expect(raw).toMatchObject({ code: 0, stderr: '' });
  expect(raw.stdout === fs.readFileSync(path.join(store.sessionsDir, 'big000000001.json'), 'utf8')).toBe(true);
});

/** Perl because it is wherever git is: Node gives a program no way to set this on a pipe that it shares. */
const nonBlocking = (handle: 'STDIN' | 'STDOUT'): string =>
  `perl -MFcntl -e 'fcntl(${handle}, F_SETFL, fcntl(${handle}, F_GETFL, 0) | O_NONBLOCK) or die; ` +
  `print STDERR "set\\n" if fcntl(${handle}, F_GETFL, 0) & O_NONBLOCK'`;

describe.runIf(hasProgram('perl'))('a pipe that its owner made non-blocking', () => {
  it('loses nothing of the output', async () => {
    const store = largeStore();
    const lines = ['sessions list --json', 'show big000000001 --raw', 'help sessions list'];
    const [list, raw, help] = await inGroups(lines, (line) =>
      shell(`{ ${nonBlocking('STDOUT')}; $HERMESCTL ${line}; } | { sleep 1; cat; }; exit \${PIPESTATUS[0]}`, store.env),
    );
    for (const { code, stderr } of [list, raw, help]) expect({ code, stderr }).toEqual({ code: 0, stderr: 'set\n' });
    expect(idsOf(JSON.parse(list.stdout) as List)).toEqual(IDS);
    expect(raw.stdout === fs.readFileSync(path.join(store.sessionsDir, 'big000000001.json'), 'utf8')).toBe(true);
    expect(help.stdout).toMatch(/SIGTERM\n\n$/);
  });

  it('is waited for where ids come from it', async () => {
    const store = makeStore({ aaaa0001: session('aaaa0001'), aaaa0002: session('aaaa0002') });
    const { code, stdout, stderr } = await shell(
      `{ sleep 1; echo aaaa0001; sleep 0.2; echo aaaa0002; } | { ${nonBlocking('STDIN')}; $HERMESCTL usage - --json; }`,
      store.env,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'set\n' });
    expect(JSON.parse(stdout)).toMatchObject({ usages: [{ session_id: 'aaaa0001' }, { session_id: 'aaaa0002' }] });
  });
});

it('prints rows that parse one by one, and ids that go round through standard input', async () => {
  const store = largeStore();
  const run = (line: string): ReturnType<typeof shell> => shell(`set -o pipefail; ${line}`, store.env);
  const [rows, lines, nulls] = await Promise.all([
    run('$HERMESCTL sessions list --ndjson'),
    run('$HERMESCTL sessions list --ids --reverse | $HERMESCTL status - --json'),
    run('$HERMESCTL sessions list --ids -0 --sort id | $HERMESCTL usage - -0 --json'),
  ]);
  for (const { code, stderr } of [rows, lines, nulls]) expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const parsed = rows.stdout.split('\n').map((line) => (line === '' ? undefined : (JSON.parse(line) as object)));
  expect(parsed.pop()).toBeUndefined();
  expect(idsOf({ sessions: parsed as List['sessions'], total: 0 })).toEqual(IDS);
  const statuses = (JSON.parse(lines.stdout) as { statuses: List['sessions'] }).statuses;
  expect(idsOf({ sessions: statuses, total: 0 })).toEqual(IDS);
  // Sorted by id they come from the first to the last.
  const usages = (JSON.parse(nulls.stdout) as { usages: List['sessions'] }).usages;
  expect(usages.map(({ session_id }) => session_id)).toEqual(IDS);
});

it('takes ids from standard input exactly, and never as a prefix', async () => {
  const store = makeStore({ aaaa0001: session('aaaa0001'), bbbb0002: session('bbbb0002') });
  const [exact, crlf, prefix, climbing, nothing] = await Promise.all([
    cli(['usage', '-', '-0', '--json'], { env: store.env, stdin: 'aaaa0001\0bbbb0002\0' }),
    cli(['usage', '-', '--json'], { env: store.env, stdin: 'aaaa0001\r\n\r\nbbbb0002' }),
    cli(['usage', '-', '--json'], { env: store.env, stdin: 'aaaa\nbbbb0002\n' }),
    cli(['usage', '-', '--json'], { env: store.env, stdin: '../x\nbbbb0002\n' }),
    cli(['usage', '-', '--json'], { env: store.env, stdin: '' }),
  ]);
  for (const { code, stdout } of [exact, crlf]) {
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ usages: [{ session_id: 'aaaa0001' }, { session_id: 'bbbb0002' }] });
  }
  expect(prefix.code).toBe(3);
  expect(JSON.parse(prefix.stdout)).toMatchObject({ failed: [{ session_id: 'aaaa' }] });
  expect(climbing.code).toBe(2);
  expect({ code: nothing.code, stderr: nothing.stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(nothing.stdout)).toMatchObject({ usages: [], totals: { sessions: 0 } });
});
