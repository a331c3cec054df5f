import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { renderJson } from '../../../src/core/json/render';
import { tokensOf } from '../../../src/core/json/tokens';
import { jsonText } from '../../support/arbitraries';

describe('renderJson', () => {
  it('puts a value on one line and changes no token of it', () => {
    fc.assert(
      fc.property(jsonText(), (text) => {
        const line = renderJson(text);
        expect([...tokensOf(line)]).toEqual([...tokensOf(text)]);
        expect(line).toBe([...tokensOf(text)].join(''));
        expect(line).not.toMatch(/[\n\r\t]/);
        expect(JSON.parse(line)).toEqual(JSON.parse(text));
      }),
      { numRuns: 1000 },
    );
  });

  it('gives the compact spelling of whatever JSON.stringify indented', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), fc.constantFrom(2, '\t'), (value, indent) => {
        expect(renderJson(JSON.stringify(value, null, indent))).toBe(JSON.stringify(value));
      }),
    );
  });

  it('makes null of every non-finite number, reports each, and leaves all else', () => {
    fc.assert(
      fc.property(jsonText({ nonFinite: true }), (text) => {
        const reported: string[] = [];
        const line = renderJson(text, { onNonFinite: (_path, word) => reported.push(word) });
        const tokens = [...tokensOf(text)];
        const words = tokens.filter((token) => /^(NaN|-?Infinity)$/.test(token));
        expect(reported).toEqual(words);
        expect(line).toBe(tokens.map((token) => (words.includes(token) ? 'null' : token)).join(''));
        expect(() => JSON.parse(line) as unknown).not.toThrow();
      }),
      { numRuns: 1000 },
    );
  });

  it('keeps non-finite numbers where asked to, and reports none', () => {
    const onNonFinite = (): never => expect.fail('nothing was replaced');
    expect(renderJson('{"a": [NaN, -Infinity]}', { keepNonFinite: true, onNonFinite })).toBe('{"a":[NaN,-Infinity]}');
    expect(renderJson(' Infinity ', { keepNonFinite: true, onNonFinite })).toBe('Infinity');
  });

  it.each([
    ['NaN', ['']],
    ['[NaN, 1, Infinity]', ['[0]', '[2]']],
    ['{"a": {"b": [[1], {"c": -Infinity}]}, "d": NaN}', ['.a.b[1].c', '.d']],
    ['[{"x": [], "y": {}, "z": NaN}, NaN]', ['[0].z', '[1]']],
    ['{"k": "NaN", "NaN": NaN}', ['.NaN']],
    ['{"q\\"uote": "a,b:{[", "\\u0061": NaN}', ['.a']],
    ['[1, {"a": [2, 3]}, [4, NaN]]', ['[2][1]']],
  ])('names where in %s a number is not finite', (text, paths) => {
    const seen: string[] = [];
    renderJson(text, { onNonFinite: (path) => seen.push(path) });
    expect(seen).toEqual(paths);
  });
});
