import fs from 'node:fs';
import path from 'node:path';

import { executed } from './agent-db';
import { session, temporaryDirectory } from './store';

/** A session of an agent's database as a fleet has it. */
export interface FleetSession {
  id: string;
  source?: string;
  input_tokens?: number;
  cost?: number;
}

const SCHEMA = `
  CREATE TABLE sessions (id TEXT PRIMARY KEY, source TEXT NOT NULL, model TEXT, title TEXT, parent_session_id TEXT,
    started_at REAL NOT NULL, ended_at REAL, end_reason TEXT, message_count INTEGER DEFAULT 0,
    input_tokens INTEGER DEFAULT 0, output_tokens INTEGER DEFAULT 0, estimated_cost_usd REAL);
  CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL, role TEXT NOT NULL,
    content TEXT, timestamp REAL NOT NULL);
  CREATE INDEX idx_messages_session ON messages(session_id, timestamp);
`;

/** Makes the database of a profile's home, with these sessions, each of two turns. Gives its path. */
export function makeDatabase(home: string, sessions: readonly FleetSession[]): string {
  fs.mkdirSync(home, { recursive: true });
  const rows = sessions.map(
    ({ id, source = 'cli', input_tokens: tokens = 0, cost }, i) => `
      INSERT INTO sessions (id, source, title, started_at, message_count, input_tokens, estimated_cost_usd)
        VALUES ('${id}', '${source}', 'Of ${id}', ${1777000000 + i}, 2, ${tokens}, ${cost ?? 'NULL'});
      INSERT INTO messages (session_id, role, content, timestamp)
        VALUES ('${id}', 'user', 'Hello', ${1777000001 + i}), ('${id}', 'user', 'Again', ${1777000002 + i});`,
  );
  return executed(path.join(home, 'state.db'), SCHEMA + rows.join(''));
}

/** A home of the agent with the WebUI's store in it, where the WebUI puts it. */
export interface FleetHome {
  home: string;
  stateDir: string;
}

/** Makes a home below `root`, and in its store sessions with these fields. */
export function makeHome(
  root: string,
  name: string,
  sidecars: Record<string, Record<string, unknown> | string> = {},
): FleetHome {
  const home = path.join(root, name);
  const stateDir = path.join(home, 'webui');
  fs.mkdirSync(path.join(stateDir, 'sessions'), { recursive: true });
  for (const [id, fields] of Object.entries(sidecars)) {
    const text = typeof fields === 'string' ? fields : JSON.stringify(session(id, fields));
    fs.writeFileSync(path.join(stateDir, 'sessions', `${id}.json`), text);
  }
  return { home, stateDir };
}

/** The variables of a user who has no store of their own. */
export function strangersEnvironment(root: string): Record<string, string> {
  return { HOME: path.join(root, 'nobody'), XDG_CACHE_HOME: temporaryDirectory('hermesctl-cache-') };
}
