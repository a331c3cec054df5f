import { describe, expect, test } from 'vitest';

import { type FaultPlan, type FaultSession, withFaults } from '../support/faults';
import { runInProcess } from '../support/in-process';
import { type TestStore, writeSidecar } from '../support/store';
import { checkLeft, checkTold, Convergence, reset } from './checks';
import { baseStore, type Prepared, prepareScenario, SCENARIOS, TARGET, targetText } from './scenarios';

type Fault = Omit<FaultPlan, 'root' | 'at'>;

const FAULTS: [string, Fault][] = [
  ...(['ENOSPC', 'EIO', 'EPERM'] as const).flatMap((errno): [string, Fault][] => [
    [`${errno} once`, { kind: 'error', errno }],
    [`${errno} from then on`, { kind: 'error', errno, persistent: true }],
  ]),
  ['a short write once', { kind: 'short-write' }],
  ['a short write, then ENOSPC', { kind: 'short-write', persistent: true }],
];

/** Runs the command once with the fault at this place, and checks all that it left and said. */
async function runWithFault(
  prepared: Prepared,
  store: TestStore,
  fault: Fault & { at: number },
  convergence: Convergence,
): Promise<FaultSession> {
  const { scenario } = prepared;
  reset(prepared, store);
  const plan = { ...fault, root: store.stateDir, noLinks: scenario.noLinks ?? false };
  const { result, session } = await withFaults(plan, () => runInProcess([...scenario.args, '--json'], store.env));
  try {
    const left = checkLeft(prepared, store);
    checkTold(prepared, left, result.code, result.stdout);
    await convergence.check(prepared, store, left);
    // A write may always be short: only what cannot be written in the end is a failure.
    const isHarmless = fault.kind === 'short-write' && !fault.persistent;
    if (!session.met || isHarmless) expect(result.code).toBe(0);
  } catch (error) {
    const place = `fault at call ${fault.at}, ${session.calls[fault.at - 1]}`;
    throw new Error(`${place}: exit ${result.code}, ${result.stdout}${result.stderr}`, { cause: error });
  }
  return session;
}

describe.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))('%s', (_name, scenario) => {
  const convergence = new Convergence();

  const faults = scenario.faults === 'few' ? FAULTS.slice(0, 1) : FAULTS;

  test.each(faults)('survives %s at every call', async (_, fault) => {
    const prepared = await prepareScenario(scenario);
    const store = baseStore();
    let at = 1;
    while ((await runWithFault(prepared, store, { ...fault, at }, convergence)).met) at++;
    const writesNothing = scenario.name === 'gc-tmp' && fault.kind === 'short-write';
    expect(at > 1 || writesNothing, 'the faults were met').toBe(true);
  });
});

/** Where nothing can be linked an undo reads the transcript thrice and copies it twice, a MiB at a time. */
describe('undo of a transcript in several pieces', () => {
  const scenario = SCENARIOS.find(({ name }) => name === 'undo without hard links')!;
  const convergence = new Convergence();
  const faults = FAULTS.filter(([name]) => ['EIO once', 'ENOSPC from then on'].includes(name) || /short/.test(name));

  test.each(faults)('survives %s while it is read and copied', async (_, fault) => {
    const store = baseStore();
    writeSidecar(store, TARGET, targetText(LONG));
    const prepared = await prepareScenario(scenario, store);
    const only = ['readSync', 'writeSync'];
    let at = 1;
    while ((await runWithFault(prepared, store, { ...fault, only, at }, convergence)).met) at++;
    expect(at, 'several pieces were copied').toBeGreaterThan(fault.kind === 'short-write' ? 8 : 20);
  });
});

/** Turns that make some 2.5 MB. */
const LONG = 4_000;

test('calls are counted whoever makes them, and only those on the store', async () => {
  const [undo] = SCENARIOS;
  const prepared = await prepareScenario(undo);
  const store = baseStore();
  reset(prepared, store);
  const { session } = await withFaults({ root: store.stateDir }, () => runInProcess(undo.args, store.env));
  const calls = session.calls.map((call) => call.replace(/\d{5,}$/, 'N'));
  const temporary = `sessions/${TARGET}.json.N`;
  // write-file-atomic makes it, hermesctl fills it, write-file-atomic renames it.
  expect(calls.filter((call) => call === `openSync ${temporary}`)).toHaveLength(2);
  for (const name of ['writeSync', 'fsyncSync', 'chmodSync', 'renameSync'])
    expect(calls).toContain(`${name} ${temporary}`);
  expect(calls).toContain('fsyncSync sessions');
  expect(calls).toContain(`linkSync sessions/${TARGET}.json`);
  // What a call calls inside counts as that call.
  expect(calls.filter((call) => call.endsWith('.hermesctl-lock.json'))).toContain('writeFileSync .hermesctl-lock.json');
  expect(calls).not.toContain('openSync .hermesctl-lock.json');
});
