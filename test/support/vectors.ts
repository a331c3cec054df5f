import fs from 'node:fs';
import path from 'node:path';

import { copyStore, STORE_VECTORS, type TestStore, VECTORS } from './store';

/**
 * More recorded stores to check against, beside those of the repository: set
 * HERMESCTL_EXTRA_VECTORS to a directory of directories, each with `store/`,
 * `expect.may.json` and `expect.head.json`, as the recording tools make them
 * (`HERMESCTL_EXTRA_VECTORS=../recorded npx vitest run test/conformance`).
 */
const EXTRA = process.env['HERMESCTL_EXTRA_VECTORS'] || undefined;

/** A recorded store and what two versions of the real hermes-webui did with it. */
export interface Vector {
  name: string;
  dir: string;
}

export const ALL_VECTORS: Vector[] = [
  ...STORE_VECTORS.map((name) => ({ name, dir: path.join(VECTORS, name) })),
  ...(EXTRA === undefined ? [] : fs.readdirSync(EXTRA).sort())
    .map((name) => ({ name, dir: path.join(EXTRA!, name) }))
    .filter(({ dir }) => fs.existsSync(path.join(dir, 'store'))),
];

/** A copy of a recorded store, to work on. */
export function storeOf(vector: Vector): TestStore {
  return copyStore(path.join(vector.dir, 'store'));
}

/** What a version recorded: an error stands where the real program raised one. */
export type Recorded = Record<string, Spelled>;

export interface Expectation {
  ids: string[];
  compact: Record<string, Recorded>;
  compact_metadata_only: Record<string, Recorded>;
  index: Recorded[];
  title_from: Record<string, string | Recorded>;
  all_sessions: Recorded[];
  /** By session, what the agent database knows of its ancestry. */
  lineage: Record<string, Recorded | undefined>;
  cli_sessions: Recorded[];
  importable_rows: Recorded[];
  cli_messages: Record<string, Recorded[]>;
  status: Record<string, Recorded>;
  usage: Record<string, Recorded>;
  retry: Record<string, { result: Recorded }>;
}

/** The recording, with the paths of this copy of the store in it. */
export function recorded(vector: Vector, version: 'may' | 'head', store: TestStore): Expectation {
  const text = fs.readFileSync(path.join(vector.dir, `expect.${version}.json`), 'utf8');
  return parseSpelled(text.replaceAll('$STORE', store.root)) as unknown as Expectation;
}

/**
 * A JSON value in which numbers are kept as they are spelled, so that `1.0` and
 * `1`, or two 20-digit integers, are not taken for the same.
 */
export type Spelled = null | boolean | string | Digits | Spelled[] | { [key: string]: Spelled };

export class Digits {
  constructor(readonly text: string) {}
}

const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|-?\b(?:NaN|Infinity)\b/g;

/** Parses JSON (Python's dialect too); a recorded non-finite number is null, as hermesctl shows it. */
export function parseSpelled(text: string): Spelled {
  const tagged = text.replace(STRING_OR_NUMBER, (token) =>
    token.startsWith('"') ? token : /[NI]/.test(token) ? 'null' : `{"#digits":"${token}"}`,
  );
  return JSON.parse(tagged, (_key, value: Spelled) => {
    if (typeof value !== 'object' || value === null) return value;
    if ('#digits' in value) return new Digits(value['#digits'] as string);
    return '$number' in value ? null : value;
  }) as Spelled;
}

/** Writes a spelled value back, as the server indents it. */
export function spelledText(value: Spelled): string {
  const digits: string[] = [];
  const text = JSON.stringify(
    value,
    (_key, inner: unknown) => (inner instanceof Digits ? `#digits${digits.push(inner.text) - 1}#` : inner),
    2,
  );
  return text.replace(/"#digits(\d+)#"/g, (_match, at: string) => digits[Number(at)]);
}

/** Runs `work` over the items, a few at a time: each is a process of its own. */
export async function inBatches<T, R>(items: readonly T[], work: (item: T) => Promise<R>, size = 4): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += size) {
    results.push(...(await Promise.all(items.slice(at, at + size).map(work))));
  }
  return results;
}
