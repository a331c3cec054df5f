import * as path from 'node:path';

import { HermesctlError, isSystemError } from '../errors';
import type { FileSystem } from '../files/file-system';
import type { Environment, LocationFlags, VariableName } from './environment';

/** A value and where it came from, in words (`--state-dir`, `$HERMES_HOME`, a file's path, `default`). */
export interface Resolved {
  value: string;
  source: string;
}

/** Where everything is. Paths are absolute; none of them needs to exist. */
export interface Location {
  /** The store: the WebUI's state directory, links resolved once. */
  stateDir: Resolved;
  sessionsDir: Resolved;
  indexFile: Resolved;
  projectsFile: Resolved;
  settingsFile: Resolved;
  /** Files that users gave to sessions, by session. */
  attachmentsDir: Resolved;
  /** The home that `profiles/` is under. */
  baseHome: Resolved;
  /** Name of the active profile, or of the one asked for. */
  profile: Resolved;
  profileHome: Resolved;
  /** The agent database of that profile. */
  agentDatabase: Resolved;
  defaultWorkspace: Resolved;
  defaultModel: Resolved;
  /** Where hermesctl keeps what it can make again, outside of every store. */
  cacheDir: Resolved;
}

const PROFILE_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
export const DEFAULT_PROFILE = 'default';

/**
 * Resolves every location, by the rules of the WebUI (state directory, default
 * workspace) and of the agent (home, profiles). Reads `active_profile` and
 * resolves links; creates nothing.
 *
 * @throws HermesctlError `USAGE` for a profile name that cannot be one.
 */
export function resolveLocation(flags: LocationFlags, env: Environment, fs: FileSystem): Location {
  const home = resolveHome(flags, env);
  const base = resolveBaseHome(flags, env, home);
  const profile = resolveProfile(flags, home, base, fs);
  const profileHome = homeOfProfile(base, profile);
  const stateDir = resolveStateDir(flags, env, home, fs);
  const inStore = (...names: string[]): Resolved => derived(stateDir, ...names);
  return {
    stateDir,
    sessionsDir: inStore('sessions'),
    indexFile: inStore('sessions', '_index.json'),
    projectsFile: inStore('projects.json'),
    settingsFile: inStore('settings.json'),
    attachmentsDir: resolveAttachments(env) ?? inStore('attachments'),
    baseHome: base,
    profile,
    profileHome,
    agentDatabase: derived(profileHome, 'state.db'),
    defaultWorkspace: resolveDefaultWorkspace(env, fs),
    defaultModel: fromVariable(env, 'HERMES_WEBUI_DEFAULT_MODEL') ?? { value: '', source: 'default' },
    cacheDir: resolveCacheDir(env),
  };
}

/** What makes a directory an agent's home. */
const OF_A_HOME = ['state.db', 'config.yaml', 'profiles', 'active_profile'];

/**
 * Where things are for one of several stores. A store that is named `webui` and
 * lies in an agent's home, as it does by default, belongs to that home, whatever
 * the variables say; `--hermes-home` says otherwise for all of them. Throws as
 * {@link resolveLocation}.
 */
export function locationOfStore(stateDir: string, flags: LocationFlags, env: Environment, fs: FileSystem): Location {
  const own = resolveLocation({ ...flags, stateDir }, env, fs);
  const { value: dir } = own.stateDir;
  const home = path.dirname(dir);
  const isInHome = !flags.hermesHome && path.basename(dir) === 'webui' && isHome(fs, home);
  const location = isInHome ? resolveLocation({ ...flags, stateDir, hermesHome: home }, env, fs) : own;
  return { ...location, stateDir: { value: dir, source: '--stores' } };
}

function isHome(fs: FileSystem, dir: string): boolean {
  return OF_A_HOME.some((name) => {
    try {
      return fs.statSync(path.join(dir, name), { throwIfNoEntry: false }) !== undefined;
    } catch {
      return false;
    }
  });
}

/** The home of a profile named in a session: what is no valid name means the base home, as in the WebUI. */
export function profileHomeFor(location: Location, profile: string): string {
  return profile === DEFAULT_PROFILE || !PROFILE_NAME.test(profile)
    ? location.baseHome.value
    : path.join(location.baseHome.value, 'profiles', profile);
}

/** Where things are for another profile of the same home: the store is the same, database and workspace are not. */
export function locationOfProfile(location: Location, profile: string): Location {
  const profileHome = { value: profileHomeFor(location, profile), source: location.baseHome.source };
  return {
    ...location,
    profile: { value: profile, source: location.baseHome.source },
    profileHome,
    agentDatabase: derived(profileHome, 'state.db'),
  };
}

/** The default profile and those that have a home under `profiles/`, in the order of their names. */
export function profileNames(location: Location, fs: FileSystem): string[] {
  const dir = path.join(location.baseHome.value, 'profiles');
  let names: string[];
  try {
    names = fs.readdirSync(dir);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    names = []; // no other profiles, or none that may be seen
  }
  const others = names.filter((name) => PROFILE_NAME.test(name) && isDirectory(fs, path.join(dir, name))).sort();
  return [DEFAULT_PROFILE, ...others.filter((name) => name !== DEFAULT_PROFILE)];
}

/** Where things are for every profile that has a home: the location's own first, the others by name. */
export function locationsOfProfiles(location: Location, fs: FileSystem): Location[] {
  const others = profileNames(location, fs).filter((name) => name !== location.profile.value);
  return [location, ...others.map((name) => locationOfProfile(location, name))];
}

/** `~` and `~/…` at the beginning of a path, as Python's `expanduser` does for the own user. */
export function expandUser(text: string, userHome: string): string {
  return text === '~' || text.startsWith('~/') ? userHome + text.slice(1) : text;
}

function absolute(text: string, env: Environment): string {
  return path.resolve(env.cwd, expandUser(text, env.userHome));
}

function variable(env: Environment, name: VariableName): string | undefined {
  const value = env.variables[name]?.trim();
  return value ? value : undefined;
}

function fromVariable(env: Environment, name: VariableName): Resolved | undefined {
  const value = variable(env, name);
  return value === undefined ? undefined : { value, source: `$${name}` };
}

function derived(from: Resolved, ...names: string[]): Resolved {
  const { value: dir, source } = from;
  // A place that was resolved is normal: to look at it again each time is felt at every start.
  return { value: dir.endsWith(path.sep) ? path.join(dir, ...names) : [dir, ...names].join(path.sep), source };
}

function platformHome(env: Environment): Resolved {
  const local = variable(env, 'LOCALAPPDATA');
  const value = env.platform === 'win32' && local ? path.join(local, 'hermes') : path.join(env.userHome, '.hermes');
  return { value, source: 'default' };
}

function resolveHome(flags: LocationFlags, env: Environment): Resolved {
  if (flags.hermesHome) return { value: absolute(flags.hermesHome, env), source: '--hermes-home' };
  const set = fromVariable(env, 'HERMES_HOME');
  return set ? { ...set, value: absolute(set.value, env) } : platformHome(env);
}

/** A home that is itself a profile's (`…/profiles/x`) is unwrapped to the home above. */
function resolveBaseHome(flags: LocationFlags, env: Environment, home: Resolved): Resolved {
  const set = flags.hermesHome ? undefined : fromVariable(env, 'HERMES_BASE_HOME');
  const from = set ? { ...set, value: absolute(set.value, env) } : home;
  const parent = path.dirname(from.value);
  return path.basename(parent) === 'profiles' ? { ...from, value: path.dirname(parent) } : from;
}

function resolveProfile(flags: LocationFlags, home: Resolved, base: Resolved, fs: FileSystem): Resolved {
  if (flags.profile !== undefined) {
    if (!PROFILE_NAME.test(flags.profile)) {
      throw new HermesctlError('USAGE', `'${flags.profile}' is not a profile name.`, {
        hint: 'A profile name has lower-case letters, digits, _ and -, at most 64.',
      });
    }
    return { value: flags.profile, source: '--profile' };
  }
  const name = path.basename(home.value);
  if (path.basename(path.dirname(home.value)) === 'profiles' && PROFILE_NAME.test(name)) {
    return { value: name, source: home.source };
  }
  const file = path.join(base.value, 'active_profile');
  const active = readLine(fs, file);
  if (active && PROFILE_NAME.test(active)) return { value: active, source: file };
  return { value: DEFAULT_PROFILE, source: 'default' };
}

function homeOfProfile(base: Resolved, profile: Resolved): Resolved {
  return profile.value === DEFAULT_PROFILE
    ? base
    : { value: path.join(base.value, 'profiles', profile.value), source: profile.source };
}

function resolveStateDir(flags: LocationFlags, env: Environment, home: Resolved, fs: FileSystem): Resolved {
  const named: Resolved =
    flags.stateDir !== undefined && flags.stateDir !== ''
      ? { value: flags.stateDir, source: '--state-dir' }
      : flags.hermesHome
        ? derived(home, 'webui')
        : (fromVariable(env, 'HERMES_WEBUI_STATE_DIR') ?? derived(home, 'webui'));
  return { ...named, value: realPath(fs, absolute(named.value, env)) };
}

/** The user's own directory for caches: the desktop's rule, or the platform's. */
function resolveCacheDir(env: Environment): Resolved {
  const set = fromVariable(env, 'XDG_CACHE_HOME');
  if (set && path.isAbsolute(set.value)) return { ...set, value: path.join(set.value, 'hermesctl') };
  const local = variable(env, 'LOCALAPPDATA');
  const [base, name] =
    env.platform === 'win32' && local
      ? [local, path.join('hermesctl', 'cache')]
      : env.platform === 'darwin'
        ? [path.join(env.userHome, 'Library', 'Caches'), 'hermesctl']
        : [path.join(env.userHome, '.cache'), 'hermesctl'];
  return { value: path.join(base, name), source: 'default' };
}

/** The WebUI's order, without its creating of directories. */
function resolveDefaultWorkspace(env: Environment, fs: FileSystem): Resolved {
  const set = fromVariable(env, 'HERMES_WEBUI_DEFAULT_WORKSPACE');
  if (set) return { ...set, value: absolute(set.value, env) };
  const candidates = ['workspace', 'work'].map((name) => path.join(env.userHome, name));
  return { value: candidates.find((dir) => isDirectory(fs, dir)) ?? candidates[0], source: 'default' };
}

function resolveAttachments(env: Environment): Resolved | undefined {
  const set = fromVariable(env, 'HERMES_WEBUI_ATTACHMENT_DIR');
  return set && { ...set, value: absolute(set.value, env) };
}

function realPath(fs: FileSystem, file: string): string {
  try {
    return fs.realpathSync(file);
  } catch {
    return file; // not there, or not reachable: the command that needs it says so
  }
}

function isDirectory(fs: FileSystem, file: string): boolean {
  try {
    return fs.statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false;
  } catch {
    return false;
  }
}

function readLine(fs: FileSystem, file: string): string | undefined {
  try {
    // Mostly there is none, and a failure takes longer than the question.
    if (!fs.statSync(file, { throwIfNoEntry: false })) return undefined;
    return fs.readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (isSystemError(error)) return undefined; // the agent too takes a missing or unreadable file as 'default'
    throw error;
  }
}
