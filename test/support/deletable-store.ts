import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

import Database from 'better-sqlite3';

import { agentDatabaseOf, executed } from './agent-db';
import { makeStore, session, type TestStore } from './store';

export const DOOMED = 'doomed000001';
export const DELEGATE = 'delegate0001';
export const CHILD = 'child0000001';
export const OTHER = 'other0000001';

/** A schema as the agent has it now, in small: foreign keys, full-text indexes by triggers, and tables beside. */
const SCHEMA = `
  CREATE TABLE schema_version (version INTEGER NOT NULL);
  INSERT INTO schema_version VALUES (30);
  CREATE TABLE system_prompts (hash TEXT PRIMARY KEY, prompt TEXT NOT NULL);
  CREATE TABLE sessions (id TEXT PRIMARY KEY, source TEXT NOT NULL, model TEXT, model_config TEXT, title TEXT,
    system_prompt_hash TEXT, parent_session_id TEXT, started_at REAL NOT NULL, ended_at REAL, end_reason TEXT,
    message_count INTEGER DEFAULT 0, odd,
    FOREIGN KEY (parent_session_id) REFERENCES sessions(id),
    FOREIGN KEY (system_prompt_hash) REFERENCES system_prompts(hash));
  CREATE UNIQUE INDEX idx_sessions_title_unique ON sessions(title) WHERE title IS NOT NULL;
  CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL REFERENCES sessions(id),
    role TEXT NOT NULL, content TEXT, tool_name TEXT, tool_calls TEXT, timestamp REAL NOT NULL,
    active INTEGER, display_identity BLOB, display_order INTEGER);
  CREATE INDEX idx_messages_session ON messages(session_id, timestamp);
  CREATE TABLE session_model_usage (session_id TEXT NOT NULL REFERENCES sessions(id) ON DELETE CASCADE, model TEXT NOT NULL,
    input_tokens INTEGER NOT NULL DEFAULT 0, cost REAL, PRIMARY KEY (session_id, model)) WITHOUT ROWID;
  CREATE TABLE compression_locks (session_id TEXT PRIMARY KEY, holder TEXT, acquired_at REAL, expires_at REAL);
  CREATE TABLE session_turn_leases (conversation_id TEXT PRIMARY KEY, holder TEXT, acquired_at REAL, expires_at REAL);
  CREATE TABLE telegram_dm_topic_bindings (chat_id TEXT, topic INTEGER, session_id TEXT REFERENCES sessions(id));
  CREATE TABLE plugin_notes (note TEXT, session_id TEXT REFERENCES sessions(id) ON DELETE CASCADE);
  CREATE TABLE conversation_generations (source TEXT, session_key TEXT, generation INTEGER, PRIMARY KEY (source, session_key));
  INSERT INTO conversation_generations VALUES ('webui', '${DOOMED}', 3);
`;

const FTS = {
  /** Content in the table itself, as new installations have it. */
  external: `
    CREATE VIRTUAL TABLE messages_fts USING fts5(content, tool_name, tool_calls, content='messages', content_rowid='id');
    CREATE TRIGGER messages_fts_insert AFTER INSERT ON messages BEGIN
      INSERT INTO messages_fts(rowid, content, tool_name, tool_calls) VALUES (new.id, new.content, new.tool_name, new.tool_calls); END;
    CREATE TRIGGER messages_fts_delete AFTER DELETE ON messages BEGIN
      INSERT INTO messages_fts(messages_fts, rowid, content, tool_name, tool_calls)
      VALUES ('delete', old.id, old.content, old.tool_name, old.tool_calls); END;
    CREATE VIRTUAL TABLE messages_fts_trigram USING fts5(content, content='messages', content_rowid='id', tokenize='trigram');
    CREATE TRIGGER messages_fts_trigram_insert AFTER INSERT ON messages BEGIN
      INSERT INTO messages_fts_trigram(rowid, content) VALUES (new.id, new.content); END;
    CREATE TRIGGER messages_fts_trigram_delete AFTER DELETE ON messages BEGIN
      INSERT INTO messages_fts_trigram(messages_fts_trigram, rowid, content) VALUES ('delete', old.id, old.content); END;
    CREATE TRIGGER messages_display_order_insert AFTER INSERT ON messages WHEN new.display_order IS NOT 7 BEGIN
      UPDATE messages SET display_order = new.id * 10 WHERE id = new.id; END;`,
  /** A copy of the content in the index, as old ones have it. */
  inline: `
    CREATE VIRTUAL TABLE messages_fts USING fts5(content);
    CREATE TRIGGER messages_fts_insert AFTER INSERT ON messages BEGIN
      INSERT INTO messages_fts(rowid, content) VALUES (new.id, COALESCE(new.content, '') || ' ' || COALESCE(new.tool_name, '')); END;
    CREATE TRIGGER messages_fts_delete AFTER DELETE ON messages BEGIN DELETE FROM messages_fts WHERE rowid = old.id; END;
    CREATE VIRTUAL TABLE messages_fts_trigram USING fts5(content, tokenize='trigram');
    CREATE TRIGGER messages_fts_trigram_insert AFTER INSERT ON messages BEGIN
      INSERT INTO messages_fts_trigram(rowid, content) VALUES (new.id, COALESCE(new.content, '')); END;
    CREATE TRIGGER messages_fts_trigram_delete AFTER DELETE ON messages BEGIN
      DELETE FROM messages_fts_trigram WHERE rowid = old.id; END;`,
};

/** Rows with every kind of value that SQLite keeps, text that is not UTF-8 among them. */
const ROWS = `
  INSERT INTO system_prompts VALUES ('h-own', 'Only of the doomed one'), ('h-all', 'Of all');
  INSERT INTO sessions (id, source, title, system_prompt_hash, started_at, odd) VALUES ('first', 'cli', NULL, 'h-all', 1, x'');
  INSERT INTO sessions (id, source, model, title, system_prompt_hash, started_at, end_reason, odd) VALUES
    ('${DOOMED}', 'webui', 'openai/gpt-5', 'Doomed', 'h-own', 1777000000.123456789, 'user_exit', 9223372036854775807);
  INSERT INTO sessions (id, source, model_config, system_prompt_hash, parent_session_id, started_at, odd) VALUES
    ('${DELEGATE}', 'subagent', '{"_delegate_from":"${DOOMED}"}', 'h-all', '${DOOMED}', 2.0, -1.5e308),
    ('${CHILD}', 'webui', NULL, 'h-all', '${DOOMED}', 3, CAST(x'66ff6f' AS TEXT)),
    ('${OTHER}', 'webui', '', 'h-all', NULL, 4, NULL);
  INSERT INTO messages (session_id, role, content, tool_name, tool_calls, timestamp, active, display_identity, display_order) VALUES
    ('${DOOMED}', 'user', 'A needle in a haystack', NULL, NULL, 1777000010, NULL, x'00ff10', 7),
    ('${OTHER}', 'user', 'A needle elsewhere', NULL, NULL, 1777000011, 1, NULL, 7),
    ('${DOOMED}', 'assistant', char(0) || 'json:[{"type":"text"}]', 'terminal', '[{"id":"c1"}]', 1777000012.5, 1, NULL, 7),
    ('${DELEGATE}', 'user', '針は干し草の中', NULL, NULL, 5e-324, 1, NULL, 7),
    ('${DOOMED}', 'tool', NULL, 'terminal', NULL, 1777000013, 0, NULL, 7),
    ('${CHILD}', 'user', 'goes on', NULL, NULL, 1777000014, 1, NULL, 7),
    ('${DOOMED}', 'assistant', CAST(x'c3286e6f' AS TEXT), NULL, NULL, 1777000015, 1, NULL, 7);
  INSERT INTO session_model_usage VALUES ('${DOOMED}', 'm', 12, 0.1), ('${DELEGATE}', 'm', 3, NULL), ('${OTHER}', 'm', 1, 2);
  INSERT INTO compression_locks VALUES ('${DOOMED}', 'pid=1', 1, 2);
  INSERT INTO telegram_dm_topic_bindings VALUES ('c', 1, '${OTHER}'), ('c', 2, '${DOOMED}');
  INSERT INTO plugin_notes VALUES ('kept', '${OTHER}'), ('goes', '${DELEGATE}');
`;

/** A store and a home in which a session has left something everywhere. */
export function deletableStore(
  options: { fts?: keyof typeof FTS; journal?: 'wal' | 'delete'; database?: boolean } = {},
): TestStore {
  const store = makeStore({
    [DOOMED]: session(DOOMED, { big: 1, title: 'Doomed' }),
    [OTHER]: session(OTHER),
    [`${DOOMED}x`]: session(`${DOOMED}x`),
  });
  const { sessionsDir, stateDir, hermesHome } = store;
  const files: Record<string, string> = {
    [`${sessionsDir}/${DOOMED}.json.bak`]: JSON.stringify(session(DOOMED, { title: 'Before' })),
    [`${sessionsDir}/_turn_journal/${DOOMED}~41.jsonl`]: '{"event":"begun"}\n',
    [`${sessionsDir}/_turn_journal/${DOOMED}.jsonl`]: '{}\n',
    [`${sessionsDir}/_turn_journal/${DOOMED}x~41.jsonl`]: 'of another\n',
    [`${sessionsDir}/_run_journal/${DOOMED}/r1.jsonl`]: '{}\n',
    [`${stateDir}/attachments/${DOOMED}/a file.png`]: '\0png',
    [`${stateDir}/attachments/${DOOMED}/deep/er.txt`]: 'deeper',
    [`${stateDir}/attachments/${OTHER}/kept.txt`]: 'kept',
    [`${hermesHome}/sessions/${DOOMED}.jsonl`]: '{}\n',
    [`${hermesHome}/sessions/session_${DOOMED}.json`]: '{}',
    [`${hermesHome}/sessions/request_dump_${DOOMED}_20260425_000001_000002.json`]: '{}',
    [`${hermesHome}/sessions/${DELEGATE}.json`]: '{}',
    [`${hermesHome}/sessions/${OTHER}.json`]: 'kept',
    [`${hermesHome}/sessions/request_dump_${OTHER}_1.json`]: 'kept',
  };
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  }
  fs.symlinkSync('a file.png', `${stateDir}/attachments/${DOOMED}/link`);
  fs.chmodSync(path.join(sessionsDir, `${DOOMED}.json`), 0o640);
  fs.chmodSync(`${stateDir}/attachments/${DOOMED}`, 0o750);
  setTimes(store.root);
  if (options.database === false) return store;
  const file = agentDatabaseOf(store);
  const database = new Database(file);
  database.pragma(`journal_mode = ${options.journal ?? 'wal'}`);
  database.close();
  executed(file, `${SCHEMA}${FTS[options.fts ?? 'external']}${ROWS}`);
  return store;
}

/** Copies of a tree keep only so much of a time. */
function setTimes(dir: string): void {
  for (const name of fs.readdirSync(dir)) {
    const file = path.join(dir, name);
    if (fs.lstatSync(file).isDirectory()) setTimes(file);
    else fs.lutimesSync(file, 1777000000, 1777000000);
  }
}

/** Everything that a user has in a store and its home: files with mode and time, and every row with its number. */
export function contentOf(store: TestStore): Record<string, string> {
  const content: Record<string, string> = {};
  const walk = (dir: string): void => {
    for (const name of fs.readdirSync(dir).sort()) {
      if (/^state\.db|^\.hermesctl|\.json\.\d{1,10}$/.test(name)) continue; // temporary files are gc-tmp's business
      const file = path.join(dir, name);
      const stats = fs.lstatSync(file);
      const key = path.relative(store.root, file);
      if (stats.isDirectory()) {
        content[`${key}/`] = stats.mode.toString(8);
        walk(file);
      } else if (stats.isSymbolicLink()) content[key] = `-> ${fs.readlinkSync(file)}`;
      else {
        const time = name.startsWith('_') ? '' : ` ${stats.mtimeMs}`; // what is derived may be written anew
        content[key] = `${stats.mode.toString(8)}${time} ${fs.readFileSync(file, 'latin1')}`;
      }
    }
  };
  walk(store.root);
  return { ...content, ...rowsOf(agentDatabaseOf(store)) };
}

const TABLES = ['sessions', 'messages', 'system_prompts', 'session_model_usage', 'compression_locks'].concat([
  'telegram_dm_topic_bindings',
  'plugin_notes',
  'conversation_generations',
  'session_turn_leases',
]);

/** Every row of a database, each value with its type and its bytes; and that all indexes agree with it. */
export function rowsOf(file: string): Record<string, string> {
  if (!fs.existsSync(file)) return {};
  const database = new Database(file);
  try {
    const rows: Record<string, string> = {};
    const there = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all() as string[];
    for (const table of TABLES.filter((name) => there.includes(name))) {
      const columns = database.prepare(`SELECT name FROM pragma_table_info('${table}')`).pluck().all() as string[];
      const spelled = columns.map((name) => `typeof("${name}") || ' ' || hex("${name}") || ' ' || quote("${name}")`);
      const hidden = table === 'session_model_usage' ? '' : 'rowid, ';
      const all = database
        .prepare(`SELECT ${hidden}${spelled.join(', ')} FROM ${table} ORDER BY 1, 2`)
        .raw()
        .all();
      (all as unknown[][]).forEach((row, i) => (rows[`${table} ${i}`] = row.join('|')));
    }
    rows['integrity'] = String(database.pragma('integrity_check', { simple: true }));
    rows['foreign keys'] = JSON.stringify(database.pragma('foreign_key_check'));
    for (const index of ['messages_fts', 'messages_fts_trigram'].filter((name) => there.includes(name))) {
      rows[`${index} agrees`] = agreement(database, index);
      const found = database
        .prepare(`SELECT rowid FROM ${index} WHERE ${index} MATCH 'needle' ORDER BY rowid`)
        .pluck()
        .all();
      rows[index] = JSON.stringify(found);
    }
    return rows;
  } finally {
    database.close();
  }
}

/** Whether a full-text index agrees with the rows; of a database made by another version of SQLite that may not be so before. */
function agreement(database: Database.Database, index: string): string {
  try {
    database.exec(`INSERT INTO ${index}(${index}, rank) VALUES ('integrity-check', 1)`);
    return 'ok';
  } catch (error) {
    return (error as Error).message;
  }
}

/** A short name for what there is, in which runs do not differ by time and fresh numbers. */
export function keyOf(store: TestStore): string {
  const lines: string[] = [];
  const walk = (dir: string): void => {
    for (const name of fs.readdirSync(dir).sort()) {
      const file = path.join(dir, name);
      const plain = path
        .relative(store.root, file)
        .replace(/\d{4}-\d\d-\d\dT[\d.-]+Z-([0-9a-f]{16})-[0-9a-f]{8}/g, '$1');
      if (fs.lstatSync(file).isDirectory()) walk(file);
      else if (/manifest\.json$/.test(name))
        lines.push(`${plain} ${/"state": "\w+"/.exec(fs.readFileSync(file, 'utf8'))?.[0]}`);
      else if (!/^state\.db|hermesctl-lock/.test(name))
        lines.push(`${plain.replace(/\.\d{5,}$/, '.N')} ${fs.lstatSync(file).size}`);
    }
  };
  walk(store.root);
  return createHash('sha256')
    .update(JSON.stringify([lines, rowsOf(agentDatabaseOf(store))]))
    .digest('hex');
}
