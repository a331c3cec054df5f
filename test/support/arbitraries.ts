import fc from 'fast-check';

/** Strings of everything: quotes, escapes, controls, other scripts, emoji, lone surrogates. */
export const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom(...'\'"\\{}[]:, \t\n\r\0\x1f\x7f\x85\xa0\u2028\ufeffaZ9é日', '🎉', '\ud800', '\udc00'),
  }),
  fc.string({ unit: fc.nat(0x7ff).map((c) => String.fromCharCode(c)) }),
  fc.constantFrom('NaN', 'Infinity', '-Infinity', 'null', '\ue000', '\ue000NaN', '__proto__', 'constructor', '0', '1'),
);

/** A JSON number as some writer may spell it. */
export const numberText = fc.oneof(
  fc.integer().map(String),
  fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => JSON.stringify(n)),
  fc
    .tuple(fc.integer(), fc.nat(99999), fc.constantFrom('e', 'E', 'e+', 'E-'), fc.nat(330))
    .map(([n, f, e, x]) => `${n}.${f}${e}${x}`),
  fc.constantFrom('0', '-0', '1.0', '-0.0', '1e16', '1E5', '0.0001', '0.00001', '9007199254740993', '1e400', '-1e400'),
);

const nonFiniteText = fc.constantFrom('NaN', 'Infinity', '-Infinity');

/** White space between tokens, as writers put it. */
const space = fc.constantFrom('', '', '', ' ', '\n', '\n  ', '\t', '\r\n');

/**
 * A JSON text with every kind of spelling, duplicate keys included; with
 * Python's non-finite words where asked for.
 */
export function jsonText({ nonFinite = false, maxDepth = 4 } = {}): fc.Arbitrary<string> {
  const escaped = fc
    .string({ maxLength: 6 })
    .map((s) => `"${[...s].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`);
  const string = fc.oneof(
    anyText.map((s) => JSON.stringify(s)),
    escaped,
  );
  const scalar = fc.oneof(
    string,
    numberText,
    fc.constantFrom('true', 'false', 'null'),
    ...(nonFinite ? [nonFiniteText] : []),
  );
  const key = fc.oneof(
    fc.constantFrom('"a"', '"b"', '"role"', '"\\u0061"', '"__proto__"', '"10"', '"2"', '""'),
    string,
  );
  return fc.letrec<{ value: string; list: string; dict: string }>((tie) => ({
    value: fc.oneof({ maxDepth, depthSize: 'small' }, scalar, tie('list'), tie('dict')),
    list: fc
      .array(fc.tuple(space, tie('value'), space), { maxLength: 5 })
      .map((items) => `[${items.map((item) => item.join('')).join(',')}]`),
    dict: fc
      .array(fc.tuple(space, key, space, space, tie('value'), space), { maxLength: 5 })
      .map((ms) => `{${ms.map(([a, k, b, c, v, d]) => `${a}${k}${b}:${c}${v}${d}`).join(',')}}`),
  })).value;
}
