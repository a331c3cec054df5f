import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { fuzzyTime, isoTime, localTime, parseTime } from '../../../src/cli/output/time';

const NOW = 1790000000.25;

describe('parseTime', () => {
  it.each([
    ['30m', NOW - 1800],
    ['12h', NOW - 43_200],
    ['7d', NOW - 604_800],
    ['1.5h', NOW - 5400],
    ['2 days', NOW - 172_800],
    ['0s', NOW],
    [' 7D ', NOW - 604_800],
    ['1777000000', 1777000000],
    ['1777000000.5', 1777000000.5],
    ['2026-05-01T08:00:00Z', Date.UTC(2026, 4, 1, 8) / 1000],
    ['2026-05-01T08:00Z', Date.UTC(2026, 4, 1, 8) / 1000],
    ['2026-05-01T08:00+02:00', Date.UTC(2026, 4, 1, 6) / 1000],
    ['2026-05-01T08:00:00.250Z', Date.UTC(2026, 4, 1, 8) / 1000 + 0.25],
    ['2026-05-01', new Date(2026, 4, 1).getTime() / 1000],
    ['2026-05-01T08:30', new Date(2026, 4, 1, 8, 30).getTime() / 1000],
  ])('reads %j', async (text, expected) => {
    expect(await parseTime(text, NOW)).toBeCloseTo(expected, 3);
  });

  it.each([
    '',
    ' ',
    'yesterday',
    '7',
    '-7d',
    '7x',
    '7 dayss',
    '2026-13-01',
    '2026-02-30',
    '2026-05-01T25:00',
    'd',
    'NaN',
  ])('takes %j for no time', async (text) => {
    expect(await parseTime(text, NOW)).toBeUndefined();
  });

  it('takes a text of any length for no time', async () => {
    expect(await parseTime(`1${'d'.repeat(500)}`, NOW)).toBeUndefined();
    expect(await parseTime('9'.repeat(500), NOW)).toBeUndefined();
  });
});

describe('shown times', () => {
  it('are ISO 8601 in UTC for scripts, whole seconds', () => {
    expect(isoTime(1777000000.999)).toBe('2026-04-24T03:06:40Z');
    const times = fc.oneof(
      fc.double({ min: -1e13, max: 1e13, noNaN: true }),
      fc.double({ min: 1.6e9, max: 1.9e9, noNaN: true }),
    );
    fc.assert(
      fc.property(times, (seconds) => {
        const date = new Date(seconds * 1000);
        const whole = Number.isNaN(date.getTime()) || seconds === 0 ? '' : date.toISOString().replace(/\.\d{3}Z$/, 'Z');
        expect(isoTime(seconds)).toBe(whole);
      }),
      { numRuns: 1000 },
    );
  });

  it('are local for people', () => {
    expect(localTime(new Date(2026, 0, 5, 7, 9).getTime() / 1000)).toBe('2026-01-05 07:09');
  });

  it('are distances for people', async () => {
    expect(await fuzzyTime(NOW - 3 * 3600, NOW)).toBe('3 hours ago');
    expect(await fuzzyTime(NOW + 2 * 86_400, NOW)).toBe('in 2 days');
  });

  it.each([undefined, 0, NaN, Infinity, 1e18])('of %s are nothing', async (seconds) => {
    expect(isoTime(seconds)).toBe('');
    expect(localTime(seconds)).toBe('');
    expect(await fuzzyTime(seconds, NOW)).toBe('');
  });
});

it('spells times as a Date does, of whatever year', () => {
  const seconds = fc.oneof(
    fc.double({ min: -8.64e12, max: 8.64e12, noNaN: true }),
    fc.double({ min: -62_200_000_000, max: 253_500_000_000, noNaN: true }),
    fc.integer({ min: 0, max: 3000 }).map((year) => Date.UTC(year, 1, 29) / 1000 - 0.0004),
    fc.constantFrom(-0.0004, -0.5, -1, 0.5, 8.64e12, -8.64e12, -62_167_219_200, 253_402_300_800, 951_782_400),
  );
  fc.assert(
    fc.property(seconds, (time) => {
      const expected = time === 0 ? '' : new Date(time * 1000).toISOString().replace(/\.\d{3}Z$/, 'Z');
      expect(isoTime(time)).toBe(expected);
    }),
    { numRuns: 3000 },
  );
  expect([NaN, Infinity, 8.65e12, 0, undefined].map((time) => isoTime(time))).toEqual(['', '', '', '', '']);
});
