import fs from 'node:fs';

import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';

import { parentIds, repairSession, type RepairResult } from '../../src/core/changes/repair';
import type { Changed } from '../../src/core/changes/sessions';
import { cliJson } from '../support/cli';
import { vectorStore, type TestStore } from '../support/store';
import { ALL_VECTORS, storeOf, type Vector } from '../support/vectors';
import {
  changeTarget,
  coreDeps,
  outcomeOf,
  rawMembers,
  readIndexRows,
  readSidecar,
  sidecarFile,
} from '../support/writing';

/*
 * The repair of a stale turn against what the real hermes-webui of May and of
 * August 2026 made of the same files. May mends a session without messages;
 * August also one with messages, and then other words stand in its mark.
 */

interface Recorded {
  result: Record<string, unknown>;
  after: Record<string, unknown> | null;
}

function recordedRepairs(vector: Vector, version: 'may' | 'head', store: TestStore): [number, Map<string, Recorded>] {
  const text = fs.readFileSync(`${vector.dir}/expect.${version}.json`, 'utf8').replaceAll('$STORE', store.root);
  const { now, repair } = JSON.parse(text) as { now: number; repair: Record<string, Recorded> };
  return [now, new Map(Object.entries(repair))];
}

/** Sessions of which the agent's database has messages: before any repair, August takes those over. */
function idsWithMessages(vector: Vector): Set<string> {
  const home = `${vector.dir}/store/hermes`;
  const database = fs.existsSync(`${home}/state.db`)
    ? new Database(fs.readFileSync(`${home}/state.db`))
    : new Database(':memory:').exec(fs.readFileSync(`${home}/state.sql`, 'utf8'));
  const rows = database.prepare('SELECT DISTINCT session_id AS id FROM messages').all() as { id: string }[];
  database.close();
  return new Set(rows.map(({ id }) => id));
}

type Fields = Record<string, unknown>;

/** What a repair means to change: everything else keeps its bytes. */
const CHANGED = [
  'updated_at',
  'active_stream_id',
  'pending_user_message',
  'pending_attachments',
  'pending_started_at',
  'pending_user_source',
  'truncation_watermark',
  'message_count',
  'messages',
  'context_messages',
  'tool_calls',
  'input_tokens',
  'output_tokens',
  'estimated_cost',
];
const ENDED = ['active_stream_id', 'pending_user_message', 'pending_attachments', 'pending_started_at'];
const COUNTED = ['tool_calls', 'input_tokens', 'output_tokens', 'estimated_cost'];

const untouched = (bytes: Buffer): [string, string][] =>
  rawMembers(bytes)
    .filter(({ key }) => !CHANGED.includes(key))
    .map(({ key, text }) => [key, text]);

const messagesOf = (fields: Fields): Fields[] => (fields['messages'] ?? []) as Fields[];
const isMark = (message: Fields): boolean => message['_error'] === true;

/** A mark without what differs between the versions: its words, its cause, what it asks of the server. */
const bareMark = ({ role, timestamp, _error }: Fields): Fields => ({ role, timestamp, _error });

describe.each(ALL_VECTORS)('the recorded store $name', (vector) => {
  it('is repaired as the server repairs it', async () => {
    const first = storeOf(vector);
    const [now, may] = recordedRepairs(vector, 'may', first);
    const elsewhere = idsWithMessages(vector);
    let repaired = 0;
    for (const id of may.keys()) {
      const store = storeOf(vector);
      const [, head] = recordedRepairs(vector, 'head', store);
      const before = fs.readFileSync(sidecarFile(store, id));
      const deps = coreDeps({ clock: { now: () => now, sleep: () => Promise.resolve() } });
      const target = changeTarget(store);
      const options = { streamMayLive: false, parents: parentIds(target.location, deps) };
      const outcome = await outcomeOf<Changed<RepairResult>>(repairSession(target, id, options, deps));
      if ('code' in outcome) {
        expect(outcome, id).toEqual({ code: 'SESSION_DAMAGED', exit: 7 });
        expect(fs.readFileSync(sidecarFile(store, id)), id).toEqual(before);
        continue;
      }
      const { result } = outcome.value;
      const bytes = fs.readFileSync(sidecarFile(store, id));
      const old = readSidecar(store, id);
      if (!result.repaired) {
        expect(bytes, id).toEqual(before);
        const untouchedByHead = head.get(id)!.after;
        if (!elsewhere.has(id) && untouchedByHead) expect(messagesOf(untouchedByHead), id).toEqual(messagesOf(old));
        continue;
      }
      repaired++;
      expect(untouched(bytes), id).toEqual(untouched(before));
      expect(fs.readFileSync(`${sidecarFile(store, id)}.bak`), id).toEqual(before);
      expect(old['message_count'], id).toBe(messagesOf(old).length);
      expect(
        readIndexRows(store).find((row) => row['session_id'] === id),
        id,
      ).toMatchObject({
        message_count: messagesOf(old).length,
        updated_at: now,
        has_pending_user_message: false,
      });

      const mayAfter = may.get(id)!.after!;
      if (result.messages_before === 0 && !mayAfter['active_stream_id']) {
        for (const key of [...ENDED, ...COUNTED, 'updated_at', 'messages'])
          expect(old[key], `${id}.${key} as in May`).toEqual(mayAfter[key]);
      }
      if (elsewhere.has(id)) continue;
      const headAfter = head.get(id)!.after!;
      for (const key of [...ENDED, ...COUNTED, 'updated_at', 'message_count'])
        expect(old[key] ?? null, `${id}.${key} as in August`).toEqual(headAfter[key] ?? null);
      const plain = (fields: Fields): Fields[] => messagesOf(fields).map((one) => (isMark(one) ? bareMark(one) : one));
      expect(plain(old), id).toEqual(plain(headAfter));
      const context = (old['context_messages'] ?? []) as Fields[];
      if (context.length > 0) expect(context, id).toEqual(headAfter['context_messages']);
    }
    if (vector.name === 'stale-5') expect(repaired).toBe(9);
  });
});

it('repairs a whole store at once, and finds nothing the second time', async () => {
  const store = vectorStore('stale-5');
  const first = await cliJson<{ sessions: RepairResult[] }>(['sessions', 'repair', '--all'], { env: store.env });
  expect(first.code).toBe(0);
  expect(first.json.sessions.filter(({ repaired }) => repaired)).toHaveLength(9);
  expect(first.json.sessions.filter(({ repaired }) => !repaired)).toMatchObject([
    { session_id: 'sess_5_0529', reason: 'continued' },
  ]);
  const second = await cliJson<{ sessions: RepairResult[] }>(['sessions', 'repair', '--all'], { env: store.env });
  expect(second.code).toBe(0);
  expect(second.json.sessions.map(({ reason }) => reason)).toEqual(['continued']);
});
