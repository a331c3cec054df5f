import { HermesctlError } from '../errors';
import { truthy } from '../json/python';
import type { DatabaseSession, GoodFacts } from './database-facts';
import type { Check, Found } from './finding';
import type { Snapshot } from './snapshot';

const unusable: Check = {
  name: 'database-unusable',
  looksFor: 'An agent database that cannot be opened or read, or that has no table of sessions.',
  severity: 'error',
  repair: null,
  run: ({ database }) => {
    if (database.state === 'unusable')
      return [{ session_id: null, summary: database.error.message, evidence: database.error.details }];
    if (database.state !== 'good' || database.hasSessionsTable) return [];
    const summary = `The agent database ${database.path} has no table of sessions.`;
    return [{ session_id: null, summary, evidence: { path: database.path } }];
  },
};

function inDatabase(look: (database: GoodFacts, snapshot: Snapshot) => Found[]): Check['run'] {
  return (snapshot) => (snapshot.database.state === 'good' ? look(snapshot.database, snapshot) : []);
}

/** The check for which SQLite reads all of the database. */
export const QUICK_CHECK = 'database-damaged';

const damaged: Check = {
  name: QUICK_CHECK,
  looksFor: 'An agent database that does not pass SQLite’s quick check.',
  severity: 'error',
  repair: null,
  run: inDatabase(({ complaints, path }) =>
    complaints.length === 0
      ? []
      : [
          {
            session_id: null,
            summary: `SQLite finds the agent’s database damaged: ${complaints[0]}`,
            evidence: { path, complaints },
            command: `hermes sessions recover --source '${path}' --inspect-only`,
          },
        ],
  ),
};

const search: Check = {
  name: 'database-search',
  looksFor: 'A full-text table of the agent’s database that cannot be asked.',
  severity: 'warning',
  repair: null,
  run: inDatabase(({ brokenSearch, path }) =>
    brokenSearch.map(({ table, reason }) => ({
      session_id: null,
      summary: `The search table ${table} cannot be asked: ${reason}`,
      evidence: { path, table },
      command: 'hermes sessions repair',
    })),
  ),
};

/** Sessions that the WebUI had and of which only the agent's database knows. */
function withoutSidecar(look: (session: DatabaseSession, isDeleted: boolean) => Omit<Found, 'session_id'> | undefined) {
  return inDatabase(({ sessions }, { sessions: files, tombstones }) => {
    const found: Found[] = [];
    for (const session of sessions.values()) {
      if (session.source !== 'webui' || files.has(session.id)) continue;
      const said = look(session, tombstones.deleted.has(session.id));
      if (said) found.push({ session_id: session.id, ...said });
    }
    return found;
  });
}

const missingSidecar: Check = {
  name: 'database-missing-sidecar',
  looksFor: 'A session of the WebUI whose messages only the agent’s database has.',
  severity: 'error',
  repair: 'make-from-database',
  run: withoutSidecar(({ messages, active }, isDeleted) =>
    isDeleted || messages === 0
      ? undefined
      : {
          summary: `The session has no file; the agent’s database has ${active} messages of it.`,
          evidence: { messages, active },
        },
  ),
};

const deleted: Check = {
  name: 'database-deleted-session',
  looksFor: 'A session that was deleted and is still in the agent’s database.',
  severity: 'warning',
  repair: null,
  run: withoutSidecar(({ id, messages }, isDeleted) =>
    isDeleted
      ? {
          summary: `The session was deleted; the agent’s database still has it, with ${messages} messages.`,
          evidence: { messages },
          command: `hermesctl sessions delete ${id}`,
        }
      : undefined,
  ),
};

const empty: Check = {
  name: 'database-empty-session',
  looksFor: 'A session of the WebUI that is in the agent’s database without a message, and has no file.',
  severity: 'warning',
  repair: null,
  run: withoutSidecar(({ id, messages }, isDeleted) =>
    isDeleted || messages > 0
      ? undefined
      : {
          summary: 'The agent’s database has the session without a message, and there is no file.',
          evidence: {},
          command: `hermesctl sessions delete ${id}`,
        },
  ),
};

const newer: Check = {
  name: 'database-newer',
  looksFor: 'A session of which the agent’s database has more and newer messages than the file.',
  severity: 'warning',
  repair: null,
  run: inDatabase(({ sessions }, { sessions: files }) => {
    const found: Found[] = [];
    for (const [id, reading] of files) {
      const session = sessions.get(id);
      if (!session || reading.state !== 'good') continue;
      const { fields, transcript } = reading.facts;
      // What was cut from the file on purpose stays in the database.
      if ((fields.get('truncation_watermark')?.value() ?? null) !== null) continue;
      if (truthy(fields.get('pre_compression_snapshot')?.value())) continue;
      const updated = fields.get('updated_at')?.value();
      const lastAt = Math.max(transcript.lastAt ?? 0, typeof updated === 'number' ? updated : 0);
      if (session.active <= transcript.count || session.lastAt === null || session.lastAt <= lastAt) continue;
      found.push({
        session_id: id,
        summary: `The agent’s database has ${session.active} messages, the file ${transcript.count}, and the latest is not in the file.`,
        evidence: { messages: transcript.count, database_messages: session.active, database_last_at: session.lastAt },
        command: `hermesctl sessions import-cli ${id}`,
      });
    }
    return found;
  }),
};

const agentFile: Check = {
  name: 'agent-transcript-orphan',
  looksFor: 'A transcript file of the agent whose session neither its database nor the store knows.',
  severity: 'warning',
  repair: null,
  run: inDatabase(({ sessions, hasSessionsTable }, snapshot) =>
    snapshot.agentFiles
      .filter(({ session_id: id }) => hasSessionsTable && !sessions.has(id) && !snapshot.sessions.has(id))
      .map(({ session_id: id, path }) => ({
        session_id: id,
        summary: 'The agent left a transcript file of a session that nobody knows any more.',
        evidence: { path },
      })),
  ),
};

const memoryClaim: Check = {
  name: 'memory-claim',
  looksFor:
    'A session whose memory a process was committing that is gone; and a ledger of memories that cannot be read.',
  severity: 'warning',
  repair: 'clear-claim',
  run: ({ deadClaims }) =>
    deadClaims instanceof HermesctlError
      ? [{ session_id: null, summary: deadClaims.message, evidence: deadClaims.details, repair: null }]
      : deadClaims.map(({ sessionId, claim }) => ({
          session_id: sessionId,
          summary: `Process ${claim!.pid} on ${claim!.host} was committing its memory, and is gone.`,
          evidence: { pid: claim!.pid, host: claim!.host, since: claim!.since },
        })),
};

const OF_A_PROFILE: readonly Check[] = [unusable, damaged, search, missingSidecar, deleted, empty, newer, agentFile];

export const DATABASE_CHECKS: readonly Check[] = [
  ...OF_A_PROFILE.map((check) => ({ ...check, perProfile: true })),
  memoryClaim,
];
