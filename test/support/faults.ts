import { createRequire } from 'node:module';
import path from 'node:path';

import type { CliOptions } from './cli';

/** Which fault is put where. Without `kind` the calls are only counted. */
export interface FaultPlan {
  /** Calls that concern this directory, or what is in it, are counted. An absolute path without links. */
  root: string;
  /** The fault's place: the so-manieth of the calls that are counted, from 1. */
  at?: number;
  /**
   * `error`: the call is not made and throws `errno`. `short-write`: writes half
   * and says so (only `writeSync` is counted). `kill-…`: the process dies by SIGKILL.
   * `error-after`: only with `sqlite`; the statement is run, and fails all the same.
   * `stop-before`: it stops until it gets SIGCONT.
   */
  kind?: 'error' | 'error-after' | 'short-write' | 'kill-before' | 'kill-after' | 'stop-before';
  errno?: 'ENOSPC' | 'EIO' | 'EPERM';
  /** All later calls fail as well; after a short write with ENOSPC. */
  persistent?: boolean;
  /** Statements that write an agent database or a memory ledger are counted too, as `sql`. */
  sqlite?: boolean;
  /** Only these functions are counted. */
  only?: string[];
  /** Only calls that change the directory are counted. */
  changing?: boolean;
  /** The file system has no hard links: making one always fails, and is not counted. */
  noLinks?: boolean;
}

/** What was counted so far. */
export interface FaultSession {
  count: number;
  /** Whether the fault's place was reached. */
  met: boolean;
  /** Function and relative path of each call. */
  calls: string[];
  restore(): void;
}

const PRELOAD = path.join(import.meta.dirname, 'fault-preload.cjs');
const { install } = createRequire(import.meta.url)(PRELOAD) as { install: (plan: FaultPlan) => FaultSession };

/** Does `work` in this process with a fault in its way; it must call through the module object of `node:fs`. */
export async function withFaults<T>(
  plan: FaultPlan,
  work: () => Promise<T> | T,
): Promise<{ result: T; session: FaultSession }> {
  const session = install(plan);
  try {
    return { result: await work(), session };
  } finally {
    session.restore();
  }
}

/** What a spawned process needs to meet this fault. */
export function faultOptions(plan: FaultPlan): Required<Pick<CliOptions, 'nodeArgs' | 'env'>> {
  return { nodeArgs: ['-r', PRELOAD], env: { HERMESCTL_TEST_FAULT: JSON.stringify(plan) } };
}
