import { execFileSync } from 'node:child_process';
import path from 'node:path';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { findHazards } from '../../../src/core/json/hazards';
import {
  FIRST_RECORD,
  Kernel,
  KnownKeys,
  MEMBER_RECORD,
  Names,
  Needle,
  UNKNOWN_KEY,
} from '../../../src/core/json/kernel';
import { bytesSource, JsonReader } from '../../../src/core/json/reader';
import { JsonSyntaxError } from '../../../src/core/json/syntax-error';
import { Window } from '../../../src/core/json/window';
import { literalPattern } from '../../../src/core/search/pattern';
import { readTranscriptFacts } from '../../../src/core/session/transcript';
import { ROOT } from '../../support/cli';
import { anyValue, LAYOUTS, messageList, spell, type Spelled } from '../../support/documents';

/** One kernel for all runs, as for all files of a store. */
const kernelWindow = Window.fast();
const CHUNKS = [undefined, 8, 11, 16, 17, 33, 64] as const;

type Seen = Record<string, unknown>;

/** Everything that a reader tells of a document: what was found, or how it broke. */
function seen(work: (reader: JsonReader) => Seen, bytes: Uint8Array, options: { chunkSize?: number; window?: Window }) {
  try {
    const reader = new JsonReader(bytesSource(bytes), options);
    return { ...work(reader), sawHazard: reader.sawHazard };
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    const { offset, reason, kind } = error;
    return { offset, reason, kind };
  }
}

function expectSame(work: (reader: JsonReader) => Seen, bytes: Uint8Array): void {
  for (const chunkSize of CHUNKS) {
    const options = chunkSize === undefined ? {} : { chunkSize };
    const plain = seen(work, bytes, options);
    expect(seen(work, bytes, { ...options, window: kernelWindow }), Buffer.from(bytes).toString()).toEqual(plain);
  }
}

const skip = (reader: JsonReader): Seen => {
  const span = reader.skipValue();
  reader.finish();
  return span;
};

const WANTED = new Names('role', 'timestamp', 'a');

/** The spans of the items, and of the wanted members of those that are objects, the last of duplicates. */
function items(reader: JsonReader): Seen {
  const found: unknown[] = [];
  reader.beginArray();
  for (;;) {
    const taken = reader.takeItems(WANTED);
    const { windowBase: base } = reader;
    for (let i = 0; i < taken; i++) {
      const at = FIRST_RECORD + i * WANTED.itemWords;
      const words = [...reader.records.subarray(at, at + WANTED.itemWords)];
      found.push(words.map((word) => (word === 0 ? null : word + base)));
    }
    if (taken > 0) continue;
    if (!reader.nextItem()) break;
    const places: (number | null)[] = [reader.offset, null, null, null, null, null, null, null];
    if (reader.peekKind() === 'object') {
      reader.beginObject();
      while (reader.nextMember()) {
        const slot = ['role', 'timestamp', 'a'].findIndex((name) => reader.keyIs(name));
        const { start, end } = reader.skipValue();
        if (slot >= 0) places.splice(2 + 2 * slot, 2, start, end);
      }
    } else reader.skipValue();
    places[1] = reader.offset;
    found.push(places);
  }
  reader.finish();
  return { found };
}

const STOPS = new Names('messages');
const KNOWN = ['a', 'a key of seventeen', 'role', 'a key that is as long as those of a session are', 'timestamp'];
const KNOWN_KEYS = new KnownKeys(KNOWN);

function members(reader: JsonReader): Seen {
  const found: unknown[] = [];
  reader.beginObject();
  for (;;) {
    const taken = reader.takeMembers(STOPS, KNOWN_KEYS);
    const { windowBase: base, window } = reader;
    for (let i = 0; i < taken; i++) {
      const at = FIRST_RECORD + i * MEMBER_RECORD;
      const [keyStart, keyEnd, start, end, what] = reader.records.subarray(at, at + MEMBER_RECORD);
      const key = JSON.parse(window.toString('utf8', keyStart, keyEnd)) as string;
      expect(key).not.toBe('messages');
      const place = KNOWN.indexOf(key);
      expect(what & 0xff).toBe(place < 0 ? UNKNOWN_KEY : place);
      expect(what >>> 8).toBe(window[start]);
      found.push([key, base + keyStart, base + keyEnd, base + start, base + end]);
    }
    if (taken > 0) continue;
    if (!reader.nextMember()) break;
    const { keyStart, keyEnd } = reader;
    const key = reader.keyText();
    const { start, end } = reader.skipValue();
    found.push([key, keyStart, keyEnd, start, end]);
  }
  reader.finish();
  return { found };
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.stringMatching(/^[a-z "\\\n]{0,120}$/),
  fc.constantFrom('\ud800', 'x\udc00', '😀'.repeat(9), 'é'.repeat(40)),
);
const scalar = fc.oneof(
  text.chain((value) => fc.constantFrom(JSON.stringify(value), asciiOnly(value))),
  fc.double({ noDefaultInfinity: true, noNaN: true }).map(String),
  fc.constantFrom('NaN', '-Infinity', 'Infinity', '0', '-0.0', '1e5', '12345678901234567890', 'null', 'true', 'false'),
  fc.constantFrom(
    '"\\ud83d\\ude00"',
    '"\\ud83d"',
    '"\\ude00"',
    '"\\ud83d\\n"',
    '"\\ud83d\\ud83d\\ude00"',
    '"\\uD83dx"',
  ),
);

/** As Python writes it without `ensure_ascii=False`. */
function asciiOnly(value: string): string {
  return JSON.stringify(value).replace(/[^\x00-\x7f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const key = fc.oneof(
  fc.constantFrom(
    '"role"',
    '"timestamp"',
    '"a"',
    '"messages"',
    '"\\u0061"',
    '"rol"',
    '"roles"',
    '""',
    '"_a_key_longer_than_16_"',
    '"a key of seventeen"',
    '"a key of seventeem"',
    '"a key that is as long as those of a session are"',
    '"a key that is as long as those of a session area"',
  ),
  text.map((value) => JSON.stringify(value)),
);
const message = fc.array(fc.tuple(key, scalar), { maxLength: 5 }).map((members) => ({ members }));
const value = fc.oneof(
  scalar,
  message,
  fc.array(scalar, { maxLength: 3 }).map((items) => ({ items })),
);
const array = fc
  .tuple(fc.array(fc.oneof(message, value), { maxLength: 6 }), fc.constantFrom(...LAYOUTS))
  .map(([items, layout]) => Buffer.from(spell({ items }, layout)));
const object = fc
  .tuple(fc.array(fc.tuple(key, value), { maxLength: 6 }), fc.constantFrom(...LAYOUTS))
  .map(([members, layout]) => Buffer.from(spell({ members }, layout)));

const DAMAGE = [...Buffer.from('"\\{}[],:0129.eE+-tfnNIu \t\r'), 0, 0x1f, 0x7f, 0x80, 0xc3, 0xe6, 0xf0, 0xff];

/** Bytes overwritten, or the end cut off. */
const damaged = (documents: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> =>
  fc
    .tuple(documents, fc.array(fc.tuple(fc.nat(), fc.constantFrom(...DAMAGE)), { maxLength: 2 }), fc.option(fc.nat()))
    .map(([bytes, edits, cut]) => {
      const copy = Buffer.from(bytes);
      for (const [at, byte] of edits) copy[at % copy.length] = byte;
      return cut === null ? copy : copy.subarray(0, cut % (copy.length + 1));
    });

describe('the kernel', () => {
  it('is there', () => {
    expect(kernelWindow.kernel).toBeInstanceOf(Kernel);
  });

  it('is what its source makes', () => {
    execFileSync(process.execPath, [path.join(ROOT, 'scripts/kernel.mjs'), '--check'], { stdio: 'pipe' });
  });

  it.each([
    ['a value', skip, fc.oneof(array, object)],
    ['items', items, array],
    ['members', members, object],
    ['a transcript', (reader: JsonReader): Seen => ({ ...readTranscriptFacts(reader) }), array],
  ])(
    'finds in %s what the reader finds without it: the same places, damage and offsets, whatever the window',
    (_what, work, documents) => {
      fc.assert(
        fc.property(fc.oneof(documents, damaged(documents)), (bytes) => expectSame(work, bytes)),
        { numRuns: 1500 },
      );
    },
  );

  it('agrees on what no program writes', () => {
    const laidOut = (spelled: fc.Arbitrary<Spelled>): fc.Arbitrary<Buffer> =>
      fc.tuple(spelled, fc.constantFrom(...LAYOUTS)).map(([tree, layout]) => Buffer.from(spell(tree, layout)));
    fc.assert(
      fc.property(damaged(laidOut(anyValue)), (bytes) => expectSame(skip, bytes)),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(damaged(laidOut(messageList)), (bytes) =>
        expectSame((reader) => ({ ...readTranscriptFacts(reader) }), bytes),
      ),
      { numRuns: 1000 },
    );
  });

  it('finds a needle, and escapes of its characters, where an expression finds them', () => {
    const piece = fc.constantFrom(
      'a',
      'b',
      'k',
      'K',
      'ab',
      'abk',
      'ABk',
      '\\u0061',
      '\\u006',
      '\\u004B',
      '\\u00e9',
      '\\',
      'u00',
      'x',
      ' '.repeat(13),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 20 }),
        fc.constantFrom('ab', 'abk', 'kk', 'xab'),
        fc.boolean(),
        (pieces, text, ignoreCase) => {
          const bytes = Buffer.from(pieces.join(''));
          const { bytes: expression, needle } = literalPattern(text, { ignoreCase });
          const { kernel, low } = kernelWindow;
          bytes.copy(kernelWindow.bytes, low);
          kernelWindow.bytes.write(`${text}${text}`, low + bytes.length); // what stands behind is none of it
          for (let from = 0; from <= bytes.length; from++) {
            expression!.lastIndex = from;
            const match = expression!.exec(bytes.toString('latin1'));
            expect(kernel!.find(low + from, low + bytes.length, needle!) - low).toBe(
              match ? match.index : bytes.length,
            );
          }
        },
      ),
      { numRuns: 500 },
    );
    expect(['a', 'a"b', 'a/b', 'é!', 'x'.repeat(65)].map((text) => Needle.of(text, false))).toEqual(
      Array(5).fill(undefined),
    );
  });

  it('lets the reader know whether there is something that not every program can read', () => {
    fc.assert(
      fc.property(fc.oneof(array, object), (bytes) => {
        const hazards = findHazards(bytesSource(bytes), bytes.length);
        for (const chunkSize of CHUNKS) {
          const options = { window: kernelWindow, ...(chunkSize === undefined ? {} : { chunkSize }) };
          expect(seen(skip, bytes, options)).toMatchObject({ sawHazard: hazards.length > 0 });
        }
      }),
      { numRuns: 500 },
    );
  });

  it('agrees on strings and values longer than any window, and nested deeper than its stack', () => {
    const long = JSON.stringify('word "quoted" \n 日本 '.repeat(40_000));
    const deep = '['.repeat(5000) + ']'.repeat(5000);
    const document = Buffer.from(
      `{"session_id":"a","draft":${long},"messages":[{"role":"user","content":${long},"timestamp":5},${deep},{"timestamp":7,"content":[${long},${long}]}],"x":{"y":[${long}]}}`,
    );
    for (const chunkSize of [4096, 256 * 1024]) {
      const facts = (window?: Window): Seen => {
        const reader = new JsonReader(bytesSource(document), { chunkSize, ...(window ? { window } : {}) });
        const draft: number[] = [];
        reader.beginObject();
        const found: unknown[] = [];
        while (reader.nextMember()) {
          const name = reader.keyText();
          if (name === 'messages') found.push(readTranscriptFacts(reader));
          else if (name === 'draft') draft.push(reader.capture().length);
          else found.push(reader.skipValue());
        }
        reader.finish();
        return { found, draft };
      };
      expect(facts(Window.fast())).toEqual(facts());
    }
  });
});

describe('a long string', () => {
  const pieces = ['a', 'é', '😀', '\\n', '\\"', '\\\\', '\\t', '\\/', '\\b', '\\f', '\\r', '\\u00e9', '\\ud83d\\ude00'];
  const broken = ['\\x', '\\2', '\\u12', '\\ud83d', '\\é', '\n', '\\\n', '\x00', '"'];

  it('ends where the reader says, whatever is in it and wherever', () => {
    const piece = fc.oneof(
      { weight: 12, arbitrary: fc.integer({ min: 1, max: 70 }).map((n) => 'x'.repeat(n)) },
      { weight: 12, arbitrary: fc.constantFrom(...pieces) },
      { weight: 6, arbitrary: fc.integer({ min: 1, max: 80 }).map((n) => '\\\\'.repeat(n)) },
      { weight: 1, arbitrary: fc.constantFrom(...broken) },
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (parts) => {
        expectSame(skip, Buffer.from(`["${parts.join('')}", 1]`));
      }),
      { numRuns: 400 },
    );
  });

  it('is whole at each place of an escape, and broken at each place of what is none', () => {
    for (let before = 0; before < 150; before++) {
      for (const middle of ['\\n', '\\\\', '\\"', '\\u00e9', ...broken]) {
        const bytes = Buffer.from(`["${'x'.repeat(before)}${middle}${'y'.repeat(90)}"]`);
        const plain = seen(skip, bytes, {});
        expect(seen(skip, bytes, { window: kernelWindow }), bytes.toString()).toEqual(plain);
      }
    }
  });
});
