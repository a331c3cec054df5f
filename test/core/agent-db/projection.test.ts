import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { project, type SessionFacts } from '../../../src/core/agent-db/projection';

const facts = (id: string, given: Partial<SessionFacts> = {}): SessionFacts =>
  ({
    id,
    source: 'cli',
    title: null,
    parent_session_id: null,
    started_at: 100,
    ended_at: null,
    end_reason: null,
    hasMessages: true,
    last_activity: 150,
    ...given,
  }) as SessionFacts;

const IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

/** Databases of any shape, circles and parents that are not there included. */
const database = fc
  .uniqueArray(fc.constantFrom(...IDS), { minLength: 1 })
  .chain((ids) =>
    fc.tuple(
      ...ids.map((id) =>
        fc.record({
          id: fc.constant(id),
          parent_session_id: fc.constantFrom(null, 'gone', ...IDS),
          started_at: fc.integer({ min: 1, max: 5 }),
          ended_at: fc.constantFrom(null, 1, 3),
          end_reason: fc.constantFrom(null, 'compression', 'cli_close', 'user_exit'),
          hasMessages: fc.boolean(),
          last_activity: fc.integer({ min: 1, max: 9 }),
        }),
      ),
    ),
  )
  .map((rows) => (rows as Partial<SessionFacts>[]).map((row) => facts(row.id!, row)));

describe('the projection', () => {
  it('puts each session into one conversation at most, and shows none without messages', () => {
    fc.assert(
      fc.property(database, (rows) => {
        const sessions = project(rows);
        const segments = sessions.flatMap(({ path }) => path);
        expect(new Set(segments).size).toBe(segments.length);
        for (const { head, tip, path } of sessions) {
          expect(tip.hasMessages).toBe(true);
          expect(path[0]).toBe(head.id);
          expect(path).toContain(tip.id);
        }
      }),
    );
  });

  it('shows each session with messages that has neither parent nor child', () => {
    fc.assert(
      fc.property(database, (rows) => {
        const parents = new Set(rows.map(({ parent_session_id: parent }) => parent));
        const alone = rows.filter((row) => row.hasMessages && row.parent_session_id === null && !parents.has(row.id));
        const shown = project(rows).map(({ tip }) => tip.id);
        expect(shown).toEqual(expect.arrayContaining(alone.map(({ id }) => id)));
      }),
    );
  });

  it('does not hang on the order of the rows', () => {
    const order = (rows: SessionFacts[]): unknown =>
      project(rows)
        .map(({ head, tip, path, parentRoot }) => [head.id, tip.id, path.length, parentRoot])
        .sort();
    const distinct = database.filter((rows) => new Set(rows.map(({ started_at: at }) => at)).size === rows.length);
    fc.assert(
      fc.property(distinct, (rows) => {
        expect(order([...rows].reverse())).toEqual(order(rows));
      }),
    );
  });

  it('lists a circle once', () => {
    const circle = ['a', 'b', 'c'].map((id, i) =>
      facts(id, { parent_session_id: ['c', 'a', 'b'][i], end_reason: 'compression' }),
    );
    expect(project(circle).map(({ head, path }) => [head.id, path])).toEqual([['a', ['a', 'b', 'c']]]);
    expect(project([facts('x', { parent_session_id: 'x', end_reason: 'compression' })])).toHaveLength(1);
  });

  it('follows a chain of 20,000 segments', () => {
    const rows = Array.from({ length: 20_000 }, (_, i) =>
      facts(`s${i}`, { parent_session_id: i === 0 ? null : `s${i - 1}`, end_reason: 'compression', started_at: i }),
    );
    const [session, ...others] = project(rows);
    expect(others).toEqual([]);
    expect([session.head.id, session.tip.id, session.path.length]).toEqual(['s0', 's19999', 20_000]);
  });

  it('takes times that cannot be for none', () => {
    const order = project([
      facts('salvaged', { last_activity: 5e246, started_at: 1 }),
      facts('text', { last_activity: 'soon', started_at: 3 }),
      facts('good', { last_activity: 2 }),
    ]);
    expect(order.map(({ tip }) => tip.id)).toEqual(['text', 'good', 'salvaged']);
  });
});
