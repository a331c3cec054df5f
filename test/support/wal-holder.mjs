// Holds a database in WAL mode as a running agent does, and commits to it until its standard input ends:
// `node wal-holder.mjs FILE`. Prints `ready`, and at the end how many commits it made.
import Database from 'better-sqlite3';

const database = new Database(process.argv[2]);
database.pragma('journal_mode = WAL');
const insert = database.prepare(
  "INSERT INTO messages (session_id, role, content, timestamp) VALUES ('held', 'user', ?, ?)",
);
let commits = 0;
const timer = setInterval(() => {
  insert.run(`commit ${commits}`, 1777000000 + commits);
  commits++;
  if (commits === 1) process.stdout.write('ready\n');
  if (commits % 50 === 0) database.pragma('wal_checkpoint(PASSIVE)');
  if (commits % 170 === 0) database.pragma('wal_checkpoint(RESTART)');
}, 3);
process.stdin.resume();
process.stdin.on('end', () => {
  clearInterval(timer);
  process.stdout.write(`${commits}\n`);
  database.close();
});
