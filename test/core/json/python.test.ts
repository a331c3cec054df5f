import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { pythonRepr, pythonStr, strip, toFloat, toInt, truthy } from '../../../src/core/json/python';
import { pythonFloat } from '../../../src/core/json/raw';
import { anyText, jsonText } from '../../support/arbitraries';
import { HAS_PYTHON, inPython } from '../../support/python';

/** Texts that look like numbers, and some that almost do. */
const numberLike = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'0123456789_.eE+- \t\n', '\u2003', '\xa0', 'x'), maxLength: 8 }),
  fc
    .tuple(
      fc.constantFrom('', ' ', '\u3000'),
      fc.constantFrom('', '+', '-', '--'),
      fc.constantFrom(
        'inf',
        'Infinity',
        'INF',
        'nan',
        'NaN',
        'infinit',
        '1_000',
        '1__0',
        '_1',
        '1_',
        '1._5',
        '.5',
        '5.',
      ),
      fc.constantFrom('', 'e5', 'E-3', '\n'),
    )
    .map((parts) => parts.join('')),
);

/**
 * Python also reads digits of other scripts ('٣'), and does not strip the
 * separators \x1c-\x1f around a number although strip() does: neither is ever
 * in a store, and neither is imitated.
 */
const notImitated = (value: unknown): boolean =>
  typeof value === 'string' && (/[\x1c-\x1f]/.test(value) || /[^\P{Nd}0-9]/u.test(value));

const values = (): unknown[] => [
  ...fc.sample(numberLike, 3000),
  ...fc.sample(
    anyText.filter((text) => !notImitated(text)),
    300,
  ),
  ...fc.sample(fc.double({ noNaN: true, noDefaultInfinity: true }), 300),
  ...fc.sample(
    fc.jsonValue({ maxDepth: 2 }).filter((value) => !notImitated(value)),
    300,
  ),
  ...[null, true, false, 0, -0, 0.5, -1.5, '', '0', [], {}, [0], { a: 0 }, ' ', '12345678901234567890'],
];

describe.skipIf(!HAS_PYTHON)("Python's built-ins, compared with python3", () => {
  it('pythonFloat is the repr of a float', () => {
    const doubles = [
      ...fc.sample(fc.double({ noNaN: true, noDefaultInfinity: true }), 3000),
      ...fc.sample(fc.integer(), 300),
      ...fc.sample(fc.float({ noNaN: true, noDefaultInfinity: true }), 300),
      ...[
        0, -0, 1e15, 1e16, 9999999999999998, 1e17, 1e21, 1e22, 1e-4, 1e-5, 0.00012345, 5e-324, 1.7976931348623157e308,
      ],
    ];
    const spelled = doubles.map((n) => (Object.is(n, -0) ? '-0.0' : String(n)));
    expect(doubles.map(pythonFloat)).toEqual(inPython<string>('return json.dumps(float(v))', spelled));
  });

  it('truthy is bool()', () => {
    const all = values();
    expect(all.map(truthy)).toEqual(inPython<boolean>('return bool(v)', all));
  });

  it('toFloat is float(), undefined where it raises', () => {
    const all = values();
    const theirs = inPython<string | null>(
      'try:\n  return repr(float(v))\nexcept (TypeError, ValueError, OverflowError):\n  return None',
      all,
    );
    const ours = all.map((value) => {
      const number = toFloat(value);
      return number === undefined ? null : pythonFloat(number).replace('Infinity', 'inf').replace('NaN', 'nan');
    });
    // JSON.stringify writes -0 as 0, so Python never sees it.
    expect(differences(all, ours, theirs).filter(({ value }) => value !== 0)).toEqual([]);
  });

  it('toInt is int(), undefined where it raises', () => {
    const all = values();
    const theirs = inPython<string | null>(
      'try:\n  return repr(float(int(v)) + 0.0)\nexcept (TypeError, ValueError, OverflowError):\n  return None',
      all,
    );
    const ours = all.map((value) => {
      const number = toInt(value);
      return number === undefined ? null : pythonFloat(number + 0);
    });
    expect(differences(all, ours, theirs)).toEqual([]);
  });

  it('strip removes exactly the characters that str.strip() removes', () => {
    const characters = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code));
    const ours = characters.map((c) => strip(`${c}x${c}`) === 'x');
    const theirs = inPython<boolean>('return (v + "x" + v).strip() == "x"', characters);
    expect(differences(characters, ours, theirs)).toEqual([]);

    const texts = fc.sample(anyText, 2000);
    expect(texts.map(strip)).toEqual(inPython<string>('return v.strip()', texts));
  });

  it('pythonRepr is repr() of what json.loads reads', () => {
    const texts = [
      ...fc.sample(jsonText({ nonFinite: true }), 4000),
      ...fc.sample(numberTexts, 1000),
      '{"a": 1, "b": 2, "a": 3}',
      '["it\'s", "say \\"x\\"", "it\'s \\"x\\""]',
    ];
    const ours = texts.map(pythonRepr);
    const theirs = inPython<string | null>(`${UNASSIGNED}return None if new(v) else repr(json.loads(v))`, texts);
    expect(differences(texts, ours, theirs).filter((d) => d.theirs !== null)).toEqual([]);
  });

  it('pythonRepr escapes exactly the characters that repr() escapes', () => {
    const texts = Array.from({ length: 0x20000 }, (_, code) => JSON.stringify(String.fromCodePoint(code)));
    const ours = texts.map(pythonRepr);
    const theirs = inPython<string | null>(`${UNASSIGNED}return None if new(v) else repr(json.loads(v))`, texts);
    expect(differences(texts, ours, theirs).filter((d) => d.theirs !== null)).toEqual([]);
  });

  it('pythonStr is str(): a string is bare', () => {
    const texts = fc.sample(jsonText({ nonFinite: true, maxDepth: 2 }), 1000);
    const theirs = inPython<string | null>(`${UNASSIGNED}return None if new(v) else str(json.loads(v))`, texts);
    expect(differences(texts, texts.map(pythonStr), theirs).filter((d) => d.theirs !== null)).toEqual([]);
  });
});

it('looks at a long text once', () => {
  // Where it looked from every place anew, each of these would take a minute.
  expect(strip(` x${' '.repeat(200_000)}x `)).toHaveLength(200_002);
  expect(toFloat(`${'1'.repeat(200_000)}x`)).toBeUndefined();
});

describe('pythonRepr', () => {
  it('gives a value back as it is spelled where Python itself would give up', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    expect(pythonRepr(deep)).toBe(deep);
    expect(pythonRepr('[[[null]]]')).toBe('[[[None]]]');
  });
});

const numberTexts = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.bigInt({ min: 0n, max: 10n ** 30n }),
    fc.constantFrom('', '.0', '.50', 'e3', 'E-7'),
  )
  .map((parts) => parts.join(''));

/** A character may be newer than the Unicode of one of the two: `new(text)` tells in Python. */
const UNASSIGNED = `def new(t):
  def walk(x):
    if isinstance(x, str): return any(unicodedata.category(c) == "Cn" for c in x)
    if isinstance(x, list): return any(map(walk, x))
    if isinstance(x, dict): return any(walk(k) or walk(y) for k, y in x.items())
    return False
  return walk(json.loads(t))
`;

interface Difference {
  value: unknown;
  ours: unknown;
  theirs: unknown;
}

/** Only what differs, so that a failure of one in 100,000 can be read. */
function differences(all: readonly unknown[], ours: readonly unknown[], theirs: readonly unknown[]): Difference[] {
  return all
    .map((value, i) => ({ value, ours: ours[i], theirs: theirs[i] }))
    .filter((d) => !Object.is(d.ours, d.theirs))
    .slice(0, 50);
}
