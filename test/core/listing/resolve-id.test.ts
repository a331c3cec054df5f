import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { HermesctlError } from '../../../src/core/errors';
import { nodeFileSystem } from '../../../src/core/files/file-system';
import { resolveSessionId } from '../../../src/core/listing/resolve-id';
import { makeStore, session, type TestStore } from '../../support/store';
import { locationOf } from '../../support/places';

const resolve = (store: TestStore, given: string, prefix = true): string =>
  resolveSessionId(nodeFileSystem, locationOf(store), given, prefix);

function failure(work: () => unknown): HermesctlError {
  try {
    work();
  } catch (error) {
    if (error instanceof HermesctlError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const store = (...ids: string[]): TestStore => makeStore(Object.fromEntries(ids.map((id) => [id, session(id)])));

describe('resolveSessionId', () => {
  it('takes an exact id, even where it begins others', () => {
    const s = store('abcd', 'abcdef', 'x');
    expect(resolve(s, 'abcd')).toBe('abcd');
    expect(resolve(s, 'x')).toBe('x');
    expect(resolve(s, 'abcdef', false)).toBe('abcdef');
  });

  it('takes a unique prefix of four characters or more', () => {
    const s = store('abcd1234', 'wxyz1234');
    expect(resolve(s, 'abcd')).toBe('abcd1234');
    expect(resolve(s, 'wxyz123')).toBe('wxyz1234');
    expect(failure(() => resolve(s, 'abc')).code).toBe('SESSION_NOT_FOUND');
  });

  it('takes no prefix where none is allowed', () => {
    const error = failure(() => resolve(store('abcd1234'), 'abcd', false));
    expect(error).toMatchObject({ code: 'SESSION_NOT_FOUND', details: { session_id: 'abcd' } });
  });

  it('refuses an ambiguous prefix and names the candidates, in order', () => {
    const error = failure(() => resolve(store('abcd2', 'abcd1', 'zzzz'), 'abcd'));
    expect(error).toMatchObject({ code: 'USAGE', exit: 2, details: { candidates: ['abcd1', 'abcd2'] } });
    expect(error.message).toContain('abcd1, abcd2');
  });

  it('names all candidates to a script and some to a person', () => {
    const many = Array.from({ length: 30 }, (_, i) => `abcd${String(i).padStart(2, '0')}`);
    const error = failure(() => resolve(store(...many), 'abcd'));
    expect(error.details['candidates']).toEqual(many);
    expect(error.message).toContain('and 10 more');
  });

  it.each(['', '..', '../x', 'a/b', 'a.b', '_index', '-x', 'a b', 'é', 'a\0b', 'x'.repeat(201)])(
    'refuses %j before any path is made of it',
    (id) => {
      const s = store('abcd');
      const untouchable = new Proxy(nodeFileSystem, {
        get: (_target, name) => expect.fail(`the file system was asked: ${String(name)}`),
      });
      const error = failure(() => resolveSessionId(untouchable, locationOf(s), id, true));
      expect(error.code).toBe('USAGE');
    },
  );

  it('does not take the index, a backup or a temporary file for a session', () => {
    const s = store('abcd1234');
    for (const name of ['_index.json', 'abcd5678.json.bak', 'abcd9999.tmp.1.2', '_abcd.json']) {
      fs.writeFileSync(path.join(s.sessionsDir, name), '{}');
    }
    expect(resolve(s, 'abcd')).toBe('abcd1234');
  });

  it('tells a missing store from a missing session', () => {
    const s = store();
    expect(failure(() => resolve(s, 'abcd')).code).toBe('SESSION_NOT_FOUND');
    fs.rmSync(s.sessionsDir, { recursive: true });
    expect(failure(() => resolve(s, 'abcd')).code).toBe('SESSION_NOT_FOUND');
    fs.rmSync(s.stateDir, { recursive: true });
    expect(failure(() => resolve(s, 'abcd'))).toMatchObject({ code: 'STORE_NOT_FOUND', exit: 10 });
  });
});
