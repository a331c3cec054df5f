import fs from 'node:fs';
import path from 'node:path';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Renderer } from '../../../src/cli/output/document';
import type { Deps } from '../../../src/core/deps';
import {
  byRuntime,
  isRuntimeActive,
  runtimeTimestamp,
  serverKey,
  type ServerKeyParts,
} from '../../../src/core/listing/cache-key';
import { type CachedListResult, listThroughCache } from '../../../src/core/listing/cached-list';
import { listSessions, type ListQuery } from '../../../src/core/listing/list';
import { type ListCache, listCacheAt } from '../../../src/core/listing/list-cache';
import { NO_FILTER } from '../../../src/core/listing/query';
import { rowDefaults } from '../../../src/core/listing/rows';
import type { Location } from '../../../src/core/location/location';
import { addAgentMessages, addAgentSessions } from '../../support/agent-sessions';
import { testDeps } from '../../support/deps';
import { locationOf } from '../../support/places';
import { makeStore, session, temporaryDirectory, type TestStore, VECTORS, writeSidecar } from '../../support/store';

describe('keys and order, as the server has them', () => {
  interface Recorded {
    order: {
      rows: Record<string, unknown>[];
      timestamps: number[];
      active: boolean[];
      order: string[];
    }[];
    keys: { args: ServerKeyParts; key: unknown[] }[];
  }
  const recorded = JSON.parse(fs.readFileSync(path.join(VECTORS, 'list-cache.json'), 'utf8')) as Recorded;

  it('normalises a key', () => {
    for (const { args, key } of recorded.keys) expect(serverKey(args)).toEqual(key);
    expect(recorded.keys.length).toBeGreaterThan(20);
  });

  it('sorts rows: what runs first, then the latest', () => {
    for (const { rows, order, timestamps, active } of recorded.order) {
      expect(rows.map(runtimeTimestamp)).toEqual(timestamps);
      expect(rows.map(isRuntimeActive)).toEqual(active);
      expect([...rows].sort(byRuntime).map((row) => row['session_id'])).toEqual(order);
    }
  });
});

/** Two changes within a tick of the file system's clock look like one: an answer is kept only after it. */
const aTick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 150));

class Fixture {
  readonly location: Location;
  readonly cache: ListCache;

  constructor(
    readonly store: TestStore,
    readonly deps: Deps = testDeps(),
  ) {
    this.location = { ...locationOf(store), cacheDir: { value: temporaryDirectory(), source: 'test' } };
    this.cache = listCacheAt(this.location, deps);
  }

  list(query: Partial<ListQuery> = {}, version = '1'): Promise<CachedListResult> {
    const defaults = rowDefaults(this.location, this.store.root);
    return listThroughCache(this.location, queryOf(query), defaults, { cache: this.cache, version }, this.deps);
  }

  anew(query: Partial<ListQuery> = {}): Promise<unknown> {
    return listSessions(this.location, queryOf(query), rowDefaults(this.location, this.store.root), this.deps).then(
      said,
    );
  }
}

const queryOf = (query: Partial<ListQuery>): ListQuery => ({
  filter: NO_FILTER,
  sort: 'activity',
  reverse: false,
  limit: 3,
  offset: 0,
  ...query,
});

/** An answer as a person would see it. */
const said = (list: Omit<CachedListResult, 'cache'>): unknown => ({
  rows: list.rows.map((row) => [...row.entries()].map(([key, raw]) => [key, raw.text])),
  total: list.total,
  source: list.source,
  warnings: list.warnings,
});

const talk = (id: string, words = 'Hello', fields: object = {}): object =>
  session(id, { title: words, messages: [{ role: 'user', content: words, timestamp: 1777000000 }], ...fields });

describe('an answer', () => {
  it('is kept, and given again as it was spelled', async () => {
    const fixture = new Fixture(
      makeStore({
        one: '{"session_id":"one","title":"T","created_at":1.0,"updated_at":2.50,"input_tokens":12345678901234567890,"messages":[]}',
        hurt: '{',
      }),
    );
    await aTick();
    const made = await fixture.list();
    expect(made.cache).toBe('rebuilt');
    const kept = await fixture.list();
    expect(kept.cache).toBe('hit');
    expect(said(kept)).toEqual(said(made));
    expect(kept.rows.find(({ id }) => id === 'one')?.raw('input_tokens')?.text).toBe('12345678901234567890');
    expect(kept.warnings).toMatchObject([{ code: 'SESSION_DAMAGED', session_id: 'hurt' }]);
  });

  it('has its rows as they are shown, but where a value is shown otherwise than it is spelled', async () => {
    const spelled = (id: string, cost: string): string =>
      `{"session_id":"${id}","title":"T","created_at":1.0,"updated_at":2.50,"estimated_cost":${cost},"messages":[]}`;
    const fixture = new Fixture(makeStore({ plain: spelled('plain', '0.10'), odd: spelled('odd', 'NaN') }));
    await aTick();
    const made = await fixture.list();
    const kept = await fixture.list();
    expect(kept.cache).toBe('hit');
    const shown = new Renderer(() => undefined);
    const line = (list: CachedListResult, id: string) => list.rows.find((row) => row.id === id)?.line();
    const plain = made.rows.find(({ id }) => id === 'plain')!;
    expect(line(kept, 'plain')).toBe(shown.entries(plain.entries(), ''));
    expect(line(kept, 'plain')).toContain('"estimated_cost":0.10,');
    expect([line(made, 'plain'), line(kept, 'odd')]).toEqual([undefined, undefined]);
  });

  it('is not kept where it is very long', async () => {
    const fixture = new Fixture(makeStore({ one: talk('one') }));
    await aTick();
    const made = await fixture.list();
    const rows = Array.from({ length: 20_001 }, () => made.rows[0]);
    fixture.cache.set('long', { stateDir: fixture.store.stateDir, profile: null }, {}, { ...made, rows });
    fixture.cache.set('short', { stateDir: fixture.store.stateDir, profile: null }, {}, made);
    expect([fixture.cache.get('long'), fixture.cache.get('short')?.total]).toEqual([undefined, 1]);
  });

  it('is not kept while a change could still hide in it, nor where it is of the last days', async () => {
    const fixture = new Fixture(makeStore({ one: talk('one') }));
    expect((await fixture.list()).cache).toBe('unused');
    await aTick();
    expect((await fixture.list({ filter: { ...NO_FILTER, since: 1 } })).cache).toBe('unused');
    expect(fixture.cache.entries()).toEqual([]);
  });

  it('is of one question and one version', async () => {
    const fixture = new Fixture(makeStore({ one: talk('one'), two: talk('two') }));
    await aTick();
    await fixture.list();
    for (const query of [
      { limit: 1 },
      { reverse: true },
      { offset: 1 },
      { filter: { ...NO_FILTER, title: 'x' } },
      { agent: [] },
    ])
      expect((await fixture.list(query)).cache, JSON.stringify(query)).toBe('rebuilt');
    expect((await fixture.list({}, '2')).cache).toBe('rebuilt');
    expect((await fixture.list()).cache).toBe('hit');
  });

  it('with the total serves where none is wanted, not the other way round', async () => {
    const store = makeStore({ one: talk('one') });
    addAgentSessions(store, [
      { session: { id: 'theirs' }, messages: ['Hello', 'Hi.', 'More?'] },
      { session: { id: 'others' }, messages: ['Hello', 'Hi.', 'More?'] },
    ]);
    const fixture = new Fixture(store);
    const query = { agent: [fixture.location], limit: 1 };
    await aTick();
    expect(await fixture.list({ ...query, total: false })).toMatchObject({ cache: 'rebuilt', total: undefined });
    expect(await fixture.list({ ...query, total: false })).toMatchObject({ cache: 'hit', total: undefined });
    expect(await fixture.list(query)).toMatchObject({ cache: 'rebuilt', total: 3 });
    expect(await fixture.list({ ...query, total: false })).toMatchObject({ cache: 'hit', total: 3 });
    // Where it costs nothing it is told anyway.
    expect(await fixture.list({ total: false })).toMatchObject({ cache: 'rebuilt', total: 1 });
    expect((await fixture.list()).cache).toBe('hit');
  });

  it('with sessions of the agent holds until a commit', async () => {
    const store = makeStore({ one: talk('one') });
    addAgentSessions(store, [{ session: { id: 'theirs' }, messages: ['Hello', 'Hi.', 'More?'] }]);
    const fixture = new Fixture(store);
    const query = { agent: [fixture.location] };
    await aTick();
    expect((await fixture.list(query)).cache).toBe('rebuilt');
    expect((await fixture.list(query)).cache).toBe('hit');
    addAgentMessages(store, 'theirs', ['And now?']);
    const after = await fixture.list(query);
    expect(after.cache).not.toBe('hit');
    expect(said(after)).toEqual(await fixture.anew(query));
  });

  /** What somebody may do to a store between two questions. */
  const CHANGES: Record<string, (store: TestStore, id: string, words: string) => void> = {
    'writes a session': (store, id, words) => void writeSidecar(store, id, talk(id, words)),
    'replaces a session': (store, id, words) => {
      const file = path.join(store.sessionsDir, `${id}.json`);
      fs.writeFileSync(`${file}.1`, JSON.stringify(talk(id, words)));
      fs.renameSync(`${file}.1`, file);
    },
    'removes a session': (store, id) => fs.rmSync(path.join(store.sessionsDir, `${id}.json`), { force: true }),
    'leaves a turn pending': (store, id, words) =>
      void writeSidecar(store, id, talk(id, words, { pending_user_message: words, active_stream_id: 's' })),
    'damages a session': (store, id, words) => void writeSidecar(store, id, `{"session_id": "${words}`),
    'writes the index': (store, id, words) =>
      fs.writeFileSync(
        path.join(store.sessionsDir, '_index.json'),
        JSON.stringify([
          { session_id: id, title: words, updated_at: 5, last_message_at: 5, message_count: 1 },
          {
            session_id: 'a',
            title: 'A',
            updated_at: 6,
            last_message_at: 6,
            message_count: 1,
            pending_user_message: words,
          },
        ]),
      ),
    'breaks the index': (store) => fs.writeFileSync(path.join(store.sessionsDir, '_index.json'), '[{'),
    'removes the index': (store) => fs.rmSync(path.join(store.sessionsDir, '_index.json'), { force: true }),
    'changes a mode': (store, id) => {
      const file = path.join(store.sessionsDir, `${id}.json`);
      if (fs.existsSync(file)) fs.chmodSync(file, 0o640);
    },
    nothing: () => undefined,
  };

  it('from the cache is always the one that would be made anew', async () => {
    const step = fc.record({
      change: fc.constantFrom(...Object.keys(CHANGES)),
      id: fc.constantFrom('a', 'b', 'c', 'd'),
      words: fc.string({ unit: 'grapheme-ascii', maxLength: 5 }).map((text) => text.replace(/["\\]/g, '')),
      rests: fc.boolean(),
    });
    let hits = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 12 }), async (steps) => {
        const fixture = new Fixture(makeStore({ a: talk('a'), b: talk('b') }));
        for (const { change, id, words, rests } of steps) {
          CHANGES[change](fixture.store, id, words);
          expect(said(await fixture.list()), change).toEqual(await fixture.anew());
          if (!rests) continue;
          await aTick();
          for (let again = 0; again < 2; again++) {
            const list = await fixture.list();
            if (list.cache === 'hit') hits++;
            expect(said(list), change).toEqual(await fixture.anew());
          }
        }
      }),
      { numRuns: 12 },
    );
    expect(hits, 'the cache was used').toBeGreaterThan(10);
  }, 120_000);
});

describe('the directory', () => {
  const filled = async (): Promise<Fixture> => {
    const fixture = new Fixture(makeStore({ one: talk('one') }));
    await aTick();
    expect((await fixture.list()).cache).toBe('rebuilt');
    expect((await fixture.list()).cache).toBe('hit');
    return fixture;
  };

  it('is for the user only', async () => {
    const { cache } = await filled();
    expect(fs.statSync(cache.directory).mode & 0o777).toBe(0o700);
    expect(fs.statSync(cache.entries()[0].file).mode & 0o777).toBe(0o600);
  });

  it.each<[string, (file: string) => void]>([
    ['is broken', (file) => fs.writeFileSync(file, '{"format"')],
    ['is of another kind', (file) => fs.writeFileSync(file, '{"format":"something else"}')],
    ['is cut short', (file) => fs.truncateSync(file, fs.statSync(file).size - 10)],
    ['is no object', (file) => fs.writeFileSync(file, 'null')],
    ['others may write', (file) => fs.chmodSync(file, 0o666)],
    [
      'is a link',
      (file) => {
        fs.renameSync(file, `${file}.real`);
        fs.symlinkSync(`${file}.real`, file);
      },
    ],
    ['stands in a directory that others may write', (file) => fs.chmodSync(path.dirname(file), 0o777)],
  ])('is not believed where an answer %s', async (_, spoil) => {
    const { cache, ...rest } = await filled();
    spoil(cache.entries()[0].file);
    const fixture = Object.assign(Object.create(Fixture.prototype) as Fixture, { cache, ...rest });
    const list = await fixture.list();
    expect(list.cache).not.toBe('hit');
    expect(said(list)).toEqual(await fixture.anew());
  });

  it('is not needed', async () => {
    const fixture = new Fixture(makeStore({ one: talk('one') }));
    await aTick();
    fs.writeFileSync(fixture.cache.directory, 'a file');
    const list = await fixture.list();
    expect(said(list)).toEqual(await fixture.anew());
    expect(fixture.cache.entries()).toEqual([]);
  });

  it('keeps the 64 answers that were used last', async () => {
    const fixture = await filled();
    const [{ file }] = fixture.cache.entries();
    for (let limit = 10; limit < 80; limit++) {
      await fixture.list({ limit });
      if (limit % 20 === 0) expect((await fixture.list()).cache).toBe('hit');
    }
    const entries = fixture.cache.entries();
    expect(entries).toHaveLength(64);
    expect(entries.map((entry) => entry.file)).toContain(file);
  });

  it('lets go of a profile, and of what has all profiles', async () => {
    const fixture = await filled();
    for (const profile of ['work', 'play']) await fixture.list({ filter: { ...NO_FILTER, profile } });
    expect(fixture.cache.entries()).toHaveLength(3);
    expect(fixture.cache.clear('work')).toBe(2);
    expect(fixture.cache.entries().map(({ profile }) => profile)).toEqual(['play']);
    expect(fixture.cache.clear()).toBe(1);
  });
});
