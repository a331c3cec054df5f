import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { putVisible, visibleLine, visibleText } from '../../../src/cli/output/visible';
import { anyText } from '../../support/arbitraries';

/** What must never reach a terminal from a store: it moves the cursor, reorders or hides text, or is no character. */
const dangerous = (char: string): boolean => /[\p{Cc}\u2028\u2029\p{Bidi_Control}\ufeff\p{Cs}]/u.test(char);

describe('visibleLine', () => {
  it('lets through nothing that moves, hides or reorders', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect([...visibleLine(text)].filter(dangerous)).toEqual([]);
      }),
      { numRuns: 1000 },
    );
    const all = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code));
    expect(all.filter((char) => [...visibleLine(char)].some(dangerous))).toEqual([]);
  });

  it('leaves every other character as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const harmless = [...text].filter((char) => !dangerous(char)).join('');
        expect(visibleLine(harmless)).toBe(harmless);
      }),
    );
  });

  it.each([
    ['\x1b[2J', '\\x1b[2J'],
    ['\x9b31m', '\\x9b31m'],
    ['a\nb\r\n\tc', 'a\\nb\\r\\n\\tc'],
    ['\u202egnp.exe', '\\u202egnp.exe'],
    ['\ud83c', '\\ud83c'],
    ['\udf89\ud83c\udf89', '\\udf89🎉'],
    ['日本語 🎉 é', '日本語 🎉 é'],
    ['\\n', '\\n'],
  ])('%j is shown as %j', (text, shown) => {
    expect(visibleLine(text)).toBe(shown);
  });
});

describe('visibleText', () => {
  it('keeps line breaks and tabs, and nothing else of the kind', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect([...visibleText(text)].filter((char) => dangerous(char) && !'\n\t'.includes(char))).toEqual([]);
      }),
      { numRuns: 1000 },
    );
    expect(visibleText('a\r\nb\tc\n')).toBe('a\nb\tc\n');
    expect(visibleText('progress\rdone')).toBe('progress\\rdone');
    expect(visibleText('\x1b]0;title\x07')).toBe('\\x1b]0;title\\x07');
  });
});

describe('putVisible', () => {
  /** What it puts for this text, as JSON spells it; undefined where it leaves that to others. */
  function put(text: string): string | undefined {
    const json = Buffer.from(JSON.stringify(text));
    const into = Buffer.alloc(json.length);
    const end = putVisible(json, 1, json.length - 1, into, 1);
    return end < 0 ? undefined : into.toString('utf8', 1, end);
  }

  it('shows from JSON what visibleLine shows, or nothing', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        fc.pre(!/\\u/.test(JSON.stringify(text).replaceAll('\\\\', '')));
        const shown = put(text);
        if (shown !== undefined) expect(shown).toBe(visibleLine(text));
      }),
      { numRuns: 1000 },
    );
    const wrong = Array.from({ length: 0xd7e0 }, (_, i) => `a${String.fromCharCode(0x20 + i)}b`).filter((text) => {
      const shown = put(text);
      return shown !== visibleLine(text) && (shown !== undefined || text === visibleLine(text));
    });
    expect(wrong).toEqual([]);
    expect(put('a "b"\n\t\\ é 日 🎉 – “x”')).toBe('a "b"\\n\\t\\ é 日 🎉 – “x”');
  });
});
