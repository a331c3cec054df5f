// Makes a store of any size: `node bench/make-store.mjs DIR SESSIONS [MEAN_KB]`. The same arguments make the same bytes.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { random } from './random.mjs';

const BEGIN = 1_760_000_000;
const WORDS = [
  'deploy',
  'the',
  'server',
  'naïve',
  'token',
  'cache',
  '"quoted"',
  'path/to/file.py',
  'error:',
  '日本',
  '\n',
];
const TITLES = ['deploy', 'cache', '日本'];

/** What a session file says before its messages, beyond what differs from session to session. */
const USUAL = {
  model_explicit_pick_signature: null,
  pinned: false,
  archived: false,
  project_id: null,
  profile: 'default',
  input_tokens: 1,
  output_tokens: 2,
  estimated_cost: 0.1,
  cache_read_tokens: 0,
  cache_write_tokens: 0,
  personality: null,
  active_stream_id: null,
  pending_user_message: null,
  pending_attachments: [],
  pending_started_at: null,
  pending_user_source: null,
  compression_anchor_visible_idx: null,
  compression_anchor_message_key: null,
  compression_anchor_summary: null,
  pre_compression_snapshot: false,
  context_length: 200_000,
  threshold_tokens: null,
  last_prompt_tokens: 123,
  truncation_watermark: null,
  truncation_boundary: null,
  clear_generation: null,
  intentional_shrink_generation: null,
  llm_title_generated: false,
  manual_title: false,
  parent_session_id: null,
  is_cli_session: false,
  source_tag: null,
  raw_source: null,
  session_source: null,
  source_label: null,
  read_only: false,
  enabled_toolsets: null,
  composer_draft: {},
  share_token: null,
  share_created_at: null,
};

/**
 * Makes `sessions` session files under `dir`/webui/sessions, metadata first as
 * the server writes them, their sizes log-normal about `meanKb` KiB. Gives their ids.
 *
 * @param {string} dir
 * @param {number} sessions
 * @param {number} meanKb
 * @returns {string[]}
 */
export function makeStore(dir, sessions, meanKb) {
  const folder = path.join(dir, 'webui', 'sessions');
  mkdirSync(folder, { recursive: true });
  const next = random(42);
  const text = Array.from({ length: 4000 }, () => WORDS[Math.floor(next() * WORDS.length)]).join(' ');
  const ids = [];
  for (let i = 0; i < sessions; i++) {
    const size = Math.min(5e6, Math.max(800, (Math.exp(1.3 * normal(next)) * meanKb * 1024) / 2.3));
    const session = sessionOf(i, messagesOf(BEGIN + i * 300, size, text, next), next);
    writeFileSync(path.join(folder, `${session.session_id}.json`), JSON.stringify(session, null, 2));
    ids.push(session.session_id);
  }
  return ids;
}

/**
 * Makes a store of one session, whose file has this many MB. Gives its id.
 *
 * @param {string} dir
 * @param {number} megabytes
 * @returns {string}
 */
export function makeLargeSession(dir, megabytes) {
  const folder = path.join(dir, 'webui', 'sessions');
  mkdirSync(folder, { recursive: true });
  const next = random(7);
  const text = Array.from({ length: 40_000 }, () => WORDS[Math.floor(next() * WORDS.length)]).join(' ');
  const began = BEGIN;
  const session = sessionOf(0, messagesOf(began, 2000, text, next), next);
  const whole = JSON.stringify(session, null, 2);
  const at = whole.indexOf('\n    {');
  const file = path.join(folder, `${session.session_id}.json`);
  writeFileSync(file, whole.slice(0, at));
  let written = whole.length;
  for (let i = 0; written < megabytes * 1e6; i += 3000) {
    const pieces = Array.from({ length: 3000 }, (_, j) => {
      const message = messageOf(i + j, began, text, 2500, next);
      return `\n${JSON.stringify(message, null, 2).replace(/^/gm, '    ')},`;
    });
    const block = Buffer.from(pieces.join(''));
    writeFileSync(file, block, { flag: 'a' });
    written += block.length;
  }
  writeFileSync(file, whole.slice(at), { flag: 'a' });
  return session.session_id;
}

/**
 * @param {number} began
 * @param {number} size
 * @param {string} text
 * @param {() => number} next
 */
function messagesOf(began, size, text, next) {
  const messages = [];
  for (let left = size; left > 0;) {
    const message = messageOf(messages.length, began, text, 1500, next);
    messages.push(message);
    left -= message.content.length + 60;
  }
  return messages;
}

/**
 * @param {number} i
 * @param {number} began
 * @param {string} text
 * @param {number} longest
 * @param {() => number} next
 */
function messageOf(i, began, text, longest, next) {
  const length = 50 + Math.floor(next() * (longest - 50));
  const from = Math.floor(next() * (text.length - length));
  const role = i % 3 === 0 ? 'user' : i % 3 === 2 && next() < 0.3 ? 'tool' : 'assistant';
  return { role, content: text.slice(from, from + length), timestamp: began + i * 7.5 };
}

/**
 * @param {number} i
 * @param {ReturnType<typeof messageOf>[]} messages
 * @param {() => number} next
 */
function sessionOf(i, messages, next) {
  const began = BEGIN + i * 300;
  return {
    session_id: hex(Math.imul(i, 2_654_435_761) >>> 0, 8) + hex(Math.floor(next() * 65_536), 4),
    title: `Session ${i} about ${TITLES[Math.floor(next() * TITLES.length)]}`,
    workspace: '/srv/work',
    created_workspace: '/srv/work',
    model: 'openai/gpt-5',
    model_provider: 'openai',
    ...USUAL,
    created_at: began,
    updated_at: began + messages.length * 7.5,
    message_count: messages.length,
    anchor_scene_index: {},
    messages,
    tool_calls: [],
    anchor_activity_scenes: {},
    context_messages: messages.slice(-6),
  };
}

/**
 * @param {number} value
 * @param {number} digits
 */
function hex(value, digits) {
  return value.toString(16).padStart(digits, '0');
}

/**
 * A random number that is normally distributed.
 *
 * @param {() => number} next
 */
function normal(next) {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

const [, script, dir, sessions, meanKb = '20'] = process.argv;
if (script?.endsWith('make-store.mjs') && dir) makeStore(dir, Number(sessions), Number(meanKb));
