import fs from 'node:fs';
import path from 'node:path';

import type { Command } from '@oclif/core';
import { describe, expect, it } from 'vitest';

import { agentDatabaseOf, executed, PLAIN_SCHEMA } from '../support/agent-db';
import { cli, type CliResult } from '../support/cli';
import { builtCommands } from '../support/program';
import { makeStore, session, type TestStore, treeHash } from '../support/store';
import { cliOnTerminal, cliWithSilentInput, hasProgram, inGroups } from '../support/spawn';

/*
 * What every command promises, checked for every command that oclif finds: a
 * new one is covered the moment it is there. A command that cannot do with
 * the defaults says what it needs in NEEDS.
 */

const ID = 'aaaa00000001';

interface Needs {
  /** The least that makes it succeed on the small store. Without an entry: an id for what is required or called so. */
  args?: string[];
  stdin?: string;
  /** Whether it fails where there is no store. */
  store?: boolean;
}

/** By canonical id; aliases share their command's entry. */
const NEEDS: Record<string, Needs> = {
  'cache:clear': { store: false },
  'cache:status': { store: false },
  completion: { args: ['bash'], store: false },
  'complete-ids': { args: ['aaaa'], store: false },
  doctor: { args: ['--repair'] },
  help: { store: false },
  paths: { store: false },
  version: { store: false },
  'memory:mark': { args: [ID, '--owner', 'none'] },
  'sessions:create': { stdin: '{"title":"Made"}' },
  'sessions:import': { args: ['test/fixtures/exports/fresh.ndjson'] },
  'sessions:rename': { args: [ID, 'A new title'] },
  'sessions:restore': { args: [ID, '--from-bak'] },
};

const config = await builtCommands();
const COMMANDS = config.commands.map((command) => command.id).sort();

function loadable(id: string): Command.Loadable {
  return config.findCommand(id, { must: true });
}

/** All names of a command as typed, aliases included. */
function namesOf(id: string): string[] {
  return [canonical(id), ...loadable(id).aliases, id].map((name) => name.replaceAll(':', ' '));
}

function canonical(id: string): string {
  const isAlias = (command: Command.Loadable): boolean => command.aliases.includes(command.id);
  return config.commands.find((command) => !isAlias(command) && command.aliases.includes(id))?.id ?? id;
}

const words = (id: string): string[] => id.split(':');

function needsOf(id: string): Required<Omit<Needs, 'stdin'>> & Pick<Needs, 'stdin'> {
  const wanted = Object.values(loadable(id).args).filter((arg) => arg.required || arg.name === 'id');
  const yes = 'yes' in loadable(id).flags ? ['--yes'] : [];
  const { args = wanted.map(() => ID), store = true, stdin } = NEEDS[canonical(id)] ?? {};
  return { args: [...args, ...yes], store, ...(stdin === undefined ? {} : { stdin }) };
}

/** A store whose titles would colour the screen and shift the columns if they were let through, with a backup. */
function smallStore(): TestStore {
  const store = makeStore({
    [ID]: session(ID, { title: '\x1b[31mred\x1b[0m 日本語 🎉\n\x07' }),
    bbbb00000002: session('bbbb00000002', { input_tokens: 12, output_tokens: 3, estimated_cost: 0.5 }),
    cccc00000003: session('cccc00000003', { archived: true }),
  });
  fs.copyFileSync(path.join(store.sessionsDir, `${ID}.json`), path.join(store.sessionsDir, `${ID}.json.bak`));
  executed(
    agentDatabaseOf(store),
    `${PLAIN_SCHEMA}
      INSERT INTO sessions (id, source, title, started_at) VALUES
        ('${ID}', 'webui', 'a\x1b[31mb', 1777000000.5), ('20260425_000001_abcdef', 'cli', 'c\x1b[31md', 1777000000.5);
      INSERT INTO messages (session_id, role, content, timestamp) VALUES
        ('20260425_000001_abcdef', 'user', 'Hello', 1777000001.5);`,
  );
  return store;
}

interface Document {
  error?: { code: string; exit: number; message: string; hint?: string; details: Record<string, unknown> };
  warnings: unknown[];
}

/** The one document on standard output: all of it, and nothing behind it. */
function documentOf(result: CliResult): Document {
  expect(result.stderr).toBe('');
  expect(result.stdout).toMatch(/^\{[^]*\}\n$/);
  const document = JSON.parse(result.stdout) as Document;
  expect(document.warnings).toBeInstanceOf(Array);
  return document;
}

function expectJsonFailure(result: CliResult, code: string): void {
  const { error, ...rest } = documentOf(result);
  expect(Object.keys(rest)).toEqual(['warnings']);
  expect(error).toMatchObject({ code, exit: result.code, details: expect.any(Object) as object });
  expect(error!.message).toMatch(/\S.*[.?!]$/);
  expect(Object.keys(error!).filter((key) => key !== 'hint')).toEqual(['code', 'exit', 'message', 'details']);
  if ('hint' in error!) expect(error.hint).toMatch(/\S/);
}

function expectHumanFailure(result: CliResult): void {
  expect(result.stdout).toBe('');
  expect(result.stderr).toMatch(/^error: \S.*[.?!]\n(hint: .*\n)?$/);
  expect(result.stderr).not.toMatch(/\n\s+at |\.js:\d+|oclif/);
}

const ESCAPES = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/;

it('finds the commands, and their aliases', () => {
  expect(COMMANDS).toEqual(
    expect.arrayContaining(['help', 'paths', 'sessions:list', 'sessions:ls', 'show', 'version']),
  );
  expect(Object.keys(NEEDS).filter((id) => !config.findCommand(id))).toEqual([]);
});

describe.each(COMMANDS)('%s', (id) => {
  const isAlias = canonical(id) !== id; // the same code: what is behind the name is checked once
  const { args, store: needsStore, stdin } = needsOf(id);
  const mutates = 'dry-run' in loadable(id).flags;
  const options = (store: TestStore): { env: Record<string, string>; stdin?: string } => ({
    env: store.env,
    ...(stdin === undefined ? {} : { stdin }),
  });

  it('has a summary, a description, and an example that names it', () => {
    const { summary, description, examples = [], flags } = loadable(id);
    expect(summary).toMatch(/\S/);
    expect(description).toMatch(/\S/);
    const lines = examples.map((example) => (typeof example === 'string' ? example : example.command));
    const calls = namesOf(id).map((name) => `<%= config.bin %> ${name}`);
    expect(lines.filter((line) => calls.some((call) => `${line} `.includes(`${call} `)))).not.toEqual([]);
    const undescribed = Object.values(flags).filter((flag) => !(flag.summary ?? flag.description) && !flag.hidden);
    expect(undescribed.map((flag) => flag.name)).toEqual([]);
  });

  it('shows help with examples and exit codes', async () => {
    const { code, stdout, stderr } = await cli([...words(id), '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`$ hermesctl ${id.replaceAll(':', ' ')}`);
    expect(stdout).toMatch(/^EXAMPLES$/m);
    expect(stdout).toMatch(/^EXIT CODES$/m);
    for (const exit of [0, 1, 2, 130, 143]) expect(stdout).toMatch(new RegExp(`^ {2}${exit} +\\S`, 'm'));
    expect(stdout).not.toMatch(ESCAPES);
  });

  it('succeeds with one JSON document, and in a pipe without escape codes', async () => {
    const [jsonStore, humanStore] = [smallStore(), smallStore()];
    const before = treeHash(jsonStore.root);
    const [json, human] = await Promise.all([
      cli([...words(id), ...args, '--json', '-q'], options(jsonStore)),
      cli([...words(id), ...args, '--no-color', '--verbose'], options(humanStore)),
    ]);
    const document = documentOf(json);
    expect(document).not.toHaveProperty('error');
    expect(Object.keys(document).length).toBeGreaterThan(1);
    expect(`${human.stdout}${human.stderr}`).toMatch(/\S/);
    expect(`${human.stdout}${human.stderr}`).not.toMatch(ESCAPES);
    expect([json.code, human.code]).toEqual([0, 0]);
    // What cannot be tried without changing anything must not change anything.
    if (!mutates) expect(treeHash(jsonStore.root)).toBe(before);
  });

  it.runIf(mutates && !isAlias)('changes nothing in a dry run', async () => {
    const store = smallStore();
    const before = treeHash(store.root);
    // One after the other: a deletion refuses while somebody has the database open, as the other run may.
    const human = await cli([...words(id), ...args, '--dry-run'], options(store));
    const json = await cli([...words(id), ...args, '-n', '--json'], options(store));
    expect([human.code, json.code]).toEqual([0, 0]);
    expect(documentOf(json)).toHaveProperty('dry_run', true);
    expect(treeHash(store.root)).toBe(before);
  });

  it.runIf(needsStore && !isAlias)('says in both faces that there is no store', async () => {
    const missing = [...words(id), ...args, '--state-dir', '/nonexistent'];
    const input = stdin === undefined ? {} : { stdin };
    const [human, json] = await Promise.all([cli(missing, input), cli([...missing, '--json'], input)]);
    expect([human.code, json.code]).toEqual([10, 10]);
    expectHumanFailure(human);
    expectJsonFailure(json, 'STORE_NOT_FOUND');
    expect(json.stdout).toContain('/nonexistent');
  });

  it('refuses an unknown flag in both faces', async () => {
    const [human, json] = await Promise.all([
      cli([...words(id), ...args, '--no-such-flag']),
      cli([...words(id), ...args, '--no-such-flag', '--json']),
    ]);
    expect([human.code, json.code]).toEqual([2, 2]);
    expectHumanFailure(human);
    expectJsonFailure(json, 'USAGE');
    for (const { stderr, stdout } of [human, json]) expect(`${stderr}${stdout}`).toContain('--no-such-flag');
  });

  it.runIf(!isAlias)('refuses bad values of its flags', async () => {
    const flags = await flagsOf(id);
    const bad = (await Promise.all(flags.map(([name, flag]) => badValues(name, flag)))).flat();
    const store = smallStore();
    const outcomes = await inGroups(bad, async (flag) => {
      const result = await cli([...words(id), ...args, ...flag, '--json'], options(store));
      expect({ flag, code: result.code }).toEqual({ flag, code: 2 });
      expectJsonFailure(result, 'USAGE');
      const { message } = documentOf(result).error!;
      return `${message} `.includes(flag[0].split('=')[0]) ? '' : `${flag.join(' ')}: ${message}`;
    });
    expect(outcomes.filter((unnamed) => unnamed !== '')).toEqual([]);
  });

  it.runIf(!isAlias)('never waits for a standard input that is silent', async () => {
    // With what it needs it does its work; with nothing at all it does, or refuses: each in a store of its own.
    const [bare, needed] = await Promise.all([
      cliWithSilentInput(words(id), smallStore().env),
      args.length > 0 && stdin === undefined
        ? cliWithSilentInput([...words(id), ...args], smallStore().env)
        : undefined,
    ]);
    expect(bare.signal).toBeNull();
    // The doctor finds that the small store has no index.
    const codes = canonical(id) === 'doctor' ? [4] : args.length > 0 || stdin !== undefined ? [0, 2] : [0];
    expect(codes, `${bare.stdout}${bare.stderr}`).toContain(bare.code);
    if (needed) expect(needed).toMatchObject({ code: 0, signal: null });
  });

  it.runIf(hasProgram('script') && !isAlias)('uses no colour on a terminal where none is wanted', async () => {
    const line = [...words(id), ...args, ...(mutates ? ['--dry-run'] : [])];
    const { code, stdout } = await cliOnTerminal(line, { ...smallStore().env, NO_COLOR: '1' });
    expect(code).toBe(0);
    expect(stdout).toMatch(/\S/);
    expect(stdout).not.toContain('\x1b');
  });
});

it.runIf(hasProgram('script'))(
  'uses colour on a terminal, unless told not to, and lets none of the store’s through',
  async () => {
    const { env } = smallStore();
    const line = ['sessions', 'list'];
    const [plain, ...colourless] = await Promise.all([
      cliOnTerminal(line, env),
      cliOnTerminal([...line, '--no-color'], env),
      cliOnTerminal(line, { ...env, TERM: 'dumb' }),
    ]);
    expect(plain.stdout).toContain('\x1b[1m');
    expect(plain.stdout).not.toContain('\x1b[31m');
    for (const { stdout } of colourless) expect(stdout).not.toContain('\x1b');
    for (const { stdout } of [plain, ...colourless]) expect(stdout).toContain('\\x1b[31mred');
  },
);

/** What the test looks at in a flag's definition. */
interface FlagDefinition {
  type: 'boolean' | 'option';
  options?: readonly string[];
  min?: number;
  helpValue?: string | string[];
  parse?: (input: string, context: object, options: object) => Promise<unknown>;
}

async function flagsOf(id: string): Promise<[string, FlagDefinition][]> {
  const { baseFlags, flags } = await loadable(id).load();
  return Object.entries({ ...baseFlags, ...flags } as Record<string, FlagDefinition>);
}

/** Command line pieces that give a flag a value which it must not take. */
async function badValues(name: string, flag: FlagDefinition): Promise<string[][]> {
  if (flag.type !== 'option') return [];
  if (flag.options) return [[`--${name}=no-such-option`]];
  const values: string[] = [];
  if (await refuses(flag, 'x')) values.push('x', '1.5', '');
  if (flag.min !== undefined) values.push(String(flag.min - 1));
  // What the help calls a number or a time must be checked, by whatever code.
  const help = String(flag.helpValue);
  if (/^(N|SECONDS|DAYS|BYTES)$/.test(help)) values.push('x');
  if (help === 'WHEN') values.push('nonsense');
  return [...new Set(values)].map((value) => [`--${name}=${value}`]);
}

async function refuses(flag: FlagDefinition, value: string): Promise<boolean> {
  try {
    await flag.parse?.(value, {}, flag);
    return false;
  } catch {
    return true;
  }
}
