import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';

import { HermesctlError } from '../../../src/core/errors';
import type { OpenFile } from '../../../src/core/files/open-file';
import { decodeJson } from '../../../src/core/json/decode';
import { arrayItemSpans } from '../../../src/core/json/document';
import { bytesSource } from '../../../src/core/json/reader';
import { type Splice, writeSpliced } from '../../../src/core/json/splice';
import { entryOf } from '../../../src/core/index/rows-file';
import type { RowDefaults, RowSource } from '../../../src/core/session/row';
import { WRITER_ORDER } from '../../../src/core/session/writer';
import { planMetadataEdit } from '../../../src/core/sidecar/metadata-edit';
import { scanOpenSidecar } from '../../../src/core/sidecar/read';
import { planTruncate } from '../../../src/core/sidecar/truncate';
import { LAYOUTS, type OddDocument, oddDocument, spell, type Spelled } from '../../support/documents';
import { HAS_PYTHON, python } from '../../support/python';
import { coreDeps, type RawMember, rawMember, rawMembers } from '../../support/writing';

const DEFAULTS: RowDefaults = { workspace: '/srv/work', model: '', userHome: '/home/u' };
const NOW = 1790000000.25;
const GENERATION = '0123456789ab4cde89abcdef01234567';
const deps = coreDeps({
  clock: { now: () => NOW, sleep: () => Promise.resolve() },
  ids: { uuidHex: () => GENERATION },
});

/** A file that is only in memory; beside its path there is no backup. */
const openFile = (bytes: Buffer): OpenFile => ({
  path: '/nonexistent/odd.json',
  source: bytesSource(bytes),
  stamp: { dev: 0n, ino: 0n, size: BigInt(bytes.length), mtimeNs: 0n, ctimeNs: 0n },
});

function spliced(bytes: Buffer, splices: readonly Splice[]): Buffer {
  const pieces: Buffer[] = [];
  writeSpliced(bytesSource(bytes), bytes.length, splices, (piece) => pieces.push(Buffer.from(piece)));
  return Buffer.concat(pieces);
}

/** What each command does, and to which members. */
const CUT = [
  'updated_at',
  'truncation_watermark',
  'truncation_boundary',
  'intentional_shrink_generation',
  'message_count',
];
const EDITS = {
  undo: { changes: CUT, turns: 1 },
  retry: { changes: CUT, turns: 1 },
  'undo 2': { changes: CUT, turns: 2 },
  'undo 3': { changes: CUT, turns: 3 },
  rename: { changes: ['title', 'manual_title', 'llm_title_generated', 'updated_at'] },
  pin: { changes: ['pinned', 'updated_at'] },
  archive: { changes: ['archived'] },
} as const;
type Edit = keyof typeof EDITS;
const NEW_TITLE = 'A "new" title – 日本';

/** The document after the command; undefined where it has nothing to do. */
function after(edit: Edit, bytes: Buffer): Buffer | undefined {
  const file = openFile(bytes);
  const sidecar = scanOpenSidecar(file, 'odd');
  const { turns } = EDITS[edit] as { turns?: number };
  if (turns === undefined) {
    const change = edit === 'rename' ? { title: NEW_TITLE } : edit === 'pin' ? { pinned: true } : { archived: true };
    const planned = planMetadataEdit(file, sidecar, change, true, deps);
    return planned && spliced(bytes, planned.splices);
  }
  try {
    const plan = planTruncate(edit === 'retry' ? 'retry' : 'undo', file, sidecar, { turns, force: true }, deps);
    const now = spliced(bytes, plan.edit.splices);
    // The index is told of the new version without reading it.
    const row = (source: RowSource): unknown => ({
      ...entryOf(source, DEFAULTS),
      text: entryOf(source, DEFAULTS).text.toString(),
    });
    expect(row(plan.after)).toEqual(row(scanOpenSidecar(openFile(now), 'odd')));
    return now;
  } catch (error) {
    if (error instanceof HermesctlError && error.code.startsWith('NOTHING_TO_')) return undefined;
    throw error;
  }
}

/** The keys of which a cut shortens the value, besides those that it sets. */
const shortened = (edit: Edit): readonly string[] => ('turns' in EDITS[edit] ? ['messages', 'context_messages'] : []);

/**
 * Takes back, on the bytes, all that the command is allowed to do: puts the old
 * values back in the place of the new ones and drops the members that came in.
 * What is left must be the document that was.
 */
function takenBack(edit: Edit, before: Buffer, now: Buffer): string {
  const old = rawMembers(before);
  const last = (members: RawMember[], key: string): number => members.findLastIndex((member) => member.key === key);
  const members = rawMembers(now);
  const isNew = ({ key }: RawMember): boolean =>
    (EDITS[edit].changes as readonly string[]).includes(key) && last(old, key) < 0;
  const mayChange = [...EDITS[edit].changes, ...shortened(edit)];
  let out = '';
  let end = 0;
  members.forEach((member, i) => {
    const keyToValue = now.toString('utf8', member.keyStart, member.start);
    const isFirst = members.slice(0, i).every(isNew);
    if (i === 0) out += now.toString('utf8', 0, member.keyStart);
    if (!isNew(member)) {
      if (!isFirst) out += now.toString('utf8', end, member.keyStart);
      const at = mayChange.includes(member.key) && last(members, member.key) === i ? last(old, member.key) : -1;
      out += keyToValue + (at < 0 ? member.text : old[at].text);
    }
    end = member.end;
  });
  return out + now.toString('utf8', end);
}

const items = (text: string): string[] =>
  [...arrayItemSpans(bytesSource(Buffer.from(text)))].map(({ start, end }) =>
    Buffer.from(text).toString('utf8', start, end),
  );

/** Where a list of messages is cut: before the n-th user message from its end; undefined where it has none. */
function cutAt(messages: string[], turns: number, atLeastOne: boolean): number | undefined {
  const users = messages.flatMap((text, i) => {
    const value = decodeJson(text) as { role?: unknown } | null;
    return typeof value === 'object' && value?.role === 'user' ? [i] : [];
  });
  if (users.length >= turns) return users.at(-turns);
  return atLeastOne ? users[0] : undefined;
}

function expectCut(edit: Edit, before: Buffer, now: Buffer): void {
  const { turns } = EDITS[edit] as { turns: number };
  for (const key of ['messages', 'context_messages']) {
    const old = rawMember(before, key);
    if (!old?.startsWith('[')) {
      expect(rawMember(now, key)).toBe(old);
      continue;
    }
    const at = cutAt(items(old), turns, key === 'context_messages');
    const kept = items(rawMember(now, key)!);
    expect(kept).toEqual(items(old).slice(0, at));
    // Not only the messages: what stands between them, and how the list is closed.
    const text = rawMember(now, key)!;
    if (at === 0) expect(text).toBe('[]');
    else if (at !== undefined) expect(old.startsWith(text.slice(0, text.lastIndexOf(kept.at(-1)!)))).toBe(true);
  }
  expect(rawMember(now, 'message_count')).toBe(String(items(rawMember(now, 'messages')!).length));
  expect(rawMember(now, 'intentional_shrink_generation')).toBe(`"${GENERATION}"`);
  expect(rawMember(now, 'truncation_boundary')).toBe(rawMember(now, 'truncation_watermark'));
}

function expectInserted(edit: Edit, { layout, ordered, bytes }: OddDocument, now: Buffer): void {
  const old = rawMembers(bytes);
  const members = rawMembers(now);
  members.forEach((member, i) => {
    if (old.some(({ key }) => key === member.key) || !(EDITS[edit].changes as readonly string[]).includes(member.key))
      return;
    const separator = `,${layout.space}${layout.line(1)}`;
    const from = i === 0 ? member.keyStart : members[i - 1].end;
    const key = `${JSON.stringify(member.key)}${layout.colon}`;
    expect(now.toString('utf8', from, member.start)).toBe(i === 0 ? key : separator + key);
    if (i === 0 && members.length > 1) {
      expect(now.toString('utf8', member.end, members[1].keyStart)).toBe(separator);
    }
  });
  if (!ordered) return;
  const ranks = members.map(({ key }) => WRITER_ORDER.indexOf(key)).filter((rank) => rank >= 0);
  expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
}

interface Case {
  edit: Edit;
  turns: number;
  before: string;
  after: string;
}
const cases: Case[] = [];

function check(edit: Edit, document: OddDocument): void {
  const now = after(edit, document.bytes);
  if (now === undefined) return;
  if (rawMembers(document.bytes).length > 0) {
    expect(takenBack(edit, document.bytes, now)).toBe(document.bytes.toString());
    expectInserted(edit, document, now);
  }
  if ('turns' in EDITS[edit]) expectCut(edit, document.bytes, now);
  if (edit !== 'archive') expect(rawMember(now, 'updated_at')).toBe('1790000000.25');
  if (edit === 'rename') expect(rawMember(now, 'title')).toBe(JSON.stringify(NEW_TITLE));
  if (edit === 'rename') expect(rawMember(now, 'manual_title')).toBe('true');
  if (edit === 'pin') expect(rawMember(now, 'pinned')).toBe('true');
  if (edit === 'archive') expect(rawMember(now, 'archived')).toBe('true');
  cases.push({
    edit,
    turns: (EDITS[edit] as { turns?: number }).turns ?? 0,
    before: document.bytes.toString(),
    after: now.toString(),
  });
}

const RUNS = 400;

describe('an edit changes what it means to, and no other byte', () => {
  it.each(Object.keys(EDITS) as Edit[])('%s, on odd documents', (edit) => {
    fc.assert(
      fc.property(oddDocument(WRITER_ORDER), (document) => check(edit, document)),
      { numRuns: RUNS },
    );
  });

  it.each(LAYOUTS)('inserts into a document of one member as it is laid out: $name', (layout) => {
    const members: Spelled = { members: [['"messages"', { items: [{ members: [['"role"', '"user"']] }] }]] };
    const document = { layout, ordered: true, bytes: Buffer.from(spell(members, layout)) };
    for (const edit of ['undo', 'rename', 'pin', 'archive'] as const) {
      const now = after(edit, document.bytes)!;
      expectInserted(edit, document, now);
      expect(takenBack(edit, document.bytes, now)).toBe(document.bytes.toString());
    }
  });

  it.each(['{}', ' \n{\n}\n', '\ufeff{ }', `${' '.repeat(1000)}{}`])('inserts into an empty document: %j', (text) => {
    const now = after('pin', Buffer.from(text))!;
    expect(decodeJson(now.toString().replace('\ufeff', ''))).toEqual({ updated_at: NOW, pinned: true });
    expect(now.toString()).toContain('{\n  "updated_at": 1790000000.25,\n  "pinned": true\n');
  });

  afterAll(() => {
    expect(cases.length).toBeGreaterThan(RUNS); // else the documents are too odd to be edited, and nothing was shown
  });
});

/**
 * The server's own rules on what Python reads: a cut of the list, the stamps,
 * the changed values; and every other member as it was, in its place.
 */
const ORACLE = `
import json, math, sys
NOW = 1790000000.25

def cut(messages, turns, fewer):
    users = [i for i, m in enumerate(messages) if isinstance(m, dict) and m.get('role') == 'user']
    if not users or (len(users) < turns and not fewer):
        return messages
    return messages[:users[-min(turns, len(users))]]

def watermark(messages):
    if not messages:
        return 0.0
    try:
        t = float(messages[-1].get('timestamp') or 0)
    except (AttributeError, TypeError, ValueError):
        return 0.0
    return t if math.isfinite(t) else 0.0   # ours: no NaN is added to a file

bad = []
cases = json.load(sys.stdin)
for case in cases:
    want = json.loads(case['before'].removeprefix('\\ufeff'))
    got = json.loads(case['after'].removeprefix('\\ufeff'))
    edit = case['edit']
    if case['turns']:
        want['messages'] = cut(want['messages'], case['turns'], False)
        if isinstance(want.get('context_messages'), list):
            want['context_messages'] = cut(want['context_messages'], case['turns'], True)
        want['truncation_watermark'] = want['truncation_boundary'] = watermark(want['messages'])
        want['intentional_shrink_generation'] = '${GENERATION}'
        want['message_count'] = len(want['messages'])
        want['updated_at'] = NOW
    elif edit == 'rename':
        want.update(title=${JSON.stringify(NEW_TITLE)}, manual_title=True, llm_title_generated=False, updated_at=NOW)
    elif edit == 'pin':
        want.update(pinned=True, updated_at=NOW)
    else:
        want.update(archived=True)
    # repr tells 1 from 1.0 and True, and is the same for NaN; the places of new keys are checked elsewhere.
    before = json.loads(case['before'].removeprefix('\\ufeff'))
    same = {k: repr(v) for k, v in got.items()} == {k: repr(v) for k, v in want.items()}
    if not same or [k for k in got if k in before] != list(before):
        bad.append([edit, case['before'], case['after'], repr(want)])
print(json.dumps({'checked': len(cases), 'bad': bad[:3]}))
`;

it.skipIf(!HAS_PYTHON)("reads the same in Python's eyes, before and after", () => {
  const { checked, bad } = JSON.parse(python(ORACLE, JSON.stringify(cases))) as { checked: number; bad: unknown[] };
  expect(bad).toEqual([]);
  expect(checked).toBe(cases.length);
  expect(checked).toBeGreaterThan(RUNS);
});
