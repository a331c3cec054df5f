import fs from 'node:fs';
import path from 'node:path';

import fc from 'fast-check';
import { expect, it } from 'vitest';

import { knownRowsAt } from '../../../src/core/index/known-rows';
import { applyReindex, planRebuild, type ReindexPlan } from '../../../src/core/index/reindex';
import { rowDefaults } from '../../../src/core/listing/rows';
import { testDeps } from '../../support/deps';
import { locationOf } from '../../support/places';
import { makeStore, session, temporaryDirectory, type TestStore, writeSidecar } from '../../support/store';

/** Two changes within a tick of the file system's clock look like one: a row is known only after it. */
const aTick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 150));

/** A store, and its index made again and again. */
function fixture(store: TestStore, deps = testDeps()) {
  const location = { ...locationOf(store), cacheDir: { value: temporaryDirectory(), source: 'test' } };
  const defaults = rowDefaults(location, store.root);
  const reindex = async (version = '1', trust = true): Promise<ReindexPlan> => {
    const known = knownRowsAt(location, defaults, { version, trust }, deps);
    const plan = await planRebuild(location, defaults, deps, known);
    await applyReindex(plan, deps, known);
    known.save();
    return plan;
  };
  return { location, reindex, anew: () => planRebuild(location, defaults, deps) };
}

const indexOf = (store: TestStore): string => path.join(store.sessionsDir, '_index.json');
const three = (): TestStore => makeStore({ a: session('a'), b: session('b'), c: session('c') });

it('reads only what is not as it was', async () => {
  const store = three();
  const { reindex } = fixture(store);
  await aTick();
  expect((await reindex()).filesRead).toBe(3);
  expect(await reindex()).toMatchObject({ filesRead: 0, changed: false });
  writeSidecar(store, 'b', session('b', { title: 'Another' }));
  expect(await reindex()).toMatchObject({ filesRead: 1, updated: ['b'] });
  expect((await reindex()).filesRead, 'it was changed just now').toBe(1);
  await aTick();
  await reindex();
  expect((await reindex()).filesRead).toBe(0);
});

it('reads everything for another version, where it is told to, and where what it knew is gone or spoilt', async () => {
  const store = three();
  const { reindex, location } = fixture(store);
  await aTick();
  await reindex();
  expect((await reindex('2')).filesRead).toBe(3);
  expect((await reindex('1', false)).filesRead).toBe(3);
  expect((await reindex()).filesRead).toBe(0);
  const dir = path.join(location.cacheDir.value, 'index');
  for (const name of fs.readdirSync(dir)) fs.writeFileSync(path.join(dir, name), '{"format":');
  expect((await reindex()).filesRead).toBe(3);
});

it('opens no file of the store where nothing changed, and not even the index where its times tell that', async () => {
  const store = three();
  const opened: string[] = [];
  const openSync: typeof fs.openSync = (file, ...rest) => {
    opened.push(path.basename(String(file)));
    return fs.openSync(file, ...rest);
  };
  const { reindex } = fixture(store, testDeps({ fs: { openSync } }));
  await aTick();
  await reindex();
  await aTick();
  opened.length = 0;
  expect(await reindex()).toMatchObject({ filesRead: 0, changed: false, rows: 3 });
  expect(opened, 'what was written is looked at once').toEqual(['_index.json']);
  opened.length = 0;
  expect(await reindex()).toMatchObject({ filesRead: 0, changed: false, rows: 3, added: [], updated: [], removed: [] });
  expect(opened).toEqual([]);
});

/** The first line of what is known, with other values. */
function spelledAs(known: Buffer, changes: object): Buffer {
  const header = JSON.parse(known.toString('utf8', 0, known.indexOf(10))) as object;
  return Buffer.from(`${JSON.stringify({ ...header, ...changes })}\n`);
}

it.each<[string, (known: Buffer) => Uint8Array]>([
  ['cut short', (known) => known.subarray(0, -1)],
  ['longer than it says', (known) => Buffer.concat([known, Buffer.from('\nd')])],
  ['without its rows', (known) => known.subarray(0, known.indexOf(10) + 1)],
  ['without a line', () => Buffer.from('hermesctl')],
  ['of half a row', (known) => Buffer.concat([spelledAs(known, { rows: 0.5, ids: 3 }), Buffer.alloc(33)])],
  [
    'of another format',
    (known) => Buffer.from(known.toString('latin1').replace('index rows 1', 'index rows 0'), 'latin1'),
  ],
  ['of another store', (known) => Buffer.from(known.toString('latin1').replace('sessions', 'sessionz'), 'latin1')],
])('believes nothing of what it knew where that is %s', async (_, spoil) => {
  const store = three();
  const { reindex, location } = fixture(store);
  await aTick();
  await reindex();
  const dir = path.join(location.cacheDir.value, 'index');
  const [file] = fs.readdirSync(dir).map((name) => path.join(dir, name));
  const known = fs.readFileSync(file);
  fs.writeFileSync(file, spoil(known));
  expect((await reindex()).filesRead).toBe(3);
  fs.writeFileSync(file, known);
  expect((await reindex()).filesRead).toBe(0);
});

it('remembers whatever the version and the place are called', async () => {
  const store = three();
  const { reindex } = fixture(store);
  await aTick();
  for (let version = 0; version < 40; version++) {
    await reindex(String(version));
    expect((await reindex(String(version))).filesRead, `version ${version}`).toBe(0);
  }
});

it('does not take a row for right that somebody wrote into the index', async () => {
  const store = three();
  const { reindex } = fixture(store);
  await aTick();
  await reindex();
  const good = fs.readFileSync(indexOf(store), 'utf8');
  fs.writeFileSync(indexOf(store), good.replace('"session_id": "b"', '"session_id": "b",\n    "title": "Not so"'));
  expect(await reindex()).toMatchObject({ filesRead: 1, updated: ['b'] });
  expect(fs.readFileSync(indexOf(store), 'utf8')).toBe(good);
});

it('finds again what there is to warn of', async () => {
  const store = makeStore({ a: session('a'), b: session('another'), c: '{' });
  const { reindex } = fixture(store);
  await aTick();
  const first = await reindex();
  expect(first.warnings).toMatchObject([{ code: 'ID_MISMATCH' }]);
  const again = await reindex();
  expect(again).toMatchObject({ filesRead: 2, warnings: first.warnings, damaged: first.damaged });
});

/** What somebody may do to a store between two runs. */
const CHANGES: Record<string, (store: TestStore, id: string, words: string) => void> = {
  'writes a session': (store, id, words) => void writeSidecar(store, id, session(id, { title: words })),
  'replaces a session': (store, id, words) => {
    const file = path.join(store.sessionsDir, `${id}.json`);
    fs.writeFileSync(`${file}.1`, JSON.stringify(session(id, { title: words })));
    fs.renameSync(`${file}.1`, file);
  },
  'swaps two sessions': (store) => {
    const [a, b, aside] = ['a.json', 'b.json', 'aside'].map((name) => path.join(store.sessionsDir, name));
    if (!fs.existsSync(a) || !fs.existsSync(b)) return;
    fs.renameSync(a, aside);
    fs.renameSync(b, a);
    fs.renameSync(aside, b);
  },
  'removes a session': (store, id) => fs.rmSync(path.join(store.sessionsDir, `${id}.json`), { force: true }),
  'damages a session': (store, id) => void writeSidecar(store, id, '{"session_id":'),
  'removes the index': (store) => fs.rmSync(indexOf(store), { force: true }),
  'breaks the index': (store) => fs.writeFileSync(indexOf(store), '[{'),
  'doubles a row': (store) => {
    if (!fs.existsSync(indexOf(store))) return;
    const text = fs.readFileSync(indexOf(store), 'utf8');
    if (text.startsWith('[\n') && text.endsWith('\n]'))
      fs.writeFileSync(indexOf(store), `${text.slice(0, -2)},\n  {\n    "session_id": "a"\n  }\n]`);
  },
  'writes into a row': (store, _id, words) => {
    if (!fs.existsSync(indexOf(store))) return;
    const text = fs.readFileSync(indexOf(store), 'utf8');
    fs.writeFileSync(indexOf(store), text.replace('"title": "', `"title": "${words}`));
  },
  'lays the index out anew': (store) => {
    if (!fs.existsSync(indexOf(store))) return;
    const text = fs.readFileSync(indexOf(store), 'utf8');
    if (text.endsWith('\n]')) fs.writeFileSync(indexOf(store), `${text.slice(0, -2)}]\n`);
  },
  'sorts the index otherwise': (store) => {
    if (!fs.existsSync(indexOf(store))) return;
    const text = fs.readFileSync(indexOf(store), 'utf8');
    if (text.startsWith('[\n  ') && text.endsWith('\n]'))
      fs.writeFileSync(
        indexOf(store),
        `[\n  ${text
          .slice(4, -2)
          .split(',\n  {')
          .reverse()
          .map((row) => `{${row.trim().replace(/^\{/, '')}`)
          .join(',\n  ')}\n]`,
      );
  },
  nothing: () => undefined,
};

it('always makes the index that reading everything makes', async () => {
  const step = fc.record({
    change: fc.constantFrom(...Object.keys(CHANGES)),
    id: fc.constantFrom('a', 'b', 'c'),
    words: fc.stringMatching(/^[a-z]{0,5}$/),
    rests: fc.boolean(),
  });
  let spared = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 10 }), async (steps) => {
      const store = three();
      const { reindex, anew } = fixture(store);
      for (const { change, id, words, rests } of steps) {
        CHANGES[change](store, id, words);
        if (rests) await aTick();
        spared += 3 - (await reindex()).filesRead;
        expect((await anew()).changed, `after somebody ${change}`).toBe(false);
      }
    }),
    { numRuns: 15 },
  );
  expect(spared, 'files were not read').toBeGreaterThan(10);
}, 120_000);
