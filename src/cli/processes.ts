import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

import type { Processes } from '../core/deps';

/** Clock ticks a second, as `/proc` counts them: 100 on every Linux that Node.js runs on. */
const TICKS = 100;

/** What this system tells about processes. */
export function systemProcesses(argv: readonly string[]): Processes {
  return {
    self: {
      pid: process.pid,
      get host() {
        return hostname();
      },
      command: ['hermesctl', ...argv].join(' '),
    },
    uid: process.geteuid?.(),
    get bootId() {
      return orNull(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
    },
    get pidSpace() {
      return orNull(() => readlinkSync('/proc/self/ns/pid'));
    },
    startedAt,
    startTick,
  };
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null; // no /proc here
  }
}

function startTick(pid: number): number | null | undefined {
  if (!isAlive(pid)) return undefined;
  return orNull(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name, in parentheses, may hold anything: fields are counted behind it.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  });
}

function startedAt(pid: number): number | null | undefined {
  const tick = startTick(pid);
  if (typeof tick !== 'number') return tick;
  const boot = orNull(() => /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? null);
  return boot === null ? null : Number(boot) + tick / TICKS;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // somebody else's, and alive
  }
}
