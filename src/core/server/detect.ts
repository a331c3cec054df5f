import * as path from 'node:path';

import type { Deps } from '../deps';
import { isSystemError } from '../errors';
import { HttpFailure } from '../http';
import type { Location } from '../location/location';
import { environmentOf, listenerOf, realPath, stateDirOf } from './processes';

/** What `GET /health` says of a WebUI server. */
export interface Health {
  /** Whether some turn is running: then every recorded stream may be alive. */
  isBusy: boolean;
}

/** Whether a WebUI server is there, and whether it has this store. */
export interface Detected {
  /**
   * `owns`: it has this store, or nobody can tell that it has not. `elsewhere`:
   * it has another store. `none`: no server, or something that is no WebUI.
   */
  state: 'owns' | 'elsewhere' | 'none';
  url: string;
  /** Null where it did not answer. */
  health: Health | null;
  /** How this was decided, one sentence a step. */
  how: string[];
}

/** Short: it stands before every change of a store. */
const HEALTH_TIMEOUT_MS = 2000;

/**
 * Looks for a WebUI server and tells whether it serves this store (reference:
 * webui-store §1.1): by the files that its start script leaves, by the process
 * that listens at the URL and its environment, and by what it answers.
 * What cannot be decided counts as owning: a server's memory wins over the disk.
 *
 * @param given the URL that was asked for; undefined: the default one.
 */
export async function detectServer(location: Location, url: string, isGiven: boolean, deps: Deps): Promise<Detected> {
  const stateDir = location.stateDir.value;
  const how: string[] = [];
  const started = isGiven ? undefined : startedByScript(location, deps);
  if (started) {
    how.push(`${started.file} names process ${started.pid}, which is alive, at ${started.url}.`);
    if (started.stateDir === stateDir) {
      how.push(`It was started for ${stateDir}, this store.`);
      const probe = await probeHealth(started.url, deps);
      return { state: 'owns', url: started.url, health: probe.kind === 'webui' ? probe.health : null, how };
    }
    how.push(
      started.stateDir ? `It was started for ${started.stateDir}, another store.` : 'For which store it does not say.',
    );
  }

  const probe = await probeHealth(url, deps);
  how.push(probe.how);
  if (probe.kind === 'none' || probe.kind === 'other') return { state: 'none', url, health: null, how };
  const health = probe.kind === 'webui' ? probe.health : null;
  const served = storeServedAt(url, deps, how);
  if (served === undefined) {
    how.push('Which store it serves cannot be told: it counts as this one’s server.');
    return { state: 'owns', url, health, how };
  }
  const owns = served === stateDir;
  how.push(`It serves ${served}, ${owns ? 'this store' : 'another store'}.`);
  return { state: owns ? 'owns' : 'elsewhere', url, health, how };
}

type Probe =
  | { kind: 'webui'; health: Health; how: string }
  /** Nothing listens. `other`: something that is no WebUI. `silent`: something that does not answer in time. */
  | { kind: 'none' | 'other' | 'silent'; how: string };

async function probeHealth(url: string, deps: Deps): Promise<Probe> {
  let answer;
  try {
    answer = await deps.http.request({ method: 'GET', url: `${url}/health`, timeoutMs: HEALTH_TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof HttpFailure)) throw error;
    if (!error.sent) return { kind: 'none', how: `Nothing answers at ${url} (${error.message}).` };
    if (error.kind === 'timeout') return { kind: 'silent', how: `Something at ${url} does not answer in time.` };
    return { kind: 'other', how: `What is at ${url} does not speak HTTP as a WebUI does (${error.message}).` };
  }
  const health = healthOf(answer.body);
  if (!health) return { kind: 'other', how: `What answers at ${url} is no WebUI (status ${answer.status}).` };
  return { kind: 'webui', health, how: `A WebUI answers at ${url}.` };
}

/** Undefined for an answer that is not a WebUI's: May's and August's have these in common. */
function healthOf(body: string): Health | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { status, sessions, active_streams: streams, active_runs: runs } = value as Record<string, unknown>;
  if (typeof status !== 'string' || typeof sessions !== 'number') return undefined;
  // An answer that does not say so may be of a server that is busy.
  const isIdle = streams === 0 && (runs === 0 || runs === undefined);
  return { isBusy: !isIdle };
}

const LOCAL = new Set(['localhost', '127.0.0.1', '[::1]']);

/** The state directory of the server at this URL, where its process can be looked at. */
function storeServedAt(url: string, deps: Deps, how: string[]): string | undefined {
  const { hostname, port, protocol } = new URL(url);
  if (!LOCAL.has(hostname)) {
    how.push(`${hostname} is another machine, or may be.`);
    return undefined;
  }
  const number = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
  const pid = listenerOf(number, deps);
  if (pid === undefined) {
    how.push(`Which process listens on port ${number} cannot be told.`);
    return undefined;
  }
  const environment = environmentOf(pid, deps);
  if (environment === undefined) {
    how.push(`Process ${pid} listens on port ${number}; its environment may not be read.`);
    return undefined;
  }
  how.push(`Process ${pid} listens on port ${number}.`);
  return stateDirOf(environment, deps);
}

interface Started {
  file: string;
  pid: number;
  url: string;
  stateDir: string | undefined;
}

/** What the start script left in the home: `webui.pid` and `webui.ctl.env`. */
function startedByScript(location: Location, deps: Deps): Started | undefined {
  for (const home of new Set([location.baseHome.value, location.profileHome.value])) {
    const file = path.join(home, 'webui.pid');
    const pid = Number(readText(file, deps)?.trim());
    if (!Number.isInteger(pid) || pid <= 0 || deps.processes.startedAt(pid) === undefined) continue;
    const noted = shellVariables(readText(path.join(home, 'webui.ctl.env'), deps) ?? '');
    const host = noted['HOST'] ?? '127.0.0.1';
    const url = serverUrl(host, noted['PORT'] ?? '8787');
    const stateDir = noted['STATE_DIR'];
    return { file, pid, url, stateDir: stateDir === undefined ? undefined : realPath(stateDir, deps) };
  }
  return undefined;
}

function readText(file: string, deps: Deps): string | undefined {
  try {
    return deps.fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}

/** `NAME=value` lines as a shell's `printf %q` writes them. */
function shellVariables(text: string): Record<string, string> {
  const lines = text.split('\n').map((line) => /^([A-Z_]+)=(.*)$/.exec(line.trim()));
  return Object.fromEntries(
    lines.filter((match) => match !== null).map(([, name, value]) => [name, value.replace(/\\(.)/g, '$1')]),
  );
}

/** The URL of a server that listens at this host and port, as one of this machine reaches it. */
export function serverUrl(host: string, port: string): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' || host === '[::]' ? '[::1]' : host;
  const bracketed = reachable.includes(':') && !reachable.startsWith('[') ? `[${reachable}]` : reachable;
  return `http://${bracketed}:${port}`;
}
