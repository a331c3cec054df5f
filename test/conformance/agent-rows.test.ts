import { describe, expect, it } from 'vitest';

import { withAgentDatabase } from '../../src/core/agent-db/open';
import { project } from '../../src/core/agent-db/projection';
import { agentRow } from '../../src/core/agent-db/row';
import { loadSessions, readAgentSession } from '../../src/core/agent-db/sessions';
import { messageFacts } from '../../src/core/agent-db/stored';
import { agentSurroundings } from '../../src/core/agent-db/surroundings';
import type { SessionRow } from '../../src/core/session/row';
import { buildAgentDatabase } from '../support/agent-db';
import { testDeps } from '../support/deps';
import { locationOf } from '../support/places';
import { ALL_VECTORS, parseSpelled, type Recorded, recorded, storeOf } from '../support/vectors';

/** What August made of sources that May did not know. */
const NEWER_SOURCES: Record<string, Record<string, string> | undefined> = {
  acp: { session_source: 'cli', source_label: 'ACP' },
  tui: { session_source: 'cli', source_label: 'TUI' },
};

const spelled = (row: SessionRow): Recorded =>
  Object.fromEntries([...row.entries()].map(([key, raw]) => [key, parseSpelled(raw.text)]));

describe.each(ALL_VECTORS)('$name', (vector) => {
  it("projects the agent's sessions as May lists them", async () => {
    const store = storeOf(vector);
    const { cli_sessions: expected } = recorded(vector, 'may', store);
    const deps = testDeps();
    const { surroundings } = agentSurroundings(locationOf(store), deps);
    await withAgentDatabase(buildAgentDatabase(store), deps, async (database) => {
      const { rows, plan } = await loadSessions(database);
      const sessions = project(rows);
      expect(plan).toBe('index');
      expect(sessions.map(({ tip }) => tip.id)).toEqual(expected.map((row) => row['session_id']));
      for (const [i, session] of sessions.entries()) {
        const facts = await messageFacts(database, session.tip.id);
        const ours = spelled(agentRow(session, facts?.count, surroundings));
        for (const [key, value] of Object.entries(expected[i])) {
          if (key === 'project_id' && value !== null) continue; // May makes a project for cron sessions while it reads
          const newer = NEWER_SOURCES[String(expected[i]['raw_source'])]?.[key];
          expect(ours[key], `${session.tip.id} ${key}`).toEqual(newer ?? value);
        }
        const alone = await readAgentSession(database, session.tip.id);
        expect(spelled(agentRow(alone!, facts?.count, surroundings)), session.tip.id).toEqual(ours);
      }
    });
  });
});
