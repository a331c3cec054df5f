import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { beforeEach, describe, expect, it } from 'vitest';

import { bareEnvironment, type CliResult, ROOT } from '../support/cli';
import { finished } from '../support/spawn';
import { makeStore, session, temporaryDirectory } from '../support/store';

/*
 * V8 takes code for a source of the same length without looking at it. So code
 * that says something else tells whether it was used: a copy of the program
 * whose text differs in one word leaves its code where ours looks for its own.
 */

const OURS = 'There is no command';
const THEIRS = 'Some evil was done.';
const GENERATIONS = 3;

let home: string;
let other: string;

function run(args: string[], { root = ROOT, env = {}, nodeArgs = [] as string[] } = {}): Promise<CliResult> {
  const launcher = path.join(root, 'bin', 'run.js');
  const environment = bareEnvironment({ HOME: home, ...env });
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
  return finished(spawn(process.execPath, [...nodeArgs, launcher, ...args], { env: environment, stdio }));
}

const codeHome = (): string => path.join(home, '.cache', 'hermesctl', 'code');
const directory = (): string => path.join(codeHome(), fs.readdirSync(codeHome())[0]);
const files = (): string[] => fs.readdirSync(directory()).map((name) => path.join(directory(), name));
/** What a command that does not exist gets told, by whoever's code. */
const told = ({ stderr }: CliResult): string => stderr.slice('error: '.length).slice(0, OURS.length);
const CALL = ['nope'];

/** Leaves the other program's code, whole, for as many runs as it takes. */
async function plant(): Promise<void> {
  for (let i = 0; i < GENERATIONS; i++) expect(told(await run(CALL, { root: other }))).toBe(THEIRS);
}

beforeEach(() => {
  home = temporaryDirectory();
  other = temporaryDirectory();
  for (const part of ['bin', 'dist']) fs.cpSync(path.join(ROOT, part), path.join(other, part), { recursive: true });
  const main = path.join(other, 'dist', 'main.js');
  const text = fs.readFileSync(main, 'latin1');
  const place = text.indexOf(OURS);
  expect(place).toBeGreaterThan(0);
  fs.writeFileSync(main, text.slice(0, place) + THEIRS + text.slice(place + THEIRS.length), 'latin1');
});

describe('the code cache', () => {
  it('is used: code that is kept is what runs', async () => {
    await plant();
    expect(told(await run(CALL))).toBe(THEIRS);
  });

  it('is this user’s alone', async () => {
    await run(CALL);
    expect(files().map((file) => fs.statSync(file).mode & 0o777)).toEqual([0o600]);
    for (const dir of [directory(), codeHome()]) expect(fs.statSync(dir).mode & 0o777).toBe(0o700);
  });

  it.each([
    ['a file that others may write', () => files().forEach((file) => fs.chmodSync(file, 0o620))],
    ['a directory that others may write', () => fs.chmodSync(directory(), 0o702)],
    [
      'a file that is a link',
      () =>
        files().forEach((file) => {
          fs.renameSync(file, path.join(home, 'kept'));
          fs.symlinkSync(path.join(home, 'kept'), file);
        }),
    ],
    [
      'a directory that is a link',
      () => {
        const dir = directory();
        fs.renameSync(dir, path.join(home, 'kept'));
        fs.symlinkSync(path.join(home, 'kept'), dir);
      },
    ],
    [
      'a directory that a link leads to',
      () => {
        fs.renameSync(path.join(home, '.cache'), path.join(home, 'kept'));
        fs.symlinkSync(path.join(home, 'kept'), path.join(home, '.cache'));
      },
    ],
    [
      'half a file',
      () => files().forEach((file) => fs.truncateSync(file, Math.floor(fs.statSync(file).size / 32) * 16)),
    ],
    ['an empty file', () => files().forEach((file) => fs.truncateSync(file, 0))],
  ])('is not used from %s', async (_, spoil) => {
    await plant();
    spoil();
    const result = await run(CALL);
    expect([result.code, told(result)]).toEqual([2, OURS]);
  });

  it.runIf(process.getuid?.() === 0).each([
    ['file', () => files()],
    ['directory', () => [directory()]],
  ])('is not used from a %s of another user', async (_, spoiled) => {
    await plant();
    for (const file of spoiled()) fs.chownSync(file, 65534, 65534);
    const result = await run(CALL);
    expect([result.code, told(result)]).toEqual([2, OURS]);
  });

  it('is not used where one byte of it is another', async () => {
    await plant();
    const [file] = files();
    const whole = fs.readFileSync(file);
    const places = Array.from({ length: 16 }, (_, i) => Math.floor((whole.length * (i + 0.37)) / 16));
    for (const place of [0, 5, 9, whole.length - 1, ...places]) {
      const bytes = Buffer.from(whole);
      bytes[place] ^= 1 << (place % 8);
      fs.writeFileSync(file, bytes);
      const result = await run(CALL);
      expect([place, result.code, told(result)]).toEqual([place, 2, OURS]);
    }
  });

  it('is not used when the environment says so, and nothing is kept', async () => {
    const env = { HERMESCTL_NO_CODE_CACHE: '1' };
    await run(CALL, { env });
    expect(fs.readdirSync(home)).toEqual([]);
    await plant();
    expect(told(await run(CALL, { env }))).toBe(OURS);
  });

  it('is another one for other flags of V8', async () => {
    await plant();
    const result = await run(CALL, { nodeArgs: ['--max-old-space-size=200'] });
    expect([result.code, told(result)]).toEqual([2, OURS]);
  });

  it('makes no home, and cannot fail', async () => {
    const missing = path.join(home, 'no', 'home');
    const none = await run(CALL, { env: { HOME: missing } });
    expect([none.code, told(none)]).toEqual([2, OURS]);
    expect(fs.existsSync(missing)).toBe(false);

    fs.writeFileSync(path.join(home, '.cache'), 'a file');
    const blocked = await run(CALL);
    expect([blocked.code, told(blocked)]).toEqual([2, OURS]);
  });

  it('grows by runs that end well: by the first three, and by one a day', async () => {
    const written = (): number[] => files().map((file) => fs.statSync(file).ino);
    const grows = async (args: string[]): Promise<boolean> => {
      const before = fs.existsSync(codeHome()) ? written() : [];
      await run(args);
      return written()[0] !== before[0];
    };
    const [well, failing] = [['paths'], ['paths', '--profile', 'NO NAME']];
    for (const [args, isKept] of [
      [failing, true],
      [failing, false],
      [well, true],
      [well, true],
      [failing, false],
      [well, true],
      [well, false],
    ] as const)
      expect([args, await grows([...args])]).toEqual([args, isKept]);
    const yesterday = Date.now() / 1000 - 25 * 3600;
    fs.utimesSync(files()[0], yesterday, yesterday);
    expect(await grows(failing)).toBe(false);
    expect(await grows(well)).toBe(true);
    expect(await grows(well)).toBe(false);
  });

  it('lets go of what builds of long ago left behind', async () => {
    const [old, recent] = ['0000-old', '1111-recent'].map((name) => path.join(codeHome(), name));
    for (const dir of [old, recent]) fs.mkdirSync(dir, { recursive: true });
    fs.utimesSync(old, 0, 0);
    await run(CALL);
    expect([fs.existsSync(old), fs.existsSync(recent)]).toEqual([false, true]);
  });
});

it.each([
  ['a list that is kept', ['sessions', 'list', '--json']],
  ['a status', ['status', 'aaaa0001']],
  ['metadata', ['show', 'aaaa0001', '--metadata']],
])('reads one part of the program for %s', async (_, args) => {
  const { messages, ...metadata } = session('aaaa0001', { message_count: 2 });
  const store = makeStore({ aaaa0001: { ...metadata, messages } });
  // Longer than a file system's clock ticks: what may have been written just now is not kept.
  await new Promise((resolve) => setTimeout(resolve, 150));
  const env = bareEnvironment({ ...store.env, HOME: home, HERMESCTL_NO_CODE_CACHE: '1' });
  const script = `
    const fs = require('node:fs');
    const open = fs.openSync;
    const opened = [];
    fs.openSync = (file, ...rest) => (opened.push(String(file)), open(file, ...rest));
    process.on('exit', () => fs.writeSync(2, JSON.stringify(opened)));
    require(${JSON.stringify(path.join(ROOT, 'dist', 'launch.js'))}).launch(${JSON.stringify(args)});`;
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
  const read = async (): Promise<string[]> => {
    const { stderr } = await finished(spawn(process.execPath, ['-e', script], { env, stdio }));
    return (JSON.parse(stderr) as string[]).filter((file) => file.startsWith(path.join(ROOT, 'dist')));
  };
  await read(); // the list is made
  expect(await read()).toEqual([path.join(ROOT, 'dist', 'main.js')]);
});

it('fails where a command never comes to its end', async () => {
  fs.writeFileSync(
    path.join(other, 'dist', 'main.js'),
    '(function(exports){exports.run = () => new Promise(() => {})})',
  );
  const { code, stdout, stderr } = await run(['paths'], { root: other });
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^error: Unexpected: .*\n$/);
});

it('evaluates nothing of a database, a table or the network to tell where things are', async () => {
  const script = `
    const Module = require('node:module');
    const load = Module._load;
    const loaded = [];
    Module._load = function (id) { loaded.push(id); return load.apply(this, arguments); };
    process.on('exit', () => require('node:fs').writeSync(2, JSON.stringify(loaded)));
    require(${JSON.stringify(path.join(ROOT, 'dist', 'launch.js'))}).launch(['paths']);`;
  const { stderr } = await finished(
    spawn(process.execPath, ['-e', script], {
      env: bareEnvironment({ HOME: home }),
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
  const heavy = /sqlite|crypto|https?$|net$|tty|child_process|worker|zlib|stream|readline|perf_hooks/;
  expect((JSON.parse(stderr) as string[]).filter((id) => heavy.test(id))).toEqual([]);
});
