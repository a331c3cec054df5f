import fs from 'node:fs';
import path from 'node:path';

import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';

import { claimState, newClaim } from '../../../src/core/memory/claim';
import { type DrainSources } from '../../../src/core/memory/due';
import { drain } from '../../../src/core/memory/drain';
import { begin, isDirty, mark, NEW_LIFECYCLE, settle } from '../../../src/core/memory/lifecycle';
import { failed, type MemoryProvider } from '../../../src/core/memory/providers/provider';
import { spellOwner } from '../../../src/core/memory/owner';
import type { Deps } from '../../../src/core/deps';
import { testDeps } from '../../support/deps';
import { fastClock, MemoryBench, outcomes, ownerAt, realDeps, reasons } from '../../support/memory';
import { OpenViking } from '../../support/openviking';
import { makeStore, session } from '../../support/store';

const ID = 'aaaa00000001';

async function openBench(deps: Deps = realDeps(), store = makeStore({ [ID]: session(ID) })): Promise<MemoryBench> {
  const bench = await MemoryBench.open(store, deps);
  onTestFinished(() => bench.close());
  return bench;
}

const OPTIONS = { deadlineSeconds: 30, concurrency: 4, wait: false, waitExtraction: false, syncMessages: false };

function sourcesOf(provider: MemoryProvider): DrainSources {
  return {
    ownerFor: () => 'me',
    open: () => provider,
    transcript: () => ({ path: undefined, messages: () => Promise.resolve(undefined) }),
  };
}

/** A clock that goes on only when nothing else does: to the next sleeper's time. */
function handClock(): Deps['clock'] & { advance(seconds: number): Promise<void> } {
  let now = 1_800_000_000;
  const sleepers = new Set<{ at: number; wake: () => void }>();
  return {
    now: () => now,
    sleep: (seconds, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) {
          resolve();
          return;
        }
        const sleeper = { at: now + seconds, wake: resolve };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', () => {
          sleepers.delete(sleeper);
          resolve();
        });
      }),
    async advance(seconds) {
      now += seconds;
      for (const sleeper of [...sleepers]) {
        if (sleeper.at > now) continue;
        sleepers.delete(sleeper);
        sleeper.wake();
      }
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe('the deadline', () => {
  it('holds with providers that never answer, whatever they are told', async () => {
    const clock = handClock();
    const bench = await openBench(realDeps({ clock }));
    for (let i = 0; i < 8; i++) await bench.mark(`hung${i}`, 'me');
    let asked = 0;
    const hangs: MemoryProvider = {
      commit: () => {
        asked++;
        return new Promise(() => undefined);
      },
    };
    let result: Awaited<ReturnType<typeof drain>> | undefined;
    const running = drain(bench.ledger, sourcesOf(hangs), { ...OPTIONS, deadlineSeconds: 10 }, bench.deps).then(
      (drained) => (result = drained),
    );
    for (let second = 0; second < 10; second++) {
      expect(result, `after ${second} s`).toBeUndefined();
      await clock.advance(1);
    }
    // A second for last words, and it is over: nobody waits for the others' turns.
    await clock.advance(1);
    await clock.advance(1);
    expect(await running).toMatchObject({ stopped: 'deadline', segments: [] });
    expect(asked).toBe(4);
    expect(result!.took).toBeLessThanOrEqual(12);
    expect(new Set(Object.values(reasons(result!)))).toEqual(new Set(['deadline']));
    expect(
      (await bench.ledger.sessions()).filter(({ claim }) => claim),
      'claims are given back',
    ).toEqual([]);
  });

  it('lets a provider say how far it was', async () => {
    const clock = fastClock();
    const bench = await openBench(realDeps({ clock }));
    await bench.mark(ID, 'me');
    const tells: MemoryProvider = {
      commit: ({ signal }) =>
        new Promise((resolve) =>
          signal.addEventListener('abort', () => resolve(failed('deadline', 'UNREACHABLE', 'Nobody has read it.'))),
        ),
    };
    const drained = await drain(bench.ledger, sourcesOf(tells), { ...OPTIONS, deadlineSeconds: 2 }, bench.deps);
    expect(drained.remaining).toMatchObject([{ failure: { message: 'Nobody has read it.' } }]);
  });
});

describe('claims', () => {
  const processes: Deps['processes'] = {
    self: { pid: 100, host: 'here', command: 'x' },
    uid: 0,
    bootId: 'boot1',
    pidSpace: 'pid:[1]',
    startedAt: () => undefined,
    startTick: (pid) => (pid === 100 ? 5000 : undefined),
  };
  const claim = newClaim('t', processes, 1000, 60);

  it.each([
    ['its process lives', {}, processes, 1059, 'live'],
    ['the time is over', {}, processes, 1060, 'expired'],
    ['its process is gone', { pid: 101 }, processes, 1000, 'dead'],
    ['its pid is another’s by now', { startTick: 4999 }, processes, 1000, 'dead'],
    ['the system was started anew', { bootId: 'boot0' }, processes, 1000, 'dead'],
    ['it is of another host', { host: 'there', pid: 101 }, processes, 1000, 'live'],
    ['it is of another container', { pidSpace: 'pid:[2]', pid: 101 }, processes, 1000, 'live'],
    ['nobody can tell when it began', { startTick: null }, processes, 1000, 'live'],
    ['nobody can tell about processes', {}, { ...processes, startTick: () => null }, 1000, 'live'],
  ] as const)('where %s', (_, change, asked, now, state) => {
    expect(claimState({ ...claim, ...change }, asked, now)).toBe(state);
  });

  it('of the dead are taken over, of the living not', async () => {
    const store = makeStore();
    const other = await openBench(testDeps({ processes }), store);
    await other.mark(ID, 'me');
    const begun = await other.ledger.begin(ID, null, 60);
    expect(begun.kind).toBe('begun');
    expect((await other.ledger.begin(ID, null, 60)).kind).toBe('in-flight');

    const later = await openBench(testDeps({ processes: { ...processes, startTick: () => undefined } }), store);
    const taken = await later.ledger.begin(ID, null, 60);
    expect(taken.kind).toBe('begun');
    if (begun.kind !== 'begun' || taken.kind !== 'begun') return;
    // The first one was not dead after all, and has committed: that counts, and the claim stays the second's.
    await other.ledger.settle(begun.ticket);
    expect(await later.ledger.session(ID)).toMatchObject({ committed: 1, claim: { token: taken.ticket.token } });
    await later.ledger.abandon(taken.ticket, null);
    expect(await later.ledger.session(ID)).toMatchObject({ committed: 1, claim: null, segments: [] });
  });

  it('settle nothing of a session that was forgotten and became known again', async () => {
    const bench = await openBench();
    await bench.mark(ID, 'me');
    const begun = await bench.ledger.begin(ID, null, 60);
    if (begun.kind !== 'begun') throw new Error(begun.kind);
    const late = begun.ticket;
    await bench.ledger.settle(late);
    await bench.ledger.discard(ID);
    await bench.mark(ID, 'me');
    await bench.ledger.settle(late);
    expect(await bench.uncommitted()).toEqual({ [ID]: 1 });
  });
});

describe('the machine', () => {
  it('commits each turn exactly once, in order, whatever happens meanwhile', () => {
    const step = fc.oneof(
      fc.record({
        do: fc.constant('mark' as const),
        owner: fc.constantFrom('A', 'B', null),
        turns: fc.integer({ min: 1, max: 3 }),
      }),
      fc.record({ do: fc.constant('begin' as const), fallback: fc.constantFrom('C', null) }),
      fc.record({ do: fc.constant('end' as const), ok: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let state = NEW_LIFECYCLE;
        let captured: { start: number; end: number } | undefined;
        let committedUpTo = 0;
        for (const one of steps) {
          if (one.do === 'mark') state = mark(state, one.owner, Array<number>(one.turns).fill(1));
          else if (one.do === 'begin') {
            const begun = begin(state, one.fallback);
            if (begun.kind !== 'begun') continue;
            expect(begun.segment.start, 'nothing is skipped').toBe(committedUpTo + 1);
            state = begun.state;
            captured = begun.segment;
          } else if (captured) {
            state = one.ok ? settle(state, captured.end) : { ...state, inFlight: false };
            if (one.ok) committedUpTo = captured.end;
            captured = undefined;
          }
          const { segments, generation, committed } = state;
          expect(committed).toBe(committedUpTo);
          expect(isDirty(state)).toBe(segments.length > 0);
          // The segments are just what is not committed, without holes.
          const covered = segments.flatMap(({ start, end }) =>
            Array.from({ length: end - start + 1 }, (_, i) => start + i),
          );
          expect(covered).toEqual(Array.from({ length: generation - committed }, (_, i) => committed + 1 + i));
        }
      }),
    );
  });
});

describe('owners', () => {
  it('keep their segments when the configuration is another, and get them back with it', async () => {
    const [first, second] = [await OpenViking.start(), await OpenViking.start()];
    const bench = await openBench();
    first.tell(ID);
    second.tell(ID);
    await bench.mark(ID, ownerAt(first.url));
    await bench.mark(ID, ownerAt(second.url));
    const drained = await bench.drain({}, { endpoint: second.url }, { OPENVIKING_API_KEY: 'of-the-second' });
    expect(reasons(drained)).toEqual({ [ID]: 'owner_not_configured' });
    expect([first.seen.length, second.seen.length], 'its key goes nowhere else').toEqual([0, 0]);
    expect(outcomes(await bench.drain({}, { endpoint: first.url }))).toEqual({ [ID]: 'committed' });
    expect(first.commitsOf(ID)).toHaveLength(1);
    expect(await bench.drain({}, { endpoint: second.url })).toMatchObject({ stopped: 'clean' });
    expect(second.commitsOf(ID)).toHaveLength(1);
  });

  it('of each profile are served by that profile’s configuration', async () => {
    const [first, second] = [await OpenViking.start(), await OpenViking.start()];
    const store = makeStore();
    const config = (home: string, url: string, key: string): void => {
      fs.mkdirSync(home, { recursive: true });
      const yaml = `# comment\nmodel: {default: x}\nmemory:\n  provider: openviking # this\n  openviking:\n    endpoint: "${url}/"\n`;
      fs.writeFileSync(path.join(home, 'config.yaml'), yaml);
      fs.writeFileSync(path.join(home, '.env'), `export OPENVIKING_API_KEY='${key}'\n`);
    };
    config(store.hermesHome, first.url, 'key1');
    config(path.join(store.hermesHome, 'profiles', 'work'), second.url, 'key2');
    [first.apiKey, second.apiKey] = ['key1', 'key2'];
    const bench = await openBench(realDeps(), store);
    for (const [id, profile] of [
      ['home0001', 'default'],
      ['work0001', 'work'],
    ]) {
      first.tell(id);
      second.tell(id);
      await bench.mark(id, null, profile);
    }
    expect(await bench.drain()).toMatchObject({ stopped: 'clean' });
    expect(
      [first, second].map((server) =>
        [...server.sessions].filter(([, { commits }]) => commits.length > 0).map(([id]) => id),
      ),
    ).toEqual([['home0001'], ['work0001']]);
  });

  it('that are the same in two profiles are served with the key of each, and one that is refused stops no other', async () => {
    const server = await OpenViking.start();
    const store = makeStore();
    const config = (home: string, key: string): void => {
      fs.mkdirSync(home, { recursive: true });
      fs.writeFileSync(path.join(home, '.env'), `OPENVIKING_ENDPOINT=${server.url}\nOPENVIKING_API_KEY=${key}\n`);
    };
    config(store.hermesHome, 'key1');
    for (const name of ['work', 'wrong']) config(path.join(store.hermesHome, 'profiles', name), `of-${name}`);
    const keyOf: Record<string, string> = { default: 'key1', work: 'of-work', wrong: 'of-wrong' };
    server.mischief = ({ headers }) =>
      headers['x-api-key'] === 'of-wrong' ? { status: 401, code: 'UNAUTHENTICATED' } : undefined;
    const bench = await openBench(realDeps(), store);
    // The wrong one first: the owner, without its key, is the same.
    for (const profile of ['wrong', 'default', 'work']) {
      server.tell(`${profile}01`);
      await bench.mark(`${profile}01`, null, profile);
    }
    const drained = await bench.drain({ concurrency: 1 });
    expect(outcomes(drained)).toEqual({ default01: 'committed', work01: 'committed' });
    expect(reasons(drained)).toEqual({ wrong01: 'auth_failed' });
    expect(drained.segments.map(({ profile }) => profile).sort()).toEqual(['default', 'work']);
    for (const { path: asked, headers } of server.seen) {
      const [, profile] = /sessions\/([a-z]+)01/.exec(asked) ?? [];
      if (profile) expect(headers['x-api-key']).toBe(keyOf[profile]);
    }
  });

  it('that are nobody get the one that commits, and keep it if that fails', async () => {
    const server = await OpenViking.start();
    const bench = await openBench();
    await bench.mark(ID, null);
    expect(reasons(await bench.drain())).toEqual({ [ID]: 'no_owner' });
    expect(reasons(await bench.drain({}, { endpoint: server.url }))).toEqual({ [ID]: 'unknown_session' });
    expect((await bench.ledger.session(ID))!.segments).toMatchObject([{ owner: ownerAt(server.url) }]);
    expect(reasons(await bench.drain())).toEqual({ [ID]: 'owner_not_configured' });
  });

  it('whom hermesctl cannot serve stay', async () => {
    const bench = await openBench();
    const honcho = spellOwner({ provider: 'honcho', endpoint: null, account: null, user: null, actor: null });
    await bench.mark(ID, honcho);
    expect(reasons(await bench.drain({}, { provider: 'honcho' }))).toEqual({ [ID]: 'provider_not_supported' });
  });
});

describe('holographic', () => {
  it('says that there is nothing to commit, and is done', async () => {
    const bench = await openBench();
    await bench.mark(ID, null);
    expect(outcomes(await bench.drain({}, { provider: 'holographic' }))).toEqual({ [ID]: 'nothing_to_commit' });
    expect(await bench.uncommitted()).toEqual({ [ID]: 0 });
  });
});

describe('command', () => {
  const program = (bench: MemoryBench, script: string): string[] => {
    const file = path.join(bench.store.root, 'commit.sh');
    fs.writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return [file, '$(touch oops)', '; true'];
  };

  it('is told the session, and commits with 0', async () => {
    const bench = await openBench();
    await bench.mark(ID, null);
    const out = path.join(bench.store.root, 'told');
    const command = program(
      bench,
      `printf '%s|' "$HERMESCTL_SESSION_ID" "$HERMESCTL_TRANSCRIPT" "$HERMESCTL_STATE_DIR" "$@" >'${out}'; echo noise`,
    );
    expect(outcomes(await bench.drain({}, { command }))).toEqual({ [ID]: 'committed' });
    const transcript = path.join(bench.store.sessionsDir, `${ID}.json`);
    expect(fs.readFileSync(out, 'utf8')).toBe(`${ID}|${transcript}|${bench.store.stateDir}|$(touch oops)|; true|`);
  });

  it.each([
    ['exit 3', 'ended with 3'],
    ['echo one >&2; echo two >&2; exit 1', 'ended with 1: two'],
    ['kill -9 $$', 'was ended by SIGKILL'],
  ])('leaves the segment where it fails: %s', async (script, why) => {
    const bench = await openBench();
    await bench.mark(ID, null);
    const drained = await bench.drain({}, { command: program(bench, script) });
    expect(drained.remaining).toMatchObject([
      { failure: { reason: 'command_failed', message: expect.stringContaining(why) as string } },
    ]);
    expect(await bench.uncommitted()).toEqual({ [ID]: 1 });
  });

  it('that is not there is tried once', async () => {
    const bench = await openBench();
    for (let i = 0; i < 10; i++) await bench.mark(`none${i}`, null);
    const drained = await bench.drain({ concurrency: 1 }, { command: ['/nonexistent/program'] });
    expect(drained.remaining).toHaveLength(10);
    expect(drained.remaining[0].failure).toMatchObject({ reason: 'command_failed', stopsOwner: true });
  });

  it.each([
    ['ignores', "trap '' TERM"],
    ['obeys', 'true'],
  ])('is ended at the deadline, with what it has started, where it %s the signal', async (_, manners) => {
    const bench = await openBench();
    await bench.mark(ID, null);
    const alive = path.join(bench.store.root, 'alive');
    const command = program(
      bench,
      `${manners}; (trap '' TERM; while :; do date >'${alive}'; sleep 0.1; done) & wait; sleep 60`,
    );
    const drained = await bench.drain({ deadlineSeconds: 1 }, { command });
    expect(drained.remaining).toMatchObject([{ failure: { reason: 'deadline', code: 'OUTCOME_UNKNOWN' } }]);
    expect(drained.took).toBeLessThan(20);
    await new Promise((resolve) => setTimeout(resolve, 300));
    fs.rmSync(alive, { force: true });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(fs.existsSync(alive), 'nothing of it runs on').toBe(false);
  });
});

describe('--sync-messages', () => {
  const long = (count: number): Record<string, unknown> =>
    session(ID, {
      messages: Array.from({ length: count }, (_, i) => ({
        role: i % 2 === 0 ? 'user' : 'assistant',
        content: i % 4 === 0 ? [{ type: 'text', text: `part ${i}` }] : `text ${i}`,
        timestamp: 1777000000 + i,
      })),
    });

  it.each([true, false])(
    'uploads the transcript of a session that is not known, and commits it (batches: %s)',
    async (hasBatches) => {
      const server = await OpenViking.start();
      server.hasBatches = hasBatches;
      const count = hasBatches ? 230 : 12;
      const messages = [
        ...(long(count)['messages'] as object[]),
        { role: 'tool', content: 'x' },
        { role: 'assistant', content: 'no', _error: true },
        { role: 'assistant', content: '' },
      ];
      const bench = await openBench(realDeps(), makeStore({ [ID]: session(ID, { messages }) }));
      await bench.mark(ID, ownerAt(server.url));
      expect(outcomes(await bench.drain({ syncMessages: true }, { endpoint: server.url }))).toEqual({
        [ID]: 'committed',
      });
      expect(server.commitsOf(ID)).toMatchObject([{ messages: count }]);
      expect(server.requests(/messages\/batch/)).toHaveLength(hasBatches ? 3 : count);
      const [first] = server.requests(/\/messages/).map(({ body }) => body as { messages: unknown[] });
      expect(first.messages.slice(0, 2)).toEqual([
        { role: 'user', parts: [{ type: 'text', text: 'part 0' }] },
        { role: 'assistant', parts: [{ type: 'text', text: 'text 1' }] },
      ]);
    },
  );

  it.each(['cut', 'cut-after'] as const)(
    'never commits a half of it, and goes on where the server stands (%s)',
    async (mischief) => {
      const server = await OpenViking.start();
      const bench = await openBench(realDeps(), makeStore({ [ID]: long(250) }));
      await bench.mark(ID, ownerAt(server.url));
      const flags = { endpoint: server.url };
      let batches = 0;
      server.mischief = ({ path: url }) => (url.endsWith('/batch') && ++batches === 2 ? mischief : undefined);
      expect(reasons(await bench.drain({ syncMessages: true }, flags))).toEqual({ [ID]: 'outcome_unknown' });
      expect((await bench.ledger.session(ID))!.upload).toBe(100);
      // The server knows the session by now: a plain commit would take the half for the whole.
      expect(reasons(await bench.drain({}, flags))).toEqual({ [ID]: 'upload_unfinished' });
      expect(server.commitsOf(ID)).toEqual([]);
      expect(outcomes(await bench.drain({ syncMessages: true }, flags))).toEqual({ [ID]: 'committed' });
      expect(server.commitsOf(ID)).toMatchObject([{ messages: 250 }]);
      expect((await bench.ledger.session(ID))!.upload).toBeNull();
    },
  );

  it('stays where there is nothing to upload', async () => {
    const server = await OpenViking.start();
    const bench = await openBench(realDeps(), makeStore());
    await bench.mark(ID, ownerAt(server.url));
    expect(reasons(await bench.drain({ syncMessages: true }, { endpoint: server.url }))).toEqual({
      [ID]: 'no_transcript',
    });
  });
});
