import { readFileSync } from 'node:fs';

import { Flags } from '@oclif/core';

import { HermesctlError, ioError, isSystemError } from '../core/errors';
import { WebuiClient } from '../core/server/client';
import { type Detected, detectServer, serverUrl } from '../core/server/detect';
import type { Context } from './context';

const group = { helpGroup: 'SERVER' };

/** The flags of every command that changes something a running server may own. */
export const serverFlags = {
  via: Flags.option({
    ...group,
    options: ['server', 'disk'] as const,
    summary: 'Change the store through the running server (the default beside one) or its files.',
  })(),
  server: Flags.string({
    ...group,
    helpValue: 'URL',
    summary: 'Where the server is (env HERMES_WEBUI_URL; HERMES_WEBUI_HOST and HERMES_WEBUI_PORT).',
  }),
  'password-file': Flags.string({
    ...group,
    helpValue: 'FILE',
    summary: 'The server’s password is the first line of this file (env HERMES_WEBUI_PASSWORD).',
  }),
};

export interface ServerFlagValues {
  via?: 'server' | 'disk' | undefined;
  server?: string | undefined;
  'password-file'?: string | undefined;
}

/** How a change is made. */
export type Route =
  { via: 'disk'; detected: Detected | undefined } | { via: 'server'; client: WebuiClient; detected: Detected };

/**
 * Decides how a change is made. A server that owns the store has it in memory
 * and takes no locks: what is changed behind its back it may put back.
 *
 * @param hasEndpoint whether the server can make this change itself.
 * @throws HermesctlError `SERVER_RUNNING` where it cannot, `UNREACHABLE` where --via server finds none, `USAGE`.
 */
export async function routeOf(context: Context, flags: ServerFlagValues, hasEndpoint: boolean): Promise<Route> {
  if (flags.via === 'server' && !hasEndpoint) {
    throw new HermesctlError('USAGE', '--via server: a server has no way of doing this.', {
      hint: 'Stop the server, or say --via disk.',
    });
  }
  if (flags.via === 'disk') return { via: 'disk', detected: undefined };
  const { url, isGiven } = urlOf(context, flags);
  const detected = await detectServer(context.location, url, isGiven, context.deps);
  for (const step of detected.how) context.detail(step);
  if (detected.state === 'owns' && hasEndpoint) {
    if (detected.health === null) throw silent(detected);
    const access = { url: detected.url, password: passwordOf(context, flags) };
    return { via: 'server', client: new WebuiClient(access, context.deps), detected };
  }
  if (detected.state === 'owns') throw serverRunning(detected);
  if (flags.via === 'server') {
    throw new HermesctlError('UNREACHABLE', `No server of this store is at ${url}.`, {
      hint: 'Say where it is with --server; --verbose tells what was looked at.',
      details: { url, how: detected.how },
    });
  }
  return { via: 'disk', detected };
}

/** The server that has the store, if any: for what is done beside one. */
export async function serverBeside(context: Context, flags: ServerFlagValues): Promise<Detected | undefined> {
  const { url, isGiven } = urlOf(context, flags);
  const detected = await detectServer(context.location, url, isGiven, context.deps);
  return detected.state === 'owns' ? detected : undefined;
}

/** Asked for a change it would leave unknown whether it made it. */
function silent({ url, how }: Detected): HermesctlError {
  return new HermesctlError('UNREACHABLE', `The server at ${url} has this store and does not answer.`, {
    hint: 'Nothing was changed. If it is gone, --via disk changes the files.',
    details: { url, how },
  });
}

function serverRunning({ url, how }: Detected): HermesctlError {
  return new HermesctlError('SERVER_RUNNING', `A server at ${url} has this store, and would not notice the change.`, {
    hint: 'Stop it first. --via disk changes the files all the same: what the server has in memory may undo that.',
    details: { url, how },
  });
}

function urlOf(context: Context, flags: ServerFlagValues): { url: string; isGiven: boolean } {
  const { variables } = context.environment;
  const given = flags.server ?? (variables['HERMES_WEBUI_URL'] || undefined);
  if (given === undefined) {
    const host = variables['HERMES_WEBUI_HOST'] || '127.0.0.1';
    return { url: serverUrl(host, variables['HERMES_WEBUI_PORT'] || '8787'), isGiven: false };
  }
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new HermesctlError('USAGE', `--server: ${JSON.stringify(given)} is not a URL.`, {
      hint: 'For example http://127.0.0.1:8787.',
    });
  }
  return { url: url.origin + url.pathname.replace(/\/+$/, ''), isGiven: true };
}

function passwordOf(context: Context, flags: ServerFlagValues): string | undefined {
  const file = flags['password-file'];
  if (file === undefined) return context.environment.variables['HERMES_WEBUI_PASSWORD'] || undefined;
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/)[0];
  } catch (error) {
    throw isSystemError(error) ? ioError(error, file) : error;
  }
}

/**
 * Refuses what a server's endpoint cannot do: what was asked for is done or refused, never left out.
 *
 * @throws HermesctlError `REFUSED` naming the flag.
 */
export function refuseOnServer(given: Record<string, boolean>): void {
  const flag = Object.keys(given).find((name) => given[name]);
  if (flag === undefined) return;
  throw new HermesctlError('REFUSED', `The server that has this store cannot do --${flag}.`, {
    hint: 'Leave the flag out, or stop the server.',
    details: { flag },
  });
}
