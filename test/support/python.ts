import { spawnSync } from 'node:child_process';

import { bareEnvironment } from './cli';

const MAX_OUTPUT = 1024 * 1024 * 1024;

/**
 * Whether there is a `python3` to compare with: the rules of the store are
 * written in terms of Python's built-ins, so Python itself is the best judge.
 * Suites that need it are shown as skipped where there is none.
 */
export const HAS_PYTHON = spawnSync('python3', ['-c', ''], { env: bareEnvironment() }).status === 0;

/** Runs a script with this as its standard input, and gives what it prints. */
export function python(script: string, input: string | Buffer): string {
  const { status, stdout, stderr, error } = spawnSync('python3', ['-X', 'utf8', '-c', script], {
    input,
    maxBuffer: MAX_OUTPUT,
    env: bareEnvironment({ PYTHONIOENCODING: 'utf-8:surrogatepass' }),
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`python3 ended with ${status}: ${stderr.toString()}`);
  return stdout.toString('utf8');
}

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
  return JSON.parse(python(program, JSON.stringify(values))) as T[];
}
