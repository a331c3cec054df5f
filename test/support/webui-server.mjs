// A stand-in for a WebUI server, in a process of its own: it speaks the endpoints that hermesctl uses, as the real one
// of August 2026 was seen to answer, and keeps a store as that does. STUB says what goes wrong, as JSON.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const { fail, password, busy = false, isWebui = true, touches } = JSON.parse(process.env.STUB ?? '{}');
const sessions = path.join(process.env.HERMES_WEBUI_STATE_DIR, 'sessions');
const file = (id) => path.join(sessions, `${id}.json`);

/** What a request is answered with: a status, a body, headers. */
function respond({ method, url, headers }, body) {
  if (!isWebui) return [200, { hello: 'world' }];
  if (url === '/health') {
    if (touches !== undefined) touchRow(touches);
    const active = busy ? 1 : 0;
    return [200, { status: 'ok', sessions: 0, active_streams: active, active_runs: active, runs: [] }];
  }
  const cookies = new Map((headers.cookie ?? '').split('; ').map((pair) => pair.split('=')));
  if (url === '/api/auth/login') {
    if (body.password !== password) return [401, { error: 'Invalid password' }];
    return [
      200,
      { ok: true },
      { 'set-cookie': 'hermes_session=token; HttpOnly; Path=/; Max-Age=2592000; SameSite=Lax' },
    ];
  }
  if (password !== undefined && cookies.get('hermes_session') !== 'token')
    return [401, { error: 'Authentication required' }];
  if (url === '/api/profile/switch') {
    return [200, { active: body.name }, { 'set-cookie': `hermes_profile=signed-${body.name}; Path=/` }];
  }
  if (method !== 'POST' || headers.origin !== undefined) return [403, { error: 'Cross-origin request rejected' }];
  if (fail?.status) return [fail.status, { error: fail.error ?? 'No' }];
  return change(url, body, cookies.get('hermes_profile'));
}

function change(url, body, profile) {
  if (url === '/api/session/import_cli') {
    const isNew = !fs.existsSync(file(body.session_id));
    const [, answer] = save(
      { session_id: body.session_id, profile: 'default', title: 'From the server', messages: [] },
      {},
    );
    return [200, { ...answer, imported: isNew }];
  }
  if (!fs.existsSync(file(body.session_id))) return [404, { error: 'Session not found' }];
  const session = JSON.parse(fs.readFileSync(file(body.session_id), 'utf8'));
  const own = session.profile ?? 'default';
  if (profile !== own && profile !== `signed-${own}`) return [404, { error: 'Session not found' }];
  switch (url) {
    case '/api/session/undo':
    case '/api/session/retry':
      return cut(url, session);
    case '/api/session/rename':
      return save({ ...session, title: body.title.trim().slice(0, 80) }, {});
    case '/api/session/pin':
      return save({ ...session, pinned: body.pinned }, { ok: true });
    case '/api/session/archive':
      return save({ ...session, archived: body.archived }, { ok: true });
    case '/api/session/delete':
      fs.rmSync(file(body.session_id));
      return [200, { ok: true, state_db_cleanup_failed: false }];
    default:
      return [404, { error: 'not found' }];
  }
}

/** Another row of this session, as its memory has it, in the index that it writes without asking. */
function touchRow(id) {
  const index = path.join(sessions, '_index.json');
  const rows = JSON.parse(fs.readFileSync(index, 'utf8'));
  const touched = rows.map((row) => (row.session_id === id ? { ...row, title: 'From its memory' } : row));
  fs.writeFileSync(index, JSON.stringify(touched, null, 2));
}

function cut(url, session) {
  const at = session.messages.findLastIndex(({ role }) => role === 'user');
  const undo = url.endsWith('undo');
  if (at < 0) return [200, { error: undo ? 'Nothing to undo.' : 'No previous message to retry.' }];
  const text = session.messages[at].content;
  const removed_count = session.messages.length - at;
  fs.copyFileSync(file(session.session_id), `${file(session.session_id)}.bak`);
  const messages = session.messages.slice(0, at);
  save({ ...session, messages, message_count: messages.length }, {});
  const preview = text.length > 40 ? `${text.slice(0, 40)}...` : text;
  return [200, { ok: true, removed_count, ...(undo ? { removed_preview: preview } : { last_user_text: text }) }];
}

function save(session, answer) {
  fs.writeFileSync(file(session.session_id), JSON.stringify(session, null, 2));
  const { messages, ...row } = session;
  return [200, { ...answer, session: row }];
}

const server = http.createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    fs.appendFileSync(process.env.STUB_LOG, `${request.method} ${request.url}\n`);
    if (fail?.dies && request.method === 'POST') process.exit(1);
    const body = pieces.length > 0 ? JSON.parse(Buffer.concat(pieces).toString()) : {};
    const [status, answer, headers = {}] = respond(request, body);
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
    response.end(JSON.stringify(answer));
  });
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
