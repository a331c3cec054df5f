// How long `sessions list --agent --limit 50` takes beside the query of the WebUI of April 2026:
// `node bench/agent-list.mjs [SESSIONS MESSAGES ROUNDS]`. Build first. Only ratios are worth comparing.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import Database from 'better-sqlite3';

import { makeAgentDatabase } from './agent-database.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const [sessions = 20_000, messages = 2_000_000, rounds = 5] = process.argv.slice(2).map(Number);

const place = mkdtempSync(path.join(os.tmpdir(), 'hermesctl-bench-'));
try {
  bench();
} finally {
  rmSync(place, { recursive: true, force: true });
}

function bench() {
  const database = path.join(place, 'state.db');
  mkdirSync(path.join(place, 'webui', 'sessions'), { recursive: true });
  makeAgentDatabase(database, sessions, messages);
  process.stdout.write(`${sessions} sessions, ${messages} messages, median of ${rounds} rounds\n\n`);
  table('With the index of messages by session and time', database);
  const open = new Database(database);
  open.exec('DROP INDEX idx_messages_session; DROP INDEX idx_messages_session_id');
  open.close();
  table('Without an index of messages by session', database);
}

/**
 * Each line of the table once a round, so that what the machine does meanwhile meets all of them.
 *
 * @param {string} title
 * @param {string} database
 */
function table(title, database) {
  const hermesctl = path.join(root, 'bin', 'run.js');
  const seed = path.join(root, 'bench', 'seed-query.mjs');
  const list = [hermesctl, 'sessions', 'list', '--json', '--no-cache', '--limit', '50'];
  const lines = {
    'sessions list --agent --limit 50': [...list, '--agent'],
    'sessions list --agent --limit 50 --sort messages': [...list, '--agent', '--sort', 'messages'],
    "the server's query of April 2026": [seed, database],
    'the same with counts by role': [seed, database, 'counts'],
    'sessions list --limit 50 (no database)': list,
    'node -e 0': ['-e', '0'],
  };
  /** @type {Record<string, number[]>} */
  const times = Object.fromEntries(Object.keys(lines).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, args] of Object.entries(lines)) {
      const took = timeOf(args);
      if (round > 0) times[name].push(took); // the first warms the caches
    }
  }
  const medians = Object.entries(times).map(([name, all]) => ({ name, ms: median(all) }));
  const ours = medians[0].ms;
  process.stdout.write(`${title}\n`);
  for (const { name, ms } of medians) {
    process.stdout.write(`  ${name.padEnd(50)} ${ms.toFixed(0).padStart(7)} ms   x ${(ms / ours).toFixed(2)}\n`);
  }
  process.stdout.write('\n');
}

/** @param {string[]} args */
function timeOf(args) {
  const env = {
    ...process.env,
    HOME: place,
    HERMES_HOME: place,
    HERMES_BASE_HOME: '',
    HERMES_WEBUI_STATE_DIR: path.join(place, 'webui'),
    NODE_EXTRA_CA_CERTS: undefined, // where it is set, Node.js 20 reads the certificates at every start
  };
  const began = process.hrtime.bigint();
  const { status, stderr } = spawnSync(process.execPath, args, { env, maxBuffer: 1024 ** 3 });
  const took = Number(process.hrtime.bigint() - began) / 1e6;
  if (status !== 0) throw new Error(`exit ${String(status)}: ${args.join(' ')}\n${String(stderr)}`);
  return took;
}

/** @param {number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
