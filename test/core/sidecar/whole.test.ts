import fc from 'fast-check';
import { expect, it } from 'vitest';

import { HermesctlError } from '../../../src/core/errors';
import type { OpenFile } from '../../../src/core/files/open-file';
import { compactRowText } from '../../../src/core/index/row-text';
import { TextStore } from '../../../src/core/index/text-store';
import { formatJson } from '../../../src/core/json/format';
import { bytesSource } from '../../../src/core/json/reader';
import { Window } from '../../../src/core/json/window';
import { METADATA_FIELDS } from '../../../src/core/session/fields';
import { compactRow, type RowDefaults } from '../../../src/core/session/row';
import { WRITER_ORDER } from '../../../src/core/session/writer';
import { scanOpenSidecar } from '../../../src/core/sidecar/read';
import { walkWhole } from '../../../src/core/sidecar/whole';
import { oddDocument, plainDocument } from '../../support/documents';

/** One for all runs, as for all files of a store. */
const fast = Window.fast();
const DEFAULTS: RowDefaults = { workspace: '/srv/work', model: 'modèle', userHome: '/home/u' };

function openFile(bytes: Buffer, size = bytes.length, atATime = Infinity): OpenFile {
  const source = bytesSource(bytes);
  return {
    path: '/nonexistent/odd.json',
    source: {
      read: (into, offset, length, position) => source.read(into, offset, Math.min(length, atATime), position),
    },
    stamp: { dev: 0n, ino: 0n, size: BigInt(size), mtimeNs: 0n, ctimeNs: 0n },
  };
}

/** All that a scan tells of a file, or how it failed. */
function told(file: OpenFile, window: Window): unknown {
  try {
    const { fields, members, transcript, hasBom, mayHaveHazards, warnings } = scanOpenSidecar(file, 'odd', window);
    const texts = [...METADATA_FIELDS].map((key) => fields.get(key)?.text);
    return { texts, members, transcript, hasBom, mayHaveHazards, warnings };
  } catch (error) {
    if (!(error instanceof HermesctlError)) throw error;
    return { message: error.message, details: error.details };
  }
}

const plain = (): Window => Window.plain(4096);
const isWhole = (file: OpenFile): boolean => walkWhole(file, fast, undefined) !== undefined;

const DAMAGE = [...Buffer.from('"\\{}[],:0129.eE+-tfnNIu \t\r'), 0, 0x1f, 0x80, 0xc3, 0xf0, 0xff];
const document = fc.oneof(oddDocument(WRITER_ORDER), plainDocument(WRITER_ORDER)).map(({ bytes }) => bytes);
const damaged = fc
  .tuple(
    document,
    fc.array(fc.tuple(fc.nat(), fc.constantFrom(...DAMAGE)), { maxLength: 2 }),
    fc.option(fc.nat(), { freq: 3 }),
    fc.constantFrom('', '', '\n', ' \t\r\n', '}', 'x', '\ufeff'),
  )
  .map(([bytes, edits, cut, more]) => {
    const copy = Buffer.from(bytes);
    for (const [at, byte] of edits) copy[at % copy.length] = byte;
    return Buffer.concat([cut === null ? copy : copy.subarray(0, cut % (copy.length + 1)), Buffer.from(more)]);
  });

it('finds in a file at once what the reader finds step by step: the same members, facts and damage', () => {
  const outcomes = { whole: 0, byTheReader: 0 };
  fc.assert(
    fc.property(fc.oneof(document, damaged), (bytes) => {
      outcomes[isWhole(openFile(bytes)) ? 'whole' : 'byTheReader']++;
      expect(told(openFile(bytes), fast), bytes.toString()).toEqual(told(openFile(bytes), plain()));
    }),
    { numRuns: 1000 },
  );
  expect(Math.min(...Object.values(outcomes)), JSON.stringify(outcomes)).toBeGreaterThan(50);
});

it('leaves to the reader what comes in pieces, and what has not as many bytes as it had', () => {
  const bytes = Buffer.from('{"session_id": "odd", "messages": [{"role": "user", "timestamp": 5}], "title": "é"}');
  expect(isWhole(openFile(bytes))).toBe(true);
  const others: [string, () => OpenFile][] = [
    ['in pieces', () => openFile(bytes, bytes.length, 7)],
    ['shorter by now', () => openFile(bytes.subarray(0, -1), bytes.length)],
    ['longer by now', () => openFile(Buffer.concat([bytes, Buffer.from('}')]), bytes.length)],
    ['with white space behind it by now', () => openFile(Buffer.concat([bytes, Buffer.from('\n')]), bytes.length)],
    ['empty', () => openFile(Buffer.alloc(0))],
  ];
  for (const [what, file] of others) {
    expect(isWhole(file()), what).toBe(false);
    expect(told(file(), fast), what).toEqual(told(file(), plain()));
  }
});

it('makes of any members the row that is made of them one by one, laid out as the server lays it out', () => {
  const texts = new TextStore();
  fc.assert(
    fc.property(document, fc.constantFrom(fast, plain()), (bytes, window) => {
      let sidecar;
      try {
        sidecar = scanOpenSidecar(openFile(bytes), 'odd', window);
      } catch (error) {
        if (error instanceof HermesctlError) return;
        throw error;
      }
      const members = [...compactRow(sidecar, DEFAULTS).entries()];
      const lines = members.map(([key, raw]) => `    ${JSON.stringify(key)}: ${formatJson(raw.text, 2)}`);
      const { text, updatedAt } = compactRowText(sidecar, DEFAULTS, texts);
      expect(text.toString()).toBe(`{\n${lines.join(',\n')}\n  }`);
      expect(updatedAt.text).toBe(compactRow(sidecar, DEFAULTS).raw('updated_at')!.text);
    }),
    { numRuns: 500 },
  );
});
