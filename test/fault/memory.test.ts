import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished, test } from 'vitest';

import { Ledger } from '../../src/core/memory/ledger';
import { ledgerPath } from '../../src/core/memory/ledger-file';
import { cli, cliJson, type CliResult, ROOT } from '../support/cli';
import { MemoryBench, ownerAt, realDeps } from '../support/memory';
import { OpenViking } from '../support/openviking';
import { inGroups } from '../support/spawn';
import { makeStore, temporaryDirectory, type TestStore, treeHash } from '../support/store';

const STEP_KILLER = path.join(ROOT, 'test', 'support', 'step-killer.cjs');
const AT_A_TIME = 3;

interface DrainJson {
  segments: { session_id: string; start: number; end: number; outcome: string }[];
  remaining: { session_id: string; reason: string }[];
  drain: { stopped: string };
}

async function readLedger(store: TestStore): Promise<Record<string, { generation: number; committed: number }>> {
  const ledger = (await Ledger.openToRead(store.stateDir, 5, realDeps()))!;
  try {
    return Object.fromEntries((await ledger.sessions()).map((session) => [session.sessionId, session]));
  } finally {
    ledger.close();
  }
}

describe('a drain that is killed', () => {
  /** Two sessions, one of them with two segments: the second waits for the first. */
  async function dirtyStore(server: OpenViking, name: string): Promise<TestStore> {
    const store = makeStore();
    const bench = await MemoryBench.open(store);
    const owner = ownerAt(server.url);
    server.tell(`${name}a`);
    await bench.mark(`${name}a`, owner);
    server.tell(`${name}b`);
    await bench.mark(`${name}b`, owner);
    await bench.mark(`${name}b`, owner.replace('hermes', 'another'));
    bench.close();
    return store;
  }

  test('loses nothing and skips nothing, wherever it dies', { timeout: 300_000 }, async () => {
    const server = await OpenViking.start();
    let next = 1;
    let last = Infinity;
    const met = new Set<string>();
    const worker = async (): Promise<void> => {
      for (let at = next++; at < last; at = next++) {
        const name = `kill${at}`;
        const store = await dirtyStore(server, name);
        const args = ['memory-drain', '--endpoint', server.url, '--concurrency', '1'];
        const killed = await cli(args, {
          nodeArgs: ['-r', STEP_KILLER],
          env: { ...store.env, HERMESCTL_TEST_KILL_STEP: String(at) },
        });
        if (killed.signal !== 'SIGKILL') {
          // It came to its end: the second segment of b is another's, and stays.
          expect(killed.code, killed.stderr).toBe(3);
          last = Math.min(last, at);
          return;
        }
        await checkAfterKill(server, store, name, met);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, worker));
    expect(last, 'steps of a whole drain').toBeGreaterThan(25);
    expect(met.size, 'kills met different states').toBeGreaterThanOrEqual(3);
  });

  async function checkAfterKill(server: OpenViking, store: TestStore, name: string, met: Set<string>): Promise<void> {
    const left = await readLedger(store);
    const [a, b] = [left[`${name}a`], left[`${name}b`]];
    met.add(`${a.committed}${b.committed}`);
    expect([a.generation, b.generation], 'no turn is lost').toEqual([1, 2]);
    // What the ledger calls committed, the server has.
    if (a.committed === 1) expect(server.commitsOf(`${name}a`)).toHaveLength(1);
    if (b.committed >= 1) expect(server.commitsOf(`${name}b`)).toHaveLength(1);
    // What the dead process had sent may still be on its way.
    await new Promise((resolve) => setTimeout(resolve, 200));
    const asked = server.requests(new RegExp(`POST .*${name}[ab]/commit`)).length;

    const both = ['memory-drain', '--endpoint', server.url];
    const first = await cliJson<DrainJson>(both, { env: store.env });
    expect(first.json.segments.map(({ session_id }) => session_id).sort()).toEqual(
      [a.committed === 0 && `${name}a`, b.committed === 0 && `${name}b`].filter((id) => id !== false),
    );
    expect(first.json.remaining.map(({ reason }) => reason)).toEqual(['owner_not_configured']);
    // The other's segment was marked before that commit, and so the server has it.
    const second = await cliJson<DrainJson>([...both, '--agent', 'another'], { env: store.env });
    expect(second.code, second.stdout).toBe(0);
    expect(second.json.segments).toMatchObject([{ start: 2, end: 2, outcome: 'already_committed' }]);
    const end = await readLedger(store);
    expect([end[`${name}a`].committed, end[`${name}b`].committed]).toEqual([1, 2]);
    // Each batch of messages was archived exactly once, and what was settled before the kill was not asked again.
    expect([server.commitsOf(`${name}a`).length, server.commitsOf(`${name}b`).length]).toEqual([1, 1]);
    const settled = a.committed + Math.min(1, b.committed);
    expect(server.requests(new RegExp(`POST .*${name}[ab]/commit`)).length - asked).toBe(2 - settled + 1);
  }
});

describe('ten drains at once', () => {
  test('commit 200 sessions exactly once each', { timeout: 300_000 }, async () => {
    const server = await OpenViking.start();
    const store = makeStore();
    const bench = await MemoryBench.open(store);
    onTestFinished(() => bench.close());
    const owner = ownerAt(server.url);
    const ids = Array.from({ length: 200 }, (_, i) => `many${String(i).padStart(4, '0')}`);
    for (const id of ids) {
      server.tell(id);
      await bench.mark(id, owner);
    }
    // Some sessions go on while they are committed: their next turn is a commit of its own.
    const goingOn = new Set(ids.filter((_, i) => i % 10 === 0));
    const marked: Promise<number>[] = [];
    server.mischief = ({ method, path: url }) => {
      const id = /sessions\/([^/]+)\/commit$/.exec(url)?.[1];
      if (method !== 'POST' || id === undefined || !goingOn.delete(id)) return undefined;
      // Behind the commit that is under way, as a turn that is completed during it.
      setImmediate(() => {
        server.tell(id);
        marked.push(bench.mark(id, owner));
      });
      return undefined;
    };
    const args = ['memory-drain', '--endpoint', server.url, '--wait', '--deadline', '240s', '--lock-wait', '200'];
    const drains = await Promise.all(Array.from({ length: 10 }, () => cliJson<DrainJson>(args, { env: store.env })));
    expect(await Promise.all(marked)).toEqual(Array<number>(20).fill(2));
    expect(
      drains.map(({ code }) => code),
      JSON.stringify(drains.map(({ json }) => json.remaining)),
    ).toEqual(Array<number>(10).fill(0));
    // A turn that was marked when its drain had just ended waits for the next.
    await cliJson(args, { env: store.env });
    expect(Object.values(await bench.uncommitted()).filter((n) => n > 0)).toEqual([]);
    for (const [i, id] of ids.entries()) {
      expect(server.commitsOf(id).length, id).toBe(i % 10 === 0 ? 2 : 1);
      expect(server.requests(new RegExp(`POST .*/${id}/commit`)).length, `${id}: asked`).toBe(i % 10 === 0 ? 2 : 1);
    }
    const shares = drains.map(({ json }) => json.segments.length);
    expect(shares.filter((share) => share > 0).length, 'several took part').toBeGreaterThan(1);
  });

  test('lose nothing where some are killed at any moment', { timeout: 300_000 }, async () => {
    const server = await OpenViking.start();
    const store = makeStore();
    const bench = await MemoryBench.open(store);
    onTestFinished(() => bench.close());
    const ids = Array.from({ length: 60 }, (_, i) => `shot${String(i).padStart(4, '0')}`);
    for (const id of ids) {
      server.tell(id);
      await bench.mark(id, ownerAt(server.url));
    }
    const args = ['memory-drain', '--endpoint', server.url, '--wait', '--deadline', '120s', '--lock-wait', '100'];
    let shot = 0;
    const drains = await Promise.all(
      Array.from({ length: 6 }, (_, i): Promise<CliResult> =>
        cli(args, {
          env: store.env,
          started: (child) => {
            // Every other one dies when the server has seen some more requests.
            if (i % 2 === 1) return;
            const timer = setInterval(() => {
              if (server.seen.length < 5 + i * 6) return;
              clearInterval(timer);
              if (child.kill('SIGKILL')) shot++;
            }, 1);
            child.on('exit', () => clearInterval(timer));
          },
        }),
      ),
    );
    expect(shot).toBeGreaterThan(0);
    for (const { signal, code, stderr } of drains) if (signal === null) expect(code, stderr).toBe(0);
    await cli(args, { env: store.env });
    expect(Object.values(await bench.uncommitted()).filter((n) => n > 0)).toEqual([]);
    for (const id of ids) expect(server.commitsOf(id).length, id).toBe(1);
  });
});

it('shows what was there before a writer that died in the midst of a write', async () => {
  const store = makeStore();
  const bench = await MemoryBench.open(store);
  await bench.mark('kept0001', null);
  bench.close();
  // A transaction that has reached the file, and not its end: both files as a kill leaves them.
  const file = ledgerPath(store.stateDir);
  const writer = new Database(file);
  writer.pragma('cache_size = 1');
  writer.exec('BEGIN IMMEDIATE');
  const insert = writer.prepare('INSERT INTO counted VALUES (?, ?, NULL)');
  for (let i = 0; i < 200; i++) insert.run(`filler${i}`, Buffer.alloc(500));
  writer.exec("UPDATE sessions SET generation = 99 WHERE session_id = 'kept0001'");
  const copy = temporaryDirectory();
  for (const suffix of ['', '-journal']) fs.copyFileSync(`${file}${suffix}`, `${ledgerPath(copy)}${suffix}`);
  writer.exec('ROLLBACK');
  writer.close();
  fs.mkdirSync(path.join(copy, 'sessions'));
  const before = treeHash(copy);
  const tmp = temporaryDirectory();
  const status = (): Promise<CliResult & { json: { sessions: object[] } }> =>
    cliJson(['memory', 'status', '--state-dir', copy], { env: { TMPDIR: tmp } });
  const { code, json } = await status();
  expect(code).toBe(0);
  expect(json.sessions).toMatchObject([{ session_id: 'kept0001', generation: 1, uncommitted: 1 }]);
  const plan = await cliJson(['memory-drain', '--dry-run', '--command', 'true', '--state-dir', copy], {
    env: { TMPDIR: tmp },
  });
  expect(plan.json).toMatchObject({ segments: [{ session_id: 'kept0001' }] });
  expect(treeHash(copy), 'looking changed nothing').toBe(before);
  expect(fs.readdirSync(tmp), 'and left nothing').toEqual([]);
  // Whoever writes next brings it back.
  expect((await cli(['memory', 'mark', 'kept0001', '--unseen', '--state-dir', copy])).stdout).toBe('kept0001\t2\n');
  expect(fs.readdirSync(copy).sort()).toEqual([path.basename(file), 'sessions']);
  expect((await status()).json.sessions).toMatchObject([{ generation: 2 }]);
});

it.each(['SIGINT', 'SIGTERM'] as const)('gives its claims back on %s', async (signal) => {
  const server = await OpenViking.start();
  const store = makeStore();
  const bench = await MemoryBench.open(store);
  onTestFinished(() => bench.close());
  for (const id of ['wait0001', 'wait0002']) await bench.mark(id, ownerAt(server.url));
  let child: ChildProcess | undefined;
  server.mischief = () => {
    // Once: a second one would end it without more ado.
    child?.kill(signal);
    child = undefined;
    return 'hang';
  };
  const ended = await cli(['memory-drain', '--endpoint', server.url], {
    env: store.env,
    started: (process) => (child = process),
  });
  expect(ended.code).toBe(signal === 'SIGINT' ? 130 : 143);
  expect((await bench.ledger.sessions()).map(({ claim }) => claim)).toEqual([null, null]);
  expect(await bench.uncommitted()).toEqual({ wait0001: 1, wait0002: 1 });
});

it('is over at its deadline, also with a server that hangs', async () => {
  const server = await OpenViking.start();
  const store = makeStore();
  const bench = await MemoryBench.open(store);
  onTestFinished(() => bench.close());
  for (let i = 0; i < 40; i++) await bench.mark(`hang${i}`, ownerAt(server.url));
  server.mischief = () => 'hang';
  const { code, json } = await cliJson<DrainJson & { drain: { took_seconds: number } }>(
    ['memory-drain', '--endpoint', server.url, '--deadline', '2s'],
    { env: store.env },
  );
  expect(code).toBe(3);
  expect(json.drain).toMatchObject({ stopped: 'deadline' });
  expect(json.drain.took_seconds).toBeLessThan(30);
  expect(json.remaining).toHaveLength(40);
});

it('counts each mark of many hooks at once', async () => {
  const store = makeStore();
  const hooks = await inGroups(
    Array.from({ length: 16 }),
    () => cli(['memory', 'mark', 'hook0001', '--unseen', '--lock-wait', '60'], { env: store.env }),
    8,
  );
  expect(hooks.map(({ code }) => code)).toEqual(Array<number>(16).fill(0));
  expect(hooks.map(({ stdout }) => Number(stdout.split('\t')[1])).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 16 }, (_, i) => i + 1),
  );
});
