import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { type Changed, retrySession, undoSession } from '../../src/core/changes/sessions';
import { applyReindex, planRebuild } from '../../src/core/index/reindex';
import { isGeneration } from '../../src/core/session/writer';
import { cliJson } from '../support/cli';
import { HAS_PYTHON, python } from '../support/python';
import { expectation, STORE_VECTORS, type TestStore, vectorStore } from '../support/store';
import {
  changeTarget,
  coreDeps,
  inParallel,
  outcomeOf,
  rawMember,
  rawMembers,
  readIndexRows,
  readSidecar,
  sidecarFile,
} from '../support/writing';

/** More recorded stores, of the same shape, may be named by HERMESCTL_EXTRA_VECTORS. */
const EXTRA = process.env['HERMESCTL_EXTRA_VECTORS'];
const STORES = [
  ...STORE_VECTORS,
  ...(EXTRA === undefined
    ? []
    : fs
        .readdirSync(EXTRA)
        .filter((name) => fs.existsSync(path.join(EXTRA, name, 'store')))
        .sort()
        .map((name) => path.resolve(EXTRA, name))),
];

type Row = Record<string, unknown>;

interface Recorded {
  result: Record<string, unknown>;
  after: Record<string, unknown> | null;
}

/** A recorded value, with the numbers that JSON has no words for. */
function revived(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revived);
  if (typeof value !== 'object' || value === null) return value;
  const { $number } = value as { $number?: string };
  if ($number !== undefined) return Number($number.replace('inf', 'Infinity'));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revived(inner)]));
}

const recorded = (name: string, version: 'may' | 'head', part: string): unknown =>
  revived(expectation(name, version)[part]);

const idsOf = (store: TestStore): string[] =>
  fs
    .readdirSync(store.sessionsDir)
    .filter((name) => name.endsWith('.json') && !name.startsWith('_'))
    .map((name) => name.slice(0, -'.json'.length))
    .sort();

async function rebuild(store: TestStore): Promise<void> {
  const { location, defaults } = changeTarget(store);
  const deps = coreDeps();
  await applyReindex(await planRebuild(location, defaults, deps), deps);
}

describe.each(STORES)('reindex of the recorded store %s', (name) => {
  it('gives the index that the server gives', async () => {
    const store = vectorStore(name);
    const { code, json } = await cliJson(['reindex'], { env: store.env });
    expect(code).toBe(0);

    const rows = readIndexRows(store);
    const head = recorded(name, 'head', 'index') as Row[];
    const times = head.map((row) => Number(row['updated_at'] ?? 0));
    expect(times).toEqual([...times].sort((a, b) => b - a));
    // The server leaves rows of one time in the order in which the file system names the files.
    const byIdWithinTies = head
      .map((row, i) => ({ row, time: times[i], id: String(row['session_id']) }))
      .sort((a, b) => b.time - a.time || (a.id < b.id ? -1 : 1))
      .map(({ row }) => row);
    expect(rows).toEqual(byIdWithinTies);
    expect(rows.map((row) => Object.keys(row))).toEqual(byIdWithinTies.map((row) => Object.keys(row)));

    const unreadable = idsOf(store).filter((id) => !head.some((row) => row['session_id'] === id));
    expect(json).toMatchObject({
      reindex: { rows: head.length, skipped: expect.arrayContaining(unreadable) as unknown },
    });
  });

  it('gives rows that hold all that the older server gave', async () => {
    const store = vectorStore(name);
    await rebuild(store);
    const rows = new Map(readIndexRows(store).map((row) => [row['session_id'], row]));
    const may = recorded(name, 'may', 'index') as Row[];
    expect(new Set(may.map((row) => row['session_id']))).toEqual(new Set(rows.keys()));
    for (const old of may) {
      const row = rows.get(old['session_id'])!;
      // A pending turn counts since August.
      const isPending = row['has_pending_user_message'] === true;
      const same = Object.keys(old).filter((key) => !isPending || !['message_count', 'last_message_at'].includes(key));
      expect(Object.fromEntries(same.map((key) => [key, row[key]]))).toEqual(
        Object.fromEntries(same.map((key) => [key, old[key]])),
      );
    }
  });
});

it.skipIf(!HAS_PYTHON)('lays the index out as json.dumps does', async () => {
  const files = await inParallel(STORES, 3, async (name) => {
    const store = vectorStore(name);
    await rebuild(store);
    return fs.readFileSync(path.join(store.sessionsDir, '_index.json'), 'utf8');
  });
  const dumped = JSON.parse(
    python(
      `import json, sys
print(json.dumps([json.dumps(json.loads(text), ensure_ascii=False, indent=2) for text in json.load(sys.stdin)]))`,
      JSON.stringify(files),
    ),
  ) as string[];
  expect(files).toEqual(dumped);
});

const COMMANDS = {
  undo: { run: undoSession, nothing: 'NOTHING_TO_UNDO' },
  retry: { run: retrySession, nothing: 'NOTHING_TO_RETRY' },
} as const;

const CUT_MEMBERS = [
  'updated_at',
  'truncation_watermark',
  'truncation_boundary',
  'intentional_shrink_generation',
  'message_count',
  'messages',
  'context_messages',
];
const RECORDED_AFTER = ['messages', 'context_messages', 'truncation_watermark', 'truncation_boundary'];

/** What of a session's file a cut must leave as it is: everything else, spelled and in order. */
const untouched = (bytes: Buffer): [string, string][] =>
  rawMembers(bytes)
    .filter(({ key }) => !CUT_MEMBERS.includes(key))
    .map(({ key, text }) => [key, text]);

describe.each(STORES)('on the recorded store %s', (name) => {
  it.each(['undo', 'retry'] as const)('%s does to each session what the server does', async (command) => {
    const { run, nothing } = COMMANDS[command];
    const records = recorded(name, 'head', command) as Record<string, Recorded>;
    expect(Object.keys(records).sort()).toEqual(idsOf(vectorStore(name)));
    let compared = 0;
    for (const [id, { result, after }] of Object.entries(records)) {
      const store = vectorStore(name);
      const before = fs.readFileSync(sidecarFile(store, id));
      const cut = (force: boolean) =>
        outcomeOf<Changed<object>>(run(changeTarget(store), id, { turns: 1, force }, coreDeps()));

      let outcome = await cut(false);
      const busy = 'code' in outcome && outcome.code === 'SESSION_BUSY';
      if (busy) {
        const old = readSidecar(store, id);
        expect(old['active_stream_id'] ?? old['pending_user_message'], id).toBeTruthy();
        expect(outcome).toMatchObject({ exit: 8 });
        expect(fs.readFileSync(sidecarFile(store, id))).toEqual(before);
        // The server mends such a session before it cuts it: that is the work of another command.
        if (old['active_stream_id'] && old['pending_user_message']) continue;
        outcome = await cut(true);
      }
      compared++;

      if ('error' in result) {
        const expected =
          result['error'] === 'ValueError' ? { code: nothing, exit: 6 } : { code: 'SESSION_DAMAGED', exit: 7 };
        expect(outcome, id).toEqual(expected);
        expect(fs.readFileSync(sidecarFile(store, id)), id).toEqual(before);
        expect(fs.readdirSync(store.sessionsDir), id).toEqual(fs.readdirSync(vectorStore(name).sessionsDir));
        continue;
      }
      expect(outcome, id).toMatchObject({ value: { result: { session_id: id, ...result, index: { updated: true } } } });

      const now = readSidecar(store, id);
      const bytes = fs.readFileSync(sidecarFile(store, id));
      if (busy && (now['messages'] as unknown[]).length === 0) {
        // The server's save refuses, without a word, to empty a session that records a turn; --force is meant.
        expect(after!['messages'], id).toHaveLength(result['removed_count'] as number);
        continue;
      }
      for (const key of RECORDED_AFTER) expect(now[key] ?? [], `${id}.${key}`).toEqual(after![key] ?? []);
      expect(now['message_count'], id).toBe((after!['messages'] as unknown[]).length);
      expect(rawMember(bytes, 'truncation_watermark'), id).toMatch(/^-?\d+\.\d+$/);
      expect(isGeneration(now['intentional_shrink_generation']), id).toBe(true);
      expect(rawMember(bytes, 'updated_at'), id).not.toBe(rawMember(before, 'updated_at'));
      expect(untouched(bytes), id).toEqual(untouched(before));
      expect(fs.readFileSync(`${sidecarFile(store, id)}.bak`), id).toEqual(before);
      const row = readIndexRows(store).find((candidate) => candidate['session_id'] === id)!;
      expect(row['message_count'], id).toBe(now['message_count']);
      expect(row['updated_at'], id).toBe(now['updated_at']);
    }
    expect(compared).toBeGreaterThan(0);
  });
});

describe.each(['undo', 'retry'] as const)('%s by the program', (command) => {
  it('says and exits as recorded, and leaves an index without drift', async () => {
    const name = 'plain-1';
    const records = recorded(name, 'head', command) as Record<string, Recorded>;
    const store = vectorStore(name);
    await inParallel(Object.entries(records), 3, async ([id, { result }]) => {
      const old = readSidecar(store, id);
      const busy = Boolean(old['active_stream_id'] ?? old['pending_user_message']);
      const first = await cliJson([command, id, '--lock-wait', '60'], { env: store.env });
      if ('error' in result) {
        expect(first.code, id).toBe(6);
        expect(first.json, id).toMatchObject({ error: { code: COMMANDS[command].nothing, exit: 6 } });
        return;
      }
      if (busy) {
        expect(first.code, id).toBe(8);
        expect(first.json, id).toMatchObject({ error: { code: 'SESSION_BUSY', exit: 8 } });
        return;
      }
      expect(first.code, id).toBe(0);
      expect(first.json, id).toMatchObject({ [command]: { session_id: id, ...result }, warnings: [] });
    });
    const { code, json } = await cliJson(['reindex', '--check'], { env: store.env });
    expect(json).toMatchObject({ drift: [] });
    expect(code).toBe(0);
  });
});
