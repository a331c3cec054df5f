import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';

import { type Damage, DAMAGES, soundStore } from '../fixtures/damage';
import { cli } from '../support/cli';
import { faultOptions, type FaultPlan, withFaults } from '../support/faults';
import { type InProcessResult, runInProcess } from '../support/in-process';
import { copyStore, temporaryDirectory, type TestStore } from '../support/store';

/*
 * A fault at every call of every repair, and a death beside every call that
 * changes something: each file is the old version or the new one, whole, and
 * where one is new the old one and a manifest are in the backup directory. The
 * same holds for the claims in the memory ledger.
 */

const REPAIR = ['doctor', '--repair'];

type Broken = Pick<Damage, 'name' | 'build'>;

/** What `doctor --repair` mends. */
const REPAIRED: Broken[] = [
  ...DAMAGES.filter(({ repaired }) => repaired !== undefined),
  {
    name: 'tombstones of live sessions in both files, and of nobody else',
    build: ({ sessionsDir }) => {
      for (const [name, ids] of [
        ['_deleted_webui_sessions.json', ['plain00001']],
        ['_pruned_webui_orphans.json', ['gone000001', 'plain00001']],
      ] as const)
        fs.writeFileSync(path.join(sessionsDir, name), JSON.stringify({ version: 1, ids }));
    },
  },
];

const damageNamed = (name: string): Broken => REPAIRED.find((damage) => damage.name === name)!;

/** One damage for each way in which a repair writes: under every fault; the others under one, since they write like these. */
const EVERY_FAULT = [
  'a session cut off, with a backup',
  'a wrong message_count',
  'a tombstone of a live session',
  'a row without a file',
  'a backup that holds more',
  'a backup whose session is gone',
  'a session that only the database has',
];

/** All repairs in as few runs as their damages can be together: a death costs a process. */
const KILLED: string[][] = [
  [
    'a wrong message_count',
    'a claim of a process that is gone',
    'a session cut off, with a backup',
    'a backup whose session is gone',
    'a session that only the database has',
    'a tombstone of a live session',
    'a row without a file',
  ],
  ['a backup that holds more', 'tombstones of live sessions in both files, and of nobody else', 'no index'],
  ['a claim of a process that is gone'],
  ['a broken index'],
  ['a stale row', 'a session without a row', 'a row that stands twice'],
  ['rows in another order'],
];

const TEMPORARY = /\.\d{1,10}$|\.tmp\.\d+\.\d+$/;
const CLAIMS = 'claims of the ledger';
const LEDGER = '.hermesctl-memory.db';
const AT_A_TIME = 3;

/** Names and bytes, and the claims as one more. */
type Content = Map<string, string>;

/** The files of `sessions/` themselves, with their bytes, and what the ledger says of claims. */
function contentOf({ stateDir, sessionsDir }: TestStore): Content {
  const entries = fs.readdirSync(sessionsDir, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  const files = new Map(names.map((name) => [name, fs.readFileSync(path.join(sessionsDir, name), 'latin1')]));
  const ledger = path.join(stateDir, LEDGER);
  return fs.existsSync(ledger) ? files.set(CLAIMS, claimsOf(ledger)) : files;
}

/** Looks at a copy: where a writer died, whoever opens the ledger itself mends it. */
function claimsOf(ledger: string): string {
  const dir = fs.mkdtempSync(path.join(path.dirname(path.dirname(ledger)), 'look-'));
  const copy = path.join(dir, path.basename(ledger));
  for (const suffix of ['', '-journal'])
    if (fs.existsSync(ledger + suffix)) fs.copyFileSync(ledger + suffix, copy + suffix);
  const database = new Database(copy);
  try {
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
    return JSON.stringify(database.prepare('SELECT session_id, generation, claim FROM sessions').all());
  } finally {
    database.close();
    fs.rmSync(dir, { recursive: true });
  }
}

/** A damaged store to be laid out again and again, and what a repair without faults makes of it. */
class Case {
  private constructor(
    private readonly pristine: string,
    private readonly before: Content,
    private readonly after: Content,
  ) {}

  static async of(damages: readonly Broken[]): Promise<Case> {
    const store = await soundStore();
    for (const damage of damages) await damage.build(store);
    const pristine = path.join(temporaryDirectory(), 'pristine');
    fs.cpSync(store.root, pristine, { recursive: true });
    const before = contentOf(store);
    const { code, stdout } = await repair(store);
    expect(code, stdout).toBe(0);
    return new Case(pristine, before, contentOf(store));
  }

  makeStore(): TestStore {
    return copyStore(this.pristine);
  }

  reset({ stateDir }: TestStore): void {
    fs.rmSync(stateDir, { recursive: true });
    fs.cpSync(path.join(this.pristine, 'webui'), stateDir, { recursive: true });
  }

  /** @returns the names of what is new. */
  check(store: TestStore): string[] {
    const found = contentOf(store);
    const changed: string[] = [];
    for (const name of new Set([...found.keys(), ...this.before.keys()])) {
      if (TEMPORARY.test(name) || found.get(name) === this.before.get(name)) continue;
      // The index may hold the rows of only some of what was changed: it is whole all the same.
      if (name === '_index.json') expect(Array.isArray(JSON.parse(found.get(name)!))).toBe(true);
      else expect(found.get(name), `${name} is the old version or the new one`).toBe(this.after.get(name));
      changed.push(name);
    }
    if (changed.length > 0) this.checkKept(store, changed);
    return changed;
  }

  private checkKept({ stateDir }: TestStore, changed: string[]): void {
    const dir = fs.readdirSync(stateDir).find((name) => name.startsWith('hermesctl-backup-'))!;
    expect(dir, 'there is a backup directory').toBeDefined();
    const root = path.join(stateDir, dir);
    const manifest = JSON.parse(fs.readFileSync(path.join(root, 'manifest.json'), 'utf8')) as {
      files: { path: string; backup: string | null; sha256: string | null }[];
    };
    for (const name of changed) {
      const file = name === CLAIMS ? LEDGER : name;
      const kept = manifest.files.find((one) => path.basename(one.path) === file);
      expect(kept, `the manifest has ${name}`).toBeDefined();
      const backup = kept!.backup === null ? undefined : path.join(root, kept!.backup);
      const bytes = backup === undefined ? undefined : fs.readFileSync(backup);
      const sha256 = bytes === undefined ? null : createHash('sha256').update(bytes).digest('hex');
      expect(kept!.sha256, `the manifest tells the bytes of ${name}`).toBe(sha256);
      const content = name === CLAIMS ? claimsOf(backup!) : bytes?.toString('latin1');
      expect(content, `${name} is kept as it was`).toBe(this.before.get(name));
    }
  }

  /** Without a fault, and without waiting for a lock, the rest is done. */
  async converges(store: TestStore): Promise<void> {
    const { code, stdout } = await repair(store);
    expect(code, stdout).toBe(0);
    const found = contentOf(store);
    for (const name of found.keys()) if (TEMPORARY.test(name)) found.delete(name);
    expect(found).toEqual(this.after);
  }
}

function repair(store: TestStore): Promise<InProcessResult> {
  return runInProcess([...REPAIR, '--lock-wait', '0', '--json'], store.env);
}

const FAULTS: [string, Omit<FaultPlan, 'root' | 'at'>][] = [
  ['ENOSPC once', { kind: 'error', errno: 'ENOSPC' }],
  ['ENOSPC from then on', { kind: 'error', errno: 'ENOSPC', persistent: true }],
  ['a short write, then ENOSPC', { kind: 'short-write', persistent: true }],
];

const FAULTED = REPAIRED.flatMap((damage) =>
  FAULTS.slice(0, EVERY_FAULT.includes(damage.name) ? undefined : 1).map(
    ([name, fault]) => [damage.name, name, fault] as const,
  ),
);

test.each(FAULTED)(
  '%s: survives %s at every call that changes something',
  { timeout: 180_000 },
  async (name, _, fault) => {
    const one = await Case.of([damageNamed(name)]);
    const store = one.makeStore();
    for (let at = 1; ; at++) {
      one.reset(store);
      const plan = { ...fault, at, root: store.stateDir, changing: fault.kind === 'error', sqlite: true };
      const { result, session } = await withFaults(plan, () => runInProcess([...REPAIR, '--json'], store.env));
      const place = `fault at call ${at}, ${session.calls[at - 1]}: exit ${result.code}, ${result.stdout}`;
      try {
        const changed = one.check(store);
        if (result.code === 0) expect(changed.length).toBeGreaterThan(0);
        else expect([1, 3, 4, 13], result.stdout).toContain(result.code);
        if (session.met && fault.persistent && changed.length === 0) expect(result.code).not.toBe(0);
        if (session.met && at % 7 === 0) await one.converges(store);
      } catch (error) {
        throw new Error(place, { cause: error });
      }
      if (!session.met) {
        expect(result.code).toBe(0);
        expect(at, 'faults were met').toBeGreaterThan(3);
        return;
      }
    }
  },
);

const CLAIM = 'a claim of a process that is gone';

test('a claim is the old one or none where its statements fail though they were run', async () => {
  const one = await Case.of([damageNamed(CLAIM)]);
  const store = one.makeStore();
  for (let at = 1; ; at++) {
    one.reset(store);
    const plan: FaultPlan = { kind: 'error-after', only: ['sql'], at, root: store.stateDir, sqlite: true };
    const { result, session } = await withFaults(plan, () => runInProcess([...REPAIR, '--json'], store.env));
    const changed = one.check(store);
    if (!session.met) {
      expect([changed, result.code, at - 1]).toEqual([[CLAIMS], 0, 2]);
      return;
    }
    // What failed was rolled back, and is told.
    expect(changed, result.stdout).toEqual([]);
    expect([1, 3], result.stdout).toContain(result.code);
    await one.converges(store);
  }
});

test('a claim is the old one or none where it is killed behind a statement', async () => {
  const one = await Case.of([damageNamed(CLAIM)]);
  const store = one.makeStore();
  for (let at = 1; ; at++) {
    one.reset(store);
    const plan: FaultPlan = { kind: 'kill-after', only: ['sql'], at, root: store.stateDir, sqlite: true };
    const { nodeArgs, env } = faultOptions(plan);
    const result = await cli([...REPAIR, '--json'], { nodeArgs, env: { ...store.env, ...env } });
    const changed = one.check(store);
    if (result.signal !== 'SIGKILL') {
      expect([changed, result.code, at - 1]).toEqual([[CLAIMS], 0, 2]);
      return;
    }
    // The transaction had not ended.
    expect(changed).toEqual([]);
    await one.converges(store);
  }
});

test('every repair is under faults and deaths', () => {
  expect(new Set(KILLED.flat())).toEqual(new Set(REPAIRED.map(({ name }) => name)));
  for (const name of EVERY_FAULT) expect(damageNamed(name)).toBeDefined();
});

describe.each(KILLED.map((names) => [names.join('; '), names] as const))('%s', (_, names) => {
  test('is the old version or the new one wherever it is killed', { timeout: 300_000 }, async () => {
    const one = await Case.of(names.map(damageNamed));
    const states = new Set<string>();
    let next = 1;
    let last = Infinity;
    let checking = Promise.resolve();
    const worker = async (): Promise<void> => {
      const store = one.makeStore();
      for (let at = next++; at <= last; at = next++) {
        one.reset(store);
        const plan = { kind: 'kill-before', at, root: store.stateDir, changing: true, sqlite: true } as const;
        const { nodeArgs, env } = faultOptions(plan);
        const result = await cli([...REPAIR, '--json'], { nodeArgs, env: { ...store.env, ...env } });
        if (result.signal !== 'SIGKILL') {
          last = Math.min(last, at);
          expect(result.code, result.stdout).toBe(0);
        }
        // In this process, so one at a time.
        checking = checking.then(async () => {
          const changed = one.check(store).sort().join();
          if (!states.has(changed)) await one.converges(store);
          states.add(changed);
        });
        await checking.catch((error: unknown) => {
          throw new Error(`killed before call ${at}`, { cause: error });
        });
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, worker));
    expect(last, 'calls of a whole repair').toBeGreaterThan(20);
    expect(states.size, 'deaths met different states').toBeGreaterThan(1);
  });
});
