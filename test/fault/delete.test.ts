import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, test } from 'vitest';

import { agentDatabaseOf } from '../support/agent-db';
import { cli } from '../support/cli';
import { contentOf, deletableStore, DOOMED, keyOf } from '../support/deletable-store';
import { type FaultPlan, faultOptions, withFaults } from '../support/faults';
import { runInProcess } from '../support/in-process';
import { temporaryDirectory, type TestStore } from '../support/store';

/*
 * A deletion that is cut off anywhere can go on and can go back: after a fault
 * at every call of the file system and every statement of the database, the same
 * command finishes it, and `restore` brings back every byte and every row; and
 * so for the restore. Nothing that was left can be brought back by a server.
 */

const DELETE = ['sessions', 'delete', DOOMED, '--yes', '--lock-wait', '0', '--json'];
const RESTORE = ['sessions', 'restore', DOOMED, '--lock-wait', '0', '--json'];

type Content = Record<string, string>;

/** A store at one place, always, since the trash names absolute paths; and what is laid out there. */
interface Place {
  store: TestStore;
  whole: { tree: string; content: Content };
  gone: { tree: string; content: Content };
}

async function mustRun(store: TestStore, args: string[], codes = [0]): Promise<number> {
  const { code, stdout, stderr } = await runInProcess(args, store.env);
  expect(codes, `${args.join(' ')}: ${stdout}${stderr}`).toContain(code);
  return code;
}

async function makePlace(options: Parameters<typeof deletableStore>[0] = {}): Promise<Place> {
  const store = deletableStore(options);
  await mustRun(store, ['reindex', '--json']);
  const whole = { tree: saved(store), content: contentOf(store) };
  await mustRun(store, DELETE);
  return { store, whole, gone: { tree: saved(store), content: contentOf(store) } };
}

const COPY = { recursive: true, preserveTimestamps: true, verbatimSymlinks: true };

function saved({ root }: TestStore): string {
  const tree = temporaryDirectory();
  fs.cpSync(root, tree, COPY);
  return tree;
}

function layOut({ root }: TestStore, tree: string): void {
  for (const name of fs.readdirSync(root)) fs.rmSync(path.join(root, name), { recursive: true });
  fs.cpSync(tree, root, COPY);
}

/** What a server would make of a session without its file: reference webui-store §9.1. */
function assertNotResurrected(content: Content): void {
  const has = (name: string): boolean => `webui/sessions/${name}` in content;
  if (has(`${DOOMED}.json`)) return;
  const tombstones = content['webui/sessions/_deleted_webui_sessions.json'] ?? '';
  const hasRow = Object.keys(content).some(
    (key) => key.startsWith('sessions ') && content[key].includes(`'${DOOMED}'`),
  );
  if (has(`${DOOMED}.json.bak`) || hasRow) expect(tombstones, 'it is recorded as deleted').toContain(DOOMED);
}

/** Goes on and goes back from what was left, in both orders; a state that was seen before need not be tried again. */
class Convergence {
  readonly seen = new Set<string>();

  async check({ store, whole, gone }: Place, interrupted: 'delete' | 'restore'): Promise<void> {
    const content = contentOf(store);
    expect(content['integrity']).toBe('ok');
    if (interrupted === 'delete') assertNotResurrected(content);
    const key = keyOf(store);
    if (this.seen.has(key)) return;
    this.seen.add(key);
    const left = saved(store);

    await mustRun(store, DELETE, [0, 5]);
    expect(contentOf(store), 'deleted').toEqual(gone.content);
    await mustRun(store, RESTORE);
    expect(contentOf(store), 'deleted, then restored').toEqual(whole.content);
    await mustRun(store, DELETE);
    expect(contentOf(store), 'deleted once more').toEqual(gone.content);

    layOut(store, left);
    await mustRun(store, RESTORE, [0, 5]);
    await mustRun(store, ['reindex', '--json']);
    expect(contentOf(store), 'restored').toEqual(whole.content);
    await mustRun(store, DELETE);
    expect(contentOf(store), 'restored, then deleted').toEqual(gone.content);
    fs.rmSync(left, { recursive: true });
  }
}

type Fault = Omit<FaultPlan, 'root' | 'at'>;

const FAULTS: [command: 'delete' | 'restore', name: string, fault: Fault][] = [
  ['delete', 'EIO once', { kind: 'error', errno: 'EIO' }],
  ['delete', 'ENOSPC from then on', { kind: 'error', errno: 'ENOSPC', persistent: true }],
  ['delete', 'a statement that fails though it was run', { kind: 'error-after', only: ['sql'] }],
  ['restore', 'EIO once', { kind: 'error', errno: 'EIO' }],
  ['restore', 'a statement that fails though it was run', { kind: 'error-after', only: ['sql'] }],
];

describe.each([
  ['delete', DELETE],
  ['restore', RESTORE],
] as const)('%s', (command, args) => {
  test.each(FAULTS.flatMap(([of, ...fault]) => (of === command ? [fault] : [])))(
    'survives %s at every call and statement',
    { timeout: 900_000 },
    async (_, fault) => {
      const place = await makePlace();
      const { store } = place;
      const convergence = new Convergence();
      let met = true;
      let at = 1;
      for (; met; at++) {
        layOut(store, (command === 'delete' ? place.whole : place.gone).tree);
        const plan = { ...fault, root: store.root, at, sqlite: true };
        const { result, session } = await withFaults(plan, () => runInProcess([...args], store.env));
        met = session.met;
        try {
          const { error } = JSON.parse(result.stdout) as { error?: { code: string; exit: number } };
          expect(result.code).toBe(error?.exit ?? 0);
          expect([undefined, 'IO_ERROR', 'REFUSED', 'DATABASE_UNUSABLE']).toContain(error?.code);
          if (!met) expect(result.code).toBe(0);
          await convergence.check(place, command);
        } catch (error) {
          const where = `fault at call ${at}, ${session.calls[at - 1]}`;
          throw new Error(`${where}: exit ${result.code}, ${result.stdout}${result.stderr}`, { cause: error });
        }
      }
      expect(at, 'the faults were met').toBeGreaterThan(5);
    },
  );

  test('goes on and back wherever it is killed', { timeout: 900_000 }, async () => {
    const places = [await makePlace(), await makePlace(), await makePlace()];
    const convergence = new Convergence();
    const kills = everyCall();
    let checking = Promise.resolve();
    const worker = async (place: Place): Promise<void> => {
      const { store } = place;
      for (const kill of kills) {
        layOut(store, (command === 'delete' ? place.whole : place.gone).tree);
        const { nodeArgs, env } = faultOptions({ ...kill, root: store.root, changing: true, sqlite: true });
        const result = await cli([...args], { nodeArgs, env: { ...store.env, ...env } });
        if (result.signal !== 'SIGKILL') {
          expect(result.code, result.stdout + result.stderr).toBe(0);
          kills.return();
        }
        checking = checking.then(() => convergence.check(place, command));
        await checking.catch((error: unknown) => {
          throw new Error(`${kill.kind} of call ${kill.at}`, { cause: error });
        });
      }
    };
    await Promise.all(places.map(worker));
    expect(convergence.seen.size, 'kills met many different states').toBeGreaterThan(15);
  });
});

function* everyCall(): Generator<{ kind: 'kill-before' | 'kill-after'; at: number }, void> {
  for (let at = 1; ; at++) {
    yield { kind: 'kill-before', at };
    yield { kind: 'kill-after', at };
  }
}

test('statements are counted beside calls', async () => {
  const store = deletableStore();
  const { session } = await withFaults({ root: store.root, sqlite: true }, () => runInProcess(DELETE, store.env));
  const statements = session.calls.filter((call) => call.startsWith('sql '));
  expect(statements[0]).toBe('sql BEGIN IMMEDIATE');
  expect(statements.at(-1)).toBe('sql COMMIT');
  expect(statements.length).toBeGreaterThan(6);
  expect(session.calls.filter((call) => /rows\.ndjson/.test(call)).length).toBeGreaterThan(3);
  expect(fs.existsSync(agentDatabaseOf(store))).toBe(true);
});
