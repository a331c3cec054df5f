import { countMessages } from '../agent-db/counts';
import type { AgentDatabase } from '../agent-db/database';
import { type AgentTranscript, readTranscript } from '../agent-db/messages';
import { withAgentDatabase } from '../agent-db/open';
import { lineageReport, type LineageReport } from '../agent-db/report';
import { agentRow } from '../agent-db/row';
import { readAgentSession } from '../agent-db/sessions';
import { agentSurroundings } from '../agent-db/surroundings';
import type { Deps } from '../deps';
import { HermesctlError, type Warning } from '../errors';
import { nonNegativeInt, type SessionRow } from '../session/row';
import { type RawRecord, sessionStatus, sessionUsage } from '../session/status';
import type { Location } from '../location/location';
import type { Read } from './details';
import { ambiguous, MIN_PREFIX } from './resolve-id';

/**
 * The agent session that a person means: exact, else the only one that begins
 * so (where prefixes are allowed). Undefined where there is no database, or
 * none such in it. The id is any text: it is bound, never made a path.
 *
 * @throws HermesctlError `USAGE` where it is ambiguous, `DATABASE_UNUSABLE` where nobody can tell.
 */
export async function resolveAgentId(
  location: Location,
  deps: Deps,
  given: string,
  allowPrefix: boolean,
): Promise<string | undefined> {
  return ifThere(() =>
    withAgentDatabase(location.agentDatabase.value, deps, async (database) => {
      if (!(await database.columns('sessions')).has('id')) return undefined;
      if (await database.first('SELECT 1 FROM sessions WHERE id = ?', given)) return given;
      if (!allowPrefix || given.length < MIN_PREFIX) return undefined;
      // By range, which the index of the primary key serves; LIKE would take _ for any character.
      const sql = 'SELECT id FROM sessions WHERE id >= ? AND id < ? ORDER BY id';
      const ids = (await database.all(sql, given, `${given}\u{10ffff}`)).map((row) => String(row['id']));
      if (ids.length > 1) throw ambiguous(given, ids);
      return ids[0];
    }),
  );
}

/** What `work` gives; undefined where the database that it opens does not exist. */
async function ifThere<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof HermesctlError && error.details['reason'] === 'missing') return undefined;
    throw error;
  }
}

/** One agent session, while its database is open. */
export interface OpenAgentSession {
  row: SessionRow;
  warnings: Warning[];
  /** Reads which messages it has. */
  transcript: () => Promise<AgentTranscript>;
}

/**
 * Hands one agent session to `use`, with the row that a list would show of it.
 *
 * @throws HermesctlError `SESSION_NOT_FOUND`, `DATABASE_UNUSABLE`.
 */
export async function withAgentSession<T>(
  location: Location,
  deps: Deps,
  id: string,
  use: (session: OpenAgentSession) => Promise<T>,
): Promise<T> {
  const path = location.agentDatabase.value;
  return withAgentDatabase(path, deps, async (database) => {
    const found = await rowOf(database, location, deps, id);
    if (found === undefined) throw notInDatabase(id, path);
    return use({ ...found, transcript: () => readTranscript(database, id) });
  });
}

async function rowOf(
  database: AgentDatabase,
  location: Location,
  deps: Deps,
  id: string,
): Promise<{ row: SessionRow; warnings: Warning[] } | undefined> {
  const session = await readAgentSession(database, id);
  if (session === undefined) return undefined;
  const { surroundings, warnings } = agentSurroundings(location, deps);
  const counts = await countMessages(database, [id]);
  return { row: agentRow(session, counts?.get(id) ?? 0, surroundings), warnings };
}

/** The status snapshot of an agent session. Throws as {@link withAgentSession}. */
export async function readAgentStatus(location: Location, deps: Deps, id: string): Promise<Read<RawRecord>> {
  return withAgentSession(location, deps, id, ({ row, warnings }) => {
    const count = nonNegativeInt(row.raw('message_count')) ?? 0;
    const status = sessionStatus(row, count, location.profile.value, location.profileHome.value);
    return Promise.resolve({ value: status, warnings });
  });
}

/** Tokens and cost of an agent session, of its last segment. Throws as {@link withAgentSession}. */
export async function readAgentUsage(location: Location, deps: Deps, id: string): Promise<Read<RawRecord>> {
  return withAgentSession(location, deps, id, ({ row, warnings }) =>
    Promise.resolve({ value: sessionUsage(row), warnings }),
  );
}

export function notInDatabase(id: string, path: string): HermesctlError {
  return new HermesctlError('SESSION_NOT_FOUND', `There is no session ${id} in ${path}.`, {
    hint: "'hermesctl sessions list --agent --all' shows all that hermesctl knows; -p names another profile.",
    details: { session_id: id },
  });
}

/** The lineage of a session, of the agent or mirrored there by the WebUI. Throws as {@link withAgentSession}. */
export async function readLineage(location: Location, deps: Deps, id: string): Promise<LineageReport> {
  const path = location.agentDatabase.value;
  const report = await withAgentDatabase(path, deps, (database) => lineageReport(database, id));
  if (report === undefined) throw notInDatabase(id, path);
  return report;
}
