import { describe, expect, it } from 'vitest';

import { nodeFileSystem } from '../../../src/core/files/file-system';
import { type OpenFile, withFile } from '../../../src/core/files/open-file';
import { arrayItemSpans } from '../../../src/core/json/document';
import { bytesSource, JsonReader } from '../../../src/core/json/reader';
import { type Cut, findCut, landmarkBefore } from '../../../src/core/sidecar/cut';
import { messagesOf } from '../../../src/core/sidecar/messages';
import { scanOpenSidecar, type ScannedSidecar, sidecarPath } from '../../../src/core/sidecar/read';
import { factsUpTo, readTranscriptFacts } from '../../../src/core/session/transcript';
import { makeStore } from '../../support/store';

function cut(text: string, turns = 1, start = text.indexOf('[')): Cut | { turnsFound: number } {
  const bytes = Buffer.from(text);
  return findCut(bytesSource(bytes), { start, end: bytes.lastIndexOf(']') + 1 }, turns);
}

function applied(text: string, turns = 1): string {
  const found = cut(text, turns);
  if ('turnsFound' in found) throw new Error(`only ${found.turnsFound} turns`);
  const bytes = Buffer.from(text);
  const { start, end } = found.splice;
  return bytes.toString('utf8', 0, start) + found.splice.text + bytes.toString('utf8', end);
}

const U = '{"role":"user"}';
const A = '{"role":"assistant"}';

describe('findCut', () => {
  it('cuts at the last user message, with the comma before it', () => {
    expect(applied(`[${U},${A},${U},${A}]`)).toBe(`[${U},${A}]`);
    expect(applied(`[${A},${U}]`)).toBe(`[${A}]`);
    expect(applied(`[\n  ${U},\n  ${A},\n  ${U}\n]`)).toBe(`[\n  ${U},\n  ${A}\n]`);
    expect(applied(`[${U} , ${A} , ${U} ]`)).toBe(`[${U} , ${A} ]`);
  });

  it('writes an emptied list as []', () => {
    expect(applied(`[${U}]`)).toBe('[]');
    expect(applied(`[\n  ${U},\n  ${A}\n]`)).toBe('[]');
    expect(applied(`x:[ ${U} ], y`)).toBe('x:[], y');
  });

  it('cuts several turns, and says how many there are where they are too few', () => {
    const text = `[${A},${U},${A},${U},${U},${A}]`;
    expect(applied(text, 2)).toBe(`[${A},${U},${A}]`);
    expect(applied(text, 3)).toBe(`[${A}]`);
    expect(cut(text, 4)).toEqual({ turnsFound: 3 });
    expect(cut(`[${A}]`)).toEqual({ turnsFound: 0 });
    expect(cut('[]')).toEqual({ turnsFound: 0 });
  });

  it('counts all that goes and all that stays', () => {
    expect(cut(`[1,${A},${U},null,[],${A}]`)).toMatchObject({ kept: 2, removed: 4 });
  });

  it.each([
    ['the last of duplicates', '{"role":"assistant","role":"user"}', true],
    ['the last of duplicates', '{"role":"user","role":"assistant"}', false],
    ['an escaped key', '{"\\u0072ole":"user"}', true],
    ['an escaped value', '{"role":"\\u0075ser"}', true],
    ['another case', '{"role":"User"}', false],
    ['no text', '{"role":["user"]}', false],
    ['nested only', '{"content":{"role":"user"}}', false],
    ['a list', '["role","user"]', false],
    ['a string', '"user"', false],
  ])('takes for a user message what the server takes for one: %s', (_what, message, isUser) => {
    const found = cut(`[${message}]`);
    expect('turnsFound' in found).toBe(!isUser);
  });

  it.each([
    ['1777000000', 1777000000],
    ['1777000000.25', 1777000000.25],
    ['"1777000000.5"', 1777000000.5],
    ['" 1_000 "', 1000],
    ['true', 1],
    ['-5', -5],
    ['0', 0],
    ['null', 0],
    ['"soon"', 0],
    ['[1]', 0],
    ['{"a":1}', 0],
    ['NaN', 0],
    ['1e400', 0],
    ['12345678901234567890', 12345678901234567000],
  ])('stamps the time of the last message that stays: %s', (timestamp, watermark) => {
    expect(cut(`[{"timestamp":${timestamp},"_ts":5},${U}]`)).toMatchObject({ watermark });
  });

  it('stamps 0 where nothing stays, and where what stays has no time', () => {
    expect(cut(`[${U}]`)).toMatchObject({ watermark: 0 });
    expect(cut(`[{"timestamp":5},null,${U}]`)).toMatchObject({ watermark: 0 });
    expect(cut(`[{"timestamp":5},${U},{"timestamp":9}]`)).toMatchObject({ watermark: 5 });
  });

  it('names the user message at which it cuts', () => {
    const text = `[${A},{"role":"user","content":"é"},${A}]`;
    const found = cut(text) as Cut;
    expect(Buffer.from(text).toString('utf8', found.userMessage.start, found.userMessage.end)).toBe(
      '{"role":"user","content":"é"}',
    );
  });
});

describe('landmarks', () => {
  /** More messages than a reader takes at once, some of them in an odd spelling. */
  const odd = ['{"role":"\\u0075ser","timestamp":"7"}', '{"role":"user","role":"tool"}', 'null', '{"timestamp":1e3}'];
  const messages = Array.from({ length: 6000 }, (_, i) => {
    if (i % 97 === 0) return odd[(i / 97) % odd.length];
    return JSON.stringify({
      role: ['user', 'assistant', 'tool'][i % 3],
      content: 'x'.repeat(i % 120),
      timestamp: i + 0.5,
    });
  });
  const text = `{"session_id":"abc","messages":[${messages.join(', ')}],"title":"t"}`;
  const scanned = <T>(use: (file: OpenFile, sidecar: ScannedSidecar) => T): T => {
    const path = sidecarPath(makeStore({ abc: text }).sessionsDir, 'abc');
    return withFile(nodeFileSystem, path, (file) => use(file, scanOpenSidecar(file, 'abc')))!;
  };

  it('spare the walk over the beginning and change nothing in what is cut', () => {
    scanned((file, { landmarks, transcript, members }) => {
      const array = members.find(({ key }) => key === 'messages')!;
      const { userCount } = transcript;
      let spared = 0;
      for (const turns of [1, 2, 3, 50, 500, 1000, userCount - 1, userCount, userCount + 1]) {
        const from = landmarkBefore(landmarks, userCount, turns);
        if (from) spared++;
        expect(findCut(file.source, array, turns, from)).toEqual(findCut(file.source, array, turns));
      }
      expect(spared).toBeGreaterThan(3);
    });
  });

  it('give the facts of a beginning as if the array ended there', () => {
    scanned((file, { landmarks, members }) => {
      const array = members.find(({ key }) => key === 'messages')!;
      const ends = [...arrayItemSpans(file.source, array.start)].map(({ end }) => end);
      expect(landmarks.length).toBeGreaterThan(3);
      for (const kept of [0, 1, 2, 98, 389, 700, 3000, 5821, 5999, 6000]) {
        const end = kept === 0 ? array.start + 1 : ends[kept - 1];
        const closed = bytesSource(Buffer.from(`[${messages.slice(0, kept).join(',')}]`));
        const facts = readTranscriptFacts(new JsonReader(closed));
        expect(facts.count).toBe(kept);
        expect(factsUpTo(file.source, array.start, end, landmarks)).toEqual(facts);
        expect(factsUpTo(file.source, array.start, end, [])).toEqual(facts);
      }
    });
  });

  it('spare it where the last messages are read', () => {
    scanned((file, sidecar) => {
      for (const last of [0, 1, 2, 700, 3000, 5999, 6000, 9000]) {
        const found = [...messagesOf(file, sidecar, { last })];
        const from = Math.max(0, messages.length - last);
        expect(found.map(({ index, raw }) => [index, raw.text])).toEqual(
          messages.slice(from).map((message, i) => [from + i, message]),
        );
      }
    });
  });
});
