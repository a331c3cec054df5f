import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { cli, cliJson } from '../support/cli';
import { makeStore, type TestStore } from '../support/store';

interface Ensured {
  project: { project_id: string; name: string; profile: string; created: boolean; changed: boolean };
  error?: { code: string };
}

const projectsFile = (store: TestStore): string => path.join(store.stateDir, 'projects.json');

function storeWith(projects?: string): TestStore {
  const store = makeStore();
  if (projects !== undefined) fs.writeFileSync(projectsFile(store), projects);
  return store;
}

const ensure = (store: TestStore, ...args: string[]) =>
  cliJson<Ensured>(['projects', 'ensure-cron', '--lock-wait', '120', ...args], { env: store.env });

describe('projects ensure-cron', () => {
  it('makes one project, whoever of twenty comes first', { timeout: 180_000 }, async () => {
    const store = storeWith('[\n  {\n    "project_id": "aa", "name": "Mine", "n": 1.0\n  }\n]');
    const results = await Promise.all(Array.from({ length: 20 }, () => ensure(store)));
    expect(results.map(({ code }) => code)).toEqual(Array.from({ length: 20 }, () => 0));
    expect(new Set(results.map(({ json }) => json.project.project_id)).size).toBe(1);
    expect(results.filter(({ json }) => json.project.created)).toHaveLength(1);
    const written = JSON.parse(fs.readFileSync(projectsFile(store), 'utf8')) as object[];
    expect(written).toHaveLength(2);
    expect(written[1]).toEqual({
      project_id: results[0].json.project.project_id,
      name: 'Cron Jobs',
      color: '#6366f1',
      profile: 'default',
      created_at: expect.any(Number) as number,
    });
    expect(results[0].json.project.project_id).toMatch(/^[0-9a-f]{12}$/);
  });

  it('writes a new file as the server lays it out', async () => {
    const store = storeWith();
    const { json } = await ensure(store);
    expect(fs.readFileSync(projectsFile(store), 'utf8').replace(/"created_at": [\d.]+/, '"created_at": 0')).toBe(
      `[\n  {\n    "project_id": "${json.project.project_id}",\n    "name": "Cron Jobs",\n    "color": "#6366f1",\n    "profile": "default",\n    "created_at": 0\n  }\n]`,
    );
  });

  it.each([
    ['[\n    {"project_id":"a","name":"A","big":12345678901234567890,"x":NaN}\n]\n'],
    ['[{"project_id": "a", "name": "A", "name": "B"}]'],
    ['[ 7, null ]'],
    ['[]'],
    ['[ ]\n'],
    ['[{"project_id": "a", "name": "Cron Jobs", "profile": "work"}]'],
  ])('keeps every byte of the others: %s', async (before) => {
    const store = storeWith(before);
    fs.chmodSync(projectsFile(store), 0o640);
    const { json } = await ensure(store);
    const after = fs.readFileSync(projectsFile(store), 'utf8');
    const kept = before.replace(/\s*\]\s*$/, '');
    expect(after.startsWith(kept)).toBe(true);
    expect(fs.statSync(projectsFile(store)).mode & 0o777).toBe(0o640);
    const again = await ensure(store);
    expect(again.json.project).toEqual({ ...json.project, created: false, changed: false });
    expect(fs.readFileSync(projectsFile(store), 'utf8')).toBe(after);
    const { json: listed } = await cliJson<{ projects: { project_id: string }[] }>(['projects', 'list'], store);
    expect(listed.projects.at(-1)?.project_id).toBe(json.project.project_id);
  });

  it('gives a project without a profile to the default profile as it is, and to a named one with its name', async () => {
    const before = '[{"project_id": "old1", "name": "Cron Jobs", "created_at": 1}]';
    const store = storeWith(before);
    const { json } = await ensure(store);
    expect(json.project).toMatchObject({ project_id: 'old1', created: false, changed: false });
    expect(fs.readFileSync(projectsFile(store), 'utf8')).toBe(before);

    const { json: taken } = await ensure(store, '-p', 'work');
    expect(taken.project).toMatchObject({ project_id: 'old1', profile: 'work', created: false, changed: true });
    expect(fs.readFileSync(projectsFile(store), 'utf8')).toBe(
      '[{"project_id": "old1", "name": "Cron Jobs", "profile": "work", "created_at": 1}]',
    );
    const { json: own } = await ensure(store);
    expect(own.project).toMatchObject({ profile: 'default', created: true });
  });

  it.each([
    ['', 0],
    ['[{"project_id":"a"', 18],
    ['{}', 0],
    ['[] x', 3],
    ['\ufeff[]', 0],
    ['[{"name":"\xff"}]', undefined],
  ])('refuses a broken file, and leaves it: %j', async (before, offset) => {
    const store = storeWith();
    fs.writeFileSync(projectsFile(store), before, before.includes('\xff') ? 'latin1' : 'utf8');
    const bytes = fs.readFileSync(projectsFile(store));
    for (const command of [
      ['projects', 'ensure-cron'],
      ['projects', 'list'],
    ]) {
      const { code, json } = await cliJson<{ error: { code: string; details: { offset: number } } }>(command, store);
      expect(code).toBe(7);
      expect(json.error.code).toBe('STORE_DAMAGED');
      if (offset !== undefined) expect(json.error.details.offset).toBe(offset);
    }
    expect(fs.readFileSync(projectsFile(store))).toEqual(bytes);
  });

  it('refuses a link', async () => {
    const store = storeWith();
    fs.writeFileSync(path.join(store.root, 'elsewhere.json'), '[]');
    fs.symlinkSync(path.join(store.root, 'elsewhere.json'), projectsFile(store));
    expect((await ensure(store)).code).toBe(13);
  });
});

describe('projects list', () => {
  it('shows values as they are spelled, and narrows to a profile', async () => {
    const store = storeWith(
      '[{"project_id":"a","name":"A","created_at":1777000000.50},{"project_id":"b","name":"B\\u001b[31m","profile":"work","n":1.0},{"x":1}]',
    );
    const all = await cli(['projects', 'list', '--json'], store);
    expect(all.stdout).toContain('"created_at":1777000000.50');
    expect(all.stdout).toContain('"n":1.0');
    expect(JSON.parse(all.stdout)).toMatchObject({ total: 2, warnings: [] });
    const work = await cli(['projects', 'list', '-p', 'work'], store);
    expect(work.stdout).toBe('b\tB\\x1b[31m\twork\t\t\n');
    const none = await cli(['projects', 'list', '-p', 'other'], store);
    expect(none).toMatchObject({ code: 0, stdout: '', stderr: 'No projects.\n' });
  });

  it('is empty where there is no file', async () => {
    const { code, json } = await cliJson(['projects', 'list'], storeWith());
    expect({ code, json }).toEqual({ code: 0, json: { projects: [], total: 0, warnings: [] } });
  });
});
