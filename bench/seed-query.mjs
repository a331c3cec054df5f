// The query with which the WebUI of April 2026 lists agent sessions, run through the same driver:
// `node bench/seed-query.mjs DATABASE [counts]`. With `counts`, messages are counted by role too.
import Database from 'better-sqlite3';

const [, , file, counts] = process.argv;
const byRole = `, count(m.id) AS messages, count(CASE WHEN m.role = 'user' THEN 1 END) AS of_user,
  count(CASE WHEN m.role = 'assistant' THEN 1 END) AS of_assistant, count(CASE WHEN m.role = 'tool' THEN 1 END) AS of_tool`;
const database = new Database(file, { readonly: true });
const rows = database
  .prepare(
    `SELECT s.id, s.title, s.model, s.message_count, s.started_at, s.source, MAX(m.timestamp) AS last_activity
       ${counts === 'counts' ? byRole : ''}
     FROM sessions s LEFT JOIN messages m ON m.session_id = s.id
     WHERE s.source IS NOT NULL AND s.source != 'webui'
     GROUP BY s.id ORDER BY COALESCE(MAX(m.timestamp), s.started_at) DESC LIMIT 200`,
  )
  .all();
database.close();
process.stdout.write(`${JSON.stringify(rows)}\n`);
