import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { arrayItemSpans, readMetadataPrefix, topLevelSpans } from '../../../src/core/json/document';
import { bytesSource, JsonReader } from '../../../src/core/json/reader';
import { JsonSyntaxError } from '../../../src/core/json/syntax-error';

const source = (text: string | Uint8Array) => bytesSource(typeof text === 'string' ? Buffer.from(text) : text);

function walk(bytes: Uint8Array, chunkSize?: number): { start: number; end: number } | JsonSyntaxError {
  try {
    const reader = new JsonReader(bytesSource(bytes), chunkSize ? { chunkSize } : {});
    const span = reader.skipValue();
    reader.finish();
    return span;
  } catch (error) {
    if (error instanceof JsonSyntaxError) return error;
    throw error;
  }
}

const isGood = (text: string | Uint8Array, chunkSize?: number): boolean =>
  !(walk(typeof text === 'string' ? Buffer.from(text) : text, chunkSize) instanceof JsonSyntaxError);

/** JSON documents with every kind of spelling: indented, spaced, escaped. */
const document = fc
  .tuple(fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' }), fc.constantFrom(undefined, 2, '\t', '\r\n'))
  .map(([value, indent]) => JSON.stringify(value, null, indent));

describe('JsonReader', () => {
  it('walks every document that JSON.parse reads, whatever the window', () => {
    fc.assert(
      fc.property(document, fc.integer({ min: 8, max: 40 }), (text, chunkSize) => {
        const bytes = Buffer.from(text);
        expect(walk(bytes, chunkSize)).toEqual({ start: 0, end: bytes.length });
      }),
      { numRuns: 1000 },
    );
  });

  it('agrees with JSON.parse on random damage to the bytes', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.constantFrom(...Buffer.from('"\\{}[],:0129.eE+-tfn u\x00\n\x7f'))), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(document, damage, (text, edits) => {
        const bytes = Buffer.from(text);
        for (const [at, byte] of edits) bytes[at % bytes.length] = byte;
        const decoded = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
        let expected = true;
        try {
          JSON.parse(decoded.decode(bytes));
        } catch {
          expected = false;
        }
        expect(isGood(bytes), JSON.stringify(bytes.toString())).toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });

  it('ends with its own error on every truncation and any bytes, the same for every window', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.tuple(document, fc.nat()).map(([text, cut]) => {
            const bytes = Buffer.from(text);
            return bytes.subarray(0, cut % bytes.length);
          }),
          fc.uint8Array({ maxLength: 60 }),
          fc
            .array(fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '\\', 'é', '\ud83c', '1', 'NaN', ' '))
            .map((parts) => Buffer.from(parts.join(''))),
        ),
        fc.integer({ min: 8, max: 30 }),
        (bytes, chunkSize) => {
          const whole = walk(bytes);
          const inPieces = walk(bytes, chunkSize);
          if (whole instanceof JsonSyntaxError) {
            expect(inPieces).toBeInstanceOf(JsonSyntaxError);
            expect((inPieces as JsonSyntaxError).offset).toBe(whole.offset);
            expect((inPieces as JsonSyntaxError).reason).toBe(whole.reason);
            expect(whole.offset).toBeGreaterThanOrEqual(0);
            expect(whole.offset).toBeLessThanOrEqual(bytes.length);
          } else expect(inPieces).toEqual(whole);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('never asks the source for bytes past the end it was told of', () => {
    fc.assert(
      fc.property(document, fc.integer({ min: 8, max: 64 }), (text, chunkSize) => {
        const bytes = Buffer.from(text);
        let told = false;
        const reader = new JsonReader(
          {
            read(into, offset, length, position) {
              expect(told).toBe(false);
              const n = bytesSource(bytes).read(into, offset, length, position);
              told = n === 0;
              return n;
            },
          },
          { chunkSize },
        );
        reader.skipValue();
        reader.finish();
      }),
    );
  });

  it.each([
    'NaN',
    '-Infinity',
    'Infinity',
    '[NaN, Infinity, -Infinity]',
    '123456789012345678901234567890',
    '-0.0e-7',
    '"\\ud800"',
    '{"a":1,"a":2}',
    '\r\n{\r\n"a" : [ ] }\r\n',
    '\ufeff{}',
    '['.repeat(100_000) + ']'.repeat(100_000),
  ])('reads Python’s dialect: %.30s', (text) => {
    expect(isGood(text)).toBe(true);
    expect(isGood(text, 8)).toBe(true);
  });

  it.each([
    ['', 0, 'the document ends too early'],
    ['{"a":1,}', 7, "'}' where a key should be"],
    ['[1,]', 3, "']' where a value should be"],
    ['[1 2]', 3, "'2' where ',' or ']' should be"],
    ['{"a" 1}', 5, "'1' where ':' should be"],
    ['{1:2}', 1, "'1' where a key should be"],
    ['01', 0, 'a number with a leading zero'],
    ['1.', 0, 'not a number'],
    ['-', 0, 'not a number'],
    ['+1', 0, "'+' where a value should be"],
    ['nul', 0, 'not a value'],
    ['"a\nb"', 2, 'control character in a string'],
    ['"\\x"', 1, 'bad escape'],
    ['"\\u12g4"', 1, 'bad \\u escape'],
    ['["abc', 1, 'string without an end'],
    ['{} x', 3, 'extra data after the document'],
    ['{]', 1, "']' where a key should be"],
    ['[}', 1, "'}' where a value should be"],
  ])('says where %j breaks', (text, offset, reason) => {
    expect(walk(Buffer.from(text))).toMatchObject({ offset, reason, kind: 'json' });
  });

  it('looks at a long string of short lines once', () => {
    // Where it looked to the string's end from each of its lines, this would take minutes.
    const text = JSON.stringify('a short line\n'.repeat(400_000));
    expect(walk(Buffer.from(text), 8 * 1024 * 1024)).toEqual({ start: 0, end: text.length });
  });

  it('names the first byte that is not UTF-8, and calls it so', () => {
    for (const chunkSize of [undefined, 8, 9, 10, 11]) {
      expect(walk(Buffer.from('{"title":"\xff\xfe"}', 'latin1'), chunkSize)).toMatchObject({
        offset: 10,
        kind: 'utf8',
      });
      expect(walk(Buffer.from('"日本語日本語\xe6\x97"', 'latin1'), chunkSize)).toMatchObject({ kind: 'utf8' });
      expect(walk(Buffer.concat([Buffer.from('"日本語'), Buffer.from([0xe6, 0x97])]), chunkSize)).toMatchObject({
        offset: 10,
        kind: 'utf8',
      });
    }
  });
});

describe('topLevelSpans', () => {
  it('finds every member where its text stands, and only those of the top level', () => {
    const object = fc.dictionary(
      fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('messages', 'title', '__proto__')),
      fc.oneof(
        fc.jsonValue({ maxDepth: 3 }),
        fc.constant({ messages: [{ role: 'user', content: '"messages": [' }] }),
        fc.constant('decoy "messages":[ \\" }'),
      ),
    );
    fc.assert(
      fc.property(
        object,
        fc.constantFrom(undefined, 2),
        fc.integer({ min: 8, max: 64 }),
        (value, indent, chunkSize) => {
          const bytes = Buffer.from(JSON.stringify(value, null, indent));
          const members = topLevelSpans(bytesSource(bytes), { chunkSize });
          expect(members.map((m) => m.key)).toEqual(Object.keys(JSON.parse(bytes.toString()) as object));
          for (const m of members) {
            expect(JSON.parse(bytes.toString('utf8', m.keyStart, m.keyEnd))).toBe(m.key);
            expect(JSON.parse(bytes.toString('utf8', m.start, m.end))).toEqual(
              (JSON.parse(bytes.toString()) as Record<string, unknown>)[m.key],
            );
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('gives duplicates in order and decodes escaped keys', () => {
    const members = topLevelSpans(source('{"a":1,"\\u0061":2,"b":{"a":3}}'));
    expect(members.map((m) => [m.key, m.start, m.end, m.kind])).toEqual([
      ['a', 5, 6, 'number'],
      ['a', 16, 17, 'number'],
      ['b', 22, 29, 'object'],
    ]);
  });
});

describe('arrayItemSpans', () => {
  it('gives each item as it is spelled', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 2 })), fc.constantFrom(undefined, 2), (items, indent) => {
        const bytes = Buffer.from(`{"messages":${JSON.stringify(items, null, indent)}}`);
        const spans = [...arrayItemSpans(bytesSource(bytes), 12, { chunkSize: 16 })];
        expect(spans.map((s) => JSON.parse(bytes.toString('utf8', s.start, s.end)) as unknown)).toEqual(
          JSON.parse(JSON.stringify(items)),
        );
      }),
    );
  });
});

describe('readMetadataPrefix', () => {
  const stop = new Set(['messages', 'anchor_activity_scenes']);

  it('stops at the first of the stop keys and looks at nothing behind it', () => {
    const prefix = readMetadataPrefix(source('{"a":1.0,"b":{"messages":[1]},"messages":[{broken'), stop);
    expect([...prefix.members].map(([key, raw]) => [key, raw.text])).toEqual([
      ['a', '1.0'],
      ['b', '{"messages":[1]}'],
    ]);
    expect(prefix.stoppedAt).toBe('messages');
    expect(readMetadataPrefix(source('{"x":1,"anchor_activity_scenes":{'), stop).stoppedAt).toBe(
      'anchor_activity_scenes',
    );
  });

  it('has no cliff: a prefix of a megabyte is read, in chunks, and no more than a chunk behind it', () => {
    const bytes = Buffer.from(
      `{"draft":"${'x'.repeat(1_000_000)}","title":"t","messages":["${'y'.repeat(5_000_000)}"]}`,
    );
    let read = 0;
    const prefix = readMetadataPrefix(
      {
        read(into, offset, length, position) {
          const n = bytesSource(bytes).read(into, offset, length, position);
          read = Math.max(read, position + n);
          return n;
        },
      },
      stop,
    );
    expect(prefix.members.get('title')?.value()).toBe('t');
    expect(prefix.members.get('draft')?.text.length).toBe(1_000_002);
    expect(read).toBeLessThan(1_000_000 + 3 * 8192);
  });

  it('reads the whole object where no stop key comes, and then all of it must be sound', () => {
    expect(readMetadataPrefix(source('{"a":1}'), stop).stoppedAt).toBeUndefined();
    expect(() => readMetadataPrefix(source('{"a":1'), stop)).toThrow(JsonSyntaxError);
    expect(() => readMetadataPrefix(source('[1]'), stop)).toThrow(JsonSyntaxError);
  });
});
