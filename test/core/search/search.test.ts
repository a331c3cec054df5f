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
import type { Hit, Wanted } from '../../../src/core/search/hit';
import { expressionPattern, literalPattern, type Pattern } from '../../../src/core/search/pattern';
import { type Found, type SearchQuery, type SearchReport, searchSessions } from '../../../src/core/search/search';
import { hitsInSession, walkSession } from '../../../src/core/search/session-file';
import { DEFAULT_PLACES, type Place, PLACES, textsOf } from '../../../src/core/search/texts';
import { addAgentSessions } from '../../support/agent-sessions';
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
const wantedOf = (pattern: Pattern): Wanted => ({
  expression: pattern.text,
  places: new Set(PLACES),
  roles: undefined,
  context: 5,
  bounded: unbounded,
});

function fileOf(bytes: Buffer): OpenFile {
  const stats = { dev: 0n, ino: 0n, size: BigInt(bytes.length), mtimeNs: 0n, ctimeNs: 0n };
  return { path: 'x', source: bytesSource(bytes), stamp: stampOf(stats as fs.BigIntStats) };
}

/** What the search gives: where, and how many times. */
function searched(json: string, pattern: Pattern, window?: number): string[] {
  const file = fileOf(Buffer.from(json));
  const looked = new Looker(pattern, window).look(file);
  if (!looked.marks) return [];
  const walked = walkSession(file, looked, 'x', Window.plain(4096));
  const hits = [...hitsInSession(file, looked, walked, wantedOf(pattern), () => undefined)].flat();
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

  it('take expressions by lines and whole characters, and no empty match', () => {
    expect(find(expressionPattern('^b.$', { ignoreCase: false }), 'a\nb🎉\nc')).toEqual(['b🎉']);
    expect(searched('{"title": "🎉🎉", "messages": []}', expressionPattern('x*', { ignoreCase: false }))).toEqual([]);
    expect(searched('{"title": "🎉ab", "messages": []}', expressionPattern('a*', { ignoreCase: false }))).toEqual([
      ' title 1 a',
    ]);
  });
});

interface Outcome extends SearchReport {
  hits: (Hit & { session_id: string; storedIn: string })[];
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
    roles: undefined,
    places: new Set<Place>(DEFAULT_PLACES),
    ...more,
  };
  const found = ({ session_id, storedIn, hits: batch }: Found): void => {
    hits.push(...batch.map((hit) => ({ ...hit, session_id, storedIn })));
  };
  const report = await searchSessions(location, query, rowDefaults(location, '/home/x'), TEST_DEPS, {
    found,
    warning: (warning) => warnings.push(warning),
  });
  return { ...report, hits, warnings };
}

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
    expect((await search(store, expressionPattern('n[e]+dle', { ignoreCase: false }))).searched.messages).toBe(50);
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
