import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, test } from 'vitest';

import { DAMAGES, soundStore } from '../fixtures/damage';
import { cli } from '../support/cli';
import { faultOptions, type FaultPlan, withFaults } from '../support/faults';
import { runInProcess } from '../support/in-process';
import { temporaryDirectory, type TestStore } from '../support/store';

/*
 * A fault at every call of every repair, and a death beside every call that
 * changes something: each file is the old version or the new one, whole, and
 * where one is new the old one and a manifest are in the backup directory.
 */

const REPAIR = ['doctor', '--repair'];

/** One damage for each thing that a repair does. */
const REPAIRED = [
  'a session cut off, with a backup',
  'a wrong message_count',
  'a tombstone of a live session',
  'a row without a file',
  'a backup that holds more',
  'a backup whose session is gone',
  'a session that only the database has',
].map((name) => DAMAGES.find((damage) => damage.name === name)!);

const TEMPORARY = /\.\d{1,10}$|\.tmp\.\d+\.\d+$/;

type Files = Map<string, string>;

/** The files of `sessions/` themselves, with their bytes. */
function filesIn(dir: string): Files {
  const entries = fs.existsSync(dir) ? fs.readdirSync(dir, { withFileTypes: true }) : [];
  const names = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  return new Map(names.map((name) => [name, fs.readFileSync(path.join(dir, name), 'latin1')]));
}

class Case {
  private constructor(
    readonly store: TestStore,
    private readonly pristine: string,
    private readonly before: Files,
    private readonly after: Files,
  ) {}

  static async of(damage: (typeof REPAIRED)[number]): Promise<Case> {
    const store = await soundStore();
    await damage.build(store);
    const pristine = path.join(temporaryDirectory(), 'webui');
    fs.cpSync(store.stateDir, pristine, { recursive: true });
    const before = filesIn(store.sessionsDir);
    const { code, stdout } = await runInProcess([...REPAIR, '--json'], store.env);
    expect(code, stdout).toBe(0);
    return new Case(store, pristine, before, filesIn(store.sessionsDir));
  }

  reset(): void {
    fs.rmSync(this.store.stateDir, { recursive: true });
    fs.cpSync(this.pristine, this.store.stateDir, { recursive: true });
  }

  /** @returns the names of the files that are new. */
  check(): string[] {
    const found = filesIn(this.store.sessionsDir);
    const changed: string[] = [];
    for (const name of new Set([...found.keys(), ...this.before.keys()])) {
      if (TEMPORARY.test(name)) continue;
      if (found.get(name) === this.before.get(name)) continue;
      // The index may hold the rows of only some of what was changed: it is whole all the same.
      if (name === '_index.json') expect(Array.isArray(JSON.parse(found.get(name)!))).toBe(true);
      else expect(found.get(name), `${name} is the old version or the new one`).toBe(this.after.get(name));
      changed.push(name);
    }
    if (changed.length > 0) this.checkKept(changed);
    return changed;
  }

  private checkKept(changed: string[]): void {
    const dir = fs.readdirSync(this.store.stateDir).find((name) => name.startsWith('hermesctl-backup-'))!;
    expect(dir, 'there is a backup directory').toBeDefined();
    const root = path.join(this.store.stateDir, dir);
    const manifest = JSON.parse(fs.readFileSync(path.join(root, 'manifest.json'), 'utf8')) as {
      files: { path: string; backup: string | null }[];
    };
    for (const name of changed) {
      const kept = manifest.files.find((file) => path.basename(file.path) === name);
      expect(kept, `the manifest has ${name}`).toBeDefined();
      const bytes = kept!.backup === null ? undefined : fs.readFileSync(path.join(root, kept!.backup), 'latin1');
      expect(bytes, `${name} is kept as it was`).toBe(this.before.get(name));
    }
  }

  async converges(): Promise<void> {
    const { code, stdout } = await runInProcess([...REPAIR, '--lock-wait', '0', '--json'], this.store.env);
    expect(code, stdout).toBe(0);
  }
}

const FAULTS: [string, Omit<FaultPlan, 'root' | 'at'>][] = [
  ['ENOSPC once', { kind: 'error', errno: 'ENOSPC' }],
  ['ENOSPC from then on', { kind: 'error', errno: 'ENOSPC', persistent: true }],
  ['a short write, then ENOSPC', { kind: 'short-write', persistent: true }],
];

describe.each(REPAIRED)('$name', (damage) => {
  test.each(FAULTS)('survives %s at every call that changes something', { timeout: 180_000 }, async (_, fault) => {
    const one = await Case.of(damage);
    for (let at = 1; ; at++) {
      one.reset();
      const plan = { ...fault, at, root: one.store.stateDir, changing: fault.kind === 'error' };
      const { result, session } = await withFaults(plan, () => runInProcess([...REPAIR, '--json'], one.store.env));
      const place = `fault at call ${at}, ${session.calls[at - 1]}: exit ${result.code}, ${result.stdout}`;
      try {
        const changed = one.check();
        if (result.code === 0) expect(changed.length).toBeGreaterThan(0);
        else expect([1, 3, 4, 13], result.stdout).toContain(result.code);
        if (session.met && fault.persistent && changed.length === 0) expect(result.code).not.toBe(0);
        if (session.met && at % 7 === 0) await one.converges();
      } catch (error) {
        throw new Error(place, { cause: error });
      }
      if (!session.met) {
        expect(result.code).toBe(0);
        return;
      }
    }
  });
});

describe.each(REPAIRED.slice(-2))('$name', (damage) => {
  test('leaves the old version or the new one wherever it is killed', { timeout: 300_000 }, async () => {
    const one = await Case.of(damage);
    const states = new Set<string>();
    for (let at = 1; ; at++) {
      one.reset();
      const { nodeArgs, env } = faultOptions({ kind: 'kill-before', at, root: one.store.stateDir, changing: true });
      const result = await cli([...REPAIR, '--json'], { nodeArgs, env: { ...one.store.env, ...env } });
      const changed = one.check().sort().join();
      if (!states.has(changed)) await one.converges();
      states.add(changed);
      if (result.signal !== 'SIGKILL') {
        expect(result.code, result.stdout).toBe(0);
        break;
      }
    }
    expect(states.size, 'deaths met different states').toBeGreaterThan(1);
  });
});
