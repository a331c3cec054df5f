import http from 'node:http';
import net, { type AddressInfo } from 'node:net';

import { expect, it, onTestFinished } from 'vitest';

import { systemHttp } from '../../src/cli/http';
import { HttpFailure, type HttpRequest, type HttpResponse } from '../../src/core/http';

/** A listener on loopback that is gone, with all its connections, when the test is over. */
async function listen(server: net.Server): Promise<string> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const never = new AbortController().signal;

function send(url: string, request: Partial<HttpRequest> = {}, interrupted = never): Promise<HttpResponse> {
  return systemHttp(interrupted).request({ method: 'GET', url, timeoutMs: 20_000, ...request });
}

async function failure(sending: Promise<unknown>): Promise<HttpFailure> {
  const thrown: unknown = await sending.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(HttpFailure);
  return thrown as HttpFailure;
}

it('sends method, headers and body, and gives status, headers and body back, whatever the status', async () => {
  const url = await listen(
    http.createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const { method, url: path, headers } = request;
        response.writeHead(409, { 'X-One': 'a', 'Retry-After': '7' });
        response.end(JSON.stringify({ method, path, key: headers['x-key'], body: Buffer.concat(pieces).toString() }));
      });
    }),
  );
  const { status, headers, body } = await send(`${url}/a%2Fb?c=1`, {
    method: 'POST',
    headers: { 'x-key': 'k' },
    body: '{"日本":"🎉"}',
  });
  expect({ status, one: headers['x-one'], retry: headers['retry-after'] }).toEqual({
    status: 409,
    one: 'a',
    retry: '7',
  });
  expect(JSON.parse(body)).toEqual({ method: 'POST', path: '/a%2Fb?c=1', key: 'k', body: '{"日本":"🎉"}' });
});

it('follows no redirection: what was meant for one server is not told another', async () => {
  const url = await listen(
    http.createServer((_, response) => response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end()),
  );
  expect(await send(url, { method: 'POST', body: 'x' })).toMatchObject({ status: 307 });
});

it('knows that nobody read a request for which there was no connection', async () => {
  const server = net.createServer();
  const url = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  expect(await failure(send(url))).toMatchObject({ kind: 'unreachable', sent: false });
  expect(await failure(send('http://name.invalid/'))).toMatchObject({ kind: 'unreachable', sent: false });
});

it('does not know what became of a request whose connection broke', async () => {
  const url = await listen(net.createServer((socket) => socket.once('data', () => socket.destroy())));
  expect(await failure(send(url, { method: 'POST', body: 'x' }))).toMatchObject({ kind: 'reset', sent: true });
});

it('takes half an answer for none', async () => {
  const half = 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"status":';
  const url = await listen(net.createServer((socket) => socket.once('data', () => socket.end(half))));
  expect(await failure(send(url))).toMatchObject({ kind: 'reset', sent: true });
});

it('takes for no answer what is no HTTP', async () => {
  const url = await listen(net.createServer((socket) => socket.once('data', () => socket.end('SSH-2.0-x\r\n'))));
  expect(await failure(send(url))).toMatchObject({ kind: 'reset', sent: true });
});

it('ends when the time is up, also where bytes still trickle in', async () => {
  const silent = await listen(net.createServer());
  const trickling = await listen(
    net.createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n');
      const timer = setInterval(() => socket.write('x'), 10);
      socket.on('close', () => clearInterval(timer));
    }),
  );
  for (const url of [silent, trickling]) {
    expect(await failure(send(url, { timeoutMs: 200 }))).toMatchObject({ kind: 'timeout', sent: true });
  }
});

it('gives up when it is told to, by the caller or by the user', async () => {
  const url = await listen(net.createServer());
  const caller = new AbortController();
  const given = failure(send(url, { signal: caller.signal }));
  caller.abort();
  expect(await given).toMatchObject({ kind: 'aborted' });
  expect(await failure(send(url, { signal: caller.signal }))).toMatchObject({ kind: 'aborted', sent: false });

  const user = new AbortController();
  const interrupted = send(url, {}, user.signal);
  user.abort(new Error('Ctrl-C'));
  await expect(interrupted).rejects.toThrow('Ctrl-C');
  await expect(send(url, {}, user.signal)).rejects.toThrow('Ctrl-C');
});

it('reads no answer beyond all measure', async () => {
  const url = await listen(http.createServer((_, response) => response.end(Buffer.alloc(17 * 1024 * 1024))));
  expect(await failure(send(url))).toMatchObject({ kind: 'too-large', sent: true });
});

it('names the server in a failure, and never its password', async () => {
  const server = net.createServer();
  const url = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  const { message } = await failure(send(url.replace('//', '//joe:hunter2@')));
  expect(message).toContain('127.0.0.1:');
  expect(message).not.toContain('hunter2');
});

it('does not send a header that cannot be one, and does not say what it held', async () => {
  const failed = await failure(send('http://127.0.0.1:9/', { headers: { 'x-key': 'schlüssel\n日本' } }));
  expect(failed).toMatchObject({ kind: 'unreachable', sent: false });
  expect(failed.message).toContain('x-key');
  expect(failed.message).not.toContain('schl');
});
