import fs from 'node:fs';
import path from 'node:path';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Deps } from '../../../src/core/deps';
import type { FileSystem } from '../../../src/core/files/file-system';
import { RawJson } from '../../../src/core/json/raw';
import { listSessions, type ListQuery } from '../../../src/core/listing/list';
import { NO_FILTER } from '../../../src/core/listing/query';
import { rowChanges } from '../../../src/core/listing/row-changes';
import { rowDefaults } from '../../../src/core/listing/rows';
import { type WakeUp, type WatchedAnswer, watchSessions } from '../../../src/core/listing/watch';
import { SessionRow } from '../../../src/core/session/row';
import { addAgentMessages, addAgentSessions } from '../../support/agent-sessions';
import { testDeps } from '../../support/deps';
import { locationOf } from '../../support/places';
import { makeStore, session, type TestStore, treeHash, writeSidecar } from '../../support/store';

const rowOf = (fields: Record<string, unknown>): SessionRow =>
  new SessionRow(new Map(Object.entries(fields).map(([key, value]) => [key, RawJson.of(value)])));
const plain = (row: SessionRow): unknown => Object.fromEntries([...row.entries()].map(([key, raw]) => [key, raw.text]));

const byId = (rows: Iterable<SessionRow>): unknown => Object.fromEntries([...rows].map((row) => [row.id, plain(row)]));

describe('what turns one answer into the next', () => {
  const rows = fc
    .uniqueArray(
      fc.record(
        { session_id: fc.constantFrom(...'abcdefgh'), title: fc.constantFrom('x', 'y'), pinned: fc.boolean() },
        { requiredKeys: ['session_id', 'title'] },
      ),
      { selector: ({ session_id }) => session_id },
    )
    .map((all) => all.map(rowOf));

  it('makes the one of the other, with nothing that is not needed', () => {
    fc.assert(
      fc.property(rows, rows, (before, after) => {
        const folded = new Map(before.map((row) => [row.id, row]));
        for (const { kind, id, row, keys } of rowChanges(before, after)) {
          expect(folded.has(id)).toBe(kind !== 'added');
          if (kind === 'removed') {
            expect(row).toBe(folded.get(id));
            folded.delete(id);
          } else {
            if (kind === 'changed')
              expect(keys).toEqual(
                ['title', 'pinned'].filter((key) => row.raw(key)?.text !== folded.get(id)?.raw(key)?.text),
              );
            if (kind === 'changed') expect(keys).not.toEqual([]);
            folded.set(id, row);
          }
        }
        expect(byId(folded.values())).toEqual(byId(after));
        expect(rowChanges(after, [...after].reverse())).toEqual([]);
      }),
    );
  });

  it('counts only the columns that are shown', () => {
    const [before, after] = [
      rowOf({ session_id: 'a', title: 'T', n: 1 }),
      rowOf({ session_id: 'a', title: 'T', n: 2 }),
    ];
    expect(rowChanges([before], [after], ['title'])).toEqual([]);
    expect(rowChanges([before], [after], ['n'])).toMatchObject([{ kind: 'changed', id: 'a', keys: ['n'] }]);
  });
});

const DEAF: WakeUp = { listen: () => undefined, next: () => new AbortController().signal };
const INTERVAL = 1;

/** A watch whose looks are asked for one by one; each is a second of its clock after the one before. */
class Watch {
  private ahead = 10;
  private readonly answers: AsyncGenerator<WatchedAnswer, never, undefined>;
  private readonly deps: Deps;
  private readonly query: ListQuery;
  readonly opened: string[] = [];

  constructor(
    private readonly store: TestStore,
    query: Partial<ListQuery> = {},
    wakeUp: WakeUp = DEAF,
  ) {
    const openSync: FileSystem['openSync'] = (file, ...rest) => {
      this.opened.push(path.basename(String(file)));
      return fs.openSync(file, ...rest);
    };
    this.deps = testDeps({
      fs: { openSync },
      clock: {
        now: () => Date.now() / 1000 + this.ahead,
        sleep: (seconds) => {
          this.ahead += seconds;
          return Promise.resolve();
        },
      },
    });
    this.query = { filter: NO_FILTER, sort: 'activity', reverse: false, limit: 0, offset: 0, ...query };
    const { signal } = new AbortController();
    const options = { interval: INTERVAL, wakeUp, ended: signal };
    this.answers = watchSessions(locationOf(store), this.query, rowDefaults(locationOf(store), ''), options, this.deps);
  }

  async look(): Promise<WatchedAnswer> {
    this.opened.length = 0;
    return (await this.answers.next()).value;
  }

  async looks(times: number): Promise<WatchedAnswer> {
    for (let i = 1; i < times; i++) await this.look();
    return this.look();
  }

  /** What a list says now. */
  async anew(): Promise<SessionRow[]> {
    const { rows } = await listSessions(
      locationOf(this.store),
      this.query,
      rowDefaults(locationOf(this.store), ''),
      this.deps,
    );
    return rows;
  }
}

const ids = ({ rows }: WatchedAnswer): string[] => rows.map(({ id }) => id);
const titles = ({ rows }: WatchedAnswer): unknown[] => rows.map((row) => row.value('title'));

const talk = (id: string, fields: object = {}): object => session(id, { title: id, ...fields });
const running = (id: string, fields: object = {}): object =>
  talk(id, {
    active_stream_id: `stream of ${id}`,
    pending_user_message: 'And now?',
    pending_started_at: 1777000200.5,
    ...fields,
  });

describe('a list that is watched', () => {
  it('reads nothing for as long as nothing is another version, and writes nothing ever', async () => {
    const store = makeStore({ a: talk('a'), b: talk('b') });
    const before = treeHash(store.root);
    const watch = new Watch(store);
    const first = await watch.looks(2);
    expect(ids(first)).toEqual(['a', 'b']);
    for (let i = 0; i < 15; i++) {
      expect(await watch.look()).toBe(first);
      expect(watch.opened).toEqual([]);
    }
    expect(treeHash(store.root)).toBe(before);
  });

  it('is the same answer where it was made anew for nothing', async () => {
    const store = makeStore({ a: talk('a') });
    const watch = new Watch(store);
    const first = await watch.looks(2);
    fs.utimesSync(path.join(store.sessionsDir, 'a.json'), 1, 1);
    expect(await watch.look()).toBe(first);
    expect(watch.opened).toContain('a.json');
  });

  it('sees what comes, changes and goes at the next look', async () => {
    const store = makeStore({ a: talk('a') });
    const watch = new Watch(store);
    expect(titles(await watch.look())).toEqual(['a']);
    writeSidecar(store, 'b', talk('b', { updated_at: 1 }));
    expect(titles(await watch.look())).toEqual(['a', 'b']);
    writeSidecar(store, 'b', talk('b', { title: 'B' }));
    expect(titles(await watch.look())).toEqual(['a', 'B']);
    fs.renameSync(path.join(store.sessionsDir, 'b.json'), path.join(store.sessionsDir, 'c.json'));
    expect(ids(await watch.look())).toEqual(['a', 'c']);
    fs.rmSync(path.join(store.sessionsDir, 'a.json'));
    expect(ids(await watch.look())).toEqual(['c']);
  });

  it('keeps what it said while the store is gone, and goes on where that left off', async () => {
    const store = makeStore({ a: talk('a'), b: talk('b') });
    const watch = new Watch(store);
    const first = await watch.looks(2);
    fs.renameSync(store.stateDir, `${store.stateDir}.away`);
    const gone = await watch.look();
    expect(gone).toMatchObject({ stale: { code: 'STORE_NOT_FOUND' } });
    expect(gone.rows).toBe(first.rows);
    expect(await watch.look()).toBe(gone);
    fs.rmSync(path.join(`${store.stateDir}.away`, 'sessions', 'a.json'));
    fs.renameSync(`${store.stateDir}.away`, store.stateDir);
    const back = await watch.look();
    expect(back.stale).toBeUndefined();
    expect(rowChanges(first.rows, back.rows)).toMatchObject([{ kind: 'removed', id: 'a' }]);
  });

  it('does not begin without a store', async () => {
    const store = makeStore();
    fs.rmSync(store.stateDir, { recursive: true });
    await expect(new Watch(store).look()).rejects.toMatchObject({ code: 'STORE_NOT_FOUND' });
  });

  it('looks again before long where a file could not be read', async () => {
    const store = makeStore({ a: talk('a') });
    const file = path.join(store.sessionsDir, 'b.json');
    fs.symlinkSync(file, file);
    const watch = new Watch(store);
    expect((await watch.look()).warnings).toMatchObject([{ code: 'IO_ERROR' }]);
    let again = 0;
    for (let i = 0; i < 9; i++) {
      await watch.look();
      if (watch.opened.length > 0) again++;
    }
    expect(again).toBeGreaterThan(1);
    expect(again).toBeLessThan(5);
  });

  it('listens for what a list is made of, and comes to no harm where nothing tells of changes', async () => {
    const listened: string[][] = [];
    const store = makeStore({ a: talk('a') });
    const watch = new Watch(store, {}, { ...DEAF, listen: (files) => void listened.push([...files]) });
    await watch.looks(2);
    expect(listened[0]).toContain(store.sessionsDir);
    expect(listened[0]).toContain(path.join(store.sessionsDir, '_index.json'));
  });
});

describe('while a turn streams', () => {
  const streaming = (): TestStore => {
    const store = makeStore({ a: talk('a', { pinned: true }), r: running('r') });
    addAgentSessions(store, [{ session: { id: 'theirs' }, messages: ['Hello', 'Hi.', 'More?'] }]);
    return store;
  };
  const withAgent = (store: TestStore): Watch => new Watch(store, { agent: [locationOf(store)] });
  const counts = ({ rows }: WatchedAnswer): unknown => rows.find(({ id }) => id === 'theirs')?.value('message_count');

  it('the session comes before pinned ones', async () => {
    const store = streaming();
    expect(ids(await new Watch(store).looks(3))).toEqual(['r', 'a']);
    expect(ids(await new Watch(store, { limit: 1 }).look())).toEqual(['r']);
    expect(ids(await new Watch(store, { sort: 'id' }).look())).toEqual(['a', 'r']);
  });

  it('the database is held down, for ten seconds at most', async () => {
    const store = streaming();
    const watch = withAgent(store);
    expect(counts(await watch.looks(3))).toBe(3);
    addAgentMessages(store, 'theirs', ['One more']);
    expect(counts(await watch.look())).toBe(3);
    let looks = 1;
    while (counts(await watch.look()) === 3 && looks < 20) looks++;
    expect(looks).toBeGreaterThanOrEqual(6);
    expect(looks).toBeLessThanOrEqual(11);
  });

  it.each([
    ['ends', (store: TestStore) => void writeSidecar(store, 'r', talk('r'))],
    ['is another one', (store: TestStore) => void writeSidecar(store, 'r', running('r', { active_stream_id: 'new' }))],
    ['begins beside it', (store: TestStore) => void writeSidecar(store, 'q', running('q'))],
  ])('everything counts again as soon as a stream %s', async (_, change) => {
    const store = streaming();
    const watch = withAgent(store);
    await watch.looks(3);
    addAgentMessages(store, 'theirs', ['One more']);
    expect(counts(await watch.look())).toBe(3);
    change(store);
    const answer = await watch.look();
    expect(counts(answer)).toBe(4);
    expect(byId(answer.rows)).toEqual(byId(await watch.anew()));
  });

  it('its own file is laid over the list, of which nothing else is read', async () => {
    const store = streaming();
    writeSidecar(store, 'q', running('q', { pending_started_at: 1777000300.5 }));
    const watch = new Watch(store);
    expect(ids(await watch.looks(3))).toEqual(['q', 'r', 'a']);
    writeSidecar(store, 'r', running('r', { pending_started_at: 1777000400.25, title: 'Later' }));
    const answer = await watch.look();
    expect(ids(answer)).toEqual(['r', 'q', 'a']);
    expect(answer.rows[0].raw('last_message_at')?.text).toBe('1777000400.25');
    expect(new Set(watch.opened)).toEqual(new Set(['r.json']));
    expect(titles(await watch.looks(11))).toEqual(['Later', 'q', 'a']);
  });

  it('other sessions are seen at once', async () => {
    const store = streaming();
    const watch = withAgent(store);
    await watch.looks(3);
    writeSidecar(store, 'b', talk('b'));
    expect(ids(await watch.look())).toContain('b');
    writeSidecar(store, 'a', talk('a', { title: 'A' }));
    expect(titles(await watch.look())).toContain('A');
    fs.rmSync(path.join(store.sessionsDir, 'b.json'));
    expect(ids(await watch.look())).not.toContain('b');
  });
});

it('without a stream, a commit to the database is seen at the next look', async () => {
  const store = makeStore({ a: talk('a') });
  addAgentSessions(store, [{ session: { id: 'theirs' }, messages: ['Hello', 'Hi.', 'More?'] }]);
  const watch = new Watch(store, { agent: [locationOf(store)] });
  const first = await watch.looks(3);
  expect(await watch.look()).toBe(first);
  addAgentMessages(store, 'theirs', ['One more']);
  const answer = await watch.look();
  expect(rowChanges(first.rows, answer.rows)).toMatchObject([{ kind: 'changed', id: 'theirs' }]);
});
