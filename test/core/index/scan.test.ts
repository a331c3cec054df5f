import fc from 'fast-check';
import { expect, it } from 'vitest';

import { scanRows } from '../../../src/core/index/scan';
import { RawJson } from '../../../src/core/json/raw';
import { bytesSource, JsonReader } from '../../../src/core/json/reader';
import { JsonSyntaxError } from '../../../src/core/json/syntax-error';
import { anyValue, LAYOUTS, spell, type Spelled } from '../../support/documents';

const KEYS = ['session_id', 'title', 'updated_at', '__proto__', 'é'];

interface Seen {
  text: string;
  values: unknown[];
}

/** What the pull reader sees: it takes any document, and knows each error. Undefined where it is no list of objects. */
function readSlowly(bytes: Buffer): Seen[] | undefined {
  try {
    const reader = new JsonReader(bytesSource(bytes));
    if (reader.hasBom || reader.peekKind() !== 'array') return undefined;
    const rows: Seen[] = [];
    reader.beginArray();
    while (reader.nextItem()) {
      if (reader.peekKind() !== 'object') return undefined;
      const text = reader.capture();
      const row = new JsonReader(bytesSource(text));
      const fields = new Map<string, RawJson>();
      row.beginObject();
      while (row.nextMember()) fields.set(row.keyText(), RawJson.fromBytes(row.capture()));
      rows.push({ text: text.toString(), values: KEYS.map((key) => fields.get(key)?.value()) });
    }
    reader.finish();
    return rows;
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
}

function scan(bytes: Buffer, windowSize: number): Seen[] | undefined {
  const rows: Seen[] = [];
  const pieces: Buffer[] = [];
  let lastEnd = 0;
  const isGood = scanRows(
    bytesSource(bytes),
    KEYS,
    (row) => {
      expect(row.bytes().equals(bytes.subarray(row.start, row.end)), 'the bytes are those of the place').toBe(true);
      expect(row.isNextToLast).toBe(rows.length > 0 && bytes.toString('latin1', lastEnd, row.start) === ',\n  ');
      lastEnd = row.end;
      rows.push({ text: row.bytes().toString(), values: KEYS.map((_, slot) => row.value(slot)) });
    },
    { windowSize, onBytes: (piece) => pieces.push(Buffer.from(piece)) },
  );
  if (isGood) expect(Buffer.concat(pieces).equals(bytes), 'all bytes were shown').toBe(true);
  return isGood ? rows : undefined;
}

const key = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('"session_id"', '"title"', '"updated_at"', '"pinned"', '"profile"') },
  { weight: 1, arbitrary: fc.constantFrom('"sess\\u0069on_id"', '"__proto__"', '"é"', '"\\u00e9"', '""', '"a b"') },
);
const value = fc.oneof(
  fc.constantFrom('null', 'true', 'false', '0', '1', '{}', '[]', '"default"', '1777000000.5', '1760000007.1234567'),
  fc.double().map((number) => (Number.isFinite(number) ? String(number) : 'NaN')),
  fc.integer().map((number) => `${number}.${Math.abs(number)}`),
  anyValue,
);
const row: fc.Arbitrary<Spelled> = fc.array(fc.tuple(key, value), { maxLength: 8 }).map((members) => ({ members }));
/** Rows as a program writes them: the same keys again and again. */
const rows = fc
  .tuple(fc.array(row, { maxLength: 4 }), fc.array(fc.nat(3), { maxLength: 8 }))
  .map(([some, again]): Spelled => ({ items: [...some, ...again.flatMap((i) => some.slice(i, i + 1))] }));
const index = fc
  .tuple(rows, fc.constantFrom(...LAYOUTS), fc.constantFrom('', '\n', ' \r\n\t'))
  .map(([list, layout, tail]) => Buffer.from(spell(list, layout) + tail));
const windowSize = fc.constantFrom(16, 17, 31, 64, 200, 4096);

it('sees the rows that the pull reader sees, whatever the layout and wherever a window ends', () => {
  fc.assert(
    fc.property(index, windowSize, (bytes, size) => {
      const slow = readSlowly(bytes);
      expect(slow).toBeDefined();
      expect(scan(bytes, size)).toEqual(slow);
    }),
    { numRuns: 2000 },
  );
});

it('knows that more than a comma and a line stand between two rows', () => {
  const bytes = Buffer.from('[\n  {}\n,\n  {}\n]\n');
  expect(scan(bytes, 16)).toEqual(readSlowly(bytes));
});

it('refuses what the pull reader refuses, and nothing else', () => {
  const damage = fc.record({
    at: fc.nat(),
    cut: fc.constantFrom(0, 1, 2, 1000),
    put: fc.oneof(
      fc.constantFrom(
        ...['"', '\\', ',', '{', '}', '[', ']', ':', ' ', '\n', '0', '-', '.', 'e', 'null', '\u0001', 'é'],
      ),
      fc.constantFrom(Buffer.from([0xff]), Buffer.from([0xc3]), Buffer.from([0]), Buffer.from([0xef, 0xbb, 0xbf])),
      fc.constant(''),
    ),
  });
  let refused = 0;
  let accepted = 0;
  fc.assert(
    fc.property(index, damage, windowSize, (bytes, { at, cut, put }, size) => {
      const from = at % (bytes.length + 1);
      const hurt = Buffer.concat([bytes.subarray(0, from), Buffer.from(put), bytes.subarray(from + cut)]);
      const slow = readSlowly(hurt);
      if (slow) accepted++;
      else refused++;
      expect(scan(hurt, size)).toEqual(slow);
    }),
    { numRuns: 4000 },
  );
  expect(Math.min(refused, accepted)).toBeGreaterThan(200);
});
