// Runs a program and tells how long it took and what memory it needed.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

const GNU_TIME = '/usr/bin/time';

/**
 * How a program is run.
 *
 * @typedef {object} Run
 * @property {string[]} command
 * @property {NodeJS.ProcessEnv} env
 * @property {string} [cwd]
 * @property {number} [exit] the exit code that is expected; 0
 * @property {boolean} [isLarge] whether it writes more than is to be kept
 */

/**
 * Milliseconds from before it is started until after it has ended, and what it
 * wrote. The same for every program, so that what starting one costs this
 * process is in all of them.
 *
 * @param {Run} run
 */
export function timed(run) {
  const [program, ...args] = run.command;
  const began = process.hrtime.bigint();
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    env: run.env,
    cwd: run.cwd,
    // What writes hundreds of megabytes is not to wait for this process to take them.
    stdio: ['ignore', run.isLarge ? 'ignore' : 'pipe', 'pipe'],
    maxBuffer: 2 ** 30,
  });
  const ms = Number(process.hrtime.bigint() - began) / 1e6;
  if (error) throw error;
  if (status !== (run.exit ?? 0)) {
    throw new Error(`exit ${String(status)}: ${run.command.join(' ').slice(0, 300)}\n${String(stderr).slice(0, 2000)}`);
  }
  return { ms, stdout: stdout?.toString() ?? '' };
}

/**
 * The most memory that the program and what it waits for had, in KiB, and its
 * processor time in ms. In a run of its own, so that what watches it is in no
 * time: by GNU time, which asks the kernel when it has ended; else by looking
 * at the process every few ms, which sees no processor time.
 *
 * @param {Run} run
 * @returns {Promise<{ peakKib: number, cpuMs: number | undefined }>}
 */
export async function weighed(run) {
  if (existsSync(GNU_TIME)) {
    const { status, stderr } = spawnSync(GNU_TIME, ['-q', '-f', '%M %U %S', ...run.command], {
      env: run.env,
      cwd: run.cwd,
      stdio: ['ignore', 'ignore', 'pipe'],
      maxBuffer: 2 ** 30,
    });
    const last = stderr.toString().trimEnd().split('\n').at(-1) ?? '';
    const [peak, user, system] = last.split(' ').map(Number);
    if (status !== (run.exit ?? 0) || Number.isNaN(peak)) throw new Error(`cannot be weighed: ${last}`);
    return { peakKib: peak, cpuMs: (user + system) * 1000 };
  }
  const [program, ...args] = run.command;
  const child = spawn(program, args, { env: run.env, cwd: run.cwd, stdio: 'ignore' });
  let peakKib = 0;
  const look = () => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      peakKib = Math.max(peakKib, Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0));
    } catch {
      // It has ended, or this system has no such file.
    }
  };
  const timer = setInterval(look, 3);
  await new Promise((resolve) => child.once('close', resolve));
  clearInterval(timer);
  return { peakKib, cpuMs: undefined };
}

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
