import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

import type { Processes } from '../core/deps';

/** Clock ticks a second, as `/proc` counts them: 100 on every Linux that Node.js runs on. */
const TICKS = 100;

/** What this system tells about processes. */
export function systemProcesses(argv: readonly string[]): Processes {
  return {
    self: { pid: process.pid, host: hostname(), command: ['hermesctl', ...argv].join(' ') },
    uid: process.geteuid?.(),
    startedAt,
  };
}

function startedAt(pid: number): number | null | undefined {
  if (!isAlive(pid)) return undefined;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name, in parentheses, may hold anything: fields are counted behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const boot = /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1];
    return boot === undefined ? null : Number(boot) + Number(fields[19]) / TICKS;
  } catch {
    return null; // no /proc here
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // somebody else's, and alive
  }
}
