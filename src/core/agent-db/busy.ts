import * as path from 'node:path';

import type { Deps } from '../deps';
import { HermesctlError, isSystemError } from '../errors';
import { holdersOf } from './holders';

const SHOWN = 5;
/** A command that only reads is mostly done by then. */
const PASSING_SECONDS = 2;
const POLL_SECONDS = 0.05;

/** A process that is told of because it may hold the database. */
interface Suspect {
  pid: number;
  /** Why it is one: a file that it holds, or a file that names it. */
  because: string;
}

/**
 * Refuses to go on while another process holds the database. A short-lived
 * writer beside one that lost its locks takes its write-ahead log away
 * (reference: hermes-agent §1.4). Where the system does not tell who has a file
 * open, the gateway's own files are asked. Another hermesctl, which mostly only
 * reads for a moment, is waited for.
 *
 * @throws HermesctlError `SERVER_RUNNING`
 */
export async function assertNotHeld(database: string, deps: Deps): Promise<void> {
  const deadline = deps.clock.now() + PASSING_SECONDS;
  let suspects = suspectsOf(database, deps);
  while (suspects.length > 0 && suspects.every(({ pid }) => isPassing(pid, deps)) && deps.clock.now() < deadline) {
    await deps.clock.sleep(POLL_SECONDS);
    suspects = suspectsOf(database, deps);
  }
  if (suspects.length === 0) return;
  const shown = suspects.slice(0, SHOWN).map(({ pid, because }) => `process ${pid} (${because})`);
  const more = suspects.length - shown.length;
  throw new HermesctlError(
    'SERVER_RUNNING',
    `The agent database ${database} is in use: ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}.`,
    {
      hint: 'Stop it first (the agent, its gateway, a WebUI), or use --store-only; --force goes on all the same.',
      details: { path: database, holders: suspects.map(({ pid, because }) => ({ pid, because })) },
    },
  );
}

function suspectsOf(database: string, deps: Deps): Suspect[] {
  const holders = holdersOf(database, deps);
  if (holders === undefined) return gatewayOf(path.dirname(database), deps);
  const known = holders.map(({ pid, files }) => ({ pid, because: `has ${path.basename(files[0])} open` }));
  const pids = new Set(known.map(({ pid }) => pid));
  return [...known, ...lockersOf(database, deps).filter(({ pid }) => !pids.has(pid))];
}

/**
 * Processes with a lock on one of the database's files, from `/proc/locks`:
 * those of other users too, whose open files may not be looked at. One in
 * another container has no number here, and is 0 or less.
 */
function lockersOf(database: string, deps: Deps): Suspect[] {
  const text = readText('/proc/locks', deps);
  if (text === undefined) return [];
  const inodes = new Map<string, string>();
  for (const suffix of ['', '-wal', '-shm', '-journal']) {
    const stats = deps.fs.statSync(`${database}${suffix}`, { bigint: true, throwIfNoEntry: false });
    if (stats) inodes.set(deviceAndInode(stats.dev, stats.ino), path.basename(database) + suffix);
  }
  const found = new Map<number, Suspect>();
  for (const line of text.split('\n')) {
    const match = /\s(-?\d+)\s([0-9a-f]+:[0-9a-f]+:\d+)\s/.exec(line);
    const name = match && inodes.get(match[2]);
    const pid = Number(match?.[1]);
    if (name && pid !== deps.processes.self.pid) found.set(pid, { pid, because: `has a lock on ${name}` });
  }
  return [...found.values()];
}

/** As `/proc/locks` spells them: the device's numbers in hexadecimal, two digits at least. */
function deviceAndInode(dev: bigint, inode: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  const hex = (value: bigint): string => value.toString(16).padStart(2, '0');
  return `${hex(major)}:${hex(minor)}:${inode}`;
}

/**
 * Whether it is another hermesctl, by what it was started as: the program's
 * name, or its launcher that Node.js runs. Or whether it has ended since it was
 * seen, and so has no command line any more.
 */
function isPassing(pid: number, deps: Deps): boolean {
  if (pid <= 0) return false;
  const commandLine = readText(`/proc/${pid}/cmdline`, deps);
  if (commandLine === '' || deps.processes.startedAt(pid) === undefined) return true;
  const [, script = ''] = (commandLine ?? '').split('\0');
  return path.basename(script) === 'hermesctl' || /(^|\/)hermesctl\/bin\/run\.js$/.test(script);
}

/** The gateway that the home's own files name, if it is alive. */
function gatewayOf(home: string, deps: Deps): Suspect[] {
  return ['gateway.pid', 'gateway.lock', 'gateway_state.json'].flatMap((name) => {
    const text = readText(path.join(home, name), deps) ?? '';
    const pid = Number(/^\s*(\d+)\s*$/.exec(text)?.[1] ?? /"pid"\s*:\s*(\d+)/.exec(text)?.[1] ?? 0);
    const isAlive = pid > 0 && deps.processes.startedAt(pid) !== undefined;
    return isAlive ? [{ pid, because: `is the gateway of ${name}` }] : [];
  });
}

function readText(file: string, deps: Deps): string | undefined {
  try {
    return deps.fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}
