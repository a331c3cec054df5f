import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';

import Database from 'better-sqlite3';
import { expect, it } from 'vitest';

import { agentDatabaseOf, executed, PLAIN_SCHEMA } from '../support/agent-db';
import { cli, ROOT } from '../support/cli';
import { runInProcess } from '../support/in-process';
import { makeStore, session, type TestStore } from '../support/store';

const COMMANDS = [
  ['sessions', 'list', '--agent', '--all'],
  ['sessions', 'list', '--agent', '--json', '--sort', 'messages'],
  ['sessions', 'list', '--agent', '--all-profiles', '--ndjson'],
  ['sessions', 'list', '--json'],
  ['show', 'held', '--json'],
  ['show', 'held', '--messages', '3'],
  ['show', 'aaaa0001'],
  ['status', 'held', 'aaaa0001', '--json'],
  ['usage', 'held'],
  ['sessions', 'lineage', 'held', '--json'],
];
const RUNS = 200;
const SPAWNED = 20;

function heldStore(): TestStore {
  const store = makeStore({ aaaa0001: session('aaaa0001') });
  executed(
    agentDatabaseOf(store),
    `${PLAIN_SCHEMA}
     INSERT INTO sessions (id, source, title, started_at) VALUES ('held', 'cli', 'Held', 1777000000.5), ('aaaa0001', 'webui', 'W', 1777000000.5);`,
  );
  return store;
}

const inodes = (file: string): number[] => ['', '-wal', '-shm'].map((end) => fs.statSync(file + end).ino);

it(`${RUNS} runs of reading commands disturb no agent that writes, nor are they disturbed`, async () => {
  const store = heldStore();
  const file = agentDatabaseOf(store);
  const holder = spawn(process.execPath, [path.join(ROOT, 'test', 'support', 'wal-holder.mjs'), file], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let said = '';
  let complained = '';
  holder.stdout.on('data', (text: Buffer) => (said += text.toString()));
  holder.stderr.on('data', (text: Buffer) => (complained += text.toString()));
  await once(holder.stdout, 'data');
  const before = inodes(file);

  for (let run = 0; run < RUNS; run++) {
    const args = COMMANDS[run % COMMANDS.length];
    // Most of them in this process, a tenth each as a process of its own.
    const result = run < SPAWNED ? await cli(args, { env: store.env }) : await runInProcess(args, store.env);
    expect({ args, code: result.code, stderr: result.stderr }).toEqual({ args, code: 0, stderr: '' });
    expect(result.stdout).not.toMatch(/DATABASE_UNUSABLE|locked/);
    expect(inodes(file), args.join(' ')).toEqual(before);
  }

  holder.stdin.end();
  await once(holder, 'close');
  expect(complained).toBe('');
  const commits = Number(said.trim().split('\n').at(-1));
  expect(commits).toBeGreaterThan(50);
  const database = new Database(file, { readonly: true });
  expect(database.prepare('SELECT count(*) FROM messages').pluck().get()).toBe(commits);
  expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
  database.close();
});

it.runIf(fs.existsSync('/proc/self/fd'))('100 reads in one process leave no descriptor open', async () => {
  const store = heldStore();
  const file = agentDatabaseOf(store);
  const writer = new Database(file);
  writer.pragma('journal_mode = WAL');
  writer.close();
  for (let run = 0; run < 100; run++) {
    const { code } = await runInProcess(COMMANDS[run % COMMANDS.length].concat(run % 3 === 0 ? ['-q'] : []), store.env);
    expect(code).toBe(0);
  }
  await runInProcess(['show', 'nobody'], store.env);
  const open = fs.readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(file);
    } catch {
      return false;
    }
  });
  expect(open).toEqual([]);
});
