import fs from 'node:fs';
import path from 'node:path';

import fc from 'fast-check';
import { expect, it } from 'vitest';

import { readEntries } from '../../../src/core/index/rows-file';
import { applyReindex, planPatch, planRebuild, type ReindexPlan } from '../../../src/core/index/reindex';
import { entryOf, type IndexEntry, sortEntries, sortTime } from '../../../src/core/index/rows-file';
import { rowOf } from '../../../src/core/index/read';
import { bytesSource, JsonReader } from '../../../src/core/json/reader';
import { JsonSyntaxError } from '../../../src/core/json/syntax-error';
import { rowDefaults } from '../../../src/core/listing/rows';
import { scanSidecar } from '../../../src/core/sidecar/read';
import { testDeps } from '../../support/deps';
import { LAYOUTS, spell, type Spelled } from '../../support/documents';
import { locationOf } from '../../support/places';
import { makeStore, session, type TestStore } from '../../support/store';

type Row = IndexEntry & { text: Buffer };

/** The rows of an index, each parsed; undefined where it cannot be used. */
function parseRows(bytes: Buffer): Row[] | undefined {
  try {
    const reader = new JsonReader(bytesSource(bytes));
    if (reader.hasBom) return undefined;
    const rows: Row[] = [];
    reader.beginArray();
    while (reader.nextItem()) {
      const text = reader.capture();
      const row = rowOf(text);
      if (row === undefined) return undefined;
      rows.push({ id: row.id, updatedAt: sortTime(row), text });
    }
    reader.finish();
    return rows;
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
}

interface Expected {
  bytes: string;
  added: string[];
  updated: string[];
  removed: string[];
}

/** What a patch makes of an index, by parsing all of it and putting it together again. */
function patchedByParsing(
  store: TestStore,
  old: readonly Row[],
  named: readonly string[],
  damaged: string[],
): Expected {
  const deps = testDeps();
  const defaults = rowDefaults(locationOf(store), store.root);
  const live = fs
    .readdirSync(store.sessionsDir)
    .filter((name) => /^[a-z]\.json$/.test(name))
    .map((name) => name.slice(0, 1));
  const fresh = named
    .filter((id) => live.includes(id) && !damaged.includes(id))
    .map((id) => entryOf(scanSidecar(deps.fs, store.sessionsDir, id)!, defaults));
  const kept = old.filter(({ id }) => live.includes(id) && !named.includes(id));
  const rows = sortEntries([...kept, ...fresh]) as Row[];
  const before = new Map(old.map((row) => [row.id, row]));
  const ids = rows.map(({ id }) => id);
  return {
    bytes: rows.length === 0 ? '[]' : `[\n  ${rows.map(({ text }) => text.toString()).join(',\n  ')}\n]`,
    added: ids.filter((id) => !before.has(id)),
    updated: rows.filter(({ id, text }) => before.get(id)?.text.equals(text) === false).map(({ id }) => id),
    removed: [...before.keys()].filter((id) => !ids.includes(id)),
  };
}

const id = fc.constantFrom('a', 'b', 'c', 'd', 'x', 'y');
const row = fc
  .record({
    id: id.map((name) => JSON.stringify(name)),
    updated: fc.constantFrom(
      '1777000000.5',
      '1777000001',
      '"1777000002"',
      'null',
      'NaN',
      '1e400',
      '[1]',
      '1760000007.1234567',
    ),
    more: fc.constantFrom('{}', '"é"', '[\n1]', '"],\\n  {"', 'true'),
    idFirst: fc.boolean(),
  })
  .map(({ id: name, updated, more, idFirst }): Spelled => {
    const known: [string, Spelled] = ['"session_id"', name];
    const others: [string, Spelled][] = [
      ['"updated_at"', updated],
      ['"x_unknown"', more],
    ];
    return { members: idFirst ? [known, ...others] : [...others, known] };
  });
const index = fc
  .tuple(fc.array(row, { maxLength: 8 }), fc.constantFrom(...LAYOUTS), fc.constantFrom('', '\n', '\ufeff', ' ]'))
  .map(
    ([items, layout, odd]) => (odd === '\ufeff' ? odd : '') + spell({ items }, layout) + (odd === '\ufeff' ? '' : odd),
  );

it('patches an index as parsing all of it would, whatever the layout', async () => {
  const outcomes = { patched: 0, rebuilt: 0, untouched: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1 }),
      fc.uniqueArray(id, { minLength: 1, maxLength: 3 }),
      fc.option(index, { freq: 6, nil: undefined }),
      fc.subarray(['a', 'b'], { maxLength: 1 }),
      async (sessions, named, text, damaged) => {
        const store = makeStore(
          Object.fromEntries(sessions.map((name) => [name, damaged.includes(name) ? '{' : session(name)])),
        );
        const location = locationOf(store);
        const file = path.join(store.sessionsDir, '_index.json');
        const defaults = rowDefaults(location, store.root);
        const deps = testDeps();
        // Without a text the index is the one that belongs to the sessions.
        if (text === undefined) await applyReindex(await planRebuild(location, defaults, deps), deps);
        else fs.writeFileSync(file, text);
        const before = fs.readFileSync(file);
        const old = parseRows(before);
        const plan: ReindexPlan = await planPatch(location, named, defaults, deps);
        await applyReindex(plan, deps);
        const after = fs.readFileSync(file);
        if (old === undefined) {
          outcomes.rebuilt++;
          const anew = await planRebuild(location, defaults, deps);
          expect(anew.changed, 'where the index could not be used it is made anew').toBe(false);
          return;
        }
        const expected = patchedByParsing(store, old, named, damaged);
        expect(plan).toMatchObject({ added: expected.added, updated: expected.updated, removed: expected.removed });
        expect(plan.rows).toBe(parseRows(after)?.length);
        outcomes[plan.changed ? 'patched' : 'untouched']++;
        if (plan.changed) expect(after.toString()).toBe(expected.bytes);
        else expect(after.equals(before)).toBe(true);
      },
    ),
    { numRuns: 250 },
  );
  expect(Math.min(...Object.values(outcomes)), JSON.stringify(outcomes)).toBeGreaterThan(3);
});

it('keeps the rows of others out of memory', () => {
  const store = makeStore({ a: session('a'), b: session('b') });
  const file = path.join(store.sessionsDir, '_index.json');
  fs.writeFileSync(file, JSON.stringify([{ session_id: 'a' }, { session_id: 'b' }, { session_id: 'a' }]));
  const { entries } = readEntries(file, testDeps(), (name) => name === 'c');
  expect(entries?.map(({ id: name, text }) => [name, text?.toString()])).toEqual([
    ['a', '{"session_id":"a"}'],
    ['b', undefined],
    ['a', '{"session_id":"a"}'],
  ]);
});

it('refuses to copy from an index that is another one by now', async () => {
  const store = makeStore({ a: session('a'), b: session('b') });
  const location = locationOf(store);
  const defaults = rowDefaults(location, store.root);
  const deps = testDeps();
  await applyReindex(await planRebuild(location, defaults, deps), deps);
  fs.writeFileSync(path.join(store.sessionsDir, 'a.json'), JSON.stringify(session('a', { title: 'Another' })));
  const plan = await planPatch(location, ['a'], defaults, deps);
  const file = path.join(store.sessionsDir, '_index.json');
  const theirs = fs.readFileSync(file);
  fs.writeFileSync(`${file}.1`, theirs);
  fs.renameSync(`${file}.1`, file);
  await expect(applyReindex(plan, deps)).rejects.toMatchObject({ code: 'CHANGED_ON_DISK' });
  expect(fs.readFileSync(file).equals(theirs)).toBe(true);
  expect(fs.readdirSync(store.sessionsDir).sort()).toEqual(['_index.json', 'a.json', 'b.json']);
});
