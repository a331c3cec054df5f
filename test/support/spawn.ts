import { spawn, spawnSync } from 'node:child_process';

import { bareEnvironment, BIN, type CliResult, ROOT } from './cli';

/** Runs work over items a few at a time: spawned programs, on a machine of two cores. */
export async function inGroups<T, R>(items: readonly T[], work: (item: T) => Promise<R>, size = 4): Promise<R[]> {
  const results: R[] = [];
  for (let i = 0; i < items.length; i += size) {
    results.push(...(await Promise.all(items.slice(i, i + size).map(work))));
  }
  return results;
}

/** Whether a program that a test needs is installed. */
export function hasProgram(name: string): boolean {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** Runs a script in bash. `$HERMESCTL` is the built program, unquoted: `$HERMESCTL list | head -1`. */
export function shell(script: string, env: Record<string, string> = {}): Promise<CliResult> {
  return finished(
    spawn('bash', ['-c', script], {
      env: bareEnvironment({ ...env, HERMESCTL: `${process.execPath} ${BIN}` }),
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
}

/** Far beyond what any command takes here: what is still running then waits for something. */
const HUNG_AFTER_MS = 40_000;

/** Runs the program with a standard input that stays open and never says anything. It is killed if it waits for it. */
export function cliWithSilentInput(args: string[], env: Record<string, string> = {}): Promise<CliResult> {
  const child = spawn(process.execPath, [BIN, ...args], {
    env: bareEnvironment(env),
    cwd: ROOT,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), HUNG_AFTER_MS);
  return finished(child).finally(() => {
    clearTimeout(timer);
    child.stdin.destroy();
  });
}

/** Runs the program on a terminal of its own (util-linux's `script`), and gives what it shows there as stdout. */
export function cliOnTerminal(args: string[], env: Record<string, string> = {}, columns?: number): Promise<CliResult> {
  const quoted = [process.execPath, BIN, ...args].map((word) => `'${word}'`).join(' ');
  const sized = columns === undefined ? quoted : `stty cols ${columns}; ${quoted}`;
  return finished(
    spawn('script', ['-qec', sized, '/dev/null'], {
      env: bareEnvironment({ TERM: 'xterm-256color', ...env }),
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
}

/** Collects what a process says until it has ended and its output is closed. */
export function finished(child: ReturnType<typeof spawn>): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', reject);
    child.on('close', (code, signal) =>
      resolve({ code, signal, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }),
    );
  });
}
