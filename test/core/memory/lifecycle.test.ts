import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import type { Deps } from '../../../src/core/deps';
import { type DrainSources } from '../../../src/core/memory/due';
import { drain } from '../../../src/core/memory/drain';
import { Ledger } from '../../../src/core/memory/ledger';
import {
  abandon,
  begin,
  isDirty,
  type Lifecycle,
  mark,
  NEW_LIFECYCLE,
  register,
  settle,
  unregister,
} from '../../../src/core/memory/lifecycle';
import { failed, type MemoryProvider } from '../../../src/core/memory/providers/provider';
import { systemProcesses } from '../../../src/cli/processes';
import { testDeps } from '../../support/deps';
import { temporaryDirectory, VECTORS } from '../../support/store';

/*
 * Recorded sequences of operations on the real module, with every result and
 * every snapshot, once through the machine alone and once through a ledger.
 */

interface Snapshot {
  generation: number;
  committed_generation: number;
  agent: string | null;
  in_flight: boolean;
  segments: { start: number; end: number; agent: string | null }[];
}

interface During {
  op: 'mark' | 'register' | 'commit';
  session: string;
  agent?: string | null;
  result?: boolean;
}

interface Operation {
  op: 'register' | 'unregister' | 'mark' | 'commit' | 'drain' | 'has_uncommitted';
  session: string;
  agent?: string | null;
  fallback_agent?: string | null;
  provider?: { ok: boolean; during: During[] };
  committed_by?: string[];
  calls?: Record<string, number>;
  result?: unknown;
  after: Record<string, Snapshot | null>;
}

const { cases } = JSON.parse(fs.readFileSync(path.join(VECTORS, 'lifecycle.json'), 'utf8')) as { cases: Operation[][] };

function snapshot(state: Lifecycle | undefined): Snapshot | null {
  if (state === undefined) return null;
  const { generation, committed, owner, inFlight, segments } = state;
  return {
    generation,
    committed_generation: committed,
    agent: owner,
    in_flight: inFlight,
    segments: segments.map((segment) => ({ start: segment.start, end: segment.end, agent: segment.owner })),
  };
}

/** What the sequences drive: the machine, or a ledger. */
interface Driven {
  register(id: string, owner: string): Promise<void>;
  unregister(id: string): Promise<void>;
  mark(id: string, owner: string | null): Promise<number>;
  isDirty(id: string): Promise<boolean>;
  /** @param provider is told the owner, and says whether it succeeded. */
  commit(id: string, fallback: string | null, provider: (owner: string) => Promise<boolean>): Promise<boolean>;
  drain(provider: (owner: string) => Promise<boolean>): Promise<void>;
  state(id: string): Promise<Lifecycle | undefined>;
}

async function replay(driven: Driven, operations: Operation[]): Promise<void> {
  for (const [i, op] of operations.entries()) {
    const where = `operation ${i}: ${op.op}`;
    switch (op.op) {
      case 'register':
        await driven.register(op.session, op.agent!);
        break;
      case 'unregister':
        await driven.unregister(op.session);
        break;
      case 'mark':
        expect(await driven.mark(op.session, op.agent ?? null), where).toBe(op.result);
        break;
      case 'has_uncommitted':
        expect(await driven.isDirty(op.session), where).toBe(op.result);
        break;
      case 'drain': {
        const calls: Record<string, number> = { A: 0, B: 0, C: 0 };
        await driven.drain((owner) => {
          calls[owner]++;
          return Promise.resolve(true);
        });
        expect(calls, where).toEqual(op.calls);
        break;
      }
      case 'commit': {
        const calls: string[] = [];
        const result = await driven.commit(op.session, op.fallback_agent ?? null, async (owner) => {
          calls.push(owner);
          for (const step of op.provider!.during) await during(driven, step, where);
          return op.provider!.ok;
        });
        expect(result, where).toBe(op.result);
        expect(calls, where).toEqual(op.committed_by);
      }
    }
    const after = Object.fromEntries(
      await Promise.all(Object.keys(op.after).map(async (id) => [id, snapshot(await driven.state(id))] as const)),
    );
    expect(after, where).toEqual(op.after);
  }
}

async function during(driven: Driven, step: During, where: string): Promise<void> {
  if (step.op === 'mark') await driven.mark(step.session, step.agent ?? null);
  else if (step.op === 'register') await driven.register(step.session, step.agent!);
  else {
    const unexpected = (): Promise<boolean> => Promise.reject(new Error('a second commit at once'));
    expect(await driven.commit(step.session, null, unexpected), where).toBe(step.result);
  }
}

/** The machine, with a map for a ledger. */
function machine(): Driven {
  const states = new Map<string, Lifecycle>();
  const driven: Driven = {
    register: (id, owner) => Promise.resolve(void states.set(id, register(states.get(id) ?? NEW_LIFECYCLE, owner))),
    unregister: (id) => {
      const state = states.get(id);
      if (state) states.set(id, unregister(state));
      return Promise.resolve();
    },
    mark: (id, owner) => {
      const state = mark(states.get(id) ?? NEW_LIFECYCLE, owner, [0]);
      states.set(id, state);
      return Promise.resolve(state.generation);
    },
    isDirty: (id) => Promise.resolve(isDirty(states.get(id) ?? NEW_LIFECYCLE)),
    commit: async (id, fallback, provider) => {
      const state = states.get(id);
      const begun = state && begin(state, fallback);
      if (begun?.kind !== 'begun') return false;
      states.set(id, begun.state);
      const isDone = await provider(begun.segment.owner);
      states.set(id, isDone ? settle(states.get(id)!, begun.segment.end) : abandon(states.get(id)!));
      return isDone;
    },
    drain: async (provider) => {
      for (;;) {
        const before = JSON.stringify([...states]);
        for (const [id, state] of states) if (isDirty(state)) await driven.commit(id, null, provider);
        if (JSON.stringify([...states]) === before) return;
      }
    },
    state: (id) => Promise.resolve(states.get(id)),
  };
  return driven;
}

/** A ledger in a file; each call opens it anew where `reopened`, as a process of its own would. */
function ledgerInFile(stateDir: string, deps: Deps): Driven {
  const use = async <T>(work: (ledger: Ledger) => Promise<T>): Promise<T> => {
    const ledger = await Ledger.open(stateDir, 5, deps);
    try {
      return await work(ledger);
    } finally {
      ledger.close();
    }
  };
  const sources = (provider: (owner: string) => Promise<boolean>): DrainSources => ({
    ownerFor: () => null,
    open: (owner): MemoryProvider => ({
      commit: async () =>
        (await provider(owner))
          ? { outcome: 'committed', taskId: null }
          : failed('server_error', 'SERVER_ERROR', 'provider down'),
    }),
    transcript: () => ({ path: undefined, messages: () => Promise.resolve(undefined) }),
  });
  return {
    register: (id, owner) => use((ledger) => ledger.register(id, owner)),
    unregister: (id) => use((ledger) => ledger.unregister(id)),
    mark: (id, owner) =>
      use(
        async (ledger) =>
          (await ledger.mark({ sessionId: id, turns: [], owner, profile: null, stamp: null })).generation,
      ),
    isDirty: (id) => use(async (ledger) => isDirty((await ledger.session(id)) ?? NEW_LIFECYCLE)),
    commit: async (id, fallback, provider) => {
      const begun = await use((ledger) => ledger.begin(id, fallback, 60));
      if (begun.kind !== 'begun') return false;
      const isDone = await provider(begun.segment.owner);
      await use((ledger) => (isDone ? ledger.settle(begun.ticket) : ledger.abandon(begun.ticket, null)));
      return isDone;
    },
    drain: async (provider) => {
      const options = { deadlineSeconds: 30, concurrency: 1, wait: false, waitExtraction: false, syncMessages: false };
      await use((ledger) => drain(ledger, sources(provider), options, deps));
    },
    state: (id) => use((ledger) => ledger.session(id)),
  };
}

describe('the recorded sequences', () => {
  it('are there', () => expect(cases.length).toBeGreaterThanOrEqual(40));

  it.each(cases.map((operations, i) => [i, operations] as const))('%i: the machine alone', async (_, operations) => {
    await replay(machine(), operations);
  });

  it.each(cases.map((operations, i) => [i, operations] as const))('%i: a ledger in a file', async (_, operations) => {
    const deps = testDeps({
      processes: systemProcesses(['test']),
      clock: { now: () => Date.now() / 1000, sleep: (s, signal) => sleepFor(s, signal) },
    });
    await replay(ledgerInFile(temporaryDirectory(), deps), operations);
  });
});

function sleepFor(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
