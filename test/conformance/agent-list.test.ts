import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';

import { withAgentDatabase } from '../../src/core/agent-db/open';
import { readLineageKeys } from '../../src/core/agent-db/lineage-keys';
import { buildAgentDatabase } from '../support/agent-db';
import { cli } from '../support/cli';
import { testDeps } from '../support/deps';
import type { TestStore } from '../support/store';
import { ALL_VECTORS, Digits, parseSpelled, type Recorded, recorded, type Spelled, storeOf } from '../support/vectors';

async function listed(store: TestStore, ...flags: string[]): Promise<Recorded[]> {
  const { code, stdout } = await cli(['sessions', 'list', '--agent', '--json', ...flags], { env: store.env });
  expect(code).toBe(0);
  const document = parseSpelled(stdout) as Recorded;
  const rows = document['sessions'] as Recorded[];
  expect(document['total']).toEqual(new Digits(String(rows.length)));
  return rows;
}

const idOf = (row: Recorded): string => row['session_id'] as string;
const isOfTheAgent = (row: Recorded): boolean => row['stored_in'] === 'agent';

/** What August made of sources that May did not know. */
const NEWER_SOURCES: Record<string, Record<string, Spelled> | undefined> = {
  acp: { session_source: 'cli', source_label: 'ACP' },
  tui: { session_source: 'cli', source_label: 'TUI' },
};

/** Ids of the sessions that one row of May stands for: it names the first and the last, the database has the rest. */
function segmentsOf(row: Recorded, parents: ReadonlyMap<string, string | null>): string[] {
  const segments = [idOf(row)];
  const first = (row['_lineage_root_id'] as string | null) ?? segments[0];
  while (segments[0] !== first) segments.unshift(parents.get(segments[0])!);
  return segments;
}

function parentsIn(file: string): Map<string, string | null> {
  const database = new Database(file, { readonly: true });
  try {
    const rows = database.prepare('SELECT id, parent_session_id AS parent FROM sessions').all();
    return new Map((rows as { id: string; parent: string | null }[]).map(({ id, parent }) => [id, parent]));
  } finally {
    database.close();
  }
}

describe.each(ALL_VECTORS)('$name', (vector) => {
  it("lists the agent's sessions as May does, and those of the store once", async () => {
    const store = storeOf(vector);
    const parents = parentsIn(buildAgentDatabase(store));
    const may = recorded(vector, 'may', store);
    const rows = await listed(store, '--all');

    const ids = rows.map(idOf);
    expect(new Set(ids).size).toBe(ids.length);
    const files = new Set(may.ids);
    const expected = may.cli_sessions.filter((row) => !segmentsOf(row, parents).some((id) => files.has(id)));
    const ours = rows.filter(isOfTheAgent);
    // Pinned sessions of the store come first; among the agent's the order is May's.
    expect(ours.map(idOf)).toEqual(expected.map(idOf));
    for (const [i, theirs] of expected.entries()) {
      for (const [key, value] of Object.entries(theirs)) {
        if (key === 'project_id' && value !== null) continue; // May makes a project for cron sessions while it reads
        const newer = NEWER_SOURCES[String(theirs['raw_source'])]?.[key];
        expect(ours[i][key], `${idOf(theirs)} ${key}`).toEqual(newer ?? value);
      }
    }
  });

  it('lists a page of them as it stands in the whole list', async () => {
    const store = storeOf(vector);
    buildAgentDatabase(store);
    const whole = await listed(store, '--all');
    for (const limit of [3, 20]) {
      const { stdout } = await cli(
        ['sessions', 'list', '--agent', '--json', '--all', '--limit', String(limit), '--offset', '2'],
        { env: store.env },
      );
      const page = parseSpelled(stdout) as Recorded;
      expect(page['sessions']).toEqual(whole.slice(2, 2 + limit));
      expect(page['total']).toEqual(new Digits(String(whole.length)));
    }
  });

  it('gives the rows of the store the lineage that May gives them', async () => {
    const store = storeOf(vector);
    const database = buildAgentDatabase(store);
    const { lineage } = recorded(vector, 'may', store);
    const [plain, withAgent] = [
      parseSpelled((await cli(['sessions', 'list', '--all', '--json'], { env: store.env })).stdout) as Recorded,
      (await listed(store, '--all')).filter((row) => !isOfTheAgent(row)),
    ];
    expect(withAgent.map(idOf)).toEqual((plain['sessions'] as Recorded[]).map(idOf));
    for (const [i, row] of (plain['sessions'] as Recorded[]).entries()) {
      expect(withAgent[i]).toEqual({ ...row, ...lineage[idOf(row)] });
    }
    // Asked of all sessions of the database, it is the same.
    const all = [...parentsIn(database).keys()];
    const keys = await withAgentDatabase(database, testDeps(), (open) => readLineageKeys(open, all));
    const spelled = [...keys].map(([id, known]): [string, Recorded] => [
      id,
      Object.fromEntries(Object.entries(known).map(([key, raw]) => [key, parseSpelled(raw.text)])),
    ]);
    expect(Object.fromEntries(spelled)).toEqual(lineage);
  });

  it('hides by default what August hides', async () => {
    const store = storeOf(vector);
    const parents = parentsIn(buildAgentDatabase(store));
    const { importable_rows: visible } = recorded(vector, 'head', store);
    const [all, shown] = await Promise.all([
      listed(store, '--all'),
      listed(store, '--cron', '--webhook', '--kanban', '--archived'),
    ]);
    const shownIds = new Set(shown.map(idOf));
    const visibleIds = new Set(visible.map((row) => row['id'] as string));
    const continued = new Set(parents.values());
    // Where May and August agree what a conversation is: sessions that stand alone.
    const ids = all.filter(isOfTheAgent).map(idOf);
    const comparable = ids.filter((id) => parents.get(id) === null && !continued.has(id));
    expect(comparable.length).toBeGreaterThan(0);
    expect(comparable.filter((id) => shownIds.has(id))).toEqual(comparable.filter((id) => visibleIds.has(id)));
  });
});
