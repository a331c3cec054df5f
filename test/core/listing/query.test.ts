import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  type ListedRow,
  type ListFilter,
  matches,
  NO_FILTER,
  SORT_KEYS,
  type SortKey,
  sortRows,
} from '../../../src/core/listing/query';
import { RawJson } from '../../../src/core/json/raw';
import { SessionRow } from '../../../src/core/session/row';

function listed(fields: Record<string, unknown>, activity = 100): ListedRow {
  const all = { session_id: 'abc', title: 'A talk', message_count: 2, ...fields };
  return { row: new SessionRow(new Map(Object.entries(all).map(([key, v]) => [key, RawJson.of(v)]))), activity };
}

/** What a bare `sessions list` asks for. */
const BARE: ListFilter = {
  ...NO_FILTER,
  all: false,
  archived: 'hide',
  cron: false,
  webhook: false,
  kanban: false,
  empty: false,
};

const EMPTY = { title: 'Untitled', message_count: 0 };

describe('matches: what is hidden unless asked for', () => {
  it.each<[string, Record<string, unknown>, Partial<ListFilter>]>([
    ['archived', { archived: true }, { archived: 'show' }],
    ['archived, as an old index may spell it', { archived: 1 }, { archived: 'show' }],
    ['of cron, by its tag', { source_tag: 'cron' }, { cron: true }],
    ['of cron, by its id', { session_id: 'cron_job1_20260425' }, { cron: true }],
    ['of cron, by its raw source', { source_tag: null, raw_source: 'cron' }, { cron: true }],
    ['of cron, by its session source', { source_tag: '', session_source: 'cron' }, { cron: true }],
    ['of a webhook', { source_tag: 'webhook' }, { webhook: true }],
    ['of a kanban card', { source_tag: 'kanban' }, { kanban: true }],
    ['empty and untitled', EMPTY, { empty: true }],
    ['empty and without a title', { ...EMPTY, title: 'Untitled', active_stream_id: null }, { empty: true }],
  ])('a session %s', (_what, fields, asked) => {
    expect(matches(listed(fields), BARE)).toBe(false);
    expect(matches(listed(fields), { ...BARE, ...asked })).toBe(true);
    expect(matches(listed(fields), { ...BARE, all: true })).toBe(true);
  });

  it.each<[string, Record<string, unknown>]>([
    ['titled and empty', { message_count: 0 }],
    ['untitled with messages', { title: 'Untitled' }],
    ['untitled, streaming', { ...EMPTY, active_stream_id: 's1' }],
    ['untitled, with a turn pending', { ...EMPTY, pending_user_message: 'wait' }],
    ['untitled, with a worktree', { ...EMPTY, worktree_path: '/w' }],
    ['of another source', { source_tag: 'telegram', raw_source: 'cron' }],
    ['whose id only contains cron_', { session_id: 'my_cron_job' }],
  ])('but not one %s', (_what, fields) => {
    expect(matches(listed(fields), BARE)).toBe(true);
  });

  it('takes a row without a title for untitled', () => {
    const row = new SessionRow(new Map([['message_count', RawJson.of(0)]]));
    expect(matches({ row, activity: 0 }, BARE)).toBe(false);
  });
});

describe('matches: what is asked for', () => {
  it.each<[Partial<ListFilter>, Record<string, unknown>, Record<string, unknown>]>([
    [{ archived: 'only' }, { archived: true }, { archived: false }],
    [{ archived: 'only' }, { archived: 1 }, { archived: 0 }],
    [{ pinnedOnly: true }, { pinned: true }, { pinned: false }],
    [{ pinnedOnly: true }, { pinned: 1 }, {}],
    [{ profile: 'work' }, { profile: 'work' }, { profile: null }],
    [{ profile: 'default' }, { profile: '' }, { profile: 'work' }],
    [{ projectId: 'p1' }, { project_id: 'p1' }, { project_id: 'p2' }],
    [{ projectId: null }, { project_id: null }, { project_id: 'p1' }],
    [{ projectId: null }, {}, { project_id: 'p1' }],
    [{ sources: ['cli', 'telegram'] }, { source_tag: 'telegram' }, { source_tag: 'slack' }],
    [{ sources: ['webui'] }, { source_tag: null }, { source_tag: 'cli' }],
    [{ title: 'TALK' }, { title: 'A talk' }, { title: 'A speech' }],
    [{ title: 'talk' }, { title: 'A TALK' }, { title: null }],
    [{ model: 'gpt' }, { model: 'openai/GPT-5' }, { model: '' }],
  ])('%j takes %j, not %j', (filter, wanted, unwanted) => {
    for (const all of [true, false]) {
      expect(matches(listed(wanted), { ...BARE, archived: 'show', all, ...filter })).toBe(true);
      expect(matches(listed(unwanted), { ...BARE, archived: 'show', all, ...filter })).toBe(false);
    }
  });

  it('takes both ends of a span of time', () => {
    const span = { ...NO_FILTER, since: 10, until: 20 };
    expect([9.9, 10, 15, 20, 20.1].map((at) => matches(listed({}, at), span))).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
  });
});

const ids = (rows: ListedRow[]): string[] => rows.map(({ row }) => row.id);

describe('sortRows', () => {
  const b = listed(
    { session_id: 'b', title: 'beta', created_at: 3, updated_at: 1, last_message_at: 2, message_count: 9 },
    20,
  );
  const a = listed({
    session_id: 'a',
    title: 'Alpha',
    created_at: 2,
    updated_at: 3,
    input_tokens: 5,
    output_tokens: 6,
  });
  const c = listed(
    { session_id: 'c', title: 'gamma', pinned: true, updated_at: 2, output_tokens: 10, estimated_cost: '1.5' },
    10,
  );

  it.each<[SortKey, string]>([
    ['activity', 'cab'], // pinned first
    ['updated', 'acb'],
    ['created', 'bac'],
    ['last-message', 'bac'],
    ['messages', 'bac'],
    ['tokens', 'acb'],
    ['cost', 'cab'],
    ['title', 'abc'],
    ['id', 'abc'],
  ])('by %s', (key, order) => {
    const rows = [b, c, a];
    sortRows(rows, key, false);
    expect(ids(rows).join('')).toBe(order);
  });

  it('knows an order for every key', () => {
    expect([...SORT_KEYS].sort()).toEqual(
      ['activity', 'updated', 'created', 'last-message', 'messages', 'tokens', 'cost', 'title', 'id'].sort(),
    );
  });

  it('keeps pinned sessions first when reversed', () => {
    const rows = [b, c, a];
    sortRows(rows, 'activity', true);
    expect(ids(rows).join('')).toBe('cba');
    sortRows(rows, 'title', true);
    expect(ids(rows).join('')).toBe('cba');
  });

  const row = fc
    .record({
      session_id: fc.string({ unit: fc.constantFrom(...'abc'), minLength: 1, maxLength: 3 }),
      title: fc.oneof(fc.string(), fc.constant(null)),
      updated_at: fc.constantFrom(1, 2, null, 'NaN', 'x', '3'),
      created_at: fc.constantFrom(1, 2, null),
      last_message_at: fc.constantFrom(1, 2, null),
      estimated_cost: fc.constantFrom(0.5, 1, null, '2', {}),
      pinned: fc.boolean(),
    })
    .chain((fields) => fc.constantFrom(0, 1, 2).map((activity) => listed(fields, activity)));

  it('gives one order, whatever order the rows came in, and loses none', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(row, { selector: ({ row: r }) => r.id, maxLength: 8 }),
        fc.constantFrom(...SORT_KEYS),
        fc.boolean(),
        fc.infiniteStream(fc.nat()),
        (rows, key, reverse, random) => {
          const sorted = [...rows];
          sortRows(sorted, key, reverse);
          const shuffled = rows
            .map((r) => [random.next().value as number, r] as const)
            .sort(([x], [y]) => x - y)
            .map(([, r]) => r);
          sortRows(shuffled, key, reverse);
          expect(ids(shuffled)).toEqual(ids(sorted));
          expect(ids(sorted).sort()).toEqual(ids(rows).sort());
        },
      ),
    );
  });
});
