import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { topLevelSpans } from '../../../src/core/json/document';
import { type ByteSource, bytesSource } from '../../../src/core/json/reader';
import { memberSplices, type Splice, writeSpliced } from '../../../src/core/json/splice';

function splice(source: ByteSource, size: number, splices: readonly Splice[]): string {
  const pieces: Buffer[] = [];
  writeSpliced(source, size, splices, (bytes) => pieces.push(Buffer.from(bytes)));
  return Buffer.concat(pieces).toString();
}

function changed(text: string, changes: Record<string, string>, order: readonly string[]): string {
  const bytes = Buffer.from(text);
  const read = (start: number, end: number): string => bytes.toString('utf8', start, end);
  const splices = memberSplices(topLevelSpans(bytesSource(bytes)), new Map(Object.entries(changes)), order, read);
  return splice(bytesSource(bytes), bytes.length, splices);
}

describe('writeSpliced', () => {
  it('puts text in the place of bytes, in any order of the splices, and copies the rest', () => {
    const cuts = fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { minLength: 0, maxLength: 8 });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 60, maxLength: 60 }), cuts, fc.string(), (bytes, points, text) => {
        const sorted = points.sort((a, b) => a - b);
        const splices: Splice[] = [];
        for (let i = 0; i + 1 < sorted.length; i += 2) splices.push({ start: sorted[i], end: sorted[i + 1], text });
        const pieces: Buffer[] = [];
        writeSpliced(bytesSource(bytes), 60, [...splices].reverse(), (piece) => pieces.push(Buffer.from(piece)));
        // The simplest way to say the same: from the end, one by one.
        let expected = Buffer.from(bytes);
        for (const { start, end } of [...splices].reverse()) {
          expected = Buffer.concat([expected.subarray(0, start), Buffer.from(text), expected.subarray(end)]);
        }
        expect(Buffer.concat(pieces).equals(expected)).toBe(true);
      }),
    );
  });

  it('puts an insertion behind a replacement that ends there', () => {
    const splices = [
      { start: 2, end: 2, text: 'I' },
      { start: 1, end: 2, text: 'R' },
    ];
    expect(splice(bytesSource(Buffer.from('abc')), 3, splices)).toBe('aRIc');
  });

  it('copies a source that gives fewer bytes than asked', () => {
    const whole = bytesSource(Buffer.from('0123456789'));
    const stingy: ByteSource = {
      read: (into, at, length, position) => whole.read(into, at, Math.min(3, length), position),
    };
    expect(splice(stingy, 10, [{ start: 4, end: 6, text: '--' }])).toBe('0123--6789');
  });

  it('throws where splices overlap, and where the source ends too early', () => {
    const source = bytesSource(Buffer.from('0123456789'));
    const overlapping = [
      { start: 1, end: 5, text: '' },
      { start: 4, end: 6, text: '' },
    ];
    expect(() => splice(source, 10, overlapping)).toThrow('overlap');
    expect(() => splice(source, 11, [])).toThrow('became shorter');
  });
});

describe('memberSplices', () => {
  const ORDER = ['id', 'title', 'updated', 'count', 'messages'];

  it.each([
    ['{"id":1,"messages":[]}', '{"id":1,"updated":9,"messages":[]}'],
    ['{"id": 1, "messages": []}', '{"id": 1, "updated": 9, "messages": []}'],
    ['{\n  "id": 1,\n  "messages": []\n}', '{\n  "id": 1,\n  "updated": 9,\n  "messages": []\n}'],
    [
      '{\r\n\t"id" : 1,\r\n\t"messages" : []\r\n}\r\n',
      '{\r\n\t"id" : 1,\r\n\t"updated" : 9,\r\n\t"messages" : []\r\n}\r\n',
    ],
    ['{"messages":[]}', '{"updated":9,"messages":[]}'],
    ['{ "messages": [] }', '{ "updated": 9, "messages": [] }'],
    ['{"x": 1}', '{"updated": 9, "x": 1}'],
    ['\ufeff{\n "x": 1\n}', '\ufeff{\n "updated": 9,\n "x": 1\n}'],
    ['{"messages":[],"id":1}', '{"messages":[],"id":1,"updated":9}'],
    ['{"title":0,"x":2,"id":1}', '{"title":0,"updated":9,"x":2,"id":1}'],
    ['{"id":1,"title":0,"x":2,"title":3}', '{"id":1,"title":0,"x":2,"title":3,"updated":9}'],
    ['{}', '{\n  "updated": 9\n}'],
    ['\ufeff { } ', '\ufeff {\n  "updated": 9\n } '],
  ])('inserts a key where the writer would, as the document is laid out: %j', (before, after) => {
    expect(changed(before, { updated: '9' }, ORDER)).toBe(after);
  });

  it('changes the last of duplicate keys, the one that counts, however the key is spelled', () => {
    expect(changed('{"title":1,"x":2,"title":3}', { title: '9' }, ORDER)).toBe('{"title":1,"x":2,"title":9}');
    expect(changed('{"title":1,"t\\u0069tle":3}', { title: '9' }, ORDER)).toBe('{"title":1,"t\\u0069tle":9}');
    expect(changed('{"a":{"title":1},"title":3}', { title: '9' }, ORDER)).toBe('{"a":{"title":1},"title":9}');
  });

  it('inserts several keys in order, at one place and at many', () => {
    expect(changed('{"id":1,"messages":[]}', { count: '3', title: '"t"', updated: '9' }, ORDER)).toBe(
      '{"id":1,"title":"t","updated":9,"count":3,"messages":[]}',
    );
    expect(changed('{"title":1,"messages":[]}', { count: '3', id: '7', updated: '9' }, ORDER)).toBe(
      '{"id":7,"title":1,"updated":9,"count":3,"messages":[]}',
    );
    expect(changed('{"x":1}', { title: '2', id: '7' }, ORDER)).toBe('{"id":7,"title":2,"x":1}');
  });

  it('is not led astray by keys that JavaScript treats in its own way', () => {
    expect(changed('{"__proto__":1,"10":2,"2":3}', { title: '9' }, ORDER)).toBe(
      '{"title":9,"__proto__":1,"10":2,"2":3}',
    );
  });
});
