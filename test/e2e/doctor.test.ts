import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it, test } from 'vitest';

import { CHECKS } from '../../src/core/audit/audit';
import { readDatabaseFacts } from '../../src/core/audit/database-facts';
import type { Finding } from '../../src/core/audit/finding';
import { DAMAGES, sidecarOf, soundStore } from '../fixtures/damage';
import { testDeps } from '../support/deps';
import { runInProcess } from '../support/in-process';
import { type TestStore, treeHash } from '../support/store';

interface Report {
  findings: Finding[];
  not_checked: string[];
  information: { topic: string }[];
  repair?: { backup_dir: string | null; repairs: { action: string; done: boolean }[]; before: Finding[] };
  error?: { code: string };
}

async function doctor(store: TestStore, ...args: string[]): Promise<{ code: number; json: Report }> {
  const { code, stdout } = await runInProcess(['doctor', ...args, '--json'], store.env);
  return { code, json: JSON.parse(stdout) as Report };
}

const told = (findings: Finding[]): [string, string | null][] =>
  findings.map(({ check, session_id: id }) => [check, id]);

it('finds nothing in a sound store, and changes no byte of it', async () => {
  const store = await soundStore();
  const before = treeHash(store.root);
  const { code, json } = await doctor(store);
  expect(json.findings).toEqual([]);
  expect(code).toBe(0);
  expect(json.information.map(({ topic }) => topic).sort()).toEqual(['cut-on-purpose', 'database-only', 'modes']);
  expect(treeHash(store.root)).toBe(before);
});

it('has a damage for every check', () => {
  const shown = new Set(DAMAGES.flatMap(({ expected }) => expected.map(([check]) => check)));
  expect(CHECKS.map(({ name }) => name).filter((name) => !shown.has(name))).toEqual([]);
});

/** The store without its lock files and the doctor's own backups, which a run may leave. */
function contentHash(store: TestStore): string {
  for (const name of fs.readdirSync(store.stateDir).filter((one) => one.startsWith('.hermesctl-lock')))
    fs.unlinkSync(path.join(store.stateDir, name));
  return treeHash(store.root);
}

describe.each(DAMAGES)('$name', ({ build, expected, repaired = [] }) => {
  test('is found, and nothing else', async () => {
    const store = await soundStore();
    await build(store);
    const before = contentHash(store);
    const { code, json } = await doctor(store);
    expect(told(json.findings)).toEqual(expected);
    expect(code).toBe(4);
    expect(json.error?.code).toBe('PROBLEMS_FOUND');
    for (const { summary, check, severity } of json.findings) {
      expect(summary, check).toMatch(/\S.*[.:]/);
      expect(['error', 'warning']).toContain(severity);
    }
    const dry = await doctor(store, '--repair', '--dry-run');
    expect(dry.code).toBe(0);
    expect(told(dry.json.findings)).toEqual(expected);
    expect(contentHash(store)).toBe(before);
  });

  test(`${repaired.length > 0 ? 'is repaired' : 'is left to a person'}, and the second time nothing is done`, async () => {
    const store = await soundStore();
    await build(store);
    const first = await doctor(store, '--repair');
    expect(told(first.json.repair!.before)).toEqual(expected);
    expect(told(first.json.findings)).toEqual(expected.filter(([check]) => !repaired.includes(check)));
    expect(first.code).toBe(first.json.findings.length > 0 ? 4 : 0);
    expect(first.json.repair!.repairs.every(({ done }) => done)).toBe(true);
    expect(first.json.repair!.backup_dir !== null).toBe(repaired.length > 0);

    const before = contentHash(store);
    const second = await doctor(store, '--repair');
    expect(second.json.repair!.repairs).toEqual([]);
    expect(second.code).toBe(first.code);
    expect(contentHash(store)).toBe(before);
  });
});

describe('a repair', () => {
  it('keeps every file that it changes, with a manifest', async () => {
    const store = await soundStore();
    await DAMAGES.find(({ name }) => name === 'a backup that holds more')!.build(store);
    const old = new Map(
      ['plain00001.json', '_index.json'].map((name) => [
        name,
        fs.readFileSync(path.join(store.sessionsDir, name), 'utf8'),
      ]),
    );
    const dir = path.join(store.root, 'kept');
    const { json } = await doctor(store, '--repair', '--backup-dir', dir);
    expect(json.repair!.backup_dir).toBe(dir);
    const manifest = JSON.parse(fs.readFileSync(path.join(dir, 'manifest.json'), 'utf8')) as {
      files: { path: string; backup: string; sha256: string }[];
    };
    expect(manifest.files.map(({ backup }) => backup)).toEqual(['sessions/plain00001.json', 'sessions/_index.json']);
    for (const [name, bytes] of old) expect(fs.readFileSync(path.join(dir, 'sessions', name), 'utf8')).toBe(bytes);
    expect(fs.statSync(dir).mode & 0o777).toBe(0o700);
    expect(JSON.parse(fs.readFileSync(sidecarOf(store, 'plain00001'), 'utf8'))).toMatchObject({ message_count: 8 });
  });

  it('refuses a directory that has something in it, and changes nothing', async () => {
    const store = await soundStore();
    fs.unlinkSync(path.join(store.sessionsDir, '_index.json'));
    const before = contentHash(store);
    const { code, json } = await doctor(store, '--repair', '--backup-dir', store.hermesHome);
    expect([code, json.error?.code]).toEqual([13, 'REFUSED']);
    expect(contentHash(store)).toBe(before);
  });

  it('makes sessions from the database also where all of the sessions directory is lost', async () => {
    const store = await soundStore();
    await DAMAGES.find(({ name }) => name === 'a session that only the database has')!.build(store);
    fs.rmSync(store.sessionsDir, { recursive: true });
    const { json } = await doctor(store, '--repair');
    const made = json.repair!.repairs.filter(({ action }) => action === 'make-from-database');
    expect(made).not.toEqual([]);
    expect(made.every(({ done }) => done)).toBe(true);
    expect(fs.existsSync(sidecarOf(store, 'dbonly0001'))).toBe(true);
  });

  it('makes a session from the database with its tools, and without what was taken back', async () => {
    const store = await soundStore();
    await DAMAGES.find(({ name }) => name === 'a session that only the database has')!.build(store);
    await doctor(store, '--repair');
    const made = JSON.parse(fs.readFileSync(sidecarOf(store, 'dbonly0001'), 'utf8')) as Record<string, unknown>;
    expect(made).toMatchObject({
      session_id: 'dbonly0001',
      title: 'Database dbonly0001',
      workspace: '/srv/db',
      model: 'openai/gpt-5',
      created_at: 1777000000.5,
      updated_at: 1777000104,
      message_count: 4,
      source_tag: 'webui',
      is_cli_session: false,
    });
    expect(made['messages']).toEqual([
      { role: 'user', content: 'List them', timestamp: 1777000100 },
      {
        role: 'assistant',
        content: null,
        timestamp: 1777000101,
        tool_calls: [{ id: 'call_1', function: { name: 'terminal', arguments: '{}' } }],
      },
      {
        role: 'tool',
        content: 'a b c',
        timestamp: 1777000102,
        tool_call_id: 'call_1',
        tool_name: 'terminal',
        name: 'terminal',
      },
      { role: 'assistant', content: 'a, b and c.', timestamp: 1777000104 },
    ]);
  });

  it('does only what the named check calls for', async () => {
    const store = await soundStore();
    for (const name of ['a stale row', 'a wrong message_count'])
      await DAMAGES.find((one) => one.name === name)!.build(store);
    const { json } = await doctor(store, '--repair', '--check', 'session-message-count');
    expect(json.repair!.repairs.map(({ action }) => action)).toEqual(['fix-message-count']);
  });
});

it('leaves a check out, with what is read for it alone, and says so', async () => {
  const store = await soundStore();
  await DAMAGES.find(({ expected }) => expected[0]?.[0] === 'database-damaged')!.build(store);
  expect((await doctor(store)).json.findings).toMatchObject([{ check: 'database-damaged' }]);
  const { code, json } = await doctor(store, '--skip', 'database-damaged');
  expect([code, json.findings, json.not_checked]).toEqual([0, [], ['database-damaged']]);
  const { stderr } = await runInProcess(['doctor', '--skip', 'database-damaged'], store.env);
  expect(stderr).toContain('Not checked: database-damaged.');
  expect(stderr).toMatch(new RegExp(`${CHECKS.length - 1} of ${CHECKS.length} checks: all is well`));
  // SQLite was not asked, which would have read all of it.
  const facts = await readDatabaseFacts(path.join(store.hermesHome, 'state.db'), false, testDeps());
  expect(facts).toMatchObject({ state: 'good', complaints: [] });
});

it('names its checks, and refuses others', async () => {
  const store = await soundStore();
  const list = await runInProcess(['doctor', '--list'], store.env);
  expect(
    list.stdout
      .trim()
      .split('\n')
      .map((line) => line.split('\t')[0]),
  ).toEqual(CHECKS.map(({ name }) => name));
  const { code, json } = await doctor(store, '--check', 'nothing');
  expect([code, json.error?.code]).toEqual([2, 'USAGE']);
});
