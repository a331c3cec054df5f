// The stores that the benchmark measures on: made once, kept, and never written to by what is measured.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { makeAgentDatabase } from './agent-database.mjs';
import { makeLargeSession, makeStore } from './make-store.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

/** Where stores are kept unless `--stores` says otherwise. */
export const KEPT = path.join(os.tmpdir(), `hermesctl-bench-${os.userInfo().username}`);

/**
 * A store that is there.
 *
 * @typedef {object} Store
 * @property {string} dir with `webui/sessions`, or `state.db`
 * @property {string} sessions the directory of the session files
 * @property {string[]} ids
 * @property {number} bytes of the session files
 */

/** How each is made. @type {Record<string, { with: string[], make: (dir: string) => void }>} */
const RECIPES = {
  100: { with: ['make-store.mjs', 'random.mjs'], make: (dir) => void makeStore(dir, 100, 20) },
  10000: { with: ['make-store.mjs', 'random.mjs'], make: (dir) => void makeStore(dir, 10_000, 20) },
  100000: { with: ['make-store.mjs', 'random.mjs'], make: (dir) => void makeStore(dir, 100_000, 2) },
  large: { with: ['make-store.mjs', 'random.mjs'], make: (dir) => void makeLargeSession(dir, 500) },
  agent: {
    with: ['agent-database.mjs', 'random.mjs'],
    make: (dir) => {
      mkdirSync(path.join(dir, 'webui', 'sessions'), { recursive: true });
      makeAgentDatabase(path.join(dir, 'state.db'), 20_000, 2_000_000);
    },
  },
};

/**
 * The store of this name, made where it is not there as its recipe makes it now.
 *
 * @param {string} kept
 * @param {string} name
 * @returns {Store}
 */
export function storeNamed(kept, name) {
  const dir = path.join(kept, name);
  const recipe = RECIPES[name];
  const hash = createHash('sha256');
  for (const file of recipe.with) hash.update(readFileSync(path.join(here, file)));
  const made = `${recipe.make.toString()} ${hash.digest('hex')}`;
  const marker = path.join(dir, 'made-by');
  if (textOf(marker) !== made) {
    process.stderr.write(`Making the store "${name}" in ${dir} …\n`);
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    recipe.make(dir);
    writeFileSync(marker, made);
  }
  return storeAt(dir);
}

/**
 * @param {string} dir
 * @returns {Store}
 */
export function storeAt(dir) {
  const sessions = path.join(dir, 'webui', 'sessions');
  const files = readdirSync(sessions).filter((file) => /^[0-9a-f]{12}\.json$/.test(file));
  const bytes = files.reduce((sum, file) => sum + statSync(path.join(sessions, file)).size, 0);
  return { dir, sessions, ids: files.map((file) => file.slice(0, -'.json'.length)), bytes };
}

/** @param {string} file */
function textOf(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
