import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { HermesctlError } from '../../../src/core/errors';
import { nodeFileSystem } from '../../../src/core/files/file-system';
import { describeLocation } from '../../../src/core/location/describe';
import type { Environment, LocationFlags } from '../../../src/core/location/environment';
import {
  expandUser,
  type Location,
  locationOfStore,
  locationsOfProfiles,
  profileHomeFor,
  resolveLocation,
} from '../../../src/core/location/location';
import { temporaryDirectory, treeHash } from '../../support/store';

const HOME = '/home/nobody-here';

interface Case extends LocationFlags {
  variables?: Environment['variables'];
  userHome?: string;
  cwd?: string;
  platform?: NodeJS.Platform;
}

function locate({ variables = {}, userHome = HOME, cwd = '/cwd', platform = 'linux', ...flags }: Case = {}): Location {
  return resolveLocation(flags, { variables, userHome, cwd, platform }, nodeFileSystem);
}

describe('the state directory', () => {
  it.each<[string, Case, string, string]>([
    ['the default', {}, `${HOME}/.hermes/webui`, 'default'],
    ['under HERMES_HOME', { variables: { HERMES_HOME: '/h' } }, '/h/webui', '$HERMES_HOME'],
    [
      'HERMES_WEBUI_STATE_DIR before HERMES_HOME',
      { variables: { HERMES_HOME: '/h', HERMES_WEBUI_STATE_DIR: '/s' } },
      '/s',
      '$HERMES_WEBUI_STATE_DIR',
    ],
    [
      '--hermes-home before both variables',
      { hermesHome: '/f', variables: { HERMES_HOME: '/h', HERMES_WEBUI_STATE_DIR: '/s' } },
      '/f/webui',
      '--hermes-home',
    ],
    [
      '--state-dir before everything',
      { stateDir: '/d', hermesHome: '/f', variables: { HERMES_WEBUI_STATE_DIR: '/s' } },
      '/d',
      '--state-dir',
    ],
    [
      'a variable that is set and empty counts as unset',
      { variables: { HERMES_WEBUI_STATE_DIR: '', HERMES_HOME: '' } },
      `${HOME}/.hermes/webui`,
      'default',
    ],
    ['a flag that is empty too', { stateDir: '', variables: { HERMES_HOME: '/h' } }, '/h/webui', '$HERMES_HOME'],
    [
      '~ is the user’s home',
      { variables: { HERMES_WEBUI_STATE_DIR: '~/state' } },
      `${HOME}/state`,
      '$HERMES_WEBUI_STATE_DIR',
    ],
    ['a relative path is under the working directory', { stateDir: 'a/../b' }, '/cwd/b', '--state-dir'],
    [
      'a home that is a profile’s is taken as it is',
      { variables: { HERMES_HOME: '/h/profiles/x' } },
      '/h/profiles/x/webui',
      '$HERMES_HOME',
    ],
  ])('%s', (_what, given, value, source) => {
    const location = locate(given);
    expect(location.stateDir).toEqual({ value, source });
    expect(location.sessionsDir).toEqual({ value: path.join(value, 'sessions'), source });
    expect(location.indexFile.value).toBe(path.join(value, 'sessions', '_index.json'));
    expect(location.projectsFile.value).toBe(path.join(value, 'projects.json'));
    expect(location.settingsFile.value).toBe(path.join(value, 'settings.json'));
  });

  it('is resolved through links, once', () => {
    const dir = temporaryDirectory();
    fs.mkdirSync(path.join(dir, 'real'));
    fs.symlinkSync('real', path.join(dir, 'link'));
    expect(locate({ stateDir: path.join(dir, 'link') }).stateDir.value).toBe(path.join(dir, 'real'));
  });
});

describe('the home and the profile', () => {
  it.each<[string, Case, { base: string; profile: string; home: string }]>([
    ['the default', {}, { base: `${HOME}/.hermes`, profile: 'default', home: `${HOME}/.hermes` }],
    ['HERMES_HOME', { variables: { HERMES_HOME: '/h' } }, { base: '/h', profile: 'default', home: '/h' }],
    [
      'HERMES_HOME of a profile',
      { variables: { HERMES_HOME: '/h/profiles/x' } },
      { base: '/h', profile: 'x', home: '/h/profiles/x' },
    ],
    ['-p', { profile: 'x', variables: { HERMES_HOME: '/h' } }, { base: '/h', profile: 'x', home: '/h/profiles/x' }],
    [
      '-p before the profile of HERMES_HOME',
      { profile: 'y', variables: { HERMES_HOME: '/h/profiles/x' } },
      { base: '/h', profile: 'y', home: '/h/profiles/y' },
    ],
    [
      '-p default leads back to the base',
      { profile: 'default', variables: { HERMES_HOME: '/h/profiles/x' } },
      { base: '/h', profile: 'default', home: '/h' },
    ],
    [
      'HERMES_BASE_HOME before HERMES_HOME',
      { profile: 'x', variables: { HERMES_BASE_HOME: '/b', HERMES_HOME: '/h' } },
      { base: '/b', profile: 'x', home: '/b/profiles/x' },
    ],
    [
      'HERMES_BASE_HOME of a profile is unwrapped',
      { variables: { HERMES_BASE_HOME: '/b/profiles/z' } },
      { base: '/b', profile: 'default', home: '/b' },
    ],
    [
      '--hermes-home before HERMES_BASE_HOME',
      { hermesHome: '/f', variables: { HERMES_BASE_HOME: '/b' } },
      { base: '/f', profile: 'default', home: '/f' },
    ],
    [
      'empty variables count as unset',
      { variables: { HERMES_BASE_HOME: '', HERMES_HOME: ' ' } },
      { base: `${HOME}/.hermes`, profile: 'default', home: `${HOME}/.hermes` },
    ],
  ])('%s', (_what, given, { base, profile, home }) => {
    const location = locate(given);
    expect(location.baseHome.value).toBe(base);
    expect(location.profile.value).toBe(profile);
    expect(location.profileHome.value).toBe(home);
    expect(location.agentDatabase.value).toBe(path.join(home, 'state.db'));
  });

  it('on Windows is under LOCALAPPDATA', () => {
    const windows: Case = { platform: 'win32', variables: { LOCALAPPDATA: '/local' } };
    expect(locate(windows).baseHome.value).toBe('/local/hermes');
    expect(locate({ ...windows, variables: {} }).baseHome.value).toBe(`${HOME}/.hermes`);
  });

  it('follows active_profile, where it names one', () => {
    const home = temporaryDirectory();
    const file = path.join(home, 'active_profile');
    const at = (given: Case = {}): Location => locate({ variables: { HERMES_HOME: home }, ...given });
    fs.writeFileSync(file, ' work \n');
    expect(at().profile).toEqual({ value: 'work', source: file });
    expect(at().profileHome).toEqual({ value: path.join(home, 'profiles', 'work'), source: file });
    expect(at({ profile: 'other' }).profile).toEqual({ value: 'other', source: '--profile' });
    expect(at({ variables: { HERMES_HOME: path.join(home, 'profiles', 'x') } }).profile.value).toBe('x');
    for (const text of ['', '\n', '../../etc', 'Not A Name', 'default']) {
      fs.writeFileSync(file, text);
      expect(at().profile.value, JSON.stringify(text)).toBe('default');
      expect(at().profileHome.value).toBe(home);
    }
    fs.rmSync(file);
    fs.mkdirSync(file);
    expect(at().profile.value).toBe('default');
  });

  it.each(['', 'A', '../x', 'a/b', '-x', 'x'.repeat(65), 'a b', 'é'])('refuses %j as a profile name', (profile) => {
    let error: unknown;
    try {
      locate({ profile });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(HermesctlError);
    expect(error).toMatchObject({ code: 'USAGE', exit: 2 });
  });

  it('gives the base home for a session whose profile can be no name', () => {
    const location = locate({ variables: { HERMES_HOME: '/h' } });
    expect(profileHomeFor(location, 'work')).toBe('/h/profiles/work');
    for (const name of ['default', '../..', '']) expect(profileHomeFor(location, name)).toBe('/h');
  });
});

describe('defaults of a session', () => {
  it('come from the variables, else from what is there', () => {
    const userHome = temporaryDirectory();
    const at = (variables: Environment['variables'] = {}): Location => locate({ userHome, variables });
    expect(at().defaultWorkspace).toEqual({ value: path.join(userHome, 'workspace'), source: 'default' });
    fs.mkdirSync(path.join(userHome, 'work'));
    expect(at().defaultWorkspace.value).toBe(path.join(userHome, 'work'));
    fs.mkdirSync(path.join(userHome, 'workspace'));
    expect(at().defaultWorkspace.value).toBe(path.join(userHome, 'workspace'));
    expect(at({ HERMES_WEBUI_DEFAULT_WORKSPACE: '~/w' }).defaultWorkspace).toEqual({
      value: path.join(userHome, 'w'),
      source: '$HERMES_WEBUI_DEFAULT_WORKSPACE',
    });
    expect(at().attachmentsDir.value).toBe(`${at().stateDir.value}/attachments`);
    expect(at({ HERMES_WEBUI_ATTACHMENT_DIR: '/srv/in' }).attachmentsDir).toMatchObject({ value: '/srv/in' });
    expect(at().defaultModel).toEqual({ value: '', source: 'default' });
    expect(at({ HERMES_WEBUI_DEFAULT_MODEL: 'a/b' }).defaultModel.value).toBe('a/b');
  });
});

describe('expandUser', () => {
  it.each([
    ['~', '/u'],
    ['~/x', '/u/x'],
    ['~other/x', '~other/x'],
    ['a~', 'a~'],
    ['', ''],
  ])('%j is %j', (text, expanded) => {
    expect(expandUser(text, '/u')).toBe(expanded);
  });
});

describe('describeLocation', () => {
  it('tells what is there, and makes nothing', () => {
    const home = temporaryDirectory();
    fs.mkdirSync(path.join(home, 'webui'));
    const before = treeHash(home);
    const described = describeLocation(locate({ hermesHome: home }), nodeFileSystem);
    const exists = Object.fromEntries(described.map(({ name, exists: is }) => [name, is]));
    expect(exists).toMatchObject({
      state_dir: true,
      sessions_dir: false,
      base_home: true,
      agent_database: false,
      profile: null,
      default_model: null,
    });
    expect(treeHash(home)).toBe(before);
  });
});

describe('one of several stores', () => {
  const at = (stateDir: string, { variables = {}, ...flags }: Case = {}): Location =>
    locationOfStore(stateDir, flags, { variables, userHome: HOME, cwd: '/cwd', platform: 'linux' }, nodeFileSystem);

  function homeWith(name: string): string {
    const home = path.join(temporaryDirectory(), 'home');
    fs.mkdirSync(path.join(home, 'webui'), { recursive: true });
    fs.mkdirSync(path.join(home, name));
    return home;
  }

  it.each(['state.db', 'config.yaml', 'profiles', 'active_profile'])(
    'belongs to the home that it is in, which has %s, whatever the variables say',
    (name) => {
      const home = homeWith(name);
      const variables = { HERMES_HOME: '/h', HERMES_BASE_HOME: '/b', HERMES_WEBUI_STATE_DIR: '/s' };
      const location = at(path.join(home, 'webui'), { variables });
      expect(location.stateDir).toEqual({ value: path.join(home, 'webui'), source: '--stores' });
      expect(location.agentDatabase.value).toBe(path.join(home, 'state.db'));
    },
  );

  it('belongs to the home of a profile that it is in', () => {
    const root = temporaryDirectory();
    const home = path.join(root, 'profiles', 'work');
    fs.mkdirSync(path.join(home, 'webui'), { recursive: true });
    fs.writeFileSync(path.join(home, 'config.yaml'), '');
    const location = at(path.join(home, 'webui'));
    expect([location.baseHome.value, location.profile.value]).toEqual([root, 'work']);
  });

  it('belongs to --hermes-home where that is given, and to that of the variables where it is in none', () => {
    const home = homeWith('state.db');
    expect(at(path.join(home, 'webui'), { hermesHome: '/f' }).baseHome.value).toBe('/f');
    const variables = { HERMES_HOME: '/h' };
    expect(at(path.join(home, 'profiles'), { variables }).baseHome.value).toBe('/h');
    expect(at(path.join(temporaryDirectory(), 'webui'), { variables }).baseHome.value).toBe('/h');
    expect(at('store').stateDir.value).toBe('/cwd/store');
  });
});

it('knows the places of all profiles, its own first', () => {
  const home = temporaryDirectory();
  for (const name of ['b', 'a', 'c', 'No-Profile'])
    fs.mkdirSync(path.join(home, 'profiles', name), { recursive: true });
  const location = locate({ hermesHome: home, profile: 'b' });
  const places = locationsOfProfiles(location, nodeFileSystem);
  expect(places.map(({ profile }) => profile.value)).toEqual(['b', 'default', 'a', 'c']);
  expect(places.map(({ agentDatabase }) => path.relative(home, agentDatabase.value))).toEqual([
    'profiles/b/state.db',
    'state.db',
    'profiles/a/state.db',
    'profiles/c/state.db',
  ]);
});
