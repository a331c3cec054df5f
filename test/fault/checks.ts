import fs from 'node:fs';
import path from 'node:path';

import { expect } from 'vitest';

import { runInProcess } from '../support/in-process';
import type { TestStore } from '../support/store';
import { type Files, layOut, type Prepared, readFiles, withoutStamps } from './scenarios';

const INDEX = '_index.json';
const TOMBSTONES = '_deleted_webui_sessions.json';
const TEMPORARY = /^(?:[0-9a-z]+\.json(?:\.bak|\.aside)?|_[a-z_]+\.json)\.\d{1,10}$|^[0-9a-z]+\.tmp\.\d+\.\d+$/;
const ASIDE = /^[0-9a-z]+\.json\.aside$/;

/** Which of the two versions a file is: bytes for byte the old, or what a run without faults makes of it. */
type Version = 'old' | 'new' | 'same';

function versionOf(name: string, found: Files, { before, after }: Prepared): Version | undefined {
  const text = found.get(name);
  const isOld = text === before.get(name);
  const isNew =
    text === undefined ? !after.has(name) : withoutStamps(text) === withoutStamps(after.get(name) ?? '\0 none');
  if (isOld && isNew) return 'same';
  return isOld ? 'old' : isNew ? 'new' : undefined;
}

function versionOfRows(found: Files, { before, after }: Prepared): 'rows' | undefined {
  const rows = (files: Files): Map<string, string> => {
    const list = JSON.parse(files.get(INDEX) ?? '[]') as { session_id: string }[];
    return new Map(list.map((row) => [row.session_id, JSON.stringify(row)]));
  };
  const [old, fresh] = [rows(before), rows(after)];
  const isKnown = [...rows(found)].every(
    ([id, row]) => fresh.has(id) && (row === fresh.get(id) || row === old.get(id)),
  );
  return isKnown && rows(found).size === fresh.size ? 'rows' : undefined;
}

/** What a faulted run left of the session, the index and the rest. */
export interface Left {
  live: Version;
  /** `rows`: each row is the old one or the new one, because a session could not be read. */
  index: Version | 'rows';
  /** One word for all that matters: equal states need only be mended once to know that they can be. */
  key: string;
}

/** The store is the old version or the new one, each file whole, and nothing else was touched. */
export function checkLeft(prepared: Prepared, store: TestStore): Left {
  const { scenario, before } = prepared;
  const found = readFiles(store);
  const live = scenario.id === undefined ? 'same' : versionOf(`${scenario.id}.json`, found, prepared);
  expect(live, 'the session is the old version or the new one').toBeDefined();
  const index = versionOf(INDEX, found, prepared) ?? versionOfRows(found, prepared);
  expect(index, `the index is the old one or the new one: ${found.get(INDEX)}`).toBeDefined();
  expect(Array.isArray(JSON.parse(found.get(INDEX) ?? '[]'))).toBe(true);

  const parts = [`live ${live}`, `index ${index}`];
  for (const name of new Set([...before.keys(), ...found.keys()])) {
    if (name === INDEX || name === `${scenario.id}.json`) continue;
    if (name === `${scenario.id}.json.bak`) parts.push(`bak ${checkBackup(prepared, found)}`);
    else if (TEMPORARY.test(name)) parts.push(name.replace(/\d+$/, 'N') + (found.has(name) ? '' : ' gone'));
    else if (ASIDE.test(name)) parts.push(`aside ${found.get(name) === before.get(`${scenario.id}.json`)}`);
    else if (name === TOMBSTONES) parts.push(`tombstones ${versionOf(name, found, prepared)}`);
    else expect(found.get(name), `${name} has nothing to do with it`).toBe(before.get(name));
  }
  if (live === 'new') checkBackupFirst(prepared, found);
  if (scenario.swaps) checkNothingLost(prepared, found);
  return { live: live!, index: index!, key: parts.sort().join(', ') };
}

/** As it was, or the whole of what the session was. */
function checkBackup({ scenario, before }: Prepared, found: Files): string {
  const backup = found.get(`${scenario.id}.json.bak`);
  if (backup === before.get(`${scenario.id}.json.bak`)) return 'old';
  expect(backup, 'the backup is the previous version, whole').toBe(before.get(`${scenario.id}.json`));
  return 'new';
}

/** What keeps the previous version in the end has kept it before the session changes. */
function checkBackupFirst({ scenario, before, after }: Prepared, found: Files): void {
  const [live, backup] = [`${scenario.id}.json`, `${scenario.id}.json.bak`];
  if (scenario.swaps || !before.has(live) || after.get(backup) !== before.get(live)) return;
  expect(found.get(backup), 'the backup is there before the session changes').toBe(before.get(live));
}

function checkNothingLost({ scenario, before }: Prepared, found: Files): void {
  for (const name of [`${scenario.id}.json`, `${scenario.id}.json.bak`])
    expect([...found.values()], `the version that ${name} held is somewhere`).toContain(before.get(name));
}

interface Document {
  error?: { code: string; exit: number; message: string; details: { saved?: boolean; path?: string } };
  warnings: { code: string; command?: string }[];
  [name: string]: unknown;
}

const FAILURES = ['IO_ERROR', 'REFUSED'];

/** The exit code, the document and the store tell the same story. */
export function checkTold({ scenario }: Prepared, left: Left, code: number, stdout: string): void {
  const document = JSON.parse(stdout) as Document;
  const { error } = document;
  if (error) {
    expect([...FAILURES, ...(scenario.mayFailWith ?? [])], error.message).toContain(error.code);
    expect(code).toBe(error.exit);
    // Who reads of a failure will run the command again: it must say so where the change was made.
    const isDone = scenario.id === undefined ? left.index === 'new' : left.live === 'new';
    const changed = scenario.id === undefined ? INDEX : `${scenario.id}.json`;
    const saysSo = error.details.saved === true && path.basename(error.details.path ?? '') === changed;
    expect(saysSo, `done: ${isDone}, and says: ${error.message}`).toBe(isDone);
    return;
  }
  expect(code).toBe(0);
  expect(left.live, 'success means that the new version is there').not.toBe('old');
  if (left.index === 'rows') expect(document['reindex']).toMatchObject({ skipped: [expect.any(String)] });
  const index = Object.values(document).find(hasIndex)?.index;
  if (index === undefined) return;
  if (index.updated) expect(left.index).not.toBe('old');
  else {
    expect(index.hint).toBe(`hermesctl reindex ${scenario.id}`);
    expect(document.warnings).toContainEqual(
      expect.objectContaining({ code: 'INDEX_NOT_UPDATED', command: index.hint }) as unknown,
    );
  }
}

function hasIndex(value: unknown): value is { index: { updated: boolean; hint?: string } } {
  return typeof value === 'object' && value !== null && 'index' in value && value.index !== null;
}

/**
 * Mends what was left with commands that meet no fault: the change is made if
 * it had not been, the index agrees, and no leftover stays. The lock is free:
 * none of them waits for it.
 */
export async function checkConverges(prepared: Prepared, store: TestStore, left: Left): Promise<void> {
  const { scenario, after } = prepared;
  const run = async (...args: string[]): Promise<void> => {
    const { code, stdout, stderr } = await runInProcess([...args, '--lock-wait', '0', '--json'], store.env);
    expect(code, `${args.join(' ')}: ${stdout}${stderr}`).toBe(0);
  };
  if (!scenario.once || left.live === 'old' || hasAside(store)) await run(...scenario.args);
  await run('reindex');
  await run('reindex', '--check');
  await run('gc-tmp', '--older-than', '0');
  const found = readFiles(store);
  expect([...found.keys()]).toEqual([...after.keys()].filter((name) => !TEMPORARY.test(name)));
  if (scenario.id !== undefined) expect(versionOf(`${scenario.id}.json`, found, prepared)).toMatch(/new|same/);
  if (scenario.swaps) checkNothingLost(prepared, found);
}

function hasAside(store: TestStore): boolean {
  return fs.readdirSync(store.sessionsDir).some((name) => ASIDE.test(name));
}

/** Mends each distinct state once; the same state was shown to converge before. */
export class Convergence {
  private readonly mended = new Set<string>();

  get states(): number {
    return this.mended.size;
  }

  async check(prepared: Prepared, store: TestStore, left: Left): Promise<void> {
    if (this.mended.has(left.key)) return;
    await checkConverges(prepared, store, left);
    this.mended.add(left.key);
  }
}

export function reset(prepared: Prepared, store: TestStore): void {
  layOut(store, prepared.before);
  for (const name of fs.readdirSync(store.stateDir))
    if (name !== 'sessions') fs.unlinkSync(path.join(store.stateDir, name));
}
