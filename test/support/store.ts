import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { onTestFinished } from 'vitest';

import { ROOT } from './cli';

/** A temporary directory that is removed when the test is over. */
export function temporaryDirectory(prefix = 'hermesctl-'): string {
  const dir = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), prefix));
  onTestFinished(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export const VECTORS = path.join(ROOT, 'test', 'fixtures', 'vectors');

/** The recorded stores: a directory with `store/`, `expect.may.json` and `expect.head.json` each. */
export const STORE_VECTORS = fs
  .readdirSync(VECTORS)
  .filter((name) => fs.existsSync(path.join(VECTORS, name, 'store')))
  .sort();

/** A store to work on, and the environment that points the program at it. */
export interface TestStore {
  root: string;
  stateDir: string;
  sessionsDir: string;
  hermesHome: string;
  env: Record<string, string>;
}

function testStore(root: string): TestStore {
  const stateDir = path.join(root, 'webui');
  const hermesHome = path.join(root, 'hermes');
  return {
    root,
    stateDir,
    sessionsDir: path.join(stateDir, 'sessions'),
    hermesHome,
    env: {
      HOME: root,
      // Outside of what tests compare before and after.
      XDG_CACHE_HOME: temporaryDirectory('hermesctl-cache-'),
      HERMES_WEBUI_STATE_DIR: stateDir,
      HERMES_HOME: hermesHome,
      HERMES_WEBUI_DEFAULT_WORKSPACE: '/srv/work',
    },
  };
}

/** A copy of a recorded store. */
export function vectorStore(name: string): TestStore {
  return copyStore(path.resolve(VECTORS, name, 'store'));
}

/** A copy of the store in this directory. */
export function copyStore(dir: string): TestStore {
  const root = temporaryDirectory();
  fs.cpSync(dir, root, { recursive: true, preserveTimestamps: true });
  return testStore(root);
}

/** What the real hermes-webui did with a recorded store. */
export function expectation(name: string, version: 'may' | 'head'): Record<string, never> {
  return JSON.parse(fs.readFileSync(path.resolve(VECTORS, name, `expect.${version}.json`), 'utf8')) as Record<
    string,
    never
  >;
}

/** A store with these sidecars: objects are written as the server writes them, text and bytes as they are. */
export function makeStore(sidecars: Record<string, object | string | Buffer> = {}): TestStore {
  const store = testStore(temporaryDirectory());
  fs.mkdirSync(store.sessionsDir, { recursive: true });
  fs.mkdirSync(store.hermesHome, { recursive: true });
  for (const [id, content] of Object.entries(sidecars)) writeSidecar(store, id, content);
  return store;
}

export function writeSidecar(store: TestStore, id: string, content: object | string | Buffer): string {
  const file = path.join(store.sessionsDir, `${id}.json`);
  const bytes = typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content, null, 2);
  fs.writeFileSync(file, bytes);
  return file;
}

/** A plain session with these messages. */
export function session(id: string, fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    session_id: id,
    title: `Session ${id}`,
    workspace: '/srv/work',
    model: 'openai/gpt-5',
    created_at: 1777000000.5,
    updated_at: 1777000100.5,
    messages: [
      { role: 'user', content: 'Hello', timestamp: 1777000010 },
      { role: 'assistant', content: 'Hi.', timestamp: 1777000020 },
    ],
    ...fields,
  };
}

/**
 * A fingerprint of a tree: names, bytes, modes and modification times. The
 * `-shm` and an empty `-wal` that SQLite itself leaves beside a WAL database
 * are left out.
 */
export function treeHash(root: string): string {
  const hash = createHash('sha256');
  const walk = (dir: string): void => {
    for (const name of fs.readdirSync(dir).sort()) {
      const file = path.join(dir, name);
      const stats = fs.lstatSync(file, { bigint: true });
      if (name.endsWith('-shm') || (name.endsWith('-wal') && stats.size === 0n)) continue;
      hash.update(`${path.relative(root, file)}\0${stats.mode}\0${stats.isDirectory() ? '' : stats.mtimeNs}\0`);
      if (stats.isDirectory()) walk(file);
      else if (stats.isSymbolicLink()) hash.update(fs.readlinkSync(file));
      else hash.update(fs.readFileSync(file));
    }
  };
  walk(root);
  return hash.digest('hex');
}
