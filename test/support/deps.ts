import fs from 'node:fs';
import os from 'node:os';

import type { Deps } from '../../src/core/deps';
import type { FileSystem } from '../../src/core/files/file-system';
import { NO_NETWORK, NO_PROGRAMS } from './http';

/**
 * What the core takes from outside, real but for what a test puts in its place.
 * The file system is the module object of `node:fs`, on which faults are put;
 * `fs` replaces single functions for the core only.
 */
export function testDeps({
  fs: own = {},
  ...others
}: Partial<Omit<Deps, 'fs'>> & { fs?: Partial<FileSystem> } = {}): Deps {
  let ids = 0;
  return {
    fs: Object.setPrototypeOf({ ...own }, fs) as FileSystem,
    clock: { now: () => Date.now() / 1000, sleep: () => Promise.resolve() },
    ids: { uuidHex: () => (++ids).toString(16).padStart(32, '0') },
    processes: {
      self: { pid: process.pid, host: os.hostname(), command: 'hermesctl test' },
      uid: process.geteuid?.(),
      bootId: null,
      pidSpace: null,
      startedAt: () => undefined,
      startTick: () => undefined,
    },
    http: NO_NETWORK,
    programs: NO_PROGRAMS,
    temporaryRoot: os.tmpdir(),
    breathe: () => undefined,
    progress: () => undefined,
    ...others,
  };
}
