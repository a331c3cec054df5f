import os from 'node:os';

import type { Deps } from '../../src/core/deps';
import { nodeFileSystem } from '../../src/core/files/file-system';
import type { LocationFlags } from '../../src/core/location/environment';
import { type Location, resolveLocation } from '../../src/core/location/location';
import { NO_NETWORK, NO_PROGRAMS } from './http';
import type { TestStore } from './store';

let uuids = 0;

/** What the core takes from outside: the real file system, a clock that stands, ids that count up. */
export const TEST_DEPS: Deps = {
  fs: nodeFileSystem,
  clock: { now: () => 1790000000.25, sleep: () => Promise.resolve() },
  ids: { uuidHex: () => `${String(uuids++).padStart(12, '0')}40008000000000000000` },
  processes: {
    self: { pid: 1, host: 'test', command: 'test' },
    uid: 0,
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
};

/** Where the program would look for this store. */
export function locationOf(store: TestStore, flags: LocationFlags = {}): Location {
  return resolveLocation(
    flags,
    { variables: store.env, userHome: store.root, platform: 'linux', cwd: store.root },
    nodeFileSystem,
  );
}
