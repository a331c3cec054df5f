import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { SessionCompactor } from '../../../src/core/export/compact-session';
import type { OpenFile } from '../../../src/core/files/open-file';
import { HermesctlError } from '../../../src/core/errors';
import { JsonCompactor, SLACK } from '../../../src/core/json/compact';
import { formatJson } from '../../../src/core/json/format';
import { compactJson, layOut } from '../../../src/core/json/lay-out';
import { nonFiniteWords } from '../../../src/core/json/non-finite';
import { bytesSource, JsonReader } from '../../../src/core/json/reader';
import { JsonSyntaxError } from '../../../src/core/json/syntax-error';
import { tokensOf } from '../../../src/core/json/tokens';
import { jsonText } from '../../support/arbitraries';
import { anyValue, LAYOUTS, oddDocument, spell } from '../../support/documents';

const openFile = (bytes: Buffer): OpenFile => ({
  path: '/nonexistent/odd.json',
  source: bytesSource(bytes),
  stamp: { dev: 0n, ino: 0n, size: BigInt(bytes.length), mtimeNs: 0n, ctimeNs: 0n },
});

/** The document without its white space, told token by token. */
const tokenByToken = (text: string, isNull = (word: string) => word): string =>
  [...tokensOf(text)].map(isNull).join('');
const asNull = (word: string): string => (/^(NaN|-?Infinity)$/.test(word) ? 'null' : word);

/** Feeds a document to a compactor in pieces of this size. */
function inPieces(bytes: Buffer, size: number): string {
  const compactor = new JsonCompactor(bytes.length + size + SLACK, { keepNonFinite: true });
  const { buffer } = compactor;
  let out = '';
  let have = 0;
  for (let read = 0; read < bytes.length || have > 0;) {
    const piece = bytes.subarray(read, read + size);
    piece.copy(buffer, have);
    const isLast = read + piece.length >= bytes.length;
    const from = read - have;
    read += piece.length;
    have += piece.length;
    out += buffer.toString('latin1', 0, compactor.feed(0, have, 0, from, isLast));
    const consumed = compactor.consumed;
    // What was put out stands where the rest is moved to.
    bytes.copy(buffer, 0, from + consumed, from + have);
    have -= consumed;
    if (isLast && consumed === 0 && have > 0) throw new Error('no progress');
  }
  compactor.finish();
  return Buffer.from(out, 'latin1').toString('utf8');
}

function accepts(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof JsonSyntaxError) return false;
    throw error;
  }
}

describe('the compactor', () => {
  it('takes out white space and nothing else, whatever the pieces', () => {
    fc.assert(
      fc.property(jsonText({ nonFinite: true }), fc.constantFrom(1, 2, 3, 5, 8, 64), (text, size) => {
        const wanted = tokenByToken(text);
        expect(compactJson(Buffer.from(text)).toString()).toBe(wanted);
        expect(inPieces(Buffer.from(text), size)).toBe(wanted);
      }),
      { numRuns: 400 },
    );
  });

  it('lets pass what the reader lets pass, also where bytes were cut off, changed or put in', () => {
    const change = fc.record({
      at: fc.nat(),
      cut: fc.nat(3),
      put: fc.constantFrom(
        ...['', '"', '\\', ',', '{', ']', ':', '0', '-', '.', 'e', 'N', '\n', ' ', '\x01', '\xc3', '\xff'],
      ),
    });
    fc.assert(
      fc.property(
        jsonText({ nonFinite: true }),
        fc.array(change, { maxLength: 2 }),
        fc.boolean(),
        (text, changes, ends) => {
          let bytes = Buffer.from(text);
          for (const { at, cut, put } of changes) {
            const from = at % (bytes.length + 1);
            bytes = Buffer.concat([
              bytes.subarray(0, from),
              Buffer.from(put, 'latin1'),
              ends ? Buffer.alloc(0) : bytes.subarray(from + cut),
            ]);
          }
          const byReader = accepts(() => {
            const reader = new JsonReader(bytesSource(bytes));
            reader.skipValue();
            reader.finish();
          });
          expect({ bytes: bytes.toString('latin1'), ok: accepts(() => compactJson(bytes)) }).toEqual({
            bytes: bytes.toString('latin1'),
            ok: byReader,
          });
          expect(accepts(() => inPieces(bytes, 3))).toBe(byReader);
        },
      ),
      { numRuns: 1500 },
    );
  });
});

it.each(['tru', 'nul', '-', '1.', '1e+', '-Infin', 'Na', '"a', ''])('takes %j for what it is: cut off', (text) => {
  expect(accepts(() => compactJson(Buffer.from(text)))).toBe(false);
});

describe('sessions on a line each', () => {
  const lines = (documents: readonly Buffer[], capacity: number, keepNonFinite: boolean): string => {
    const pieces: Buffer[] = [];
    const compactor = new SessionCompactor((bytes) => pieces.push(Buffer.from(bytes)), { keepNonFinite, capacity });
    for (const bytes of documents) compactor.append(openFile(bytes), 'odd', '', '\n');
    compactor.flush();
    return Buffer.concat(pieces).toString();
  };

  it('are the same in a buffer of any size, with null where JSON has no word', () => {
    fc.assert(
      fc.property(
        fc.array(oddDocument(['title', 'session_id', 'pinned']), { minLength: 1, maxLength: 3 }),
        fc.constantFrom(40, 64, 200, 1 << 16),
        (odd, capacity) => {
          const documents = odd.map(({ bytes }) => bytes);
          const wanted = (isNull?: (word: string) => string): string =>
            documents.map((bytes) => `${tokenByToken(bytes.toString().replace(/^\ufeff/, ''), isNull)}\n`).join('');
          expect(lines(documents, capacity, true)).toBe(wanted());
          expect(lines(documents, capacity, false)).toBe(wanted(asNull));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('tell their id, and whether their messages are a list, wherever a piece of the file ends', () => {
    const compactor = new SessionCompactor(() => undefined, { keepNonFinite: true, capacity: 64 });
    for (let before = 0; before < 100; before++) {
      const text = (messages: string): Buffer =>
        Buffer.from(
          `{"x": "${'-'.repeat(before)}", "session_id": "an-id", "messages": ${messages}, "y": "${'-'.repeat(99)}"}`,
        );
      expect(compactor.append(openFile(text('[]')), 'odd', '', '').innerId, `after ${before} bytes`).toBe('an-id');
      expect(() => compactor.append(openFile(text('5')), 'odd', '', '')).toThrow('not a list');
    }
  });

  it('have room for null where there was not even a space', () => {
    const bytes = Buffer.from(`{"a":[${'NaN,'.repeat(1000)}NaN],"session_id":"odd"}`);
    expect(lines([bytes], 1 << 16, false)).toBe(`{"a":[${'null,'.repeat(1000)}null],"session_id":"odd"}\n`);
    expect(lines([bytes], 64, false)).toBe(`{"a":[${'null,'.repeat(1000)}null],"session_id":"odd"}\n`);
  });

  it('have nothing of a damaged one, and all of its neighbours', () => {
    const good = Buffer.from('{ "session_id": "a", "messages": [] }');
    const pieces: Buffer[] = [];
    const compactor = new SessionCompactor((bytes) => pieces.push(Buffer.from(bytes)), {
      keepNonFinite: false,
      capacity: 64,
    });
    const broken: [string, string][] = [
      ['{"session_id": "a", "messages": [', 'not-json'],
      [`{"session_id": "a", "messages": ["${'x'.repeat(200)}`, 'not-json'],
      ['', 'empty'],
      ['[1]', 'not-an-object'],
      ['{"messages": "none"}', 'messages-not-a-list'],
      ['{"a": "\x01"}', 'not-json'],
      ['{"a": 1} x', 'not-json'],
    ];
    for (const [text, kind] of broken) {
      compactor.append(openFile(good), 'a', '', '\n');
      let thrown: unknown;
      try {
        compactor.append(openFile(Buffer.from(text)), 'a', '', '\n');
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(HermesctlError);
      expect((thrown as HermesctlError).details['kind'], text).toBe(kind);
    }
    compactor.flush();
    expect(Buffer.concat(pieces).toString()).toBe('{"session_id":"a","messages":[]}\n'.repeat(broken.length));
  });
});

it('lays out as Python does, and keeps every spelling', () => {
  const [indented] = LAYOUTS.filter(({ name }) => name === 'indent 2');
  const [compact] = LAYOUTS.filter(({ name }) => name === 'compact');
  fc.assert(
    fc.property(anyValue, (value) => {
      const pieces: Buffer[] = [];
      layOut(Buffer.from(spell(value, compact)), (bytes) => pieces.push(Buffer.from(bytes)));
      expect(Buffer.concat(pieces).toString()).toBe(spell(value, indented));
    }),
    { numRuns: 300 },
  );
});

it('is not as large as the square of a depth that no server reads', () => {
  const deep = `${'[{"a":'.repeat(20_000)}1${'}]'.repeat(20_000)}`;
  const pieces: Buffer[] = [];
  layOut(Buffer.from(deep), (bytes) => pieces.push(Buffer.from(bytes)));
  for (const text of [Buffer.concat(pieces), Buffer.from(formatJson(deep))]) {
    expect(text.length).toBeLessThan(5_000_000);
    expect(compactJson(text).toString()).toBe(deep);
  }
});

it('finds the words that JSON has not, and where they are', () => {
  const text = '{"a": NaN, "b": [1, {"c": -Infinity}, "NaN", []], "d": {}, "e": Infinity}';
  expect(nonFiniteWords(bytesSource(Buffer.from(text)), 9)).toEqual([
    { path: '.a', word: 'NaN' },
    { path: '.b[1].c', word: '-Infinity' },
    { path: '.e', word: 'Infinity' },
  ]);
  expect(nonFiniteWords(bytesSource(Buffer.from(text)), 1)).toHaveLength(1);
});
