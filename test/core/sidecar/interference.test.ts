import fs from 'node:fs';
import path from 'node:path';

import { expect, test } from 'vitest';

import { applyCreate, planCreate } from '../../../src/core/sidecar/create';
import { cliJson } from '../../support/cli';
import { testDeps } from '../../support/deps';
import { makeStore, session, type TestStore, treeHash, writeSidecar } from '../../support/store';

const ID = 'between001';

function withMessages(count: number, fields: Record<string, unknown> = {}): object {
  const messages = Array.from({ length: count }, (_, i) => ({ role: i % 2 ? 'assistant' : 'user', content: `${i}` }));
  return session(ID, { messages, ...fields });
}

const namesOf = (store: TestStore): string[] => fs.readdirSync(store.sessionsDir).sort();

test('a session that was saved after its replacement was decided is not replaced', async () => {
  const store = makeStore({ [ID]: withMessages(2) });
  const deps = testDeps();
  const defaults = { id: ID, workspace: '/srv/work', model: 'openai/gpt-5', profile: 'default', now: 1777000000 };
  const members = new Map([['session_id', JSON.stringify(ID)]]);
  const plan = planCreate(store.sessionsDir, members, defaults, { replace: true, force: false }, deps);
  const file = writeSidecar(store, ID, withMessages(4));
  const theirs = fs.readFileSync(file);
  await expect(applyCreate(plan, deps)).rejects.toMatchObject({ code: 'CHANGED_ON_DISK' });
  expect(fs.readFileSync(file).equals(theirs)).toBe(true);
  expect(namesOf(store)).toEqual([`${ID}.json`]);
});

test('a broken tombstone file is found out before a session is created', async () => {
  const store = makeStore();
  fs.writeFileSync(path.join(store.sessionsDir, '_deleted_webui_sessions.json'), '{"version": 1, "ids": [');
  const { code, json } = await cliJson<{ error: object }>(['sessions', 'create', '--id', ID, '--user', 'Hello'], {
    env: store.env,
  });
  expect(code).toBe(7);
  expect(json.error).toMatchObject({ code: 'STORE_DAMAGED' });
  expect(namesOf(store)).toEqual(['_deleted_webui_sessions.json']);
});

test('a restore does not take the place of a version that it cannot account for', async () => {
  const store = makeStore({ [ID]: withMessages(2) });
  writeSidecar(store, ID, withMessages(2));
  fs.writeFileSync(path.join(store.sessionsDir, `${ID}.json.bak`), JSON.stringify(withMessages(4)));
  fs.writeFileSync(path.join(store.sessionsDir, `${ID}.json.aside`), JSON.stringify(withMessages(3)));
  const before = treeHash(store.sessionsDir);
  const { code, json } = await cliJson<{ error: object }>(['sessions', 'restore', ID, '--from-bak'], {
    env: store.env,
  });
  expect(code).toBe(13);
  expect(json.error).toMatchObject({ code: 'REFUSED', details: { path: expect.stringMatching(/\.aside$/) as string } });
  expect(treeHash(store.sessionsDir)).toBe(before);
});

test('gc-tmp removes the second name of a version, and keeps its only one', async () => {
  const store = makeStore({ [ID]: withMessages(2), other00001: session('other00001') });
  const asides = [ID, 'other00001'].map((id) => path.join(store.sessionsDir, `${id}.json.aside`));
  fs.linkSync(path.join(store.sessionsDir, `${ID}.json`), asides[0]);
  fs.writeFileSync(asides[1], JSON.stringify(session('other00001', { title: 'Only here' })));
  const { code, json } = await cliJson(['gc-tmp', '--older-than', '0'], { env: store.env });
  expect(code).toBe(0);
  expect(json).toMatchObject({
    files: [
      { name: `${ID}.json.aside`, removed: true },
      { name: 'other00001.json.aside', removed: false, action: 'keep', reason: 'only-copy' },
    ],
  });
  expect(asides.map((file) => fs.existsSync(file))).toEqual([false, true]);
});

test('an index row stays where the system will not let its session be read', async () => {
  const store = makeStore({ [ID]: withMessages(2), other00001: session('other00001') });
  await cliJson(['reindex'], { env: store.env });
  const index = path.join(store.sessionsDir, '_index.json');
  const before = fs.readFileSync(index, 'utf8');
  fs.renameSync(path.join(store.sessionsDir, `${ID}.json`), path.join(store.root, 'elsewhere'));
  fs.mkdirSync(path.join(store.sessionsDir, `${ID}.json`)); // to be opened, and not read
  const { code, json } = await cliJson(['reindex'], { env: store.env });
  expect({ code, json }).toMatchObject({ code: 0, json: { reindex: { skipped: [ID], removed: [] } } });
  expect(json['warnings']).toMatchObject([{ code: 'IO_ERROR', session_id: ID }]);
  expect(fs.readFileSync(index, 'utf8')).toBe(before);
});
