import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

import { onTestFinished } from 'vitest';

/** What the server does with a request instead of what it should. */
export type Mischief =
  | 'hang'
  /** Reads the request, and breaks the connection before it does anything. */
  | 'cut'
  /** Does what it is asked, and breaks the connection before it answers. */
  | 'cut-after'
  | 'trickle'
  | { status: number; code?: string; message?: string; headers?: Record<string, string>; body?: string };

interface SessionState {
  pending: unknown[];
  total: number;
  commits: { at: number; messages: number }[];
}

export interface Seen {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: unknown;
}

/**
 * A server on loopback that behaves as OpenViking is documented to
 * (reference: hermes-agent §4): sessions, messages, commits, tasks.
 */
export class OpenViking {
  readonly sessions = new Map<string, SessionState>();
  readonly tasks = new Map<string, string[]>();
  readonly seen: Seen[] = [];
  /** Asked for each request; undefined: as documented. */
  mischief: (request: Seen) => Mischief | undefined = () => undefined;
  apiKey: string | undefined;
  /** Servers before July 2026 call a commit of nothing accepted. */
  oldStyle = false;
  /** Wants to be told account and user, also with a key. */
  trusted = false;
  hasBatches = true;
  /** Seconds that its clock is ahead. */
  clockAhead = 0;
  /** What a task says when it is asked, one after the other. */
  taskStates = ['running', 'completed'];
  private readonly sockets = new Set<Socket>();
  private server: http.Server | undefined;
  url = '';

  static async start(): Promise<OpenViking> {
    const openViking = new OpenViking();
    const server = http.createServer((request, response) => openViking.receive(request, response));
    openViking.server = server;
    server.on('connection', (socket) => {
      openViking.sockets.add(socket);
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    openViking.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    onTestFinished(() => openViking.stop());
    return openViking;
  }

  stop(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server?.close();
  }

  /** A session that it was told this many messages of. */
  tell(id: string, messages = 2): void {
    const session = this.sessions.get(id) ?? { pending: [], total: 0, commits: [] };
    session.pending.push(...Array.from({ length: messages }, (_, i) => i));
    session.total += messages;
    this.sessions.set(id, session);
  }

  /** The commits that archived something. */
  commitsOf(id: string): SessionState['commits'] {
    return this.sessions.get(id)?.commits ?? [];
  }

  requests(pattern: RegExp): Seen[] {
    return this.seen.filter(({ method, path }) => pattern.test(`${method} ${path}`));
  }

  private receive(request: IncomingMessage, response: ServerResponse): void {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const text = Buffer.concat(pieces).toString();
      const seen: Seen = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
      };
      this.seen.push(seen);
      this.answer(seen, response);
    });
  }

  private answer(seen: Seen, response: ServerResponse): void {
    const mischief = this.mischief(seen);
    if (this.clockAhead !== 0) response.setHeader('date', new Date(Date.now() + this.clockAhead * 1000).toUTCString());
    if (mischief === 'hang') return;
    if (mischief === 'cut') return void response.socket?.destroy();
    if (typeof mischief === 'object') {
      const { status, code = 'ERROR', message = 'as told', headers = {}, body } = mischief;
      return void response
        .writeHead(status, headers)
        .end(body ?? JSON.stringify({ status: 'error', result: null, error: { code, message } }));
    }
    const { status, body } = this.handle(seen);
    const text = JSON.stringify(body);
    if (mischief === 'cut-after') return void response.socket?.destroy();
    response.writeHead(status, { 'content-type': 'application/json' });
    if (mischief === 'trickle') trickle(response, text);
    else response.end(text);
  }

  private handle(seen: Seen): { status: number; body: object } {
    const { method, path, headers } = seen;
    if (this.apiKey !== undefined && headers['x-api-key'] !== this.apiKey) {
      return refuse(401, 'UNAUTHENTICATED', `Invalid API key ${String(headers['x-api-key'] ?? '')}`);
    }
    if (this.trusted && (!headers['x-openviking-account'] || !headers['x-openviking-user'])) {
      const message = 'Trusted mode requests must include X-OpenViking-Account and X-OpenViking-User headers';
      return refuse(400, 'INVALID_ARGUMENT', message);
    }
    const task = /^\/api\/v1\/tasks\/([^/?]+)$/.exec(path);
    if (task) return this.task(decodeURIComponent(task[1]));
    const match = /^\/api\/v1\/sessions\/([^/?]+)(\/[a-z/]+)?(\?.*)?$/.exec(path);
    if (!match) return { status: 404, body: { detail: 'Not Found' } };
    const id = decodeURIComponent(match[1]);
    const verb = `${method} ${match[2] ?? ''}`;
    if (verb === 'POST /messages/batch' && this.hasBatches) {
      const { messages } = seen.body as { messages: unknown[] };
      if (messages.length > 100) return refuse(400, 'INVALID_ARGUMENT', 'at most 100 messages');
      return this.add(id, messages);
    }
    if (verb === 'POST /messages') return this.add(id, [seen.body]);
    if (!this.sessions.has(id)) {
      return match[2]?.startsWith('/messages')
        ? { status: 404, body: { detail: 'Not Found' } }
        : refuse(404, 'NOT_FOUND', `Session not found: ${id}`, { type: 'session', resource: id });
    }
    if (verb === 'GET ') return this.get(id);
    if (verb === 'POST /commit') return this.commit(id);
    return { status: 404, body: { detail: 'Not Found' } };
  }

  private add(id: string, messages: unknown[]): { status: number; body: object } {
    const session = this.sessions.get(id) ?? { pending: [], total: 0, commits: [] };
    session.pending.push(...messages);
    session.total += messages.length;
    this.sessions.set(id, session);
    return ok({ session_id: id, message_count: session.pending.length, added: messages.length });
  }

  private get(id: string): { status: number; body: object } {
    const { pending, total, commits } = this.sessions.get(id)!;
    const last = commits.at(-1)?.at;
    return ok({
      session_id: id,
      message_count: pending.length,
      total_message_count: total,
      commit_count: commits.length,
      last_commit_at: last === undefined ? null : new Date(last * 1000).toISOString(),
      pending_tokens: pending.length * 10,
    });
  }

  private commit(id: string): { status: number; body: object } {
    const session = this.sessions.get(id)!;
    if (session.pending.length === 0) {
      const nothing = { session_id: id, task_id: null, archive_uri: null, archived: false };
      return ok(
        this.oldStyle
          ? { session_id: id, status: 'accepted', task_id: null, archive_uri: null }
          : { ...nothing, status: 'skipped', reason: 'no_messages' },
      );
    }
    session.commits.push({ at: Date.now() / 1000 + this.clockAhead, messages: session.pending.length });
    session.pending = [];
    const taskId = `task-${id}-${session.commits.length}`;
    this.tasks.set(taskId, [...this.taskStates]);
    return ok({
      session_id: id,
      status: 'accepted',
      task_id: taskId,
      archive_uri: `viking://session/${id}/history/archive_${session.commits.length}`,
      ...(this.oldStyle ? {} : { archived: true }),
    });
  }

  private task(id: string): { status: number; body: object } {
    const states = this.tasks.get(id);
    if (!states) return refuse(404, 'NOT_FOUND', 'Task not found or expired');
    const status = states.length > 1 ? states.shift() : states[0];
    return ok({ task_id: id, task_type: 'session_commit', status });
  }
}

function ok(result: object): { status: number; body: object } {
  return { status: 200, body: { status: 'ok', result } };
}

function refuse(status: number, code: string, message: string, details: object = {}): { status: number; body: object } {
  return { status, body: { status: 'error', result: null, error: { code, message, details } } };
}

/** One byte each 50 ms: the answer is whole after a while that nobody waits for. */
function trickle(response: ServerResponse, text: string): void {
  let at = 0;
  const timer = setInterval(() => {
    if (at >= text.length || response.destroyed) {
      clearInterval(timer);
      response.end();
    } else response.write(text[at++]);
  }, 50);
  response.on('close', () => clearInterval(timer));
}
