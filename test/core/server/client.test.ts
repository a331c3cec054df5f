import { describe, expect, it } from 'vitest';

import { HermesctlError } from '../../../src/core/errors';
import { HttpFailure, type HttpRequest, type HttpResponse } from '../../../src/core/http';
import { WebuiClient } from '../../../src/core/server/client';

const URL = 'http://127.0.0.1:8787';
const UNDO = '/api/session/undo';
const LOGIN = '/api/auth/login';
const SWITCH = '/api/profile/switch';

type Answer = [status: number, body: unknown, headers?: Record<string, string>] | HttpFailure;

/** A client of a server that gives these answers, one after the other, and what it was asked. */
function clientOf(answers: Answer[], password?: string): { client: WebuiClient; asked: HttpRequest[] } {
  const asked: HttpRequest[] = [];
  const request = (one: HttpRequest): Promise<HttpResponse> => {
    const answer = answers[asked.push(one) - 1];
    if (answer instanceof HttpFailure) return Promise.reject(answer);
    const [status, body, headers = {}] = answer;
    return Promise.resolve({ status, headers, body: typeof body === 'string' ? body : JSON.stringify(body) });
  };
  return { client: new WebuiClient({ url: URL, password }, { http: { request } }), asked };
}

const undo = (client: WebuiClient): Promise<unknown> => client.change(UNDO, 'default', { session_id: 'aaaa00000001' });

async function failureOf(client: WebuiClient): Promise<HermesctlError> {
  const error: unknown = await undo(client).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(HermesctlError);
  return error as HermesctlError;
}

const pathsOf = (asked: readonly HttpRequest[]): string[] => asked.map(({ url }) => url.slice(URL.length));

const WANTS_PASSWORD: Answer = [401, { error: 'Authentication required' }];

describe('WebuiClient', () => {
  it('asks as a program, in the session’s profile, and gives the answer', async () => {
    const { client, asked } = clientOf([[200, { ok: true, removed_count: 2 }]]);
    expect(await client.change(UNDO, 'work', { session_id: 'aaaa00000001' })).toEqual({ ok: true, removed_count: 2 });
    expect(asked).toMatchObject([{ method: 'POST', url: URL + UNDO, body: '{"session_id":"aaaa00000001"}' }]);
    expect(asked[0].headers).toEqual({ 'content-type': 'application/json', cookie: 'hermes_profile=work' });
  });

  it.each([
    ['before anything was sent', 'timeout', false, 'UNREACHABLE', /Nothing was changed/],
    ['after it was sent', 'timeout', true, 'OUTCOME_UNKNOWN', /Look before you repeat/],
    ['by a connection that is refused', 'unreachable', false, 'UNREACHABLE', /Nothing was changed/],
    ['by a server that dies', 'reset', true, 'OUTCOME_UNKNOWN', /Look before you repeat/],
  ] as const)('fails %s (%s), and does not ask again', async (_, kind, sent, code, hint) => {
    const { client, asked } = clientOf([new HttpFailure(kind, sent, 'no answer within 30 s')]);
    const error = await failureOf(client);
    expect(error).toMatchObject({ code, exit: 14, details: { url: URL, kind } });
    expect(error.message).toContain('no answer within 30 s');
    expect(error.hint).toMatch(hint);
    expect(asked).toHaveLength(1);
  });

  it.each<[status: number, body: unknown, code: string, exit: number]>([
    [400, { error: 'Up to 3' }, 'REFUSED', 13],
    [403, { error: 'Cross-origin request rejected' }, 'AUTH_FAILED', 14],
    [403, { error: 'Read-only imported sessions cannot be renamed' }, 'READ_ONLY_SESSION', 13],
    [404, { error: 'Session not found' }, 'SESSION_NOT_FOUND', 5],
    [409, { error: 'Session is still streaming.' }, 'SESSION_BUSY', 8],
    [503, { error: 'Locked' }, 'SESSION_BUSY', 8],
    [500, 'Traceback', 'SERVER_ERROR', 14],
    [302, '', 'SERVER_ERROR', 14],
    [200, 'no JSON', 'SERVER_ERROR', 14],
    [200, ['no object'], 'SERVER_ERROR', 14],
  ])('status %i with %j is a failure of its own', async (status, body, code, exit) => {
    const { client, asked } = clientOf([[status, body]]);
    const error = await failureOf(client);
    expect(error).toMatchObject({ code, exit, details: { session_id: 'aaaa00000001', url: URL, status } });
    expect(error.message, 'one full stop').toMatch(/[^.]\.$/);
    expect(asked).toHaveLength(1);
  });

  describe('behind a password', () => {
    const LET_IN: Answer[] = [
      WANTS_PASSWORD,
      [200, { ok: true }, { 'set-cookie': 'a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=/, hermes_session=t' }],
      [200, { active: 'default' }, { 'set-cookie': 'hermes_profile=signed' }],
    ];

    it('logs in, takes the profile that it is given, and asks again', async () => {
      const { client, asked } = clientOf([...LET_IN, [200, { ok: true }], [200, { ok: true }]], 'sesame');
      await undo(client);
      await undo(client);
      expect(pathsOf(asked)).toEqual([UNDO, LOGIN, SWITCH, UNDO, UNDO]);
      expect(asked[1].body).toBe('{"password":"sesame"}');
      for (const { headers } of asked.slice(3)) {
        expect(headers?.['cookie']?.split('; ').sort()).toEqual(['a=1', 'hermes_profile=signed', 'hermes_session=t']);
      }
    });

    it.each<[name: string, answers: Answer[], password: string | undefined, code: string, asked: string[]]>([
      ['there is none to give', [WANTS_PASSWORD], undefined, 'AUTH_FAILED', [UNDO]],
      ['it is wrong', [WANTS_PASSWORD, [401, { error: 'Invalid password' }]], 'x', 'AUTH_FAILED', [UNDO, LOGIN]],
      ['it was wrong too often', [WANTS_PASSWORD, [429, { error: 'No' }]], 'x', 'AUTH_FAILED', [UNDO, LOGIN]],
      [
        'the login gets no answer',
        [WANTS_PASSWORD, new HttpFailure('timeout', true, 'late')],
        'x',
        'UNREACHABLE',
        [UNDO, LOGIN],
      ],
      [
        'the profile gets no answer',
        [...LET_IN.slice(0, 2), new HttpFailure('reset', true, 'gone')],
        'x',
        'UNREACHABLE',
        [UNDO, LOGIN, SWITCH],
      ],
      [
        'the profile is not given',
        [...LET_IN.slice(0, 2), [404, { error: 'No such profile.' }]],
        'x',
        'REFUSED',
        [UNDO, LOGIN, SWITCH],
      ],
      ['it is asked for once more', [...LET_IN, WANTS_PASSWORD], 'x', 'AUTH_FAILED', [UNDO, LOGIN, SWITCH, UNDO]],
    ])('stops where %s', async (_, answers, password, code, paths) => {
      const { client, asked } = clientOf(answers, password);
      const error = await failureOf(client);
      expect(error.code).toBe(code);
      expect(error.message).toMatch(/^The server/);
      expect(pathsOf(asked)).toEqual(paths);
    });
  });
});
