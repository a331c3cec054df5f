import * as path from 'node:path';

import type { Deps } from '../deps';
import { isSystemError } from '../errors';
import { expandUser } from '../location/location';

/** Processes come and go while they are looked at, and some may not be looked at. */
function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}

const LISTEN = '0A';
const LOOPBACK = ['0100007F', '00000000', '00000000000000000000000001000000', '00000000000000000000000000000000'];

/**
 * The process that listens on a port of this machine, from `/proc`; undefined
 * where that cannot be told (no `/proc`, or another user's process).
 */
export function listenerOf(port: number, deps: Deps): number | undefined {
  const inodes = new Set(['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => listeningInodes(file, port, deps)));
  if (inodes.size === 0) return undefined;
  const pids = (quietly(() => deps.fs.readdirSync('/proc')) ?? []).filter((name) => /^\d+$/.test(name));
  const pid = pids.find((one) => {
    const fds = quietly(() => deps.fs.readdirSync(`/proc/${one}/fd`)) ?? [];
    return fds.some((fd) => {
      const target = quietly(() => deps.fs.readlinkSync(`/proc/${one}/fd/${fd}`)) ?? '';
      return target.startsWith('socket:[') && inodes.has(target.slice('socket:['.length, -1));
    });
  });
  return pid === undefined ? undefined : Number(pid);
}

function listeningInodes(file: string, port: number, deps: Deps): string[] {
  const text = quietly(() => deps.fs.readFileSync(file, 'utf8')) ?? '';
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => {
      const [address, number] = (local ?? '').split(':');
      return state === LISTEN && number === hex && LOOPBACK.includes(address);
    })
    .map((fields) => fields[9]);
}

/** The variables that a process was started with; undefined where they may not be read. */
export function environmentOf(pid: number, deps: Deps): Record<string, string> | undefined {
  const text = quietly(() => deps.fs.readFileSync(`/proc/${pid}/environ`, 'utf8'));
  if (text === undefined) return undefined;
  const pairs = text.split('\0').filter((pair) => pair.includes('='));
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}

/**
 * The state directory that a server with these variables uses (reference:
 * webui-store §1.1); undefined where they do not tell.
 */
export function stateDirOf(environment: Record<string, string>, deps: Deps): string | undefined {
  const { HERMES_WEBUI_STATE_DIR: stateDir, HERMES_HOME: hermesHome, HOME: home = '' } = environment;
  const named = stateDir
    ? stateDir
    : hermesHome
      ? path.join(hermesHome, 'webui')
      : home === ''
        ? undefined
        : path.join(home, '.hermes', 'webui');
  const expanded = named === undefined ? undefined : expandUser(named, home);
  return expanded === undefined || !path.isAbsolute(expanded) ? undefined : realPath(expanded, deps);
}

/** The path without links, as far as it is there. */
export function realPath(file: string, deps: Deps): string {
  return quietly(() => deps.fs.realpathSync(file)) ?? path.normalize(file);
}
