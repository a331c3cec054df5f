import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { decodeJson } from '../../../src/core/json/decode';
import { RawJson } from '../../../src/core/json/raw';
import { JsonSyntaxError } from '../../../src/core/json/syntax-error';
import { anyText, jsonText } from '../../support/arbitraries';

/** Values with non-finite numbers in them, and how Python writes them. */
const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constantFrom(NaN, Infinity, -Infinity),
    anyText,
    fc.integer(),
    fc.constantFrom(null, true, false),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(anyText, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

function pythonDumps(v: unknown): string {
  if (typeof v === 'number') return String(v);
  if (Array.isArray(v)) return `[${v.map(pythonDumps).join(', ')}]`;
  if (typeof v !== 'object' || v === null) return JSON.stringify(v);
  return `{${Object.entries(v)
    .map(([k, inner]) => `${JSON.stringify(k)}: ${pythonDumps(inner)}`)
    .join(', ')}}`;
}

describe('decodeJson', () => {
  it('reads what JSON.parse reads, as JSON.parse does', () => {
    fc.assert(
      fc.property(jsonText(), (text) => {
        expect(decodeJson(text)).toEqual(JSON.parse(text));
      }),
      { numRuns: 1000 },
    );
  });

  it('reads NaN and the infinities wherever they stand, and takes no string for one', () => {
    fc.assert(
      fc.property(value, (v) => {
        expect(decodeJson(pythonDumps(v))).toEqual(v);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes no string for a number, whatever it begins with and however that is spelled', () => {
    const value = { a: NaN, b: ['\ue000x', '\ue001NaN', '\ue002'] };
    expect(decodeJson('{"a":NaN,"b":["\\uE000x","\ue001NaN","\\ue002"]}')).toEqual(value);
  });

  it('refuses what is no JSON in either dialect', () => {
    for (const text of ['', 'nan', '[NaN', '{"a":NaN,}', 'NaN NaN', "{'a': 1}"]) {
      expect(() => decodeJson(text), text).toThrow(JsonSyntaxError);
    }
  });
});

describe('RawJson', () => {
  it('keeps the spelling and decodes as Python does: the last of two equal keys counts', () => {
    const raw = RawJson.fromBytes(Buffer.from('{"a": 1.0, "a": 12345678901234567890}'));
    expect(raw.text).toBe('{"a": 1.0, "a": 12345678901234567890}');
    expect(raw.value()).toEqual({ a: 12345678901234567890 });
    expect(RawJson.of(undefined).text).toBe('null');
  });
});
