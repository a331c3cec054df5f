import path from 'node:path';

import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';

import { cli } from '../support/cli';
import { faultOptions, type FaultPlan } from '../support/faults';
import type { TestStore } from '../support/store';
import { checkLeft, Convergence, reset } from './checks';
import { baseStore, type Prepared, prepareScenario, SCENARIOS } from './scenarios';

const AT_A_TIME = 3;

type Kill = Required<Pick<FaultPlan, 'kind' | 'at'>>;

const KILLED = SCENARIOS.filter(({ killed }) => killed).map((scenario) => [scenario.name, scenario] as const);

/**
 * Processes die beside every call that changes the store; beside one that only
 * reads, the store is what it is beside the call before.
 */
describe.each(KILLED)('%s', (_name, scenario) => {
  test('leaves the old version or the new one wherever it is killed', { timeout: 180_000 }, async () => {
    const prepared = await prepareScenario(scenario);
    const convergence = new Convergence();
    const kills = everyCall();
    let checking = Promise.resolve();
    const worker = async (store: TestStore): Promise<void> => {
      for (const kill of kills) {
        const { isOver } = await runAndKill(prepared, store, kill);
        if (isOver) kills.return();
        // In this process, so one at a time.
        checking = checking.then(async () => {
          assertLockFree(store);
          const left = checkLeft(prepared, store);
          await convergence.check(prepared, store, left);
        });
        await checking.catch((error: unknown) => {
          throw new Error(`${kill.kind} of call ${kill.at}`, { cause: error });
        });
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, baseStore).map(worker));
    expect(convergence.states, 'kills met different states').toBeGreaterThan(2);
  });
});

/** The kernel has given the lock back, whatever the holder's file still says. */
function assertLockFree({ stateDir }: TestStore): void {
  const database = new Database(path.join(stateDir, '.hermesctl-lock.db'), { timeout: 0 });
  database.exec('BEGIN EXCLUSIVE');
  database.close();
}

function* everyCall(): Generator<Kill, void> {
  for (let at = 1; ; at++) {
    yield { kind: 'kill-before', at };
    yield { kind: 'kill-after', at };
  }
}

/** Runs the command in a process that dies; `isOver` where it came to its end instead. */
async function runAndKill(prepared: Prepared, store: TestStore, kill: Kill): Promise<{ isOver: boolean }> {
  const { scenario } = prepared;
  reset(prepared, store);
  const { nodeArgs, env } = faultOptions({
    ...kill,
    root: store.stateDir,
    changing: true,
    noLinks: scenario.noLinks ?? false,
  });
  const result = await cli([...scenario.args, '--json'], { nodeArgs, env: { ...store.env, ...env } });
  if (result.signal === 'SIGKILL') return { isOver: false };
  expect(result.code, result.stdout + result.stderr).toBe(0);
  return { isOver: true };
}
