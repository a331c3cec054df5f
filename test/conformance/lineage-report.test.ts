import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { withAgentDatabase } from '../../src/core/agent-db/open';
import { lineageReport } from '../../src/core/agent-db/report';
import { agentDatabaseOf, buildAgentDatabase, executed, PLAIN_SCHEMA } from '../support/agent-db';
import { cli, cliJson, ROOT } from '../support/cli';
import { testDeps } from '../support/deps';
import { makeStore, STORE_VECTORS, type TestStore, vectorStore } from '../support/store';

interface Entry {
  session_id: string;
  role: string;
}

interface Report {
  segments: Entry[];
  children: Entry[];
  manual_review: boolean;
  [key: string]: unknown;
}

/** What August reports of every session of the recorded stores that has a lineage at all. */
const REPORTS = JSON.parse(
  fs.readFileSync(path.join(ROOT, 'test', 'fixtures', 'lineage-reports.json'), 'utf8'),
) as Record<string, Record<string, Report>>;

/** Ours, as JSON would show it, without what August does not tell. */
async function reportOf(database: string, id: string): Promise<Report | undefined> {
  const report = await withAgentDatabase(database, testDeps(), (open) => lineageReport(open, id));
  if (report === undefined) return undefined;
  const plain = JSON.parse(
    JSON.stringify(report, (key, value: unknown) =>
      key === 'parent_session_id' ? undefined : isRaw(value) ? value.value() : value,
    ),
  ) as Report;
  return plain;
}

const isRaw = (value: unknown): value is { value: () => unknown } =>
  typeof value === 'object' && value !== null && 'text' in value && 'value' in value;

describe.each(STORE_VECTORS)('%s', (name) => {
  it('reports each lineage as August does', async () => {
    const database = buildAgentDatabase(vectorStore(name));
    const expected = REPORTS[name];
    expect(Object.keys(expected).length).toBeGreaterThan(5);
    for (const [id, report] of Object.entries(expected)) expect(await reportOf(database, id), id).toEqual(report);
  });
});

/** Sessions `id parent started ended reason [source]`, each with a message. */
function lineageOf(...lines: string[]): TestStore {
  const store = makeStore();
  const text = (value: string | undefined): string => (value === undefined || value === '-' ? 'NULL' : `'${value}'`);
  const sql = lines.map((line) => {
    const [id, parent, started, ended, reason, source = 'cli'] = line.split(' ');
    return `INSERT INTO sessions (id, source, title, parent_session_id, started_at, ended_at, end_reason)
      VALUES ('${id}', '${source}', 'Title of ${id}', ${text(parent)}, ${started}, ${ended === '-' ? 'NULL' : ended}, ${text(reason)});`;
  });
  executed(agentDatabaseOf(store), `${PLAIN_SCHEMA} ${sql.join('\n')}`);
  return store;
}

const rolesOf = (entries: Entry[]): string[] => entries.map(({ session_id: id, role }) => `${id}:${role}`);

describe('sessions lineage', () => {
  const chain = ['root - 100 200 compression', 'middle root 200 300 cli_close', 'tip middle 300 - -'];
  const report = async (store: TestStore, id: string): Promise<Report> =>
    (await cliJson<{ lineage: Report }>(['sessions', 'lineage', id], { env: store.env })).json.lineage;

  it('goes from the session asked for back to the first, and names what was started from each', async () => {
    const store = lineageOf(
      ...chain,
      'task root 150 160 done subagent',
      'older middle 210 - -',
      'newer middle 250 - -',
    );
    const { segments, children, ...rest } = await report(store, 'tip');
    expect(rest).toEqual({
      mutation: false,
      found: true,
      session_id: 'tip',
      lineage_key: 'root',
      tip_session_id: 'tip',
      total_segments: 3,
      materialized_segments: 3,
      manual_review: false,
    });
    expect(rolesOf(segments)).toEqual(['tip:tip', 'middle:hidden_segment', 'root:hidden_segment']);
    expect(rolesOf(children)).toEqual(['newer:child_session', 'older:child_session', 'task:child_session']);
  });

  it('asks a person to look where the conversation goes on elsewhere', async () => {
    expect(await report(lineageOf(...chain), 'middle')).toMatchObject({ manual_review: true, total_segments: 2 });
    const branched = lineageOf(...chain, 'other middle 310 - -');
    expect(await report(branched, 'tip')).toMatchObject({ manual_review: true, children: [] });
  });

  it('ends where parents go in a circle, are missing, or are too many', async () => {
    const circle = lineageOf('one two 100 100 compression', 'two one 100 100 compression');
    expect(await report(circle, 'one')).toMatchObject({ manual_review: true, total_segments: 2 });
    const itself = lineageOf('one one 100 100 compression');
    expect(await report(itself, 'one')).toMatchObject({ manual_review: true, total_segments: 1 });
    const orphan = lineageOf('one gone 100 100 compression');
    expect(await report(orphan, 'one')).toMatchObject({ manual_review: false, total_segments: 1, lineage_key: 'one' });
    const long = Array.from({ length: 30 }, (_, i) => `s${i} ${i === 0 ? '-' : `s${i - 1}`} ${i} ${i} compression`);
    expect(await report(lineageOf(...long), 's29')).toMatchObject({ manual_review: true, total_segments: 21 });
  });

  it('does not join sessions of different sources, nor one that began before the other ended', async () => {
    const sources = lineageOf('root - 100 200 compression telegram', 'tip root 200 - - cli');
    expect(await report(sources, 'tip')).toMatchObject({ total_segments: 1, lineage_key: 'tip' });
    const early = lineageOf('root - 100 200 compression', 'tip root 199 - -');
    expect(await report(early, 'tip')).toMatchObject({ total_segments: 1 });
    const unended = lineageOf('root - 100 - compression', 'tip root 50 - -');
    expect(await report(unended, 'tip')).toMatchObject({ total_segments: 2 });
  });

  it('prints a line a session in a pipe, the first segment first', async () => {
    const store = lineageOf(...chain, 'task root 150 160 done subagent');
    const { code, stdout } = await cli(['sessions', 'lineage', 'tip'], { env: store.env });
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.split('\t').slice(0, 3))).toEqual([
      ['hidden_segment', 'root', ''],
      ['hidden_segment', 'middle', 'root'],
      ['tip', 'tip', 'middle'],
      ['child_session', 'task', 'root'],
      [''],
    ]);
  });

  it('fails where the database does not know the session, or cannot be asked', async () => {
    const store = lineageOf(...chain);
    const unknown = await cliJson<{ error: { code: string } }>(['sessions', 'lineage', 'nobody'], { env: store.env });
    expect(unknown).toMatchObject({ code: 5, json: { error: { code: 'SESSION_NOT_FOUND' } } });
    fs.writeFileSync(agentDatabaseOf(store), 'not a database, but long enough to be one'.repeat(20));
    const broken = await cliJson<{ error: { code: string } }>(['sessions', 'lineage', 'tip'], { env: store.env });
    expect(broken).toMatchObject({ code: 12, json: { error: { code: 'DATABASE_UNUSABLE' } } });
  });
});
