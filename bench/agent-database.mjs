// Makes an agent database of any size: `node bench/agent-database.mjs FILE SESSIONS MESSAGES`.
import { rmSync } from 'node:fs';

import Database from 'better-sqlite3';

import { random } from './random.mjs';

const BEGIN = 1_760_000_000;
const WORDS = 'deploy the server naïve token cache "quoted" path/to/file.py error: 日本 retry commit merge'.split(' ');
const SOURCES = ['cli', 'cli', 'cli', 'telegram', 'discord', 'cron', 'cron', 'tui', 'api_server', 'webui'];

/** Tables and indexes as Hermes Agent makes them, without those that no reading asks for. */
const SCHEMA = `
  CREATE TABLE sessions (id TEXT PRIMARY KEY, source TEXT NOT NULL, user_id TEXT, model TEXT, title TEXT,
    parent_session_id TEXT, started_at REAL NOT NULL, ended_at REAL, end_reason TEXT, message_count INTEGER DEFAULT 0,
    input_tokens INTEGER DEFAULT 0, output_tokens INTEGER DEFAULT 0, estimated_cost_usd REAL);
  CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL REFERENCES sessions(id),
    role TEXT NOT NULL, content TEXT, tool_call_id TEXT, tool_calls TEXT, tool_name TEXT, timestamp REAL NOT NULL,
    active INTEGER NOT NULL DEFAULT 1);
  CREATE INDEX idx_sessions_source ON sessions(source);
  CREATE INDEX idx_sessions_parent ON sessions(parent_session_id);
  CREATE INDEX idx_sessions_started ON sessions(started_at DESC);
  CREATE INDEX idx_messages_session ON messages(session_id, timestamp);
  CREATE INDEX idx_messages_session_id ON messages(session_id, id);
`;

/**
 * @param {string} file
 * @param {number} sessions
 * @param {number} messages
 */
export function makeAgentDatabase(file, sessions, messages) {
  for (const end of ['', '-wal', '-shm']) rmSync(file + end, { force: true });
  const database = new Database(file);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = OFF');
  database.exec(SCHEMA);
  const next = random(42);
  /** @type {<T>(items: readonly T[]) => T} */
  const pick = (items) => items[Math.floor(next() * items.length)];
  const text = Array.from({ length: 4000 }, () => pick(WORDS)).join(' ');
  const session = database.prepare('INSERT INTO sessions VALUES (?,?,NULL,?,?,?,?,?,?,?,?,?,?)');
  const message = database.prepare(
    'INSERT INTO messages (session_id, role, content, tool_name, timestamp) VALUES (?,?,?,?,?)',
  );
  const ids = Array.from({ length: sessions }, (_, i) => `20260101_${String(i).padStart(6, '0')}_a1b2c3`);
  database.transaction(() => {
    for (const [i, id] of ids.entries()) {
      const started = BEGIN + i * 300;
      const ended = next() < 0.6;
      const reason = ended ? pick(['compression', 'cli_close', 'user_exit', 'user_exit']) : null;
      const parent = i > 0 && next() < 0.15 ? ids[i - 1] : null;
      const title = next() < 0.7 ? `Session ${i} about ${pick(WORDS)}` : null;
      const end = ended ? started + 250 : null;
      session.run(id, pick(SOURCES), 'gpt-5', title, parent, started, end, reason, 1, 1000, 200, 0.01);
    }
  })();
  // Several sessions write at a time, so that the messages of one do not lie side by side.
  const insert = database.transaction((/** @type {number} */ from, /** @type {number} */ to) => {
    for (let i = from; i < to; i++) {
      const at = Math.min(sessions - 1, Math.floor((i / messages) * sessions + next() * 8));
      const start = Math.floor(next() * (text.length - 600));
      const role = pick(['user', 'assistant', 'assistant', 'tool']);
      const content = text.slice(start, start + 20 + Math.floor(next() * 400));
      message.run(ids[at], role, content, role === 'tool' ? 'terminal' : null, BEGIN + at * 300 + next() * 250);
    }
  });
  for (let from = 0; from < messages; from += 100_000) insert(from, Math.min(messages, from + 100_000));
  database.exec(`UPDATE sessions SET message_count =
    (SELECT count(*) FROM messages WHERE messages.session_id = sessions.id)`);
  database.close();
}

const [, script, file, sessions, messages] = process.argv;
if (script?.endsWith('agent-database.mjs') && file) {
  makeAgentDatabase(file, Number(sessions), Number(messages));
}
