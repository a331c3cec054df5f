import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { bytesSource, JsonReader } from '../../../src/core/json/reader';
import { messageTime, readTranscriptFacts, type TranscriptFacts } from '../../../src/core/session/transcript';
import { anyText } from '../../support/arbitraries';

const facts = (text: string, chunkSize?: number): TranscriptFacts =>
  readTranscriptFacts(new JsonReader(bytesSource(Buffer.from(text)), chunkSize ? { chunkSize } : {}));

/* The rules of the store (reference §3), over parsed messages, without any care for size. */

type Message = Record<string, unknown>;

const isObject = (value: unknown): value is Message =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function naiveTime(message: Message): number | undefined {
  const value = message['_ts'] || message['timestamp'];
  const time = typeof value === 'string' && value.trim() !== '' ? Number(value) : value === true ? 1 : value;
  return typeof time === 'number' && Number.isFinite(time) && time !== 0 ? time : undefined;
}

function naiveHasText(content: unknown): boolean {
  if (typeof content === 'string') return content.trim() !== '';
  if (!Array.isArray(content)) return content !== null && content !== undefined && content !== 0 && content !== false;
  return content.some((part) => isObject(part) && part['type'] === 'text' && String(part['text']).trim() !== '');
}

function naive(messages: unknown[]): TranscriptFacts {
  const told = messages.filter(isObject);
  const last = told.findLast(
    (m) =>
      m['role'] !== 'tool' &&
      !(m['role'] === 'assistant' && m['_partial'] && !naiveHasText(m['content'])) &&
      naiveTime(m) !== undefined,
  );
  return {
    count: messages.length,
    userCount: told.filter((m) => m['role'] === 'user').length,
    lastAt: last && naiveTime(last),
  };
}

const time = fc.oneof(
  fc.integer({ min: 1, max: 2_000_000_000 }),
  fc.double({ min: 1, max: 2e9, noNaN: true }),
  fc.constantFrom(0, null, '', '1777000000.5', ' 1777000001 ', 'yesterday', true, false, -5),
);

const content = fc.oneof(
  fc.constantFrom('', ' \n\t', ' . ', '"', '\\', 'Hello', null, [], 5, 0),
  anyText.filter((text) => !/[\x1c-\x1f\x85\ufeff]/.test(text)), // where trim() and strip() part ways
  fc.array(
    fc.oneof(
      fc.constantFrom('', ' ', 'x').map((text) => ({ type: 'text', text })),
      fc.constant({ type: 'image_url', image_url: { url: 'data:x' } }),
    ),
    { maxLength: 3 },
  ),
);

const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });

/** Messages with their keys in any order: a transcript written by others has them so. */
const message = fc
  .record({
    role: optional(fc.constantFrom('user', 'assistant', 'tool', 'system', 'User', null, 5)),
    content: optional(content),
    timestamp: optional(time),
    _ts: optional(time),
    _partial: optional(fc.constantFrom(true, false, 'yes', '', 1)),
    tool_calls: optional(fc.constant([{ role: 'user', timestamp: 1, content: 'a decoy' }])),
    'role\u0000': optional(fc.constant('user')),
  })
  .chain((fields) => fc.shuffledSubarray(Object.entries(fields), { minLength: 5 }))
  .map((members) => Object.fromEntries(members.filter(([, value]) => value !== undefined)));

const transcript = fc.array(fc.oneof({ weight: 8, arbitrary: message }, fc.jsonValue({ maxDepth: 1 })), {
  maxLength: 8,
});

describe('readTranscriptFacts', () => {
  it('finds what a plain reading of the parsed messages finds, whatever the window', () => {
    fc.assert(
      fc.property(
        transcript,
        fc.constantFrom(undefined, 2),
        fc.integer({ min: 8, max: 64 }),
        (messages, indent, size) => {
          const text = JSON.stringify(messages, null, indent);
          const expected = naive(JSON.parse(text) as unknown[]);
          expect(facts(text)).toEqual(expected);
          expect(facts(text, size)).toEqual(expected);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('takes the last of two equal keys, and keys that are spelled with escapes', () => {
    expect(facts('[{"role":"user","role":"assistant","timestamp":5,"timestamp":7}]')).toEqual({
      count: 1,
      userCount: 0,
      lastAt: 7,
    });
    expect(facts('[{"\\u0072ole":"user","times\\u0074amp":5}]')).toEqual({ count: 1, userCount: 1, lastAt: 5 });
  });

  it('takes NaN and the infinities for no time', () => {
    expect(facts('[{"role":"user","timestamp":5},{"role":"user","timestamp":NaN}]').lastAt).toBe(5);
    expect(facts('[{"role":"user","timestamp":5},{"role":"user","_ts":Infinity,"timestamp":7}]').lastAt).toBe(5);
  });

  it('passes over tool results and interrupted answers without text, and over no other', () => {
    const at = (last: object): number | undefined =>
      facts(
        JSON.stringify([
          { role: 'user', timestamp: 5 },
          { timestamp: 9, ...last },
        ]),
      ).lastAt;
    expect(at({ role: 'tool', content: 'done' })).toBe(5);
    expect(at({ role: 'assistant', _partial: true, content: ' ' })).toBe(5);
    expect(at({ _partial: true, content: '', role: 'assistant' })).toBe(5);
    expect(at({ role: 'assistant', _partial: true, content: 'so far' })).toBe(9);
    expect(at({ role: 'assistant', content: '' })).toBe(9);
    expect(at({ role: 'user', _partial: true, content: '' })).toBe(9);
    const twice = '{"role":"user","content":"so far","role":"assistant","_partial":true,"timestamp":9}';
    expect(facts(`[${twice}]`).lastAt, 'the last role counts').toBe(9);
  });
});

describe('messageTime', () => {
  it.each([
    [1777000000.5, undefined, 1777000000.5],
    [0, 7, 7],
    [null, '7.5', 7.5],
    ['no time', 7, undefined], // a _ts that is there counts, even when it is none
    [undefined, 0, undefined],
    [undefined, NaN, undefined],
    [undefined, [], undefined],
    [undefined, undefined, undefined],
  ])('of _ts %s and timestamp %s is %s', (ts, timestamp, expected) => {
    expect(messageTime(ts, timestamp)).toBe(expected);
  });
});
