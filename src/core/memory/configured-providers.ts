import * as path from 'node:path';

import type { Deps } from '../deps';
import { HermesctlError, isSystemError } from '../errors';
import type { Environment } from '../location/environment';
import { type Location, profileHomeFor } from '../location/location';
import type { Owner } from './lifecycle';
import { describeOwner, readOwner, spellOwner } from './owner';
import { CommandProvider } from './providers/command';
import { HOLOGRAPHIC } from './providers/holographic';
import { OpenVikingProvider } from './providers/openviking';
import { type CommitFailure, failed, type MemoryProvider } from './providers/provider';
import { type ProviderFlags, providerSettings, type ProviderSettings } from './settings';

/** Who owns turns that are marked now; or nobody, and why. */
export interface Configured {
  owner: Owner | null;
  /** Why the configuration cannot be used; null where it can, and where none is. */
  problem: string | null;
}

/** The providers that this machine's configuration knows, of all profiles. */
export class ConfiguredProviders {
  private readonly homes = new Map<string, { settings?: ProviderSettings | undefined; problem?: string }>();
  /** By owner and credentials. */
  private readonly opened = new Map<string, MemoryProvider | CommitFailure>();

  constructor(
    private readonly location: Location,
    private readonly flags: ProviderFlags & { timeoutSeconds?: number | undefined },
    private readonly env: Environment,
    private readonly deps: Deps,
  ) {}

  /**
   * Looks at what the flags say, before anything is done with it.
   *
   * @throws HermesctlError `USAGE`
   */
  assertFlags(): void {
    const { provider, endpoint, command } = this.flags;
    if (provider === 'command' || endpoint !== undefined || command !== undefined) {
      const named = provider ?? (command === undefined ? 'openviking' : 'command');
      providerSettings(this.location.profileHome.value, { ...this.flags, provider: named }, this.env, this.deps.fs);
    }
  }

  /** Whom turns of a profile are committed to by now; without a profile, of the active one. */
  ownerFor(profile: string | null): Configured {
    const { settings, problem = null } = this.at(this.homeOf(profile));
    return { owner: settings ? spellOwner(settings.identity) : null, problem };
  }

  /**
   * The provider for a segment's owner: with the identity it was marked with,
   * and the credentials of a configuration that names that very identity, of
   * the session's own profile where that does. Another one's key is never sent
   * there. What has the same credentials is the same provider.
   */
  open(owner: Owner, profile: string | null): MemoryProvider | CommitFailure {
    const provider = readOwner(owner)?.provider;
    if (provider === 'holographic') return HOLOGRAPHIC;
    const settings = this.settingsOf(owner, profile);
    const key = JSON.stringify([owner, settings]);
    const opened = this.opened.get(key) ?? this.openNew(owner, provider, settings);
    this.opened.set(key, opened);
    return opened;
  }

  private openNew(
    owner: Owner,
    provider: string | undefined,
    settings: ProviderSettings | undefined,
  ): MemoryProvider | CommitFailure {
    if (settings === undefined) return this.notConfigured(owner);
    if (provider === 'command') {
      return new CommandProvider(settings.command, this.location.stateDir.value, this.deps);
    }
    if (provider === 'openviking') {
      return new OpenVikingProvider(settings, this.flags.timeoutSeconds ?? DEFAULT_TIMEOUT, this.deps);
    }
    return failed('provider_not_supported', 'REFUSED', `hermesctl cannot commit to ${describeOwner(owner)}.`, true);
  }

  private settingsOf(owner: Owner, profile: string | null): ProviderSettings | undefined {
    for (const home of new Set([this.homeOf(profile), ...this.allHomes()])) {
      const { settings } = this.at(home);
      if (settings && spellOwner(settings.identity) === owner) return settings;
    }
    return undefined;
  }

  private notConfigured(owner: Owner): CommitFailure {
    const problems = [...this.homes.values()].flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
    const why = problems.length > 0 ? ` ${problems.join(' ')}` : '';
    const message = `Marked for ${describeOwner(owner)}, which no configuration names now; --provider, --endpoint, --account, --user and --agent can.${why}`;
    return failed('owner_not_configured', 'REFUSED', message, true);
  }

  private at(home: string): { settings?: ProviderSettings | undefined; problem?: string } {
    const known = this.homes.get(home) ?? this.read(home);
    this.homes.set(home, known);
    return known;
  }

  private read(home: string): { settings?: ProviderSettings | undefined; problem?: string } {
    try {
      return { settings: providerSettings(home, this.flags, this.env, this.deps.fs) };
    } catch (error) {
      if (!(error instanceof HermesctlError)) throw error;
      return { problem: error.message };
    }
  }

  private homeOf(profile: string | null): string {
    return profile === null ? this.location.profileHome.value : profileHomeFor(this.location, profile);
  }

  /** The active profile's first. */
  private allHomes(): Set<string> {
    const { baseHome, profileHome } = this.location;
    return new Set([profileHome.value, baseHome.value, ...this.profiles().map((name) => this.homeOf(name))]);
  }

  /** The names of all profiles that have a home. */
  profiles(): string[] {
    try {
      return this.deps.fs.readdirSync(path.join(this.location.baseHome.value, 'profiles')).sort();
    } catch (error) {
      if (isSystemError(error)) return [];
      throw error;
    }
  }
}

/** As the agent's own client. */
const DEFAULT_TIMEOUT = 30;
