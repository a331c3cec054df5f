import fc from 'fast-check';
import { expect, it } from 'vitest';

import { formatJson } from '../../../src/core/json/format';
import { anyValue, LAYOUTS, spell } from '../../support/documents';
import { HAS_PYTHON, python } from '../../support/python';

it.each([
  ['[]', '[]'],
  ['{ }', '{}'],
  ['[[],{}]', '[\n  [],\n  {}\n]'],
  ['{"a":[1,{"b":null}]}', '{\n  "a": [\n    1,\n    {\n      "b": null\n    }\n  ]\n}'],
  [
    '[1.0,-0.0,12345678901234567890,NaN,-Infinity]',
    '[\n  1.0,\n  -0.0,\n  12345678901234567890,\n  NaN,\n  -Infinity\n]',
  ],
  ['"\\u00e9\\/\\ud83d\\ude00"', '"é/😀"'],
  ['"\\ud800"', '"\\ud800"'],
  ['"\\u0001\\u001f\\u007f\\u2028"', '"\\u0001\\u001f\u007f\u2028"'],
  [' 7 ', '7'],
  ['{"a":1,"a":2,"10":3,"2":4}', '{\n  "a": 1,\n  "a": 2,\n  "10": 3,\n  "2": 4\n}'],
])('lays out %j', (text, expected) => {
  expect(formatJson(text)).toBe(expected);
});

it('begins every line but the first at the depth it stands at', () => {
  expect(formatJson('{"a":[1]}', 1)).toBe('{\n    "a": [\n      1\n    ]\n  }');
});

it('breaks no lines where Python could not have written the text', () => {
  const text = (depth: number): string => `${'[{"a":'.repeat(depth)}[1,2]${'}]'.repeat(depth)}`;
  const deep = formatJson(text(20_000));
  expect(deep.replace(/\s/g, '')).toBe(text(20_000));
  expect(deep.length).toBeLessThan(3_000_000);
});

it('says the same whatever the layout it is given', () => {
  fc.assert(
    fc.property(anyValue, fc.constantFrom(...LAYOUTS), (value, layout) => {
      expect(formatJson(spell(value, layout))).toBe(formatJson(spell(value, LAYOUTS[0])));
    }),
  );
});

it.skipIf(!HAS_PYTHON)('lays out every value as json.dumps does', () => {
  const texts = [
    ...fc.sample(fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }), 1000).map((value) => JSON.stringify(value)),
    ...fc.sample(anyValue, 1000).map((value) => spell(value, LAYOUTS[0])),
  ];
  // Spelled by Python first: it writes numbers its own way and drops duplicate keys, where this keeps what it is given.
  const script = `
import json, sys
pairs = []
for text in json.load(sys.stdin):
    value = json.loads(text)
    laid_out = json.dumps(value, ensure_ascii=False, indent=2)
    if not any('\\ud800' <= c <= '\\udfff' for c in laid_out):
        pairs.append([json.dumps(value, separators=(',', ':')), laid_out])
print(json.dumps(pairs))`;
  const pairs = JSON.parse(python(script, JSON.stringify(texts))) as [string, string][];
  expect(pairs.length).toBeGreaterThan(1000);
  expect(pairs.map(([text]) => formatJson(text))).toEqual(pairs.map(([, laidOut]) => laidOut));
});
