import { execFileSync, spawnSync } from 'node:child_process';

import { bareEnvironment } from './cli';

/**
 * Whether there is a `python3` to compare with: the rules of the store are
 * written in terms of Python's built-ins, so Python itself is the best judge.
 * Suites that need it are shown as skipped where there is none.
 */
export const HAS_PYTHON = spawnSync('python3', ['-c', ''], { env: bareEnvironment() }).status === 0;

/**
 * Runs `f(value)` in Python for each value, in one process, and returns what it
 * gave. `body` is the body of `f`; json, math and unicodedata are there.
 */
export function inPython<T>(body: string, values: readonly unknown[]): T[] {
  const program = [
    'import json, math, sys, unicodedata',
    'def f(v):',
    ...body.split('\n').map((line) => `  ${line}`),
    'json.dump([f(v) for v in json.load(sys.stdin)], sys.stdout)',
  ].join('\n');
  const output = execFileSync('python3', ['-X', 'utf8', '-c', program], {
    input: JSON.stringify(values),
    env: bareEnvironment(),
    maxBuffer: 1 << 30,
    encoding: 'utf8',
  });
  return JSON.parse(output) as T[];
}
