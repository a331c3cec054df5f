import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';

/** The project's root. */
export const ROOT = path.resolve(import.meta.dirname, '..', '..');

/** The launcher of the built program. Tests that spawn it need `npm run build` first; `npm test` does that. */
export const BIN = path.join(ROOT, 'bin', 'run.js');

export interface CliResult {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  /** Added to an environment that has nothing of the caller's but PATH. */
  env?: Record<string, string>;
  stdin?: string | Buffer;
  cwd?: string;
  /** Arguments for node itself, before the launcher. */
  nodeArgs?: string[];
  /** User and group to run as; only root may choose. */
  user?: number;
  /** Told the process when it runs, to send it signals. */
  started?: (child: ChildProcess) => void;
}

/** An environment in which no store, home or colour of the developer's is found. */
export function bareEnvironment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], HOME: '/nonexistent', TZ: 'UTC', ...extra };
}

/** Runs the built program as a script would: real process, no terminal. */
export function cli(args: string[], options: CliOptions = {}): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...(options.nodeArgs ?? []), BIN, ...args], {
      env: bareEnvironment(options.env),
      cwd: options.cwd ?? ROOT,
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.user === undefined ? {} : { uid: options.user, gid: options.user }),
    });
    options.started?.(child);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', reject);
    child.on('close', (code, signal) =>
      resolve({ code, signal, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }),
    );
    child.stdin.on('error', () => undefined); // a command that does not read its input may end before it is written
    child.stdin.end(options.stdin ?? '');
  });
}

/** Runs with `--json` and parses the one document it must print. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- names the shape once, at the call
export async function cliJson<T = Record<string, unknown>>(
  args: string[],
  options: CliOptions = {},
): Promise<CliResult & { json: T }> {
  const result = await cli([...args, '--json'], options);
  return { ...result, json: JSON.parse(result.stdout) as T };
}
