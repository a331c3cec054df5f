import type { ClientRequest, IncomingMessage } from 'node:http';

import { type Http, HttpFailure, type HttpFailureKind, type HttpRequest, type HttpResponse } from '../core/http';

/** What we talk to answers with small documents. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/**
 * HTTP of this system. Each request has a connection of its own: on one that
 * is kept alive, a server that hangs up just then leaves it unknown whether it
 * has read the request.
 *
 * @param interrupted gives up what is under way, with its reason, when the user ends the command.
 */
export function systemHttp(interrupted: AbortSignal): Http {
  return { request: (request) => exchange(request, interrupted) };
}

async function exchange(request: HttpRequest, interrupted: AbortSignal): Promise<HttpResponse> {
  const url = new URL(request.url);
  const { request: open } = url.protocol === 'https:' ? await import('node:https') : await import('node:http');
  return new Promise((resolve, reject) => {
    let connected = false;
    const { method, headers, body } = request;
    const options = {
      method,
      agent: false,
      headers: {
        accept: 'application/json',
        connection: 'close',
        ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
        ...headers,
      },
    };
    let outgoing: ClientRequest;
    try {
      outgoing = open(url, options);
    } catch (error) {
      // A header that cannot be sent; Node.js names it and keeps its value to itself.
      reject(new HttpFailure('unreachable', false, `${url.host}: ${(error as Error).message}`));
      return;
    }
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      request.signal?.removeEventListener('abort', onAbort);
      interrupted.removeEventListener('abort', onInterrupt);
      outgoing.destroy();
      act();
    };
    const fail = (kind: HttpFailureKind, why: string, cause?: unknown): void =>
      settle(() => reject(new HttpFailure(kind, connected, `${url.host}: ${why}`, { cause })));
    const onAbort = (): void => fail('aborted', 'given up');
    const onInterrupt = (): void => settle(() => reject(interrupted.reason as Error));
    const timer = setTimeout(() => fail('timeout', `no answer in ${request.timeoutMs / 1000} s`), request.timeoutMs);
    interrupted.addEventListener('abort', onInterrupt, { once: true });
    request.signal?.addEventListener('abort', onAbort, { once: true });

    whenConnected(outgoing, url, () => (connected = true));
    outgoing.on('error', (error) => fail(connected ? 'reset' : 'unreachable', reasonOf(error), error));
    outgoing.on('response', (incoming) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      incoming.on('data', (piece: Buffer) => {
        bytes += piece.length;
        if (bytes > MAX_ANSWER_BYTES) fail('too-large', `more than ${MAX_ANSWER_BYTES} bytes of answer`);
        else pieces.push(piece);
      });
      incoming.on('error', (error) => fail('reset', reasonOf(error), error));
      incoming.on('end', () => settle(() => resolve(answer(incoming, Buffer.concat(pieces)))));
    });
    // An abort that came before we listened tells nobody.
    if (interrupted.aborted) onInterrupt();
    else if (request.signal?.aborted) onAbort();
    else outgoing.end(body);
  });
}

/** With TLS the request goes out when both sides have agreed on a key, not before. */
function whenConnected(outgoing: ClientRequest, url: URL, then: () => void): void {
  outgoing.on('socket', (socket) => socket.on(url.protocol === 'https:' ? 'secureConnect' : 'connect', then));
}

function answer(incoming: IncomingMessage, body: Buffer): HttpResponse {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return { status: incoming.statusCode ?? 0, headers, body: body.toString('utf8') };
}

/** A system's or parser's words; of several addresses tried, those of the last. */
function reasonOf(error: Error): string {
  const { code, errors } = error as { code?: string; errors?: Error[] };
  const message = errors?.at(-1)?.message ?? error.message;
  return message === '' ? (code ?? 'failed') : message;
}
