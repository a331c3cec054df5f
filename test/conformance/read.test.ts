import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { cli, type CliResult } from '../support/cli';
import { treeHash, type TestStore } from '../support/store';
import {
  ALL_VECTORS,
  Digits,
  type Expectation,
  inBatches,
  parseSpelled,
  type Recorded,
  recorded,
  type Spelled,
  spelledText,
  storeOf,
} from '../support/vectors';

/*
 * What the reading commands say of recorded stores, against what the real
 * hermes-webui of May and of August 2026 made of the same files. Numbers are
 * compared as they are spelled. See ../support/vectors.ts for how to run this
 * against more recordings than the repository holds.
 */

interface Warning {
  code: string;
  message: string;
  session_id?: string;
}

interface Document extends Record<string, Spelled> {
  sessions: Recorded[];
  warnings: never;
}

interface Run extends CliResult {
  json: Document;
  warnings: Warning[];
}

async function run(store: TestStore, ...args: string[]): Promise<Run> {
  const result = await cli([...args, '--json'], { env: store.env });
  const json = parseSpelled(result.stdout) as Document;
  return { ...result, json, warnings: (JSON.parse(result.stdout) as { warnings: Warning[] }).warnings };
}

const listAll = (store: TestStore): Promise<Run> => run(store, 'sessions', 'list', '--all', '--limit', '0');

const isError = (value: unknown): boolean => typeof value === 'object' && value !== null && 'error' in value;

const readable = (head: Expectation): string[] => head.ids.filter((id) => !isError(head.compact[id]));

/** A list shows a session that records no profile as one of the default profile's. */
const asListed = (row: Recorded): Recorded => ({ ...row, profile: row['profile'] || 'default' });

/** Entries, so that the order of keys is compared too. */
const entries = (row: Recorded): [string, Spelled][] => Object.entries(row);

const byId = (rows: Recorded[]): Map<string, Recorded> =>
  new Map(rows.map((row) => [row['session_id'] as string, row]));

const textOf = (store: TestStore, id: string): string =>
  fs.readFileSync(path.join(store.sessionsDir, `${id}.json`), 'utf8');

/** The file, read in full: bare `NaN` is not JSON, and none of the recorded texts holds the word. */
const parsed = (store: TestStore, id: string): Record<string, unknown> =>
  JSON.parse(textOf(store, id).replace(/\bNaN\b/g, 'null')) as Record<string, unknown>;

/** May read the agent database for these; here they are not looked for in a list yet. */
const FROM_THE_DATABASE = new Set([
  'relationship_type',
  'parent_title',
  'parent_source',
  '_parent_lineage_root_id',
  '_parent_lineage_tip_id',
  '_lineage_root_id',
  '_lineage_tip_id',
  '_compression_segment_count',
  '_cross_surface_child_session',
]);

/**
 * The server took the stream that this file records for dead and mended the
 * session while it read it (pending turn, messages of the agent database):
 * what it then said is not of this file.
 */
const wasMendedOnRead = (store: TestStore, head: Expectation, id: string): boolean =>
  Boolean(parsed(store, id)['active_stream_id']) && head.status[id]['agent_running'] === false;

describe.each(ALL_VECTORS)('$name', (vector) => {
  it('lists one row a readable file, equal to the compact row of August, and warns of each other file', async () => {
    const store = storeOf(vector);
    const head = recorded(vector, 'head', store);
    const { code, json, warnings } = await listAll(store);

    const rows = byId(json.sessions);
    expect(code).toBe(0);
    expect(json.sessions).toHaveLength(rows.size);
    expect([...rows.keys()].sort()).toEqual(readable(head).sort());
    expect(json['total']).toEqual(new Digits(String(rows.size)));
    for (const id of readable(head)) expect(entries(rows.get(id)!), id).toEqual(entries(asListed(head.compact[id])));

    const unreadable = head.ids.filter((id) => isError(head.compact[id]));
    const damaged = warnings.filter(({ code: c }) => c === 'SESSION_DAMAGED');
    expect(damaged.map(({ session_id: id }) => id).sort()).toEqual(unreadable.sort());
    for (const { session_id: id, message } of damaged)
      expect(message).toMatch(new RegExp(`${id!}\\.json .*\\(byte \\d`));
  });

  it("hides and orders as May's all_sessions does, with its values", async () => {
    const store = storeOf(vector);
    const head = recorded(vector, 'head', store);
    const may = recorded(vector, 'may', store);
    const { code, json } = await run(store, 'sessions', 'list', '--archived', '--limit', '0');

    const idOf = (row: Recorded): Spelled => row['session_id'];
    expect(code).toBe(0);
    expect(json.sessions.map(idOf)).toEqual(may.all_sessions.map(idOf));
    for (const [i, theirs] of may.all_sessions.entries()) {
      const ours = json.sessions[i];
      const id = idOf(theirs) as string;
      for (const [key, value] of entries(theirs)) {
        if (FROM_THE_DATABASE.has(key)) continue;
        if (key === 'parent_session_id' && may.lineage[id]?.[key] !== undefined) continue; // from the database too
        // August counts a pending turn as a message and as activity; May did not.
        if (ours['pending_user_message'] && (key === 'message_count' || key === 'last_message_at')) {
          expect(ours[key], `${id} ${key}`).toEqual(head.compact[id][key]);
          continue;
        }
        expect(ours[key], `${id} ${key}`).toEqual(value);
      }
    }
  });

  it('shows metadata equal to that of August, and null exactly for what a prefix cannot know', async () => {
    const store = storeOf(vector);
    const head = recorded(vector, 'head', store);
    await inBatches(readable(head), async (id) => {
      const { code, json } = await run(store, 'show', id, '--metadata');
      const expected = { ...head.compact_metadata_only[id] };
      for (const key of unknownToPrefix(parsed(store, id))) expected[key] = null;
      expect(code).toBe(0);
      expect(entries(json['session'] as Recorded), id).toEqual(entries(expected));
    });
  });

  it('gives status and usage as the server does', async () => {
    const store = storeOf(vector);
    const head = recorded(vector, 'head', store);
    const ids = readable(head).filter((id) => !wasMendedOnRead(store, head, id));
    const [statuses, usages, status, usage] = await Promise.all([
      run(store, 'status', ...ids),
      run(store, 'usage', ...ids),
      run(store, 'status', ids[0]),
      run(store, 'usage', ids[0]),
    ]);

    for (const { code } of [statuses, usages, status, usage]) expect(code).toBe(0);
    ids.forEach((id, i) => {
      // Which streams are alive is known to the server's own process only.
      const ours = { ...(statuses.json['statuses'] as Recorded[])[i], active_stream_id: null };
      expect(entries(ours), id).toEqual(entries({ ...head.status[id], active_stream_id: null }));
      expect(entries((usages.json['usages'] as Recorded[])[i]), id).toEqual(
        entries({ session_id: id, ...head.usage[id] }),
      );
    });
    for (const mended of readable(head).filter((id) => !ids.includes(id))) {
      const { json } = await run(store, 'status', mended);
      expect(json['status'], mended).toMatchObject({
        message_count: new Digits(String((parsed(store, mended)['messages'] as unknown[]).length)),
        agent_running: true,
        active_stream_id: parsed(store, mended)['active_stream_id'],
      });
    }
    expect(status.json['status']).toEqual((statuses.json['statuses'] as Recorded[])[0]);
    expect(usage.json['usage']).toEqual((usages.json['usages'] as Recorded[])[0]);
  });

  it('shows the row and every message of the file, as spelled', async () => {
    const store = storeOf(vector);
    const head = recorded(vector, 'head', store);
    await inBatches(readable(head), async (id) => {
      const { code, json } = await run(store, 'sessions', 'show', id);
      const file = parseSpelled(textOf(store, id)) as Recorded;
      expect(code).toBe(0);
      expect(json['messages'], id).toEqual(file['messages'] ?? []);
      expect(entries(json['session'] as Recorded), id).toEqual(entries(head.compact[id]));
    });
  });

  it('refuses to show what the server could not load, and says why', async () => {
    const store = storeOf(vector);
    const head = recorded(vector, 'head', store);
    const unreadable = head.ids.filter((id) => isError(head.compact[id]));
    await inBatches(unreadable, async (id) => {
      const { code, json, stderr } = await run(store, 'show', id);
      expect(code, id).toBe(7);
      expect(json['error']).toMatchObject({ code: 'SESSION_DAMAGED', details: { session_id: id } });
      expect(stderr).toBe('');
    });
  });

  it('lists the same rows with an index as without, whatever state the index is in', async () => {
    const bare = storeOf(vector);
    const head = recorded(vector, 'head', bare);
    const without = await listAll(bare);
    const good = head.index;
    const ghost = { ...good[0], session_id: 'ghost0000001', title: 'No file has this' };
    const unstamped = good.map((row, i) =>
      Object.fromEntries(entries(row).filter(([key]) => i % 2 === 1 || key !== 'last_message_at')),
    );
    const variants: [name: string, text: string, broken: boolean][] = [
      ['as August wrote it', spelledText(good), false],
      ['in another order', spelledText([...good].reverse()), false],
      ['missing rows', spelledText(good.slice(1, -1)), false],
      ['with a row that has no file', spelledText([ghost, ...good]), false],
      ['with rows that lack last_message_at', spelledText(unstamped), false],
      ['empty list', '[]', false],
      ['cut short', spelledText(good).slice(0, -20), true],
      ['no JSON', 'not JSON at all', true],
      ['empty file', '', true],
      ['no list', '{"sessions": []}', true],
      ['with an entry that is no row', spelledText([...good, 'row']), true],
    ];
    await inBatches(variants, async ([name, text, broken]) => {
      const store = storeOf(vector);
      fs.writeFileSync(path.join(store.sessionsDir, '_index.json'), text.replaceAll(bare.root, store.root));
      const before = treeHash(store.root);
      const { code, json, warnings } = await listAll(store);
      expect(code, name).toBe(0);
      expect(json.sessions.map(entries), name).toEqual(without.json.sessions.map(entries));
      expect(warnings.filter((w) => w.code === 'INDEX_BROKEN').length, name).toBe(broken ? 1 : 0);
      expect(warnings.filter((w) => w.code === 'SESSION_DAMAGED').length, name).toBe(
        without.warnings.filter((w) => w.code === 'SESSION_DAMAGED').length,
      );
      expect(treeHash(store.root), name).toBe(before);
    });
  });
});

/**
 * The keys of a row that the beginning of this file does not tell. None where
 * the layout (messages before what identifies a session, or nowhere) makes the
 * server read all of it.
 */
function unknownToPrefix(file: Record<string, unknown>): string[] {
  const keys = Object.keys(file);
  const stop = keys.findIndex((key) => key === 'messages' || key === 'anchor_activity_scenes');
  const prefix = keys.slice(0, stop < 0 ? undefined : stop);
  if (stop < 0 || !['session_id', 'title', 'created_at', 'updated_at'].every((key) => prefix.includes(key))) return [];
  const unknown = ['user_message_count'];
  const count = prefix.includes('message_count') ? file['message_count'] : undefined;
  if (!Number.isInteger(count) || (count as number) < 0) unknown.push('message_count');
  if (!file['pending_user_message'] || !file['pending_started_at']) unknown.push('last_message_at');
  return unknown;
}
