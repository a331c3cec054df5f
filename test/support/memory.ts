import { systemHttp } from '../../src/cli/http';
import { systemProcesses } from '../../src/cli/processes';
import { systemPrograms } from '../../src/cli/programs';
import type { Deps } from '../../src/core/deps';
import { ConfiguredProviders } from '../../src/core/memory/configured-providers';
import { type DrainSources } from '../../src/core/memory/due';
import { drain, type Drained, type DrainOptions } from '../../src/core/memory/drain';
import { Ledger } from '../../src/core/memory/ledger';
import { spellOwner } from '../../src/core/memory/owner';
import { transcriptOf } from '../../src/core/memory/read-session';
import type { ProviderFlags } from '../../src/core/memory/settings';
import { testDeps } from './deps';
import { locationOf } from './places';
import type { TestStore } from './store';

const never = new AbortController().signal;

/** What the core takes from outside, as the program gives it: real time, network and processes. */
export function realDeps(overrides: Partial<Deps> = {}): Deps {
  return testDeps({
    clock: { now: () => Date.now() / 1000, sleep },
    processes: systemProcesses(['test']),
    http: systemHttp(never),
    programs: systemPrograms(never),
    ...overrides,
  });
}

function sleep(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(end, signal?.aborted ? 0 : seconds * 1000);
    signal?.addEventListener('abort', end, { once: true });
  });
}

/** A clock that runs so many times as fast, for deadlines that nobody wants to wait for. */
export function fastClock(factor = 20): Deps['clock'] {
  const start = Date.now() / 1000;
  return {
    now: () => start + (Date.now() / 1000 - start) * factor,
    sleep: (seconds, signal) => sleep(seconds / factor, signal),
  };
}

/** The owner that an OpenViking server's turns are marked for, by default. */
export function ownerAt(url: string): string {
  return spellOwner({ provider: 'openviking', endpoint: url, account: null, user: 'default', actor: 'hermes' });
}

/** A store's ledger with what drains it, as the commands put it together. */
export class MemoryBench {
  private constructor(
    readonly store: TestStore,
    readonly deps: Deps,
    readonly ledger: Ledger,
  ) {}

  static async open(store: TestStore, deps: Deps = realDeps()): Promise<MemoryBench> {
    return new MemoryBench(store, deps, await Ledger.open(store.stateDir, 20, deps));
  }

  close(): void {
    this.ledger.close();
  }

  /** @returns the session's generation. */
  async mark(sessionId: string, owner: string | null, profile: string | null = null): Promise<number> {
    return (await this.ledger.mark({ sessionId, turns: [], owner, profile, stamp: null })).generation;
  }

  /** What every session's uncommitted generations are. */
  async uncommitted(): Promise<Record<string, number>> {
    const sessions = await this.ledger.sessions();
    return Object.fromEntries(
      sessions.map(({ sessionId, generation, committed }) => [sessionId, generation - committed]),
    );
  }

  drain(
    options: Partial<DrainOptions> = {},
    flags: ProviderFlags & { timeoutSeconds?: number } = {},
    variables: Record<string, string> = {},
  ): Promise<Drained> {
    const location = locationOf(this.store);
    const env = {
      variables: { ...this.store.env, ...variables },
      userHome: this.store.root,
      platform: 'linux' as const,
      cwd: this.store.root,
    };
    const providers = new ConfiguredProviders(location, flags, env, this.deps);
    const sources: DrainSources = {
      ownerFor: (profile) => providers.ownerFor(profile).owner,
      open: (owner, profile) => providers.open(owner, profile),
      transcript: (id) => transcriptOf(location, id, this.deps),
    };
    return drain(
      this.ledger,
      sources,
      { deadlineSeconds: 30, concurrency: 4, wait: false, waitExtraction: false, syncMessages: false, ...options },
      this.deps,
    );
  }
}

/** What remains of a drain, by session: why. */
export function reasons({ remaining }: Drained): Record<string, string> {
  return Object.fromEntries(remaining.map(({ session, failure }) => [session.sessionId, failure.reason]));
}

/** What became of segments, by session. */
export function outcomes({ segments }: Drained): Record<string, string> {
  return Object.fromEntries(segments.map(({ sessionId, outcome }) => [sessionId, outcome]));
}
