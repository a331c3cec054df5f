import { createRequire } from 'node:module';

import type BetterSqlite3 from 'better-sqlite3';
import { describe, expect, it } from 'vitest';

import { abortsWhenCollected, keepingNatives } from '../../src/launcher/kept-natives';

const require = createRequire(import.meta.url);

/* That it keeps Node.js 24 from aborting is tried on Node.js 24 itself: scripts/matrix.mjs. */
describe('a native module whose objects must not be collected', () => {
  it('is that of Node.js 24 from 24.19 on', () => {
    expect(['24.19.0', '24.21.0'].map(abortsWhenCollected)).toEqual([true, true]);
    expect(['20.17.0', '22.23.3', '24.18.1', '25.0.0', '26.1.0'].some(abortsWhenCollected)).toBe(false);
    expect(keepingNatives(require, '22.23.3')).toBe(require);
  });

  it('does all that it did', () => {
    const keeping = keepingNatives(require, '24.19.0');
    expect(keeping('node:path')).toBe(require('node:path'));
    const Database = keeping('better-sqlite3') as typeof BetterSqlite3;
    const database = new Database(':memory:');
    database.exec('CREATE TABLE numbers (n)');
    const insert = database.prepare('INSERT INTO numbers VALUES (?)');
    database.transaction(() => [1, 2, 3].forEach((n) => insert.run(n)))();
    expect([...database.prepare('SELECT n FROM numbers').pluck().iterate()]).toEqual([1, 2, 3]);
    expect(database.pragma('user_version', { simple: true })).toBe(0);
    expect(() => database.prepare('SELECT n FROM nowhere')).toThrow('no such table');
    database.close();
  });
});
