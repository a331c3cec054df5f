import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { arrayItemSpans, topLevelSpans } from '../../../src/core/json/document';
import { RawJson } from '../../../src/core/json/raw';
import { bytesSource } from '../../../src/core/json/reader';
import { contentText, DEFAULT_TITLE, titleFromContent } from '../../../src/core/session/text';
import { ALL_VECTORS, type Expectation, recorded, storeOf } from '../../support/vectors';
import { HAS_PYTHON, inPython } from '../../support/python';
import { jsonText } from '../../support/arbitraries';
import fc from 'fast-check';

/** The contents of the messages of this role, as they are spelled in the file. */
function contents(file: string, role: string): (RawJson | undefined)[] {
  const bytes = fs.readFileSync(file);
  const slice = ({ start, end }: { start: number; end: number }): Buffer => bytes.subarray(start, end);
  const messages = topLevelSpans(bytesSource(bytes)).findLast(({ key }) => key === 'messages');
  if (messages?.kind !== 'array') return [];
  return [...arrayItemSpans(bytesSource(bytes), messages.start)]
    .filter(({ kind }) => kind === 'object')
    .map((span) => {
      const message = slice(span);
      const members = topLevelSpans(bytesSource(message));
      const at = (key: string): RawJson | undefined => {
        const member = members.findLast((m) => m.key === key);
        return member && RawJson.fromBytes(message.subarray(member.start, member.end));
      };
      return { role: at('role')?.value(), content: at('content') };
    })
    .filter((message) => message.role === role)
    .map(({ content }) => content);
}

function readable(head: Expectation): string[] {
  return head.ids.filter((id) => typeof head.title_from[id] === 'string');
}

describe.each(ALL_VECTORS)('texts of $name', (vector) => {
  it('gives the title that title_from derived', () => {
    const store = storeOf(vector);
    const head = recorded(vector, 'head', store);
    for (const id of readable(head)) {
      const titles = contents(path.join(store.sessionsDir, `${id}.json`), 'user').map(titleFromContent);
      expect(titles.find((title) => title !== undefined) ?? DEFAULT_TITLE, id).toBe(head.title_from[id]);
    }
  });

  it('gives the text that retry took back', () => {
    const store = storeOf(vector);
    const head = recorded(vector, 'head', store);
    let compared = 0;
    for (const id of readable(head)) {
      const file = path.join(store.sessionsDir, `${id}.json`);
      const fields = JSON.parse(fs.readFileSync(file, 'utf8').replace(/\bNaN\b/g, 'null')) as Record<string, unknown>;
      if (fields['active_stream_id']) continue; // the server may have added messages before it cut
      const taken = head.retry[id].result['last_user_text'];
      const last = contents(file, 'user');
      if (taken === undefined) expect(last, id).toEqual([]);
      else {
        expect(contentText(last.at(-1)), id).toBe(taken);
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(0);
  });
});

describe('contentText', () => {
  it.each([
    ['"as it is \\n "', 'as it is \n '],
    ['[]', ''],
    [
      '[{"type":"text","text":"a"},{"type":"image_url"},{"text":"b"},{"type":"OUTPUT_TEXT","output_text":"c"}]',
      'a b c',
    ],
    ['[{"type":"text","text":"","content":"fallback"}]', 'fallback'],
    ['["bare", 5, null, {"type":"text","text":"t"}]', 't'],
    ['[{"type":"text"},{"type":"text","text":"x"}]', ' x'],
    ['null', 'None'],
    ['1.0', '1.0'],
    ['true', 'True'],
    [
      '{"type": "text", "n": 1.50, "big": 12345678901234567890}',
      "{'type': 'text', 'n': 1.5, 'big': 12345678901234567890}",
    ],
  ])('of %s is %j', (json, text) => {
    expect(contentText(new RawJson(json))).toBe(text);
  });

  it('of a message without content is empty', () => {
    expect(contentText(undefined)).toBe('');
  });

  it.skipIf(!HAS_PYTHON)('is what str() gives for all that is neither text nor list, compared with python3', () => {
    const texts = fc.sample(jsonText({ nonFinite: true, maxDepth: 3 }), 500).filter((text) => !/^["[]/.test(text));
    const theirs = inPython<string>(
      'return None if any(unicodedata.category(c) == "Cn" for c in v) else str(json.loads(v))',
      texts,
    );
    texts.forEach((text, i) => {
      if (theirs[i] !== null && !/\\u/.test(text)) expect(contentText(new RawJson(text)), text).toBe(theirs[i]);
    });
  });
});

describe('titleFromContent', () => {
  it('cuts after 64 characters as people count them, not in the middle of one', () => {
    const long = '🎉'.repeat(70);
    expect(titleFromContent(RawJson.of(long))).toBe('🎉'.repeat(64));
    expect(titleFromContent(RawJson.of(`${'x'.repeat(63)}🎉y`))).toBe(`${'x'.repeat(63)}🎉`);
  });

  it('leaves out the note about attached files, at the end only', () => {
    expect(titleFromContent(RawJson.of('Look\n\n[Attached files: a.png, b.png]'))).toBe('Look');
    expect(titleFromContent(RawJson.of('[Attached files: a.png]'))).toBe('[Attached files: a.png]');
    expect(titleFromContent(RawJson.of('\n\n[Attached files: a.png]'))).toBeUndefined();
  });

  it('finds the note that an expression for it finds, and looks at a long text once', () => {
    const pieces = fc.constantFrom('\n\n[Attached files: ', ']', 'a.png', '\n', '[', 'x');
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), (some) => {
        const text = `x${some.join('')}`;
        // As Python's `$`, also before a line break at the end.
        const without = text.replace(/\n\n\[Attached files: [^\]]+\](?=\n?$)/, '');
        expect(titleFromContent(RawJson.of(text))).toBe(without.trim().slice(0, 64));
      }),
    );
    const long = `x${'\n\n[Attached files: '.repeat(50_000)}x`;
    expect(titleFromContent(RawJson.of(long))).toHaveLength(64);
  });

  it('of nothing to read is none', () => {
    for (const content of ['', ' \n\t\u3000', null, [], [{ type: 'image_url' }], [{ type: 'text', text: ' ' }]]) {
      expect(titleFromContent(RawJson.of(content)), JSON.stringify(content)).toBeUndefined();
    }
    expect(titleFromContent(undefined)).toBeUndefined();
  });
});
