import fs from 'node:fs';
import path from 'node:path';

import Database from 'better-sqlite3';

import type { TestStore } from './store';

export const agentDatabaseOf = (store: TestStore): string => path.join(store.hermesHome, 'state.db');

/** Makes the agent database of a recorded store, where only its SQL was recorded. Gives its path. */
export function buildAgentDatabase(store: TestStore): string {
  const file = agentDatabaseOf(store);
  const sql = path.join(store.hermesHome, 'state.sql');
  if (!fs.existsSync(file) && fs.existsSync(sql)) executed(file, fs.readFileSync(sql, 'utf8'));
  return file;
}

/** Runs SQL on a database, which is made where there is none. */
export function executed(file: string, sql: string): string {
  const database = new Database(file);
  try {
    database.transaction(() => database.exec(sql))();
  } finally {
    database.close();
  }
  return file;
}

/** The least that Hermes Agent always had: what tests add their rows to. */
export const PLAIN_SCHEMA = `
  CREATE TABLE sessions (id TEXT PRIMARY KEY, source TEXT NOT NULL, model TEXT, title TEXT, parent_session_id TEXT,
    started_at REAL NOT NULL, ended_at REAL, end_reason TEXT, message_count INTEGER DEFAULT 0,
    input_tokens INTEGER DEFAULT 0, output_tokens INTEGER DEFAULT 0);
  CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL, role TEXT NOT NULL,
    content TEXT, tool_call_id TEXT, tool_calls TEXT, tool_name TEXT, timestamp REAL NOT NULL, reasoning TEXT,
    reasoning_details TEXT, active INTEGER NOT NULL DEFAULT 1, api_content TEXT, display_kind TEXT, display_metadata TEXT);
  CREATE INDEX idx_messages_session ON messages(session_id, timestamp);
`;
