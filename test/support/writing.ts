import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import type { ChangeTarget } from '../../src/core/changes/sessions';
import type { Deps } from '../../src/core/deps';
import { HermesctlError } from '../../src/core/errors';
import { nodeFileSystem } from '../../src/core/files/file-system';
import { decodeJson } from '../../src/core/json/decode';
import { type MemberSpan, topLevelSpans } from '../../src/core/json/document';
import { bytesSource } from '../../src/core/json/reader';
import { rowDefaults } from '../../src/core/listing/rows';
import { resolveLocation } from '../../src/core/location/location';
import { systemProcesses } from '../../src/cli/processes';
import { NO_NETWORK, NO_PROGRAMS } from './http';
import type { TestStore } from './store';

/** What the core takes from outside, as the program gives it. */
export function coreDeps(overrides: Partial<Deps> = {}): Deps {
  return {
    fs: nodeFileSystem,
    clock: {
      now: () => Date.now() / 1000,
      sleep: (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
    },
    ids: { uuidHex: () => randomUUID().replaceAll('-', '') },
    processes: systemProcesses(['test']),
    http: NO_NETWORK,
    programs: NO_PROGRAMS,
    temporaryRoot: os.tmpdir(),
    breathe: () => undefined,
    progress: () => undefined,
    ...overrides,
  };
}

/** The store as the core's commands are given it. */
export function changeTarget(store: TestStore, dryRun = false): ChangeTarget {
  const location = resolveLocation(
    {},
    { variables: store.env, userHome: store.root, platform: process.platform, cwd: store.root },
    nodeFileSystem,
  );
  return { location, defaults: rowDefaults(location, store.root), dryRun };
}

/** What a piece of work gave: its value, or the code and exit status of its failure. */
export async function outcomeOf<T>(work: Promise<T>): Promise<{ value: T } | { code: string; exit: number }> {
  try {
    return { value: await work };
  } catch (error) {
    if (!(error instanceof HermesctlError)) throw error;
    return { code: error.code, exit: error.exit };
  }
}

/** A member of a document's top level: its key, and its value's own bytes as text. */
export interface RawMember extends MemberSpan {
  text: string;
}

export function rawMembers(bytes: Buffer): RawMember[] {
  return topLevelSpans(bytesSource(bytes)).map((span) => ({
    ...span,
    text: bytes.toString('utf8', span.start, span.end),
  }));
}

/** The value that counts of a top-level member, as it is spelled; undefined where there is none. */
export function rawMember(bytes: Buffer, key: string): string | undefined {
  return rawMembers(bytes).findLast((member) => member.key === key)?.text;
}

export function sidecarFile(store: TestStore, id: string): string {
  return path.join(store.sessionsDir, `${id}.json`);
}

export function readSidecar(store: TestStore, id: string): Record<string, unknown> {
  return decodeJson(fs.readFileSync(sidecarFile(store, id), 'utf8')) as Record<string, unknown>;
}

export function readIndexRows(store: TestStore): Record<string, unknown>[] {
  return decodeJson(fs.readFileSync(path.join(store.sessionsDir, '_index.json'), 'utf8')) as Record<string, unknown>[];
}

/** Runs `work` over all items, a few at a time, and gives its results in order. */
export async function inParallel<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const at = next++;
      results[at] = await work(items[at]);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
}
