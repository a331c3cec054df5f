import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { buildSync } from 'esbuild';
import { beforeAll, expect, it } from 'vitest';

import { bareEnvironment, cli, cliJson, ROOT } from '../support/cli';
import { makeStore, session, type TestStore } from '../support/store';
import { inParallel, readIndexRows, readSidecar, sidecarFile } from '../support/writing';

const WRITERS = 8;
const OPERATIONS = 50;

interface Done {
  created: string[];
  removed: number;
  renamed: [at: string, title: string][];
  notUpdated: number;
}

/** In the project, so that the native module is found from there. */
const script = path.join(ROOT, 'node_modules', '.cache', 'hermesctl-test', 'concurrent-writer.cjs');

/** The writers run the core of the sources, in processes of their own. */
beforeAll(() => {
  buildSync({
    entryPoints: [path.join(ROOT, 'test', 'support', 'concurrent-writer.mjs')],
    outfile: script,
    bundle: true,
    platform: 'node',
    external: ['better-sqlite3'],
  });
});

function write(store: TestStore, writer: number): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, store.stateDir, String(writer), String(OPERATIONS)], {
      env: bareEnvironment(store.env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const out = { stdout: '', stderr: '' };
    child.stdout.on('data', (text: Buffer) => (out.stdout += text.toString()));
    child.stderr.on('data', (text: Buffer) => (out.stderr += text.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...out }));
  });
}

/** The names of all that may be left in the store, sessions apart. */
const debris = (store: TestStore): string[] =>
  fs
    .readdirSync(store.sessionsDir)
    .filter((name) => !/^[A-Za-z0-9-]+\.json$|^shared\.json\.bak$|^_index\.json$/.test(name));

it(`${WRITERS} processes lose none of each other's ${OPERATIONS} changes`, async () => {
  const turns = 400;
  const messages = Array.from({ length: turns }, (_, i) => [
    { role: 'user', content: `question ${i}`, timestamp: 1777000000 + i },
    { role: 'assistant', content: 'answer' },
  ]).flat();
  const store = makeStore({ shared: session('shared', { messages }) });

  const results = await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(store, writer)));
  expect(results.map(({ code, stderr }) => [code, stderr])).toEqual(results.map(() => [0, '']));
  const done = results.map(({ stdout }) => JSON.parse(stdout) as Done);

  // Every session that was made is there, and in the index.
  const created = done.flatMap((one) => one.created);
  expect(created).toHaveLength((WRITERS * OPERATIONS) / 5);
  for (const id of created) expect(readSidecar(store, id)['messages']).toEqual([{ role: 'user', content: id }]);
  expect(new Set(readIndexRows(store).map((row) => row['session_id']))).toEqual(new Set(['shared', ...created]));

  // Every turn that was taken back is gone, and no other; the last title stands.
  const removed = done.reduce((sum, one) => sum + one.removed, 0);
  expect(removed).toBe((2 * 2 * WRITERS * OPERATIONS) / 5);
  const shared = readSidecar(store, 'shared');
  expect(shared['messages']).toEqual(messages.slice(0, messages.length - removed));
  expect(shared['message_count']).toBe(messages.length - removed);
  const [, lastTitle] = done
    .flatMap((one) => one.renamed)
    .sort(([a], [b]) => (BigInt(a) < BigInt(b) ? -1 : 1))
    .at(-1)!;
  expect(shared['title']).toBe(lastTitle);
  const backup = JSON.parse(fs.readFileSync(`${sidecarFile(store, 'shared')}.bak`, 'utf8')) as { messages: unknown[] };
  expect(backup.messages).toHaveLength(messages.length - removed + 2);

  // The index is what a rebuild would make, and nothing else is left.
  expect(done.map((one) => one.notUpdated)).toEqual(done.map(() => 0));
  const check = await cliJson(['reindex', '--check'], { env: store.env });
  expect(check.json).toEqual({ drift: [], warnings: [] });
  expect(check.code).toBe(0);
  expect((await cliJson(['reindex'], { env: store.env })).json).toMatchObject({ reindex: { changed: false } });
  expect(debris(store)).toEqual([]);
});

it('programs that change one store at once wait for each other', async () => {
  const store = makeStore({
    shared: session('shared', {
      messages: Array.from({ length: 8 }, (_, i) => ({ role: 'user', content: `question ${i}` })),
    }),
  });
  const commands = Array.from({ length: 4 }, (_, i) => [
    ['undo', 'shared'],
    ['sessions', 'create', '--id', `made${i}`],
    ['reindex'],
    ['sessions', 'rename', 'shared', `Title ${i}`],
  ]).flat();
  const results = await inParallel(commands, 8, (args) => cli([...args, '--lock-wait', '120'], { env: store.env }));
  expect(results.map(({ code, stderr }) => [code, stderr])).toEqual(results.map(() => [0, '']));
  expect(readSidecar(store, 'shared')).toMatchObject({
    message_count: 4,
    title: expect.stringMatching(/^Title \d$/) as string,
  });
  expect(readIndexRows(store)).toHaveLength(5);
  expect((await cliJson(['reindex', '--check'], { env: store.env })).code).toBe(0);
  expect(debris(store)).toEqual([]);
});
