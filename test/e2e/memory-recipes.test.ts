import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { expect, it } from 'vitest';

import { bareEnvironment, BIN, type CliResult, cliJson, ROOT } from '../support/cli';
import { OpenViking } from '../support/openviking';
import { finished, hasProgram } from '../support/spawn';
import { makeStore, session, temporaryDirectory, type TestStore } from '../support/store';

/* The recipes of docs/memory.md, taken from there and tried. */

const text = fs.readFileSync(path.join(ROOT, 'docs', 'memory.md'), 'utf8');

function recipe(info: string): string {
  const match = new RegExp(`^\`\`\`${info}\\n([^]*?)^\`\`\``, 'm').exec(text);
  expect(match, info).not.toBeNull();
  return match![1];
}

const ID = 'aaaa00000001';

/** A directory with `hermesctl` in it, and what cron would have besides. */
function pathWithProgram(): string {
  const dir = temporaryDirectory();
  const launcher = `#!/bin/sh\nexec '${process.execPath}' '${BIN}' "$@"\n`;
  fs.writeFileSync(path.join(dir, 'hermesctl'), launcher, { mode: 0o755 });
  return `${dir}:/usr/bin:/bin`;
}

async function setUp(): Promise<{ server: OpenViking; store: TestStore; env: NodeJS.ProcessEnv }> {
  const server = await OpenViking.start();
  server.apiKey = 'k3y';
  server.tell(ID);
  const store = makeStore({ [ID]: session(ID) });
  fs.writeFileSync(path.join(store.hermesHome, 'config.yaml'), `memory:\n  provider: openviking\n`);
  const dotenv = `OPENVIKING_ENDPOINT=${server.url}\nOPENVIKING_API_KEY="k3y"\n`;
  fs.writeFileSync(path.join(store.hermesHome, '.env'), dotenv, { mode: 0o600 });
  return { server, store, env: { ...bareEnvironment(store.env), PATH: pathWithProgram() } };
}

const sh = (script: string, env: NodeJS.ProcessEnv): Promise<CliResult> =>
  finished(spawn('/bin/sh', ['-c', script], { env, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] }));

async function uncommitted(store: TestStore): Promise<number> {
  const { json } = await cliJson<{ uncommitted: number }>(['memory', 'status'], { env: store.env });
  return json.uncommitted;
}

it('the crontab line', async () => {
  const { server, store, env } = await setUp();
  const line = recipe('crontab').trim();
  const [, schedule, command] = /^((?:\S+ ){5})(.*)$/.exec(line)!;
  expect(schedule).toBe('* * * * * ');
  expect(command, 'a percent sign is a line break there').not.toContain('%');
  // Silent when all is well: cron mails whatever is said. And again, and two at once.
  expect(await sh(command, env)).toMatchObject({ code: 0, stdout: '', stderr: '' });
  expect(server.commitsOf(ID)).toHaveLength(1);
  expect(await uncommitted(store)).toBe(0);
  const both = await Promise.all([sh(command, env), sh(command, env)]);
  expect(both).toMatchObject([
    { code: 0, stderr: '' },
    { code: 0, stderr: '' },
  ]);
  expect(server.requests(/commit/)).toHaveLength(1);
});

it('the crontab line says what remains', async () => {
  const { server, env } = await setUp();
  server.apiKey = 'another';
  const { code, stdout, stderr } = await sh(recipe('crontab').trim().slice('* * * * * '.length), env);
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
  expect(stderr).toContain('OPENVIKING_API_KEY');
  expect(stderr).not.toContain('k3y');
});

const execOf = (unit: string, key: string): string => {
  const [, line] = new RegExp(`^${key}=-?/bin/sh -c '(.*)'$`, 'm').exec(unit)!;
  return line;
};

it('the systemd service and timer', async () => {
  const { server, store, env } = await setUp();
  const [service, timer] = [recipe('ini service'), recipe('ini timer')];
  expect(await sh(execOf(service, 'ExecStart'), env)).toMatchObject({ code: 0 });
  expect(server.commitsOf(ID)).toHaveLength(1);
  expect(await uncommitted(store)).toBe(0);
  if (!hasProgram('systemd-analyze')) return;
  const dir = temporaryDirectory();
  fs.writeFileSync(path.join(dir, 'hermesctl-memory.service'), service);
  fs.writeFileSync(path.join(dir, 'hermesctl-memory.timer'), timer);
  const units = ['hermesctl-memory.service', 'hermesctl-memory.timer'].map((name) => path.join(dir, name));
  const verified = spawnSync('systemd-analyze', ['verify', '--user', ...units], { encoding: 'utf8' });
  expect(verified.stderr).not.toMatch(/hermesctl-memory.*(Unknown|Failed|Invalid|ignoring)/i);
});

it('the drop-in of the server’s unit', async () => {
  const { server, env } = await setUp();
  expect(await sh(execOf(recipe('ini drop-in'), 'ExecStopPost'), env)).toMatchObject({ code: 0 });
  expect(server.commitsOf(ID)).toHaveLength(1);
});

it('the shutdown hook, with a server that takes its time', async () => {
  const { server, store, env } = await setUp();
  const hook = path.join(store.root, 'with-memory-drain');
  fs.writeFileSync(hook, recipe('sh shutdown-hook'), { mode: 0o755 });
  const standIn = `process.on('SIGTERM', () => setTimeout(() => process.exit(7), 300)); setInterval(() => {}, 1000); console.log('up')`;
  const child = spawn(hook, [process.execPath, '-e', standIn], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.once('data', () => child.kill('SIGTERM'));
  expect(await finished(child)).toMatchObject({ code: 7, stdout: 'up\n', stderr: '' });
  expect(server.commitsOf(ID)).toHaveLength(1);
  expect(await uncommitted(store)).toBe(0);
});

it('the hook of a turn', async () => {
  const { store, env } = await setUp();
  const hook = recipe('sh turn-hook');
  expect(await sh(hook, { ...env, SESSION_ID: ID })).toMatchObject({ code: 0, stdout: '', stderr: '' });
  expect(await uncommitted(store)).toBe(1);
  // What was marked is not counted again.
  const { json } = await cliJson<{ turns: number }>(['memory', 'scan'], { env: store.env });
  expect(json.turns).toBe(0);
});
