import * as path from 'node:path';

import { HermesctlError, isSystemError } from '../errors';
import type { FileSystem } from '../files/file-system';
import { truthy } from '../json/python';
import type { Environment, VariableName } from '../location/environment';
import { expandUser } from '../location/location';
import { readDotenv, readYamlScalars } from './config-text';
import type { Identity } from './owner';

/** What the flags say about the provider. No flag holds a secret: it would be seen in `ps`. */
export interface ProviderFlags {
  provider?: string | undefined;
  endpoint?: string | undefined;
  account?: string | undefined;
  user?: string | undefined;
  agent?: string | undefined;
  /** The words of the command line of the provider `command`. */
  command?: readonly string[] | undefined;
}

/** A provider that is configured: whom it commits to, and what that takes. */
export interface ProviderSettings {
  identity: Identity;
  /** Only for `openviking`. */
  apiKey?: string | undefined;
  /** Headers that the configuration adds; as secret as the key. */
  extraHeaders: Readonly<Record<string, string>>;
  /** Only for `command`. */
  command: readonly string[];
}

const DEFAULT_ENDPOINT = 'http://127.0.0.1:1933';
const DEFAULT_USER = 'default';
const DEFAULT_AGENT = 'hermes';

/**
 * The memory provider that a home's configuration names, with the agent's own
 * order (reference: hermes-agent §4): flags, environment, `.env`, `ovcli.conf`
 * where the configuration says to use it, `config.yaml`, defaults. Undefined
 * where none is configured.
 *
 * @throws HermesctlError `USAGE` for settings that cannot be used, `IO_ERROR` for a file that cannot be read.
 */
export function providerSettings(
  home: string,
  flags: ProviderFlags,
  env: Environment,
  fs: FileSystem,
): ProviderSettings | undefined {
  const config = readYamlScalars(readText(path.join(home, 'config.yaml'), fs) ?? '');
  const dotenv = readDotenv(readText(path.join(home, '.env'), fs) ?? '');
  const variable = (name: VariableName): string | undefined =>
    nonEmpty(env.variables[name]) ?? nonEmpty(dotenv.get(name));
  const provider = flags.provider ?? nonEmpty(config.get('memory.provider')) ?? impliedProvider(flags, variable);
  if (provider === undefined) return undefined;
  if (provider === 'command') return commandSettings(flags);
  if (provider !== 'openviking') return { identity: bare(provider), extraHeaders: {}, command: [] };

  const at = (key: string): string | undefined => nonEmpty(config.get(`memory.openviking.${key}`));
  const ovcli = isTrue(at('use_ovcli_config')) ? readOvcli(at('ovcli_config_path'), variable, env, fs) : NO_OVCLI;
  return {
    identity: {
      provider,
      endpoint: cleanEndpoint(
        flags.endpoint ?? variable('OPENVIKING_ENDPOINT') ?? ovcli.url ?? at('endpoint') ?? DEFAULT_ENDPOINT,
      ),
      account: flags.account ?? variable('OPENVIKING_ACCOUNT') ?? ovcli.account ?? at('account') ?? null,
      user: flags.user ?? variable('OPENVIKING_USER') ?? ovcli.user ?? at('user') ?? DEFAULT_USER,
      actor: flags.agent ?? variable('OPENVIKING_AGENT') ?? ovcli.actor ?? at('agent') ?? DEFAULT_AGENT,
    },
    apiKey: variable('OPENVIKING_API_KEY') ?? ovcli.apiKey,
    extraHeaders: ovcli.extraHeaders,
    command: [],
  };
}

/** Whoever names a server means to use it. */
function impliedProvider(
  flags: ProviderFlags,
  variable: (name: VariableName) => string | undefined,
): string | undefined {
  if (flags.command?.length) return 'command';
  return flags.endpoint !== undefined || variable('OPENVIKING_ENDPOINT') !== undefined ? 'openviking' : undefined;
}

function bare(provider: string): Identity {
  return { provider, endpoint: null, account: null, user: null, actor: null };
}

function commandSettings({ command = [] }: ProviderFlags): ProviderSettings {
  if (command.length === 0) {
    throw new HermesctlError('USAGE', 'The provider command needs a program.', {
      hint: 'Name it with --command; its arguments come last, behind --.',
    });
  }
  return { identity: { ...bare('command'), endpoint: command[0] }, extraHeaders: {}, command };
}

/**
 * A server's URL as it is kept and shown: without a slash at its end.
 *
 * @throws HermesctlError `USAGE`; never with the URL, which may hold a password.
 */
function cleanEndpoint(text: string): string {
  const refused = (message: string): HermesctlError =>
    new HermesctlError('USAGE', message, { hint: 'Give it as http://HOST:PORT; the key in OPENVIKING_API_KEY.' });
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    throw refused('The endpoint of OpenViking is not a URL.');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refused('The endpoint of OpenViking is not http.');
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw refused('The endpoint of OpenViking must hold neither user, password, query nor fragment.');
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

interface Ovcli {
  url?: string | undefined;
  apiKey?: string | undefined;
  account?: string | undefined;
  user?: string | undefined;
  actor?: string | undefined;
  extraHeaders: Readonly<Record<string, string>>;
}

const NO_OVCLI: Ovcli = { extraHeaders: {} };

/** The configuration of OpenViking's own command-line client. */
function readOvcli(
  configured: string | undefined,
  variable: (name: VariableName) => string | undefined,
  env: Environment,
  fs: FileSystem,
): Ovcli {
  const named = variable('OPENVIKING_CLI_CONFIG_FILE') ?? configured ?? '~/.openviking/ovcli.conf';
  const file = path.resolve(env.cwd, expandUser(named, env.userHome));
  const text = readText(file, fs);
  if (text === undefined) return NO_OVCLI;
  const fields = parseObject(text);
  if (fields === undefined) {
    throw new HermesctlError('USAGE', `${file} is not a JSON object.`, { details: { path: file } });
  }
  const string = (...keys: string[]): string | undefined =>
    keys.map((key) => fields[key]).find((value): value is string => typeof value === 'string' && value.trim() !== '');
  const headers = Object.entries((fields['extra_headers'] ?? {}) as Record<string, unknown>);
  return {
    url: string('url'),
    apiKey: string('api_key', 'root_api_key'),
    account: string('account', 'account_id'),
    user: string('user', 'user_id'),
    actor: string('actor_peer_id', 'agent_id'),
    extraHeaders: Object.fromEntries(
      headers.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    ),
  };
}

/** Undefined for what is none; the parser's own words would quote the text, and with it a key. */
function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function readText(file: string, fs: FileSystem): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (isSystemError(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    if (isSystemError(error)) {
      throw new HermesctlError('IO_ERROR', `${file} cannot be read (${error.code}).`, { details: { path: file } });
    }
    throw error;
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  const trimmed = text?.trim();
  return trimmed ? trimmed : undefined;
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && truthy(text) && /^(true|yes|on|1)$/i.test(text);
}
