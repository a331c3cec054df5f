import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { RawJson } from '../../../src/core/json/raw';
import { briefRow, compactRow, ROW_KEYS, type RowSource, SessionRow } from '../../../src/core/session/row';
import { sessionStatus, sessionUsage, UsageTotals } from '../../../src/core/session/status';
import { jsonText } from '../../support/arbitraries';
import { HAS_PYTHON, inPython } from '../../support/python';

const DEFAULTS = { workspace: '/srv/work', model: 'default/model', userHome: '/home/u' };

/** The row of a sidecar with these members, given as JSON texts. */
function rowOf(members: Record<string, string>, source: Partial<RowSource> = {}): SessionRow {
  const fields = new Map(Object.entries(members).map(([key, text]) => [key, new RawJson(text)]));
  return compactRow(
    { id: 'abc', fields, transcript: { count: 4, userCount: 2, lastAt: 1777000020 }, ...source },
    DEFAULTS,
  );
}

const textOf = (members: Record<string, string>, key: string, source?: Partial<RowSource>): string | undefined =>
  rowOf(members, source).raw(key)?.text;

const OPTIONAL = [
  'parent_session_id',
  'compression_recovery_source_session_id',
  'compression_recovery_action',
  'worktree_path',
  'worktree_branch',
  'worktree_repo_root',
  'worktree_created_at',
];

describe('briefRow', () => {
  it('says of each member what the whole row says', () => {
    const asked = ['session_id', 'title', 'profile', 'archived', 'pinned', 'source_tag', 'source', 'message_count'];
    const value = fc.oneof(jsonText({ maxDepth: 1 }), fc.constantFrom('null', 'true', 'false', '""', '"x"', '0', '[]'));
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...asked), value),
        fc.constantFrom(...asked, ...ROW_KEYS),
        (members, key) => {
          const fields = new Map(Object.entries(members).map(([name, text]) => [name, new RawJson(text)]));
          const source = { id: 'abc', fields, transcript: { count: 4, userCount: 2, lastAt: 1777000020 } };
          const [brief, whole] = [briefRow(source, DEFAULTS), compactRow(source, DEFAULTS)];
          const told = (row: SessionRow): unknown => [row.id, row.value(key), row.has(key), row.raw(key)?.text];
          expect(told(brief)).toEqual(told(whole));
          expect([...brief.entries()].map(([name]) => name)).toEqual([...whole.entries()].map(([name]) => name));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('compactRow', () => {
  it('has every key in the order in which the server writes them, some only where they say something', () => {
    expect([...rowOf({}).entries()].map(([key]) => key)).toEqual(ROW_KEYS.filter((key) => !OPTIONAL.includes(key)));
    const full = { parent_session_id: '"p"', compression_recovery_action: '"a"', worktree_path: '"/w"' };
    expect([...rowOf(full).entries()].map(([key]) => key)).toEqual([...ROW_KEYS]);
    const falsy = { parent_session_id: '""', compression_recovery_action: 'null', worktree_branch: '"main"' };
    expect(OPTIONAL.filter((key) => rowOf(falsy).has(key))).toEqual([]);
  });

  it.each([
    ['session_id', '"another"', '"abc"'], // a row is found again by the name of its file
    ['title', 'null', 'null'],
    ['title', undefined, '"Untitled"'],
    ['model', undefined, '"default/model"'],
    ['model', 'null', 'null'],
    ['model_provider', '" OpenAI "', '"openai"'],
    ['model_provider', '""', 'null'],
    ['created_at', '0', 'null'],
    ['updated_at', '1777000000.50', '1777000000.50'],
    ['pinned', '"false"', 'true'],
    ['archived', '0', 'false'],
    ['archived', '[]', 'false'],
    ['project_id', '""', 'null'],
    ['input_tokens', 'null', '0'],
    ['input_tokens', '12345678901234567890', '12345678901234567890'],
    ['estimated_cost', '1.0', '1.0'],
    ['compression_anchor_details', '[]', '{}'],
    ['gateway_routing', '[]', 'null'],
    ['gateway_routing', '{"a": 1.0}', '{"a": 1.0}'],
    ['gateway_routing_history', '{}', '[]'],
    ['post_compression_context_tokens_estimate', '0', 'null'],
    ['post_compression_context_tokens_estimate', '-5', 'null'],
    ['post_compression_context_tokens_estimate', '"7"', '7'],
    ['composer_draft', '"text"', '{}'],
    ['share_token', '" t "', '"t"'],
    ['workspace', '"/a/../b/"', '"/b"'],
    ['workspace', '"~/w"', '"/home/u/w"'],
    ['workspace', '""', '"/srv/work"'],
    ['is_streaming', 'true', 'false'],
  ])('%s stored as %s is %s', (key, stored, expected) => {
    expect(textOf(stored === undefined ? {} : { [key]: stored }, key)).toBe(expected);
  });

  it('takes the recorded count, else that of the transcript, else that of the index; one more to come counts', () => {
    const unread = { transcript: undefined };
    expect(textOf({ message_count: '9' }, 'message_count')).toBe('9');
    expect(textOf({ message_count: '"9"' }, 'message_count')).toBe('9');
    for (const bad of ['-1', 'null', '"many"', '{}']) expect(textOf({ message_count: bad }, 'message_count')).toBe('4');
    expect(textOf({}, 'message_count', { ...unread, knownMessageCount: 3 })).toBe('3');
    expect(textOf({}, 'message_count', unread)).toBe('null');
    const pending = { pending_user_message: '"wait"' };
    expect(textOf({ ...pending, message_count: '0' }, 'message_count')).toBe('1');
    expect(textOf({ ...pending, message_count: '5' }, 'message_count')).toBe('5');
  });

  it('keeps all digits of a count, and takes a number that is too small to be told from 0 for 0', () => {
    expect(textOf({ message_count: '12345678901234567890' }, 'message_count')).toBe('12345678901234567890');
    expect(textOf({ message_count: '"12345678901234567890"' }, 'message_count')).toBe('12345678901234567890');
    expect(textOf({ message_count: '1e22' }, 'message_count')).toBe('10000000000000000000000');
    expect(textOf({ created_at: '1e-400' }, 'created_at')).toBe('null');
    expect(textOf({ created_at: '1e-300' }, 'created_at')).toBe('1e-300');
  });

  it("has Python's str() where a text should be", () => {
    const values = { model_provider: '[1.0, "A"]', share_token: '7.0', worktree_path: '"/w"', worktree_branch: 'true' };
    const row = rowOf({ ...values, compression_recovery_action: '{"a": null}' });
    expect(row.value('model_provider')).toBe("[1.0, 'a']");
    expect(row.value('share_token')).toBe('7.0');
    expect(row.value('worktree_branch')).toBe('True');
    expect(row.value('compression_recovery_action')).toBe("{'a': None}");
    expect(textOf({ compression_recovery_action: '" \\n"' }, 'compression_recovery_action')).toBeUndefined();
  });

  it('dates the last message by the pending turn, the transcript, or the last update', () => {
    const none = { transcript: { count: 0, userCount: 0, lastAt: undefined } };
    const at = (members: Record<string, string>, source?: Partial<RowSource>) =>
      textOf(members, 'last_message_at', source);
    expect(at({ updated_at: '5' })).toBe('1777000020.0');
    expect(at({ updated_at: '5' }, none)).toBe('5');
    expect(at({}, none)).toBe('null');
    expect(at({ updated_at: '5' }, { transcript: undefined })).toBe('null');
    expect(at({ pending_user_message: '"w"', pending_started_at: '9.50' })).toBe('9.50');
    expect(at({ pending_user_message: '"w"', pending_started_at: '0' })).toBe('1777000020.0');
    expect(at({ pending_user_message: '""', pending_started_at: '9' })).toBe('1777000020.0');
  });

  it.skipIf(!HAS_PYTHON)('rounds the cache hit percentage as Python does', () => {
    const pairs = [
      ...fc.sample(fc.tuple(fc.integer({ min: -2, max: 3000 }), fc.integer({ min: -2, max: 2000 })), 2000),
      ...Array.from({ length: 200 }, (_, i): [number, number] => [i + 1, 200]), // every half
    ];
    const ours = pairs.map(([read, input]) => rowOf({ cache_read_tokens: `${read}`, input_tokens: `${input}` }));
    expect(ours.map((row) => row.value('cache_hit_percent'))).toEqual(
      inPython('r, t = v\nreturn min(100, round(r / t * 100)) if r > 0 and t > 0 else None', pairs),
    );
  });
});

describe('SessionRow', () => {
  it('replaces a value in its place and adds new ones at the end', () => {
    const row = new SessionRow(new Map(['a', 'b'].map((key) => [key, RawJson.of(key)])));
    const changed = row.with({ c: RawJson.of(3), a: RawJson.of(1) });
    expect([...changed.entries()].map(([key, { text }]) => [key, text])).toEqual([
      ['a', '1'],
      ['b', '"b"'],
      ['c', '3'],
    ]);
    expect(row.value('a')).toBe('a');
  });
});

describe('status and usage', () => {
  it('adds tokens exactly, beyond what a double holds', () => {
    const row = rowOf({ input_tokens: '9007199254740993', output_tokens: '"2"', estimated_cost: '0.10' });
    const usage = sessionUsage(row);
    expect(usage['total_tokens'].text).toBe('9007199254740995');
    expect(usage['estimated_cost'].text).toBe('0.10');
    const totals = new UsageTotals();
    totals.add(usage);
    totals.add(sessionUsage(rowOf({ input_tokens: '1', estimated_cost: 'NaN' })));
    totals.add(sessionUsage(rowOf({ output_tokens: '{}' })));
    expect(Object.entries(totals.totals()).map(([key, { text }]) => [key, text])).toEqual([
      ['sessions', '3'],
      ['input_tokens', '9007199254740994'],
      ['output_tokens', '2'],
      ['total_tokens', '9007199254740996'],
      ['estimated_cost', '0.1'],
      ['sessions_with_cost', '1'],
    ]);
  });

  it('knows no cost where no session records one', () => {
    const totals = new UsageTotals();
    totals.add(sessionUsage(rowOf({})));
    expect(totals.totals()['estimated_cost'].text).toBe('null');
  });

  it('says that a stream is recorded', () => {
    const status = (members: Record<string, string>) => sessionStatus(rowOf(members), 4, 'work', '/h/profiles/work');
    expect(status({ active_stream_id: '"s1"' })['agent_running'].text).toBe('true');
    expect(status({ active_stream_id: '""' })['agent_running'].text).toBe('false');
    expect(status({})['hermes_home'].text).toBe('"/h/profiles/work"');
  });
});
