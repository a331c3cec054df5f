import fs from 'node:fs';
import path from 'node:path';

import { expect, it } from 'vitest';

import { driftOf } from '../../../src/core/index/drift';
import { applyReindex, planCompared, planRebuild } from '../../../src/core/index/reindex';
import { entryOf } from '../../../src/core/index/rows-file';
import { rowDefaults } from '../../../src/core/listing/rows';
import { scanSidecar } from '../../../src/core/sidecar/read';
import { testDeps } from '../../support/deps';
import { locationOf } from '../../support/places';
import { makeStore, session } from '../../support/store';

/** How an index may differ from what it should be, given its rows as texts. */
const INDEXES: Record<string, { text: (rows: string[]) => string; plan: object; drift: object[] }> = {
  'is right': { text: (rows) => list(rows), plan: { changed: false }, drift: [] },
  'has another value of the same length': {
    text: (rows) => list(rows).replace('Title of b', 'Title of B'),
    plan: { changed: true, updated: ['b'] },
    drift: [{ session_id: 'b', kind: 'stale' }],
  },
  'has another last byte': {
    text: (rows) => `${list(rows).slice(0, -1)} `,
    plan: { changed: true, added: ['a', 'b', 'c'] },
    drift: [{ kind: 'unusable' }, { kind: 'missing' }, { kind: 'missing' }, { kind: 'missing' }],
  },
  'begins with a byte-order mark, with which the server cannot load it,': {
    text: (rows) => `\ufeff${list(rows)}`,
    plan: { changed: true, added: ['a', 'b', 'c'] },
    drift: [{ kind: 'unusable' }, { kind: 'missing' }, { kind: 'missing' }, { kind: 'missing' }],
  },
  // Whoever takes it apart finds the rows that should be there.
  'ends with a line': { text: (rows) => `${list(rows)}\n`, plan: { changed: false }, drift: [] },
  'lacks a row': {
    text: ([, ...rows]) => list(rows),
    plan: { changed: true, added: ['a'] },
    drift: [{ session_id: 'a', kind: 'missing' }],
  },
  'has a row of nobody': {
    text: (rows) => list([...rows, rows[0].replace('"a"', '"x"')]),
    plan: { changed: true, removed: ['x'] },
    drift: [{ session_id: 'x', kind: 'ghost' }],
  },
  'has a row twice': {
    text: (rows) => list([...rows, rows[0]]),
    plan: { changed: true },
    drift: [{ session_id: 'a', kind: 'duplicate' }],
  },
  'has another order': {
    text: ([a, b, c]) => list([b, a, c]),
    plan: { changed: true, added: [], updated: [], removed: [] },
    drift: [{ kind: 'order' }],
  },
};

const list = (rows: string[]): string => `[\n  ${rows.join(',\n  ')}\n]`;

it.each(Object.entries(INDEXES))(
  'tells how an index that %s differs, and makes it right',
  async (_, { text, plan, drift }) => {
    const ids = ['a', 'b', 'c'];
    const store = makeStore(
      Object.fromEntries(ids.map((id) => [id, session(id, { title: `Title of ${id}`, updated_at: 5 })])),
    );
    const location = locationOf(store);
    const defaults = rowDefaults(location, store.root);
    const deps = testDeps();
    await applyReindex(await planRebuild(location, defaults, deps), deps);
    const file = path.join(store.sessionsDir, '_index.json');
    const right = fs.readFileSync(file, 'utf8');
    const rows = right
      .slice('[\n  '.length, -'\n]'.length)
      .split(',\n  {')
      .map((row, i) => (i === 0 ? row : `{${row}`));
    fs.writeFileSync(file, text(rows));
    const planned = await planRebuild(location, defaults, deps);
    expect(planned).toMatchObject({ rows: 3, filesRead: 3, ...plan });
    expect(driftOf(planned)).toMatchObject(drift);
    const compared = await planCompared(location, deps, (keep) =>
      Promise.resolve({
        files: ids.length,
        entries: ids.map((id) => keep(entryOf(scanSidecar(fs, store.sessionsDir, id)!, defaults))),
        damaged: [],
        warnings: [],
      }),
    );
    expect(driftOf(compared)).toEqual(driftOf(planned));
    // An audit of a hundred thousand sessions holds no text of a row that is right or missing.
    const texts = compared.entries.filter(({ text }) => text !== undefined);
    const repeated = compared.entries.filter(({ id }) => compared.current?.filter((one) => one.id === id).length === 2);
    expect(texts.map(({ id }) => id)).toEqual([...compared.updated, ...repeated.map(({ id }) => id)]);
    const before = fs.readFileSync(file, 'utf8');
    await applyReindex(planned, deps);
    expect(fs.readFileSync(file, 'utf8')).toBe(planned.changed ? right : before);
  },
);

it('has no row of a session that nests a value of it more deeply than the server reads', async () => {
  const deep = JSON.stringify(session('b')).replace(/}$/, `,"personality":${'['.repeat(30_000)}${']'.repeat(30_000)}}`);
  const store = makeStore({ a: session('a'), b: deep });
  const location = locationOf(store);
  const plan = await planRebuild(location, rowDefaults(location, store.root), testDeps());
  expect(plan).toMatchObject({ rows: 1, damaged: [{ code: 'SESSION_DAMAGED', session_id: 'b', kind: 'too-deep' }] });
});

it('does not write over an index that a server wrote while the files were read', async () => {
  const store = makeStore({ a: session('a'), b: session('b') });
  const location = locationOf(store);
  const defaults = rowDefaults(location, store.root);
  const deps = testDeps();
  await applyReindex(await planRebuild(location, defaults, deps), deps);
  const file = path.join(store.sessionsDir, '_index.json');
  fs.writeFileSync(file, '[]');
  let isWritten = false;
  const openSync: typeof fs.openSync = (opened, ...rest) => {
    if (String(opened).endsWith('b.json') && !isWritten) {
      fs.writeFileSync(`${file}.1`, '[]\n');
      fs.renameSync(`${file}.1`, file);
      isWritten = true;
    }
    return fs.openSync(opened, ...rest);
  };
  const meanwhile = testDeps({ fs: { openSync } });
  const plan = await planRebuild(location, defaults, meanwhile);
  expect(isWritten).toBe(true);
  expect(plan).toMatchObject({ changed: true, added: ['a', 'b'] });
  await expect(applyReindex(plan, deps)).rejects.toMatchObject({ code: 'CHANGED_ON_DISK' });
  expect(fs.readFileSync(file, 'utf8')).toBe('[]\n');
});
