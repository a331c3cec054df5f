import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { JsonDocument, type OutputValue, Renderer } from '../../../src/cli/output/document';
import { Sink } from '../../../src/cli/output/sink';
import { HermesctlError, type Warning } from '../../../src/core/errors';
import { RawJson } from '../../../src/core/json/raw';
import { jsonText } from '../../support/arbitraries';

function openDocument() {
  let text = '';
  const warnings: Warning[] = [];
  const sink = new Sink(1, (_fd, bytes, offset, length) => {
    text += Buffer.from(bytes.subarray(offset, offset + length)).toString();
    return length;
  });
  const document = new JsonDocument(sink, new Renderer((warning) => warnings.push(warning)));
  return { document, warnings, text: () => text, json: () => JSON.parse(text) as Record<string, unknown> };
}

const renderNumber = (n: number): string => String(n);

describe('JsonDocument', () => {
  it('is the named results, then the warnings', async () => {
    const { document, text, json } = openDocument();
    await document.array('rows', [1, 2], renderNumber);
    document.member('total', 2);
    document.end([{ code: 'W', message: 'a word' }]);
    expect(Object.entries(json())).toEqual([
      ['rows', [1, 2]],
      ['total', 2],
      ['warnings', [{ code: 'W', message: 'a word' }]],
    ]);
    expect(text().endsWith('}\n')).toBe(true);
  });

  it('that failed before it began is the error, then the warnings', () => {
    const { document, json } = openDocument();
    document.end([], new HermesctlError('SESSION_NOT_FOUND', 'none', { hint: 'look', details: { session_id: 'x' } }));
    expect(Object.entries(json())).toEqual([
      ['error', { code: 'SESSION_NOT_FOUND', exit: 5, message: 'none', hint: 'look', details: { session_id: 'x' } }],
      ['warnings', []],
    ]);
  });

  it.each([0, 1, 3])('that failed after %i rows is closed, and keeps the rows', async (good) => {
    const { document, json } = openDocument();
    const failing = async function* () {
      for (let i = 0; i < good; i++) yield await Promise.resolve(i);
      throw new HermesctlError('IO_ERROR', 'gone');
    };
    await expect(document.array('rows', failing(), renderNumber)).rejects.toThrow('gone');
    document.end([{ code: 'W', message: 'w' }], new HermesctlError('IO_ERROR', 'gone'));
    expect(Object.keys(json())).toEqual(['rows', 'warnings', 'error']);
    expect(json()).toMatchObject({
      rows: Array.from({ length: good }, (_, i) => i),
      error: { code: 'IO_ERROR', exit: 1 },
    });
  });

  it('that failed while a value was made holds no half of it', async () => {
    const broken = new RawJson('[1');
    Object.defineProperty(broken, 'text', {
      get: () => {
        throw new Error('no text');
      },
    });
    const { document, json } = openDocument();
    document.member('first', 1);
    expect(() => document.member('second', [1, broken])).toThrow('no text');
    const failRow = (n: number, path: string): string => (n === 2 ? document.renderer.raw(broken, path) : String(n));
    await expect(document.array('rows', [1, 2, 3], failRow)).rejects.toThrow('no text');
    document.end([], new HermesctlError('UNEXPECTED', 'no text'));
    expect(json()).toMatchObject({ first: 1, rows: [1], warnings: [], error: { code: 'UNEXPECTED' } });
  });

  it('ends once: what comes later changes nothing', () => {
    const { document, text } = openDocument();
    document.member('a', null);
    document.end([]);
    const ended = text();
    document.end([], new HermesctlError('UNEXPECTED', 'too late'));
    expect(text()).toBe(ended);
  });

  it('without any result is still a document', () => {
    const { document, json } = openDocument();
    document.end([]);
    expect(json()).toEqual({ warnings: [] });
  });

  it('streams computed results of any shape', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const { document, json } = openDocument();
        await document.computed('result', value);
        document.end([]);
        expect(json()).toEqual(JSON.parse(JSON.stringify({ result: value, warnings: [] })));
      }),
      { numRuns: 50 },
    );
  });
});

describe('Renderer', () => {
  it('passes the spelling of the store through, on one line', () => {
    const renderer = new Renderer(() => expect.fail('nothing to warn of'));
    const value: OutputValue = {
      raw: new RawJson('{ "n": 1.0,\n "big": 12345678901234567890 }'),
      list: [1, 'two', null, true, new RawJson('3.50')],
      'odd "key"': {},
    };
    expect(renderer.render(value, 'x')).toBe(
      '{"raw":{"n":1.0,"big":12345678901234567890},"list":[1,"two",null,true,3.50],"odd \\"key\\"":{}}',
    );
  });

  it('spells what is undefined as JSON.stringify does', () => {
    const { document, json } = openDocument();
    const value = { list: [1, undefined, [undefined]], gone: undefined, first: { gone: undefined, kept: 1 } };
    document.member('value', value as unknown as OutputValue);
    document.member('bare', undefined as unknown as OutputValue);
    document.end([]);
    expect(json()).toEqual({ value: JSON.parse(JSON.stringify(value)) as unknown, bare: null, warnings: [] });
  });

  it('makes every stored value one line of JSON', () => {
    fc.assert(
      fc.property(jsonText({ nonFinite: true }), (text) => {
        const line = new Renderer(() => undefined).render({ value: new RawJson(text) }, 'x');
        expect(line).not.toContain('\n');
        expect(() => JSON.parse(line) as unknown).not.toThrow();
      }),
    );
  });

  it('warns of each number that is not finite, and of where it stood; or keeps it', () => {
    const warnings: Warning[] = [];
    const value: OutputValue = { row: [0, { cost: new RawJson('{"a": [1, NaN]}') }], at: new RawJson('Infinity') };
    const text = new Renderer((warning) => warnings.push(warning)).render(value, 'sessions[3]');
    expect(text).toBe('{"row":[0,{"cost":{"a":[1,null]}}],"at":null}');
    expect(warnings.map(({ code, path }) => [code, path])).toEqual([
      ['NOT_FINITE', 'sessions[3].row[1].cost.a[1]'],
      ['NOT_FINITE', 'sessions[3].at'],
    ]);
    const keeping = new Renderer(() => expect.fail('nothing to warn of'), true);
    expect(keeping.render(value, '')).toBe('{"row":[0,{"cost":{"a":[1,NaN]}}],"at":Infinity}');
  });
});
