import { Flags } from '@oclif/core';

import { HermesctlError, type Warning } from '../core/errors';
import { ConfiguredProviders } from '../core/memory/configured-providers';
import type { DrainSources } from '../core/memory/due';
import { type Finding, Ledger } from '../core/memory/ledger';
import { describeOwner, readOwner, spellOwner } from '../core/memory/owner';
import { transcriptOf } from '../core/memory/read-session';
import type { Context } from './context';

const group = { helpGroup: 'PROVIDER' };

/** Whom turns are committed to, where it is not what the configuration says. No flag takes a secret: others see it in `ps`. */
export const providerFlags = {
  provider: Flags.string({
    ...group,
    options: ['openviking', 'command', 'holographic'],
    summary: 'The memory provider (default: memory.provider of config.yaml).',
  }),
  endpoint: Flags.string({
    ...group,
    helpValue: 'URL',
    summary: 'The OpenViking server (env OPENVIKING_ENDPOINT; its key only by OPENVIKING_API_KEY).',
  }),
  account: Flags.string({ ...group, helpValue: 'NAME', summary: 'Account at OpenViking (env OPENVIKING_ACCOUNT).' }),
  user: Flags.string({ ...group, helpValue: 'NAME', summary: 'User at OpenViking (env OPENVIKING_USER).' }),
  agent: Flags.string({
    ...group,
    helpValue: 'NAME',
    summary: 'On whose behalf, at OpenViking (env OPENVIKING_AGENT).',
  }),
  command: Flags.string({
    ...group,
    helpValue: 'PROGRAM',
    summary: 'A program that commits a session; its arguments come last, behind --.',
  }),
};

export interface ProviderFlagValues {
  provider?: string | undefined;
  endpoint?: string | undefined;
  account?: string | undefined;
  user?: string | undefined;
  agent?: string | undefined;
  command?: string | undefined;
}

/** The flags of commands that write to the ledger. */
export const ledgerFlags = {
  'dry-run': Flags.boolean({ helpGroup: 'CHANGE', char: 'n', summary: 'Tell what would be done; change no byte.' }),
  'lock-wait': Flags.integer({
    helpGroup: 'CHANGE',
    min: 0,
    default: 10,
    helpValue: 'SECONDS',
    summary: 'How long to wait for another hermesctl that writes to the ledger.',
  }),
};

export function configuredProviders(
  context: Context,
  flags: ProviderFlagValues & { timeout?: number },
  programArguments: readonly string[] = [],
): ConfiguredProviders {
  const { location, environment, deps } = context;
  for (const name of ['provider', 'endpoint', 'account', 'user', 'agent', 'command'] as const) {
    if (flags[name] === '') throw new HermesctlError('USAGE', `--${name} is empty.`);
  }
  const { command, timeout } = flags;
  if (programArguments.length > 0 && command === undefined) {
    throw new HermesctlError('USAGE', `Unexpected argument: ${programArguments[0]}.`, {
      hint: 'Only the program of --command takes arguments.',
    });
  }
  const settings = {
    ...flags,
    command: command === undefined ? undefined : [command, ...programArguments],
    timeoutSeconds: timeout,
  };
  const providers = new ConfiguredProviders(location, settings, environment, deps);
  providers.assertFlags();
  return providers;
}

/** What a drain commits to and from, as it is configured here. */
export function drainSources({ location, deps }: Context, providers: ConfiguredProviders): DrainSources {
  return {
    ownerFor: (profile) => providers.ownerFor(profile).owner,
    open: (owner, profile) => providers.open(owner, profile),
    transcript: (id) => transcriptOf(location, id, deps),
  };
}

/** Opens the ledger, to look at it only in a dry run (it may not be there then), and closes it whatever happens. */
export async function withLedger<T>(
  context: Context,
  flags: { 'dry-run': boolean; 'lock-wait': number },
  work: (ledger: Ledger | undefined) => Promise<T>,
): Promise<T> {
  const { deps, location } = context;
  const open = flags['dry-run'] ? Ledger.openToRead.bind(Ledger) : Ledger.open.bind(Ledger);
  const ledger = await open(location.stateDir.value, flags['lock-wait'], deps);
  try {
    return await work(ledger);
  } finally {
    ledger?.close();
  }
}

/**
 * Who is to own the turns of a session: what `--owner` says.
 *
 * - `config`: whom the configuration of the session's profile names now.
 * - `registered`: whom the ledger knows as its owner.
 * - `none`: nobody; the drain's own configuration decides.
 * - an identity as JSON.
 *
 * @throws HermesctlError `USAGE`
 */
export function ownerFrom(
  given: string,
  providers: ConfiguredProviders,
): (profile: string | null) => { owner: Finding['owner']; warnings: Warning[] } {
  if (given === 'config') {
    return (profile) => {
      const { owner, problem } = providers.ownerFor(profile);
      return { owner, warnings: problem === null ? [] : [unusable(problem)] };
    };
  }
  if (given === 'registered' || given === 'none') return () => ({ owner: null, warnings: [] });
  const identity = readOwner(given);
  if (identity === undefined) {
    throw new HermesctlError('USAGE', `--owner is neither config, registered, none, nor an identity as JSON.`, {
      hint: `An identity is {"provider":"openviking","endpoint":"http://127.0.0.1:1933","user":"default","actor":"hermes"}.`,
    });
  }
  return () => ({ owner: spellOwner(identity), warnings: [] });
}

function unusable(problem: string): Warning {
  return {
    code: 'PROVIDER_UNUSABLE',
    message: `The memory provider's settings cannot be used: ${problem} The turn is marked for nobody.`,
  };
}

/** An owner for output: the identity, or null. */
export function ownerForOutput(owner: string | null): Record<string, string | null> | null {
  return owner === null ? null : { ...(readOwner(owner) ?? { provider: describeOwner(owner) }) };
}
