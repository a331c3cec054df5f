import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { type MemberSpan, topLevelSpans } from '../../../src/core/json/document';
import { RawJson } from '../../../src/core/json/raw';
import { bytesSource, JsonReader, kindOf } from '../../../src/core/json/reader';
import { JsonSyntaxError } from '../../../src/core/json/syntax-error';
import { jsonText } from '../../support/arbitraries';

interface Walked {
  members: (MemberSpan & { text: string })[];
  /** How many of them were had by the expression. */
  flat: number;
  hasHazard: boolean;
}

/** Both walks fail in the same place, or find the same. */
const orOffset = <T>(walk: () => T): T | { offset: number } => {
  try {
    return walk();
  } catch (error) {
    if (error instanceof JsonSyntaxError) return { offset: error.offset };
    throw error;
  }
};

function walkFlat(bytes: Buffer, chunkSize?: number): Walked {
  const reader = new JsonReader(bytesSource(bytes), chunkSize === undefined ? {} : { chunkSize });
  const members: Walked['members'] = [];
  let flatOnes = 0;
  reader.beginObject();
  for (;;) {
    const flat = reader.flatMember();
    if (flat) {
      flatOnes++;
      const { key, keyStart, keyEnd, start, end, value } = flat;
      members.push({ key, keyStart, keyEnd, kind: kindOf(value.charCodeAt(0))!, start, end, text: value });
      continue;
    }
    if (!reader.nextMember()) break;
    const { keyStart, keyEnd } = reader;
    const key = reader.keyText();
    const kind = reader.peekKind();
    const start = reader.offset;
    const text = RawJson.fromBytes(reader.capture()).text;
    members.push({ key, keyStart, keyEnd, kind, start, end: reader.offset, text });
  }
  reader.finish();
  return { members, flat: flatOnes, hasHazard: reader.sawHazard };
}

/** By the loop alone, which the expression must agree with. */
function walkPlain(bytes: Buffer): Omit<Walked, 'flat'> {
  const members = topLevelSpans(bytesSource(bytes)).map((span) => ({
    ...span,
    text: bytes.toString('utf8', span.start, span.end),
  }));
  const reader = new JsonReader(bytesSource(bytes));
  reader.skipValue();
  return { members, hasHazard: reader.sawHazard };
}

const withoutCount = (walked: Walked | { offset: number }): object => {
  if (!('flat' in walked)) return walked;
  const { members, hasHazard } = walked;
  return { members, hasHazard };
};

const space = fc.constantFrom('', ' ', '\n', '\r\n\t', '  ');
const member = fc
  .tuple(space, fc.string({ unit: 'grapheme' }), space, space, jsonText({ nonFinite: true, maxDepth: 2 }), space)
  .map(([a, key, b, c, value, d]) => `${a}${JSON.stringify(key)}${b}:${c}${value}${d}`);
const objectText = fc.tuple(fc.array(member), space).map(([members, end]) => `{${members.join(',')}}${end}`);

describe('flatMember', () => {
  it('finds what the loop finds, whatever the window', () => {
    fc.assert(
      fc.property(objectText, fc.option(fc.integer({ min: 8, max: 60 }), { nil: undefined }), (text, chunkSize) => {
        const bytes = Buffer.from(text);
        expect(withoutCount(walkFlat(bytes, chunkSize))).toEqual(walkPlain(bytes));
      }),
      { numRuns: 1000 },
    );
  });

  it('fails where the loop fails', () => {
    const damage = fc.array(
      fc.tuple(fc.nat(), fc.constantFrom(...Buffer.from('"\\{}[],:0129.eE+-tfn uD\x00\n\x7f\xc3\xff', 'latin1'))),
      { minLength: 1, maxLength: 3 },
    );
    fc.assert(
      fc.property(objectText, damage, (text, edits) => {
        const bytes = Buffer.from(text);
        for (const [at, byte] of edits) bytes[1 + (at % bytes.length)] = byte;
        expect(withoutCount(orOffset(() => walkFlat(bytes)))).toEqual(orOffset(() => walkPlain(bytes)));
      }),
      { numRuns: 3000 },
    );
  });

  it('has what is spelled plainly', () => {
    const text =
      '{"a": "text",\n "é" : "日本", "n": -1.5e+3, "t":true,"f":false, "z" :null , "l": [ ], "o": {}, "e": "\\n\\u0041"}';
    expect(walkFlat(Buffer.from(text)).flat).toBe(9);
  });

  it.each([
    ['a list with an item', '[1]'],
    ['an object with a member', '{"a":1}'],
    ['half a surrogate pair', '"\\ud83d"'],
    ['a number that Python alone knows', 'NaN'],
  ])('leaves %s to the loop', (_, value) => {
    expect(walkFlat(Buffer.from(`{"a":${value}}`))).toMatchObject({ flat: 0, members: [{ text: value }] });
  });

  it('does not walk over a stop', () => {
    const reader = new JsonReader(bytesSource(Buffer.from('{"a":1,"messages":null}')));
    reader.beginObject();
    const stops = new Set(['messages']);
    expect(reader.flatMember(stops)?.key).toBe('a');
    expect(reader.flatMember(stops)).toBeUndefined();
    expect([reader.nextMember(), reader.keyText()]).toEqual([true, 'messages']);
  });
});
