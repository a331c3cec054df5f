import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { agentDatabaseOf, executed, PLAIN_SCHEMA } from '../support/agent-db';
import { BIN, ROOT } from '../support/cli';
import { runInProcess } from '../support/in-process';
import { hasProgram } from '../support/spawn';
import { makeStore, session, temporaryDirectory, type TestStore, treeHash } from '../support/store';

/*
 * The shells themselves are asked what they offer; where one is not installed
 * its tests are skipped, and the report says so.
 */

function store(): TestStore {
  const made = makeStore({
    abc100000001: session('abc100000001', { title: 'A plan: Kyoto' }),
    abd200000002: session('abd200000002', { title: '\x1b[31mred' }),
    eee300000003: '{ "title": "cut sh',
  });
  const agent = `${PLAIN_SCHEMA} INSERT INTO sessions (id, source, title, started_at)
    VALUES ('20260425_000001_abcdef', 'cli', 'Dinner', 1777000000.5), ('an id; with $(blanks)', 'cli', 'x', 1777000001);`;
  executed(agentDatabaseOf(made), agent);
  const trash = path.join(made.stateDir, '.hermesctl-trash', '2026-05-01T00-00-00.000Z-0123456789abcdef-00000000');
  fs.mkdirSync(trash, { recursive: true });
  fs.writeFileSync(
    path.join(trash, 'manifest.json'),
    JSON.stringify({ version: 1, session_id: 'gone00000001', files: [] }),
  );
  return made;
}

/** A directory with a program `hermesctl` in it: the built one, or a script of these lines. */
function programs(...lines: string[]): string {
  const dir = temporaryDirectory();
  const script = lines.length > 0 ? lines : [`exec '${process.execPath}' '${BIN}' "$@"`];
  fs.writeFileSync(path.join(dir, 'hermesctl'), ['#!/bin/sh', ...script, ''].join('\n'), { mode: 0o755 });
  return dir;
}

async function scriptOf(shell: string): Promise<string> {
  const { code, stdout } = await runInProcess(['completion', shell], {});
  expect(code).toBe(0);
  const file = path.join(temporaryDirectory(), `completion.${shell}`);
  fs.writeFileSync(file, stdout);
  return file;
}

const shared: [line: string, offered: string[]][] = [
  ['hermesctl rei', ['reindex']],
  ['hermesctl sessions rest', ['restore']],
  ['hermesctl sessions li', ['lineage', 'list']],
  ['hermesctl help sessions rest', ['restore']],
  ['hermesctl sessions list --sort m', ['messages']],
  ['hermesctl sessions list --limit 5 --ver', ['--verbose']],
  ['hermesctl sessions list -L 5 --only', ['--only-archived']],
  ['hermesctl completion fi', ['fish']],
  ['hermesctl show ab', ['abc100000001', 'abd200000002']],
  ['hermesctl sessions show --metadata abc', ['abc100000001']],
  ['hermesctl status abc100000001 ee', ['eee300000003']],
  ['hermesctl status --json -- ee', ['eee300000003']],
  // What the store does not have, the agent's database may; and only what needs no quoting is offered.
  ['hermesctl show 2026', ['20260425_000001_abcdef']],
  ['hermesctl import-cli ', ['20260425_000001_abcdef']],
  ['hermesctl sessions restore g', ['gone00000001']],
  ['hermesctl show --state-dir /nonexistent/store --hermes-home /nonexistent ab', []],
  ['hermesctl sessions rename abc100000001 A', []],
  ['hermesctl no-such-command a', []],
  ['hermesctl sessions list --title abc', []],
];

/** What each shell is given: its script and the lines; it prints what it offers, a line a line. */
const shells: Record<string, { command: (script: string) => string[]; cases: [string, string[]][] }> = {
  bash: {
    command: (script) => [
      'bash',
      '--norc',
      '-c',
      `source '${script}'; complete -p hermesctl >&2
      while IFS= read -r line; do
        read -ra COMP_WORDS <<<"\${line//=/ = }"
        [[ $line == *[\\ =] ]] && [[ $line != *= ]] && COMP_WORDS+=('')
        COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
        _hermesctl hermesctl
        echo "\${COMPREPLY[*]}"
      done`,
    ],
    cases: [
      ['hermesctl sessions list --sort=m', ['messages']],
      [
        'hermesctl sessions list --sort=',
        'activity cost created id last-message messages title tokens updated'.split(' '),
      ],
    ],
  },
  zsh: {
    command: (script) => ['zsh', '-f', path.join(ROOT, 'test', 'support', 'zsh-complete.zsh'), script],
    cases: [['hermesctl sessions list --sort=m', ['messages']]],
  },
  fish: {
    command: (script) => [
      'fish',
      '--no-config',
      '-c',
      `source '${script}'; while read line; echo (complete -C "$line" | string replace -r '\\t.*' ''); end`,
    ],
    cases: [['hermesctl sessions list --sort=m', ['--sort=messages']]],
  },
};

describe.each(Object.entries(shells))('completion of %s', (shell, { command, cases }) => {
  const ask = async (
    lines: readonly string[],
    env: Record<string, string>,
    dir: string,
  ): Promise<{ offers: string[]; stderr: string }> => {
    const [program, ...args] = command(await scriptOf(shell));
    const { status, stdout, stderr } = spawnSync(program, args, {
      input: `${lines.join('\n')}\n`,
      encoding: 'utf8',
      // A home of the shell's own: fish keeps things there.
      env: { ...env, PATH: `${dir}:${process.env['PATH'] ?? ''}`, TERM: 'xterm', HOME: temporaryDirectory() },
    });
    expect({ status, stderr }).toMatchObject({ status: 0 });
    return { offers: stdout.replace(/\n$/, '').split('\n'), stderr };
  };

  it.runIf(hasProgram(shell))('offers commands, flags, values and ids, and writes nothing', async () => {
    const made = store();
    const before = treeHash(made.root);
    const all = [...shared, ...cases];
    const { offers, stderr } = await ask(
      all.map(([line]) => line),
      made.env,
      programs(),
    );
    const sorted = offers.map((offer) => offer.split(' ').filter(Boolean).sort());
    expect(all.map(([line], i) => [line, sorted[i]])).toEqual(
      all.map(([line, offered]) => [line, [...offered].sort()]),
    );
    expect(stderr).toBe(shell === 'bash' ? 'complete -F _hermesctl hermesctl\n' : '');
    expect(treeHash(made.root)).toBe(before);
  });

  it.runIf(hasProgram(shell))('says nothing where the program fails', async () => {
    const dir = programs('echo broken >&2', 'exit 1');
    const { offers, stderr } = await ask(['hermesctl show ab'], {}, dir);
    expect(offers).toEqual(['']);
    expect(stderr).not.toContain('broken');
  });
});

describe('completion of PowerShell, which is generated and not tried', () => {
  it('names every command, flag and option, with quotes that PowerShell takes for none doubled', async () => {
    const text = fs.readFileSync(await scriptOf('powershell'), 'utf8');
    expect(text).toContain("'sessions list --sort'".replace('sessions list', '*'));
    expect(text).toContain("'sessions ls' = @{");
    for (const line of text.split('\n').filter((one) => /^\s*'.* = '/.test(one))) {
      expect(line, line).toMatch(/^\s*'(?:[^'‘’]|'')*' = '(?:[^'‘’]|'')*'$/);
    }
  });

  it('has no table with a key twice, where capitals do not count', async () => {
    const text = fs.readFileSync(await scriptOf('powershell'), 'utf8');
    for (const [, table] of text.matchAll(/= @\{\n((?: +'(?:[^']|'')*' = '.*\n)+)/g)) {
      const keys = [...table.matchAll(/^ +'((?:[^']|'')*)' = /gm)].map(([, key]) => key.toLowerCase());
      expect(keys).toEqual([...new Set(keys)]);
    }
  });
});

describe('complete-ids', () => {
  const ids = async (args: string[], made: TestStore): Promise<string[]> => {
    const { code, stdout, stderr } = await runInProcess(['complete-ids', ...args], made.env);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout.split('\n').slice(0, -1);
  };

  it('shows titles as harmless text, the newest session first', async () => {
    const made = store();
    ['abd200000002', 'abc100000001', 'eee300000003'].forEach((id, i) =>
      fs.utimesSync(path.join(made.sessionsDir, `${id}.json`), 1777000000 + i, 1777000000 + i),
    );
    expect(await ids(['--titles'], made)).toEqual([
      'eee300000003\tdamaged',
      'abc100000001\tA plan: Kyoto',
      'abd200000002\t\\x1b[31mred',
    ]);
    expect(await ids([], made)).toEqual(['eee300000003', 'abc100000001', 'abd200000002']);
  });

  it('has none where there is no store and no database, or they are broken', async () => {
    const made = makeStore();
    fs.writeFileSync(agentDatabaseOf(made), 'no database');
    expect(await ids(['x'], made)).toEqual([]);
    fs.rmSync(made.stateDir, { recursive: true });
    for (const of of ['sessions', 'agent', 'trash']) expect(await ids(['--of', of], made)).toEqual([]);
  });
});
