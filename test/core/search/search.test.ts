import fs from 'node:fs';
import path from 'node:path';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { HermesctlError, type Warning } from '../../../src/core/errors';
import type { OpenFile } from '../../../src/core/files/open-file';
import { stampOf } from '../../../src/core/files/stamp';
import { bytesSource } from '../../../src/core/json/reader';
import { Window } from '../../../src/core/json/window';
import { NO_FILTER } from '../../../src/core/listing/query';
import { rowDefaults } from '../../../src/core/listing/rows';
import { Looker } from '../../../src/core/search/candidates';
import { type Excerpt, SpelledExcerpt } from '../../../src/core/search/excerpt';
import type { Hit, Wanted } from '../../../src/core/search/hit';
import { hasCapital, outlineOf } from '../../../src/core/search/expression';
import { expressionPattern, literalPattern, type Pattern } from '../../../src/core/search/pattern';
import { type Found, type SearchQuery, type SearchReport, searchSessions } from '../../../src/core/search/search';
import { giveHits, walkSession } from '../../../src/core/search/session-file';
import { DEFAULT_PLACES, type Place, PLACES, textsOf } from '../../../src/core/search/texts';
import { addAgentSessions } from '../../support/agent-sessions';
import { jsonText } from '../../support/arbitraries';
import { locationOf, TEST_DEPS } from '../../support/places';
import { makeStore, session, STORE_VECTORS, type TestStore, vectorStore } from '../../support/store';

/** Characters that JSON spells in several ways, that have cases, or that look like a part of an escape. */
const CHARS = 'aAkKsSeu061\\"/\b\f\n\r\t\x01\x1b\x7f -.*[({^$éÉßẞſıİµμΜΣσςǅÿ日\u2028\u212a';
const char = fc.constantFrom(...CHARS, '🎉', '𐐀', '𐐨');
const text = fc.array(char, { maxLength: 12 }).map((chars) => chars.join(''));

/** A JSON string, each character spelled in one of the ways there are. */
const spelledChar = fc.tuple(char, fc.nat(7)).map(([c, way]) => {
  const plain = JSON.stringify(c).slice(1, -1);
  const escape = (one: string): string => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const units = Array.from({ length: c.length }, (_, i) => escape(c[i]));
  if (way === 0) return units.join('');
  if (way === 1) return units.map((unit) => `\\u${unit.slice(2).toUpperCase()}`).join('');
  return way === 2 && c === '/' ? '\\/' : plain;
});
const spelledText = fc.array(spelledChar, { maxLength: 60 }).map((chars) => `"${chars.join('')}"`);

const spelledMessage = fc.oneof(
  fc
    .tuple(fc.constantFrom('user', 'assistant', 'tool'), spelledText)
    .map(([role, content]) => `{"role":"${role}", "content":${content}}`),
  spelledText.map((part) => `{"content":[{"type":"text","text":${part}},{"type":"image_url"}],"role":"user"}`),
  spelledText.map(
    (args) => `{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"run","arguments":${args}}}]}`,
  ),
  spelledText.map(
    (deep) => `{"role":"assistant","tool_calls":[{"function":{"name":"run","arguments":{"x":[{"y":${deep}}]}}}]}`,
  ),
  spelledText.map((thought) => `{"role":"assistant","reasoning":${thought},"content":""}`),
  spelledText,
  fc.constant('42'),
);
const spelledSession = fc
  .tuple(spelledText, fc.array(spelledMessage, { maxLength: 8 }), fc.boolean())
  .map(([title, messages, titleLast]) => {
    const [first, last] = titleLast ? ['', `, "title": ${title}`] : [`"title": ${title}, `, ''];
    return `{${first}"messages": [${messages.join(',\n')}]${last}}`;
  });

const unbounded = <T>(work: () => T): T => work();
const wantedOf = (pattern: Pattern, more: Partial<Wanted> = {}): Wanted => ({
  pattern,
  places: new Set(PLACES),
  roles: undefined,
  context: 5,
  counted: true,
  bounded: unbounded,
  ...more,
});

function fileOf(bytes: Buffer): OpenFile {
  const stats = { dev: 0n, ino: 0n, size: BigInt(bytes.length), mtimeNs: 0n, ctimeNs: 0n };
  return { path: 'x', source: bytesSource(bytes), stamp: stampOf(stats as fs.BigIntStats) };
}

interface SeenHit extends Omit<Hit, 'excerpt'>, Excerpt {}

/** A hit with what can only be read while the file is at hand. */
function seen({ excerpt, ...hit }: Hit): SeenHit {
  const { before, match, after } = excerpt;
  if (excerpt instanceof SpelledExcerpt) {
    // Its bytes are put out as they are.
    const { json, from, start, end, to } = excerpt;
    const spelled = [json.subarray(from, start), json.subarray(start, end), json.subarray(end, to)];
    expect(spelled.map(String)).toEqual([before, match, after].map((one) => JSON.stringify(one).slice(1, -1)));
  }
  return { ...hit, before, match, after };
}

interface Way {
  /** Small files are read into it. */
  room?: Window;
  /** What is walked in. */
  window?: Window;
  /** Bytes of a small file. */
  small?: number;
}

/** All hits in a document, and how many messages were looked into; or what is wrong with it. */
function hitsIn(bytes: Buffer, wanted: Wanted, { room, window = Window.plain(4096), small }: Way = {}): unknown {
  const file = fileOf(bytes);
  const looked = new Looker(wanted.pattern, small).look(file, room);
  const hits: SeenHit[] = [];
  let messages = 0;
  try {
    const walked = walkSession(file, looked, 'x', room ?? window, wanted);
    const count = (more: number): void => void (messages += more);
    if (looked.marks) giveHits(file, looked, walked, wanted, count, (some) => hits.push(...some.map(seen)) > 0 || true);
    return { hits, messages, count: walked.count, title: walked.fields.get('title')?.text };
  } catch (error) {
    if (!(error instanceof HermesctlError)) throw error;
    return error.details;
  }
}

/** What the search gives: where, and how many times. */
function searched(json: string, pattern: Pattern, small?: number): string[] {
  const { hits } = hitsIn(Buffer.from(json), wantedOf(pattern), small === undefined ? {} : { small }) as {
    hits: SeenHit[];
  };
  return hits.map((hit) => `${hit.index ?? ''} ${hit.in} ${hit.matches} ${hit.match}`).sort();
}

/** The same by decoding all, and looking everywhere with the simplest means. */
function expected(json: string, matches: (text: string) => string[]): string[] {
  const { title, messages } = JSON.parse(json) as { title: string; messages: unknown[] };
  const found: string[] = [];
  if (matches(title).length > 0) found.push(` title ${matches(title).length} ${matches(title)[0]}`);
  for (const [index, message] of messages.entries()) {
    for (const place of PLACES) {
      const all = [...textsOf(message)].filter((one) => one.in === place).flatMap((one) => matches(one.text));
      if (all.length > 0) found.push(`${index} ${place} ${all.length} ${all[0]}`);
    }
  }
  return found.sort();
}

/** Occurrences that do not overlap, from the left, compared character by character. */
function occurrences(text: string, needle: string, same: (a: string, b: string) => boolean): string[] {
  const found: string[] = [];
  for (let at = 0; at + needle.length <= text.length;) {
    const part = text.slice(at, at + needle.length);
    const isHere = Array.from({ length: needle.length }, (_, i) => same(part[i], needle[i])).every(Boolean);
    if (isHere) found.push(part);
    at += isHere ? needle.length : 1;
  }
  return found;
}

/** ECMAScript's rule for `i` without `u`: one code unit to one, and nothing beyond ASCII becomes ASCII. */
function canonical(unit: string): string {
  const upper = unit.toUpperCase();
  return upper.length !== 1 || (unit >= '\x80' && upper < '\x80') ? unit : upper;
}

describe('a look at the bytes never misses', () => {
  const parts = fc.tuple(spelledSession, fc.oneof(text, char, fc.constantFrom('run', 'k', 'u0', '\\u')));

  it('as it stands', () => {
    fc.assert(
      fc.property(parts, ([json, needle]) => {
        fc.pre(needle !== '');
        const same = (a: string, b: string): boolean => a === b;
        const pattern = literalPattern(needle, { ignoreCase: false });
        expect(searched(json, pattern)).toEqual(expected(json, (one) => occurrences(one, needle, same)));
      }),
      { numRuns: 400 },
    );
  });

  it('in any case', () => {
    fc.assert(
      fc.property(parts, ([json, needle]) => {
        fc.pre(needle !== '');
        const same = (a: string, b: string): boolean => canonical(a) === canonical(b);
        const pattern = literalPattern(needle, { ignoreCase: true });
        expect(searched(json, pattern)).toEqual(expected(json, (one) => occurrences(one, needle, same)));
      }),
      { numRuns: 400 },
    );
  });

  it('of what a text begins with, and across windows of a large file', () => {
    fc.assert(
      fc.property(spelledSession, fc.nat(), fc.integer({ min: 1, max: 100 }), (json, start, length) => {
        const texts = [...textsOf({ content: (JSON.parse(json) as { title: string }).title })];
        const needle = texts.length === 0 ? '' : texts[0].text.slice(start % 30, (start % 30) + length);
        fc.pre(needle !== '' && needle.isWellFormed());
        const padded = json.replace(/^\{/, `{"pad": "${'x'.repeat(start % 3000)}", `);
        const pattern = literalPattern(needle, { ignoreCase: false });
        const found = searched(padded, pattern, 1024);
        expect(found).toEqual(searched(padded, pattern));
        expect(found.some((hit) => hit.startsWith(' title'))).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

/** One for all runs, as for all files of a store. */
const room = Window.fast();
const kernelWindow = Window.fast();

describe('a hit that is made of bytes is the one that decoding gives', () => {
  const jsonString = (one: string): string => JSON.stringify(one);
  const spelledKey = (key: string): fc.Arbitrary<string> =>
    fc.constantFrom(
      jsonString(key),
      jsonString(key),
      jsonString(key),
      `"\\u00${key.charCodeAt(0).toString(16)}${key.slice(1)}"`,
    );
  /** As much as the bytes are searched for, of a text that is longer. */
  const LONG = 'q'.repeat(64);
  /** Texts in which the needles are often met, also where it only looks so. */
  const usual = fc.constantFrom('aks ', 'ak', ' ', 'x', '\\"', '\\n', 'é', '日', '🎉');
  const odd = fc.constantFrom(
    LONG,
    `${LONG}r`,
    'u06',
    '61',
    '\\\\',
    '\\b',
    '\\u0061',
    '\\u8a9e',
    '\\uD83C\\uDF89',
    '\\/',
  );
  const part = fc.oneof({ weight: 4, arbitrary: usual }, odd);
  const parts = fc.array(part, { maxLength: 30, size: 'large' }).map((some) => `"${some.join('')}"`);
  const content = fc.oneof(
    { weight: 4, arbitrary: parts },
    { weight: 4, arbitrary: spelledText },
    { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }).map(jsonString) },
    jsonText({ nonFinite: true, maxDepth: 2 }),
  );
  const member = fc.oneof(
    { weight: 5, arbitrary: fc.tuple(spelledKey('content'), content) },
    {
      weight: 5,
      arbitrary: fc.tuple(
        spelledKey('role'),
        fc.oneof(fc.constantFrom('"user"', '"assistant"', '"tool"', '"aks"', '"\\u0061"', '7'), content),
      ),
    },
    fc.tuple(
      fc.constantFrom('"timestamp"', '"_ts"'),
      fc.oneof(
        fc.constantFrom(
          '1777000000.5',
          '1777000001',
          '0',
          'null',
          '"1777000002"',
          'true',
          '0.1',
          'NaN',
          '12345678901234567890.25',
          '1e3',
        ),
        jsonText({ nonFinite: true, maxDepth: 1 }),
      ),
    ),
    fc.tuple(
      fc.constantFrom('"name"', '"tool_name"'),
      fc.oneof(fc.constantFrom('"run"', '""', 'null', '"a k"'), content),
    ),
    fc.tuple(
      fc.constantFrom('"reasoning"', '"tool_calls"', '"attachments"', '"id"', '"aks"'),
      fc.oneof(content, fc.constantFrom('[{"function":{"name":"aks","arguments":"ak"}}]', '[]', '["aks"]')),
    ),
  );
  const space = fc.constantFrom('', '', ' ', '\n  ');
  const ordinary = fc
    .tuple(
      fc.constantFrom('user', 'assistant', 'tool'),
      parts,
      fc.constantFrom('', ',"timestamp":1777000000.25'),
      space,
    )
    .map(([role, said, time, gap]) => `{"role":${gap}"${role}",${gap}"content":${gap}${said}${time}}`);
  /** What a member of an ordinary message may be that the bytes alone do not tell, or tell only to who looks well. */
  const oddity = fc.constantFrom<[key: string, value: string]>(
    ...['"\\u0061ks"', 'null', '7', '"tool"'].map((role): [string, string] => ['role', role]),
    ...['["aks"]', '{"text":"aks"}', '[{"type":"text","text":"aks"}]'].map((one): [string, string] => ['content', one]),
    ...['timestamp', '_ts'].flatMap((key) =>
      ['1777000001', '0', 'null', '"1777000002"', '1e3', '-5'].map((time): [string, string] => [key, time]),
    ),
    ...['name', 'tool_name'].flatMap((key) =>
      ['"run"', '""', 'null', '7', '"aks"', '"\\u0061k"'].map((name): [string, string] => [key, name]),
    ),
    ['reasoning', '"aks"'],
    ['attachments', '["aks"]'],
  );
  const nearlyOrdinary = fc
    .tuple(fc.constantFrom('"user"', '"tool"'), parts, fc.array(oddity, { minLength: 1, maxLength: 3 }), fc.boolean())
    .chain(([role, said, odd, isTwice]) => {
      const usualOnes: [string, string][] = [
        ['role', role],
        ['content', said],
      ];
      const members = isTwice ? [...usualOnes, ...odd] : [...new Map([...usualOnes, ...odd])];
      return fc.shuffledSubarray(members, { minLength: members.length });
    })
    .map((members) => `{${members.map(([key, value]) => `"${key}":${value}`).join(',')}}`);
  const message = fc.oneof(
    { weight: 12, arbitrary: ordinary },
    { weight: 16, arbitrary: nearlyOrdinary },
    {
      weight: 8,
      arbitrary: fc
        .tuple(fc.array(member, { maxLength: 5 }), space)
        .map(([members, gap]) => `{${gap}${members.map(([key, value]) => `${key}:${gap}${value}`).join(`,${gap}`)}}`),
    },
    spelledMessage,
    content,
  );
  const documents = fc
    .tuple(
      fc.array(message, { maxLength: 8, size: 'large' }),
      fc.oneof({ weight: 4, arbitrary: parts }, content),
      fc.constantFrom('', '\ufeff', ' '),
      fc.constantFrom('', '', ',"messages":[{"role":"user","content":"aks"}]'),
      fc.nat(2000),
    )
    .map(([messages, title, start, again, pad]) =>
      Buffer.from(`${start}{"pad":"${'x'.repeat(pad)}","title":${title},"messages":[${messages.join(',')}]${again}}`),
    );
  const broken = fc
    .tuple(
      documents,
      fc.array(fc.tuple(fc.nat(), fc.constantFrom(0x22, 0x5c, 0x7d, 0xff, 0xc3, 0x00, 0x61)), { maxLength: 2 }),
      fc.option(fc.nat()),
    )
    .map(([bytes, edits, cut]) => {
      for (const [at, byte] of edits) bytes[at % bytes.length] = byte;
      return cut === null ? bytes : bytes.subarray(0, cut % (bytes.length + 1));
    });
  const needles = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('ak', 'aks', 's a', 'ks é', '日') },
    // What only looks like it: the end of an escape, a part of one, the beginning of a longer text.
    { weight: 3, arbitrary: fc.constantFrom('nx', 'n ', '61', '06', 'u006', `${LONG}r`, 'n') },
    text,
    fc.constantFrom('ak', 'aks', 's a', '06', 'u06', 'nn', 'é日', '\\', '"', '/', '🎉', 'role', 'x'),
  );
  const more = fc.record({
    places: fc.subarray([...PLACES], { minLength: 2 }).map((places) => new Set<Place>(places)),
    roles: fc.option(fc.constant(new Set(['user', 'tool'])), { nil: undefined }),
    context: fc.constantFrom(0, 1, 2, 3, 4, 7, 60),
    counted: fc.boolean(),
  });

  it('for every document, also one that is broken', () => {
    fc.assert(
      fc.property(
        fc.oneof({ weight: 4, arbitrary: documents }, broken),
        needles,
        fc.boolean(),
        more,
        (bytes, needle, ignoreCase, wanted) => {
          fc.pre(needle !== '');
          const pattern = literalPattern(needle, { ignoreCase });
          const decoding = { ...pattern, isWhole: false, needle: undefined };
          const expectedHits = hitsIn(Buffer.from(bytes), wantedOf(decoding, wanted));
          for (const way of [{ room }, { window: kernelWindow }, { window: kernelWindow, small: 1024 }])
            expect(hitsIn(Buffer.from(bytes), wantedOf(pattern, wanted), way), bytes.toString()).toEqual(expectedHits);
        },
      ),
      { numRuns: 1500 },
    );
  });

  it('and decodes none of a plain one', () => {
    const messages = [
      { role: 'user', content: 'a "quoted"\nneedle 🎉', timestamp: 1777000000.5 },
      { role: 'tool', tool_name: 'grep', content: 'needle, needle', timestamp: 1777000001 },
    ];
    const bytes = Buffer.from(JSON.stringify({ title: 'x', messages }));
    const pattern = literalPattern('needle', { ignoreCase: true });
    const decoding = { ...pattern, text: /^(?!)/g };
    expect(hitsIn(bytes, wantedOf(decoding), { room })).toMatchObject({
      hits: [
        { in: 'content', index: 0, role: 'user', at: 1777000000.5, before: 'ted"\n', match: 'needle', after: ' 🎉' },
        { in: 'tools', index: 1, role: 'tool', at: 1777000001, tool: 'grep', before: '', matches: 2, after: ', nee' },
      ],
    });
  });
});

describe('what an expression tells of itself', () => {
  const outline = (source: string, ignoreCase = false): unknown => outlineOf(source, ignoreCase);

  it.each([
    ['deploy', { literal: 'deploy', isLiteral: true, ways: 1, repetitions: 0 }],
    ['a\\.b', { literal: 'a.b', isLiteral: true }],
    ['sk-[A-Za-z0-9]{20,}', { literal: 'sk-', isLiteral: false, repetitions: 1 }],
    ['dep[l]oy', { literal: 'dep', isLiteral: false, repetitions: 0 }],
    ['ab?cd+ef', { literal: 'ef', ways: 2, repetitions: 1 }],
    ['x\\d+yz\\p{L}', { literal: 'yz' }],
    ['[\\]a]bc', { literal: 'bc' }],
    ['(?:one|two) three', { literal: ' three', ways: 2 }],
    ['one|two', { literal: '', isLiteral: false, ways: 2 }],
    ['a{2,5}b', { literal: 'b', ways: 6, repetitions: 0 }],
    ['naïve', { literal: 'na', isLiteral: false }],
    ['^.*$', { literal: '', repetitions: 1 }],
    ['🎉ab', { literal: 'ab' }],
    ['(a+)+', undefined],
    ['(?=a)b', undefined],
    ['(a)\\1', undefined],
  ])('%s', (source, told) => {
    if (told === undefined) expect(outline(source)).toBeUndefined();
    else expect(outline(source)).toMatchObject(told);
  });

  it('in any case but for letters that are more than ASCII', () => {
    expect(outline('tasks', true)).toMatchObject({ literal: 'ta', isLiteral: false });
    expect(outline('Deploy', true)).toMatchObject({ literal: 'Deploy', isLiteral: true });
  });

  it.each([
    ['error\\S+', false],
    ['\\p{L}x\\P{Script=Han}', false],
    ['[\\p{Lu}]{3}', true],
    ['\\p{General_Category=Lowercase_Letter}', true],
    ['\\u{1F389}\\u00E9\\xE9\\cA', false],
    ['(?<Name>x)\\k<Name>', false],
    ['\\\\Server', true],
    ['[A-Z]x', true],
    ['naÏve', true],
    ['(?<=A)x', true],
  ])('%s has a capital: %s', (source, has) => {
    expect(hasCapital(source)).toBe(has);
  });

  it('and what it matches holds that text', () => {
    const piece = fc.constantFrom(
      'ab',
      'k',
      '.',
      '\\w',
      '[a-c]',
      'b+',
      'c?',
      '(?:ab|c)',
      '\\.',
      'é',
      '|',
      '^',
      '\\u0061',
      'a{2}',
      '(b|a)',
      '\\bS',
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 6 }),
        fc.string({ unit: fc.constantFrom(...'abckK.é sSſ\u212a'), maxLength: 30 }),
        fc.boolean(),
        (pieces, one, ignoreCase) => {
          const source = pieces.join('');
          const told = outlineOf(source, ignoreCase)!;
          for (const [match] of one.matchAll(new RegExp(source, ignoreCase ? 'gimu' : 'gmu'))) {
            const same = (of: string): string => (ignoreCase ? of.toLowerCase() : of);
            if (told.isLiteral) expect(same(match)).toBe(same(told.literal));
            else expect(same(match)).toContain(same(told.literal));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('patterns', () => {
  const find = (pattern: Pattern, one: string): string[] => one.match(pattern.text) ?? [];

  it('take a text as it stands', () => {
    expect(find(literalPattern('a.c(*', { ignoreCase: false }), 'abc a.c(* A.C(*')).toEqual(['a.c(*']);
    expect(find(literalPattern('a.c(*', { ignoreCase: true }), 'abc a.c(* A.C(*')).toEqual(['a.c(*', 'A.C(*']);
  });

  it('refuse what cannot be looked for', () => {
    const codeOf = (make: () => Pattern): unknown => {
      try {
        return make();
      } catch (error) {
        return (error as HermesctlError).code;
      }
    };
    expect(codeOf(() => literalPattern('', { ignoreCase: false }))).toBe('USAGE');
    expect(codeOf(() => literalPattern('x'.repeat(1001), { ignoreCase: false }))).toBe('USAGE');
    expect(codeOf(() => expressionPattern('', { ignoreCase: false }))).toBe('USAGE');
    for (const bad of ['(', '[z-a]', 'a{2,1}', '\\-', '(?<a>.)(?<a>.)'])
      expect(
        codeOf(() => expressionPattern(bad, { ignoreCase: true })),
        bad,
      ).toBe('USAGE');
    expect(searched('{"title": "xxx"}', literalPattern('x'.repeat(1000), { ignoreCase: true }))).toEqual([]);
  });

  it('take long expressions too', () => {
    const long = 'ab'.repeat(600);
    const pattern = expressionPattern(long, { ignoreCase: false });
    const session = (said: string): string => JSON.stringify({ title: '', messages: [{ content: said }] });
    expect(searched(session(`x${long}`), pattern)).toEqual([`0 content 1 ${long.slice(0, 500)}…`]);
    expect(searched(session(long.slice(1)), pattern)).toEqual([]);
  });

  it('take expressions by lines and whole characters, and no empty match', () => {
    expect(find(expressionPattern('^b.$', { ignoreCase: false }), 'a\nb🎉\nc')).toEqual(['b🎉']);
    expect(searched('{"title": "🎉🎉", "messages": []}', expressionPattern('x*', { ignoreCase: false }))).toEqual([]);
    expect(searched('{"title": "🎉ab", "messages": []}', expressionPattern('a*', { ignoreCase: false }))).toEqual([
      ' title 1 a',
    ]);
  });
});

interface Outcome extends SearchReport {
  hits: (SeenHit & { session_id: string; storedIn: string })[];
  warnings: Warning[];
}

async function search(store: TestStore, needle: string | Pattern, more: Partial<SearchQuery> = {}): Promise<Outcome> {
  const location = locationOf(store);
  const pattern = typeof needle === 'string' ? literalPattern(needle, { ignoreCase: true }) : needle;
  const hits: Outcome['hits'] = [];
  const warnings: Warning[] = [];
  const query: SearchQuery = {
    pattern,
    filter: NO_FILTER,
    limit: 0,
    agent: undefined,
    bounded: unbounded,
    context: 10,
    counted: true,
    roles: undefined,
    places: new Set<Place>(DEFAULT_PLACES),
    ...more,
  };
  const found = ({ session_id, storedIn, hits: batch }: Found): void => {
    hits.push(...batch.map((hit) => ({ ...seen(hit), session_id, storedIn })));
  };
  const report = await searchSessions(location, query, rowDefaults(location, '/home/x'), TEST_DEPS, {
    found,
    warning: (warning) => warnings.push(warning),
    pausing: () => undefined,
  });
  return { ...report, hits, warnings };
}

describe('what of a message is text', () => {
  const textIn = (message: unknown): string[] => [...textsOf(message)].map((one) => `${one.in} ${one.text}`);

  it('is what a result of a tool says, and neither kinds nor data of its parts', () => {
    const content = [
      {
        type: 'tool_result',
        tool_use_id: 'toolu_7',
        content: [
          { type: 'text', text: 'fine' },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'QUJD' } },
        ],
      },
      { type: 'function_call_output', output: { type: 'issue', id: 'ABC-7', data: { title: 'broken' } } },
    ];
    expect(textIn({ role: 'tool', content })).toEqual(['tools fine', 'tools issue', 'tools ABC-7', 'tools broken']);
  });

  it('is what was thought, and neither ids nor signatures nor what is encrypted', () => {
    const details = [
      { type: 'reasoning.text', text: 'hm', signature: 'SIG', id: 'rs_1', format: 'x', index: 0 },
      { type: 'reasoning.encrypted', data: 'AAAA' },
      { type: 'reasoning.summary', summary: 'so' },
    ];
    expect(textIn({ role: 'assistant', content: '', reasoning_details: details })).toEqual([
      'content ',
      'reasoning hm',
      'reasoning so',
    ]);
  });
});

describe('searching a store', () => {
  it('says where, with what stands around it', async () => {
    const store = makeStore({
      aaaa00000001: session('aaaa00000001', {
        title: 'About needles',
        messages: [
          { role: 'user', content: 'Where is the needle in this haystack?', timestamp: 1777000010 },
          { role: 'assistant', content: 'nothing', timestamp: 1777000020 },
          { role: 'tool', name: 'grep', content: 'one needle, two Needles', _ts: '1777000030.5' },
        ],
      }),
    });
    const { hits, searched: read, limited, warnings } = await search(store, 'needle');
    expect(hits).toMatchObject([
      { session_id: 'aaaa00000001', in: 'title', match: 'needle', before: 'About ', after: 's', matches: 1 },
      { in: 'content', index: 0, role: 'user', at: 1777000010, before: 're is the ', match: 'needle' },
      { in: 'tools', index: 2, role: 'tool', tool: 'grep', at: 1777000030.5, matches: 2, match: 'needle' },
    ]);
    const file = fs.readFileSync(path.join(store.sessionsDir, 'aaaa00000001.json'));
    expect(file.toString('utf8', hits[1].byteOffset).startsWith('{\n      "role": "user"')).toBe(true);
    expect(read).toMatchObject({ sessions: 1, files: 1, bytes: file.length, skipped: 0 });
    expect({ limited, warnings }).toEqual({ limited: false, warnings: [] });
  });

  it('decodes only what may hold it', async () => {
    const messages = Array.from({ length: 50 }, (_, i) => ({
      role: 'user',
      content: i === 25 ? 'needle' : 'hay'.repeat(200),
    }));
    const store = makeStore({ aaaa00000001: session('aaaa00000001', { messages }) });
    const { hits, searched: read } = await search(store, 'needle');
    expect(hits.map((hit) => hit.index)).toEqual([25]);
    // To some bytes: a message beside it may be among them.
    expect(read.messages).toBeLessThanOrEqual(3);
    const expression = async (source: string): Promise<Outcome> =>
      search(store, expressionPattern(source, { ignoreCase: false }));
    expect((await expression('n[e]+dle')).searched.messages).toBeLessThanOrEqual(3);
    const { hits: all, searched: whole } = await expression('n[e]+[d]l?e');
    expect({ found: all.map((hit) => hit.index), messages: whole.messages }).toEqual({ found: [25], messages: 50 });
  });

  it('goes on past what is damaged, and says so', async () => {
    const store = makeStore({
      aaaa00000001: session('aaaa00000001'),
      bbbb00000002: '{"title": "Hello", "messages": [{"role": "user", "content": "Hello',
      cccc00000003: Buffer.from('7b2274223a22ff227d', 'hex'),
      dddd00000004: '',
      eeee00000005: '{"title": "Hello", "messages": 5}',
    });
    fs.symlinkSync('ffff00000006.json', path.join(store.sessionsDir, 'ffff00000006.json'));
    fs.mkdirSync(path.join(store.sessionsDir, 'gggg00000007.json'));
    const { hits, warnings, searched: read } = await search(store, 'hello');
    expect(hits.map((hit) => hit.session_id)).toEqual(['aaaa00000001']);
    expect(warnings.map(({ session_id, kind }) => [session_id, kind]).sort()).toEqual([
      ['bbbb00000002', 'not-json'],
      ['cccc00000003', 'not-utf8'],
      ['dddd00000004', 'empty'],
      ['eeee00000005', 'messages-not-a-list'],
      ['ffff00000006', undefined],
      ['gggg00000007', undefined],
    ]);
    expect(read).toMatchObject({ sessions: 1, files: 5, skipped: 6 });
  });

  it('ends at the limit, the most recent first', async () => {
    const store = makeStore();
    for (let i = 1; i <= 5; i++) {
      const id = `aaaa0000000${i}`;
      const file = path.join(store.sessionsDir, `${id}.json`);
      fs.writeFileSync(file, JSON.stringify(session(id)));
      fs.utimesSync(file, 1777000000 + i, 1777000000 + i);
    }
    const { hits, limited, searched: read } = await search(store, 'hello', { limit: 2 });
    expect(hits.map((hit) => hit.session_id)).toEqual(['aaaa00000005', 'aaaa00000004']);
    expect({ limited, files: read.files }).toEqual({ limited: true, files: 2 });
  });

  it('narrows by role and place', async () => {
    const store = makeStore({
      aaaa00000001: session('aaaa00000001', {
        title: 'find me',
        messages: [
          { role: 'user', content: 'find me' },
          {
            role: 'assistant',
            content: 'x',
            reasoning: 'find me',
            tool_calls: [{ function: { name: 'find me', arguments: '{}' } }],
          },
        ],
      }),
    });
    const places = async (more: Partial<SearchQuery>): Promise<string[]> =>
      (await search(store, 'find me', more)).hits.map((hit) => `${hit.in} ${hit.index ?? '-'}`);
    expect(await places({})).toEqual(['title -', 'content 0', 'tools 1']);
    expect(await places({ places: new Set(['reasoning', 'title']) })).toEqual(['title -', 'reasoning 1']);
    expect(await places({ roles: new Set(['assistant']) })).toEqual(['tools 1']);
    expect(await places({ places: new Set(['title']) })).toEqual(['title -']);
  });

  it('shows what a list would, with and without an index', async () => {
    const store = makeStore({
      aaaa00000001: session('aaaa00000001', { archived: true }),
      bbbb00000002: session('bbbb00000002', { source_tag: 'telegram' }),
      cccc00000003: session('cccc00000003', { profile: 'work' }),
    });
    const filter = { ...NO_FILTER, all: false, archived: 'hide' as const };
    const idsOf = async (more: Partial<typeof filter>): Promise<string[]> =>
      (await search(store, 'hello', { filter: { ...filter, ...more } })).hits.map((hit) => hit.session_id).sort();
    const check = async (): Promise<void> => {
      expect(await idsOf({})).toEqual(['bbbb00000002', 'cccc00000003']);
      expect(await idsOf({ sources: ['telegram'] })).toEqual(['bbbb00000002']);
      expect(await idsOf({ profile: 'work' })).toEqual(['cccc00000003']);
      expect(await idsOf({ since: 1777000015 })).toEqual(['bbbb00000002', 'cccc00000003']);
      expect(await idsOf({ since: 1777000025 })).toEqual([]);
    };
    await check();
    const row = (id: string, more: object): object => ({ session_id: id, last_message_at: 1777000020.0, ...more });
    fs.writeFileSync(
      path.join(store.sessionsDir, '_index.json'),
      JSON.stringify([
        row('aaaa00000001', { archived: true }),
        row('bbbb00000002', { source_tag: 'telegram' }),
        row('cccc00000003', { profile: 'work' }),
      ]),
    );
    await check();
  });

  it.each(STORE_VECTORS)('finds in %s what a plain look at everything finds', async (name) => {
    const store = vectorStore(name);
    const ids = fs.readdirSync(store.sessionsDir).filter((file) => /^[a-z0-9][\w-]*\.json$/i.test(file));
    for (const needle of [
      'deploy',
      'naïve',
      '日本語',
      '🎉',
      'new\nline',
      'back\\slash',
      'quote "x"',
      '"messages": [',
      '\u2028',
    ]) {
      const plain: string[] = [];
      for (const file of ids) {
        let document: { title?: string; messages?: unknown[] };
        try {
          document = JSON.parse(
            fs.readFileSync(path.join(store.sessionsDir, file), 'utf8').replace(/\bNaN\b/g, 'null'),
          ) as typeof document;
        } catch {
          continue;
        }
        const holds = (one: unknown): boolean => typeof one === 'string' && one.toLowerCase().includes(needle);
        if (holds(document.title)) plain.push(`${file.slice(0, -5)} title`);
        for (const [index, message] of (document.messages ?? []).entries())
          for (const place of ['content', 'tools'])
            if ([...textsOf(message)].some((one) => one.in === place && holds(one.text)))
              plain.push(`${file.slice(0, -5)} ${place} ${index}`);
      }
      const { hits } = await search(store, needle);
      expect(
        hits.map((hit) => `${hit.session_id} ${hit.in}${hit.index === undefined ? '' : ` ${hit.index}`}`).sort(),
        needle,
      ).toEqual(plain.sort());
    }
  });
});

describe("searching the agent's database", () => {
  it('finds what no file of the store has, tool calls and encoded content included', async () => {
    const store = makeStore({ '20260101_000000_aaaaaa': session('20260101_000000_aaaaaa', { title: 'mine' }) });
    addAgentSessions(store, [
      { session: { id: '20260101_000000_aaaaaa' }, messages: ['hello from a mirrored one'] },
      {
        session: { id: '20260102_000000_bbbbbb', title: 'The größte needle' },
        messages: [
          'say hello',
          { role: 'assistant', content: '\0json:[{"type":"text","text":"h\\u0065llo \\u00e9t\\u00e9"}]' },
          { role: 'tool', tool_name: 'grep', content: 'binary\0hello' },
          {
            role: 'assistant',
            content: null,
            tool_calls: '[{"function":{"name":"run","arguments":"{\\"say\\":\\"hello\\"}"}}]',
          },
        ],
      },
    ]);
    const agent = [locationOf(store)];
    const places = async (needle: string): Promise<string[]> =>
      (await search(store, needle, { agent })).hits
        .filter((hit) => hit.storedIn === 'agent')
        .map((hit) => `${hit.session_id.slice(-6)} ${hit.in} ${hit.index ?? '-'}`);
    expect(await places('hello')).toEqual(['bbbbbb content 0', 'bbbbbb content 1', 'bbbbbb tools 2', 'bbbbbb tools 3']);
    expect(await places('ÉTÉ')).toEqual(['bbbbbb content 1']);
    expect(await places('GRÖSSTE')).toEqual([]);
    expect(await places('GRÖßTE')).toEqual(['bbbbbb title -']);
    const { searched: read, hits } = await search(store, 'hello', { agent, limit: 2 });
    expect(hits.map((hit) => hit.storedIn)).toEqual(['store', 'agent']);
    expect(read.sessions).toBe(2);
  });

  it('is a warning where it cannot be used', async () => {
    const store = makeStore({ aaaa00000001: session('aaaa00000001') });
    const { hits, warnings } = await search(store, 'hello', { agent: [locationOf(store)] });
    expect(hits).toHaveLength(1);
    expect(warnings.map(({ code }) => code)).toEqual(['DATABASE_UNUSABLE']);
  });
});
