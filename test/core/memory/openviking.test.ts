import { expect, it, onTestFinished } from 'vitest';

import { fastClock, MemoryBench, outcomes, ownerAt, realDeps, reasons } from '../../support/memory';
import { type Mischief, OpenViking } from '../../support/openviking';
import { makeStore, session } from '../../support/store';

const ID = 'aaaa00000001';

async function setUp(deps = realDeps()): Promise<{ server: OpenViking; bench: MemoryBench; owner: string }> {
  const server = await OpenViking.start();
  const bench = await MemoryBench.open(makeStore({ [ID]: session(ID) }), deps);
  onTestFinished(() => bench.close());
  return { server, bench, owner: ownerAt(server.url) };
}

it('commits what the server archives, once, with the documented request', async () => {
  const { server, bench, owner } = await setUp();
  server.tell(ID);
  await bench.mark(ID, owner);
  const drained = await bench.drain({}, { endpoint: server.url });
  expect(drained).toMatchObject({ stopped: 'clean', remaining: [] });
  expect(drained.segments).toMatchObject([{ sessionId: ID, outcome: 'committed', taskId: `task-${ID}-1` }]);
  expect(await bench.uncommitted()).toEqual({ [ID]: 0 });
  expect(server.commitsOf(ID)).toHaveLength(1);
  expect(server.seen).toHaveLength(1);
  expect(server.seen[0]).toMatchObject({
    method: 'POST',
    path: `/api/v1/sessions/${ID}/commit`,
    headers: {
      'content-type': 'application/json',
      'x-openviking-actor-peer': 'hermes',
      'x-openviking-user': 'default',
    },
    body: { keep_recent_count: 0 },
  });
  expect(await bench.drain({}, { endpoint: server.url })).toMatchObject({ stopped: 'clean', segments: [] });
  expect(server.seen).toHaveLength(1);
});

it('encodes an id that would be another path', async () => {
  const { server, bench, owner } = await setUp();
  const odd = '../admin?x=1#é/%2f';
  server.tell(odd);
  await bench.mark(odd, owner);
  expect(outcomes(await bench.drain({}, { endpoint: server.url }))).toEqual({ [odd]: 'committed' });
  expect(server.seen[0].path).toBe(`/api/v1/sessions/${encodeURIComponent(odd)}/commit`);
});

it('sends a key both ways and leaves the tenant out, unless a trusting server asks for it', async () => {
  const { server, bench, owner } = await setUp();
  server.tell(ID);
  server.apiKey = 's3cret';
  await bench.mark(ID, owner);
  const key = { OPENVIKING_API_KEY: 's3cret' };
  await bench.drain({}, { endpoint: server.url }, key);
  expect(server.seen[0].headers).toMatchObject({ 'x-api-key': 's3cret', authorization: 'Bearer s3cret' });
  expect(server.seen[0].headers).not.toHaveProperty('x-openviking-user');

  server.trusted = true;
  server.tell(ID);
  const tenant = ownerAt(server.url).replace('"account":null', '"account":"acme"');
  await bench.mark(ID, tenant);
  expect(outcomes(await bench.drain({}, { endpoint: server.url, account: 'acme' }, key))).toEqual({
    [ID]: 'committed',
  });
  expect(server.seen.at(-1)!.headers).toMatchObject({
    'x-openviking-account': 'acme',
    'x-openviking-user': 'default',
    'x-api-key': 's3cret',
  });
  expect(server.commitsOf(ID)).toHaveLength(2);
});

it.each([false, true])('tells a commit of nothing from one that is done (old server: %s)', async (oldStyle) => {
  const { server, bench, owner } = await setUp();
  server.oldStyle = oldStyle;
  const flags = { endpoint: server.url };
  // The server knows the session, and nobody has ever told it anything of this turn.
  server.sessions.set(ID, { pending: [], total: 0, commits: [] });
  await bench.mark(ID, owner);
  expect(reasons(await bench.drain({}, flags))).toEqual({ [ID]: 'nothing_synced' });
  // Its last commit is older than the turn.
  server.sessions.get(ID)!.commits.push({ at: Date.now() / 1000 - 60, messages: 1 });
  expect(reasons(await bench.drain({}, flags))).toEqual({ [ID]: 'nothing_synced' });
  expect(await bench.uncommitted()).toEqual({ [ID]: 1 });
  expect((await bench.ledger.session(ID))!.attempt).toMatchObject({ reason: 'nothing_synced' });
  // Somebody else has committed it since.
  server.sessions.get(ID)!.commits.push({ at: Date.now() / 1000 + 1, messages: 1 });
  expect(outcomes(await bench.drain({}, flags))).toEqual({ [ID]: 'already_committed' });
  expect(await bench.uncommitted()).toEqual({ [ID]: 0 });
  expect((await bench.ledger.session(ID))!.attempt).toBeNull();
});

it('takes a server’s clock that is off into account', async () => {
  const { server, bench, owner } = await setUp();
  server.clockAhead = 3600;
  // By its clock an hour from now; by ours a minute ago, before the turn.
  server.sessions.set(ID, { pending: [], total: 0, commits: [{ at: Date.now() / 1000 + 3540, messages: 1 }] });
  await bench.mark(ID, owner);
  expect(reasons(await bench.drain({}, { endpoint: server.url }))).toEqual({ [ID]: 'nothing_synced' });
  server.sessions.get(ID)!.commits.push({ at: Date.now() / 1000 + 3630, messages: 1 });
  expect(outcomes(await bench.drain({}, { endpoint: server.url }))).toEqual({ [ID]: 'already_committed' });
});

const REFUSALS: [Mischief, string, RegExp][] = [
  [{ status: 401, code: 'UNAUTHENTICATED' }, 'auth_failed', /OPENVIKING_API_KEY/],
  [{ status: 403, code: 'PERMISSION_DENIED' }, 'permission_denied', /does not allow/],
  [{ status: 404, code: 'NOT_FOUND' }, 'unknown_session', /--sync-messages/],
  [{ status: 404, body: '<html>nginx</html>' }, 'rejected', /is that an OpenViking server\?/],
  [{ status: 409, code: 'CONFLICT' }, 'rejected', /409/],
  [{ status: 412, code: 'FAILED_PRECONDITION' }, 'failed_precondition', /earlier commit/],
  [{ status: 429, code: 'RESOURCE_EXHAUSTED', headers: { 'retry-after': '3600' } }, 'rate_limited', /in 3600 s/],
  [{ status: 500, code: 'INTERNAL' }, 'server_error', /500/],
  [{ status: 503, code: 'UNAVAILABLE' }, 'server_error', /not available/],
  [{ status: 302, headers: { location: 'http://127.0.0.1:1/' }, body: '' }, 'rejected', /302/],
  [{ status: 200, body: '<html>Log in</html>' }, 'server_error', /not an answer of OpenViking/],
  [{ status: 200, body: '{"status":"ok"' }, 'server_error', /not an answer of OpenViking/],
  [{ status: 200, body: '' }, 'server_error', /not an answer of OpenViking/],
  [{ status: 200, body: '{"status":"error","error":{"code":"X","message":"inside"}}' }, 'server_error', /inside/],
  [{ status: 200, body: '{"status":"ok","result":null}' }, 'nothing_synced', /nothing to commit/],
];

it.each(REFUSALS)('keeps the segment, and says why: %j', async (mischief, reason, message) => {
  const { server, bench, owner } = await setUp();
  server.tell(ID);
  server.mischief = ({ method }) => (method === 'POST' ? mischief : undefined);
  await bench.mark(ID, owner);
  const drained = await bench.drain({}, { endpoint: server.url });
  expect(drained.stopped).toBe('no-progress');
  expect(drained.remaining).toMatchObject([{ failure: { reason, message: expect.stringMatching(message) as string } }]);
  expect(drained.remaining[0].failure.message).toMatch(/^\S.*[.?]$/);
  expect(await bench.uncommitted()).toEqual({ [ID]: 1 });
  expect(server.requests(/commit/), 'no repetition where it is not safe').toHaveLength(1);
  // And when the server is right again, it is committed.
  server.mischief = () => undefined;
  expect(outcomes(await bench.drain({}, { endpoint: server.url }))).toEqual({ [ID]: 'committed' });
});

it('does not try all the others with a key that was rejected, nor a server that is not there', async () => {
  const { server, bench, owner } = await setUp();
  server.apiKey = 'right';
  for (let i = 0; i < 50; i++) await bench.mark(`many${i}`, owner);
  const flags = { endpoint: server.url };
  const drained = await bench.drain({ concurrency: 2 }, flags, { OPENVIKING_API_KEY: 'wrong-key' });
  expect(new Set(Object.values(reasons(drained)))).toEqual(new Set(['auth_failed']));
  expect(drained.remaining).toHaveLength(50);
  expect(server.seen.length).toBeLessThanOrEqual(2);
  // The server told the key back; we do not tell it on.
  expect(JSON.stringify([drained, await bench.ledger.sessions()])).not.toContain('wrong-key');
  expect(drained.remaining[0].failure.message).toContain('Invalid API key ***');
});

it('repeats where that is safe: what nobody read, and what was too much', async () => {
  const clock = fastClock();
  const { server, bench, owner } = await setUp(realDeps({ clock }));
  server.tell(ID);
  let asked = 0;
  server.mischief = () => (++asked <= 2 ? { status: 429, headers: { 'retry-after': '2' } } : undefined);
  await bench.mark(ID, owner);
  const before = clock.now();
  const flags = { endpoint: server.url };
  expect(outcomes(await bench.drain({ deadlineSeconds: 600 }, flags))).toEqual({ [ID]: 'committed' });
  expect(clock.now() - before).toBeGreaterThanOrEqual(4);
  expect(asked).toBe(3);

  server.stop();
  await bench.mark(ID, owner);
  const drained = await bench.drain({ deadlineSeconds: 600 }, flags);
  expect(drained.remaining).toMatchObject([{ failure: { reason: 'unreachable', code: 'UNREACHABLE' } }]);
});

it('does not know what became of a commit whose connection broke, and finds out', async () => {
  const { server, bench, owner } = await setUp();
  const flags = { endpoint: server.url };
  for (const [mischief, outcome] of [
    ['cut', 'committed'],
    ['cut-after', 'already_committed'],
  ] as const) {
    server.tell(ID);
    await bench.mark(ID, owner);
    const commits = server.commitsOf(ID).length;
    server.mischief = () => mischief;
    const drained = await bench.drain({}, flags);
    expect(drained.remaining).toMatchObject([{ failure: { reason: 'outcome_unknown', code: 'OUTCOME_UNKNOWN' } }]);
    expect(await bench.uncommitted()).toEqual({ [ID]: 1 });
    server.mischief = () => undefined;
    expect(outcomes(await bench.drain({}, flags))).toEqual({ [ID]: outcome });
    expect(server.commitsOf(ID).length, 'once').toBe(commits + 1);
  }
});

it.each(['hang', 'trickle'] as const)('keeps its deadline with a server that will %s', async (mischief) => {
  const clock = fastClock();
  const { server, bench, owner } = await setUp(realDeps({ clock }));
  for (let i = 0; i < 20; i++) {
    server.tell(`slow${i}`);
    await bench.mark(`slow${i}`, owner);
  }
  server.mischief = () => mischief;
  const real = Date.now();
  const drained = await bench.drain({ deadlineSeconds: 12 }, { endpoint: server.url });
  expect(drained.stopped).toBe('deadline');
  expect(drained.took).toBeGreaterThanOrEqual(12);
  expect(Date.now() - real, 'bounded').toBeLessThan(30_000);
  expect(Object.values(reasons(drained))).toEqual(Array<string>(20).fill('deadline'));
  expect(
    (await bench.ledger.sessions()).filter(({ claim }) => claim !== null),
    'no claim is left',
  ).toEqual([]);
  server.mischief = () => undefined;
  expect(await bench.drain({ deadlineSeconds: 600 }, { endpoint: server.url })).toMatchObject({ stopped: 'clean' });
  expect(Object.values(await bench.uncommitted())).toEqual(Array<number>(20).fill(0));
});

it('gives each request its time only', async () => {
  const { server, bench, owner } = await setUp();
  server.tell(ID);
  server.mischief = () => 'hang';
  await bench.mark(ID, owner);
  const drained = await bench.drain({ deadlineSeconds: 100 }, { endpoint: server.url, timeoutSeconds: 0.3 });
  expect(drained.remaining).toMatchObject([{ failure: { reason: 'outcome_unknown' } }]);
  expect(drained.took).toBeLessThan(50);
});

it('waits for the extraction where that is wanted, and says how it ended', async () => {
  const { server, bench, owner } = await setUp();
  const flags = { endpoint: server.url };
  for (const [states, extraction] of [
    [['pending', 'running', 'completed'], 'completed'],
    [['running', 'failed'], 'failed'],
  ] as const) {
    server.taskStates = [...states];
    server.tell(ID);
    await bench.mark(ID, owner);
    const drained = await bench.drain({ waitExtraction: true }, flags);
    expect(drained.segments).toMatchObject([{ outcome: 'committed', extraction }]);
    expect(await bench.uncommitted(), 'archived is committed').toEqual({ [ID]: 0 });
  }
  server.taskStates = ['running'];
  server.tell(ID);
  await bench.mark(ID, owner);
  const drained = await bench.drain({ waitExtraction: true, deadlineSeconds: 2.5 }, flags);
  expect(drained.segments).toMatchObject([{ extraction: 'pending' }]);
});

it('leaves turns that are marked during a commit uncommitted', async () => {
  const { server, bench, owner } = await setUp();
  server.tell(ID);
  await bench.mark(ID, owner);
  let marked = Promise.resolve(0);
  server.mischief = () => {
    // Not in a test's server only: a hook in another process does just this.
    marked = bench.mark(ID, owner);
    server.mischief = () => ({ status: 401 });
    return undefined;
  };
  const drained = await bench.drain({}, { endpoint: server.url });
  expect(await marked).toBe(2);
  expect(drained.segments).toMatchObject([{ segment: { start: 1, end: 1 } }]);
  expect(reasons(drained)).toEqual({ [ID]: 'auth_failed' });
  expect(await bench.uncommitted()).toEqual({ [ID]: 1 });
});
