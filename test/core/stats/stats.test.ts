import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { RawJson } from '../../../src/core/json/raw';
import { SessionRow } from '../../../src/core/session/row';
import { daysUpTo, isPlausible, monthOf, weekOf, weeksBetween } from '../../../src/core/stats/calendar';
import { type Counted, GROUP_KEYS, StatsCount, statsOf } from '../../../src/core/stats/stats';

const NOW = 1790000000;

function counted(fields: Record<string, unknown>, bytes?: number, store = '/store'): Counted {
  return {
    row: new SessionRow(new Map(Object.entries(fields).map(([key, value]) => [key, RawJson.of(value)]))),
    bytes,
    store,
  };
}

const anySession = fc
  .record({
    session_id: fc.uuid(),
    profile: fc.constantFrom(null, 'default', 'work'),
    source_tag: fc.constantFrom(null, 'cli', 'cron'),
    model: fc.constantFrom('a', 'b', '', null),
    project_id: fc.constantFrom(null, 'p1', '__proto__'),
    message_count: fc.nat(1000),
    input_tokens: fc.nat(),
    output_tokens: fc.nat(),
    estimated_cost: fc.oneof(fc.constant(null), fc.nat(100)),
    created_at: fc.oneof(fc.integer({ min: NOW - 4e7, max: NOW }), fc.constantFrom(null, 0, 5e246, 'x')),
    last_message_at: fc.oneof(fc.integer({ min: NOW - 4e7, max: NOW }), fc.constant(null)),
  })
  .chain((fields) =>
    fc
      .tuple(fc.option(fc.nat(1e6), { nil: undefined }), fc.constantFrom('/a', '/b'))
      .map(([bytes, store]) => counted(fields, bytes, store)),
  );

describe('statistics', () => {
  it('are the same whether sessions come at once or store by store', () => {
    fc.assert(
      fc.property(fc.array(fc.array(anySession, { maxLength: 9 }), { maxLength: 5 }), (stores) => {
        const options = { by: GROUP_KEYS, top: 3, now: NOW };
        const count = new StatsCount(options);
        for (const sessions of stores) count.add(sessions);
        expect(count.stats()).toEqual(statsOf(stores.flat(), options));
      }),
    );
  });

  it('count each session once in each kind of group, and in a week at most', () => {
    fc.assert(
      fc.property(fc.array(anySession, { maxLength: 40 }), (sessions) => {
        const { totals, groups, growth, biggest, oldest } = statsOf(sessions, { by: GROUP_KEYS, top: 5, now: NOW });
        expect(totals.sessions).toBe(sessions.length);
        for (const [by, found] of groups) {
          const sum = (of: (group: (typeof found)[number]) => number): number =>
            found.reduce((n, one) => n + of(one), 0);
          expect(
            sum((one) => one.sessions),
            by,
          ).toBe(totals.sessions);
          expect(
            sum((one) => one.messages),
            by,
          ).toBe(totals.messages);
          expect(
            sum((one) => one.bytes),
            by,
          ).toBe(totals.bytes);
          for (const key of ['total_tokens', 'sessions_with_cost'])
            expect(
              sum((one) => Number(one.usage[key].text)),
              by,
            ).toBe(Number(totals.usage[key].text));
          expect(new Set(found.map((one) => one.key)).size).toBe(found.length);
        }
        const dated = sessions.filter(({ row }) => isPlausible(Number(row.value('created_at') ?? NaN), NOW));
        expect(growth.at(-1)?.total ?? 0).toBe(dated.length);
        expect(growth.reduce((n, week) => n + week.sessions, 0)).toBe(dated.length);
        expect([...new Set(growth.map(({ week }) => week))]).toEqual(growth.map(({ week }) => week).sort());
        expect(biggest.length).toBe(Math.min(5, sessions.length));
        const sizes = sessions.map(({ bytes = 0 }) => bytes).sort((a, b) => b - a);
        expect(biggest.map(({ bytes = 0 }) => bytes)).toEqual(sizes.slice(0, 5));
        expect(oldest.length).toBe(biggest.length);
      }),
    );
  });

  it('tell what is not known from nothing', () => {
    const sessions = [
      counted({ session_id: 'a', estimated_cost: 0, input_tokens: 5 }),
      counted({ session_id: 'b', estimated_cost: null }),
    ];
    const { totals, groups } = statsOf(sessions, { by: ['day', 'project'], top: 1, now: NOW });
    expect(totals.usage['estimated_cost'].value()).toBe(0);
    expect(totals.usage['sessions_with_cost'].value()).toBe(1);
    expect(groups.get('day')!.map(({ key }) => key)).toEqual([null]);
    expect(statsOf(sessions.slice(1), { by: [], top: 1, now: NOW }).totals.usage['estimated_cost'].value()).toBeNull();
  });
});

describe('the calendar', () => {
  const noon = (day: string): number => new Date(`${day}T12:00:00`).getTime() / 1000;

  it('begins weeks on Monday', () => {
    expect(['2026-04-26', '2026-04-27', '2026-05-03', '2026-01-01'].map((day) => weekOf(noon(day)))).toEqual([
      '2026-04-20',
      '2026-04-27',
      '2026-04-27',
      '2025-12-29',
    ]);
    expect(monthOf(noon('2026-05-03'))).toBe('2026-05');
  });

  it('leaves no week and no day out', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1_000_000_000, max: NOW }), fc.nat(200), (first, weeks) => {
        const begun = weekOf(first);
        const all = weeksBetween(begun, weekOf(noon(begun) + weeks * 7 * 86400));
        expect(all.length).toBe(weeks + 1);
        expect(all.every((week) => weekOf(noon(week)) === week)).toBe(true);
        const days = daysUpTo(begun, weeks + 1);
        expect([days.length, days.at(-1)]).toEqual([weeks + 1, begun]);
      }),
      { numRuns: 30 },
    );
  });
});
