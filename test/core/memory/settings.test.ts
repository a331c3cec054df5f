import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { nodeFileSystem } from '../../../src/core/files/file-system';
import { readDotenv, readYamlScalars } from '../../../src/core/memory/config-text';
import { type ProviderFlags, providerSettings, type ProviderSettings } from '../../../src/core/memory/settings';
import { cli, cliJson } from '../../support/cli';
import { OpenViking } from '../../support/openviking';
import { makeStore, session, temporaryDirectory } from '../../support/store';

function settingsOf(
  files: Record<string, string>,
  flags: ProviderFlags = {},
  variables: Record<string, string> = {},
): ProviderSettings | undefined {
  const home = temporaryDirectory();
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(home, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  }
  return providerSettings(home, flags, { variables, userHome: home, platform: 'linux', cwd: home }, nodeFileSystem);
}

const YAML =
  'memory:\n  provider: openviking\n  openviking:\n    endpoint: http://yaml:1\n    use_ovcli_config: true\n';
const OVCLI = JSON.stringify({
  url: 'http://ovcli:2/',
  root_api_key: 'ovkey',
  account_id: 'ovacc',
  user: 'ovuser',
  agent_id: 'ovagent',
  extra_headers: { 'X-Extra': 'yes', bad: 3 },
});

describe('the settings of OpenViking', () => {
  it('come from the first of flags, environment, .env, ovcli.conf, config.yaml and defaults', () => {
    const all = {
      'config.yaml': YAML,
      '.openviking/ovcli.conf': OVCLI,
      '.env': 'OPENVIKING_ENDPOINT=http://dotenv:3\nOPENVIKING_API_KEY=dotkey',
    };
    const endpointOf = (...args: Parameters<typeof settingsOf>): string | null | undefined =>
      settingsOf(...args)?.identity.endpoint;
    const env = { OPENVIKING_ENDPOINT: 'http://env:4' };
    expect(endpointOf(all, { endpoint: 'https://flag:5/base/' }, env)).toBe('https://flag:5/base');
    expect(endpointOf(all, {}, env)).toBe('http://env:4');
    expect(endpointOf(all, {}, { OPENVIKING_ENDPOINT: ' ' })).toBe('http://dotenv:3');
    expect(endpointOf({ ...all, '.env': '' })).toBe('http://ovcli:2');
    expect(endpointOf({ 'config.yaml': YAML })).toBe('http://yaml:1');
    expect(endpointOf({ ...all, '.env': '', 'config.yaml': YAML.replace('true', 'false') })).toBe('http://yaml:1');
    expect(endpointOf({ 'config.yaml': 'memory: \n  provider: "openviking"\n' })).toBe('http://127.0.0.1:1933');
    expect(
      endpointOf(
        { ...all, '.env': '', 'conf/x.json': '{"url":"http://named:6"}' },
        {},
        { OPENVIKING_CLI_CONFIG_FILE: '~/conf/x.json' },
      ),
    ).toBe('http://named:6');
    expect(settingsOf({ ...all, '.env': '' })).toMatchObject({
      apiKey: 'ovkey',
      extraHeaders: { 'X-Extra': 'yes' },
      identity: { account: 'ovacc', user: 'ovuser', actor: 'ovagent' },
    });
    expect(settingsOf(all)?.apiKey).toBe('dotkey');
    expect(settingsOf(all, {}, { OPENVIKING_API_KEY: 'envkey' })?.apiKey).toBe('envkey');
  });

  it('are none where nothing names a provider', () => {
    expect(settingsOf({})).toBeUndefined();
    expect(settingsOf({ 'config.yaml': 'memory:\n  provider: ""\nother: x\n' })).toBeUndefined();
    expect(settingsOf({}, {}, { OPENVIKING_API_KEY: 'k' })).toBeUndefined();
    expect(settingsOf({}, {}, { OPENVIKING_ENDPOINT: 'http://h' })?.identity.provider).toBe('openviking');
    expect(settingsOf({ 'config.yaml': 'memory:\n  provider: honcho\n' })?.identity).toMatchObject({
      provider: 'honcho',
      endpoint: null,
    });
  });

  it.each(['nonsense', 'ftp://h', 'http://joe:hunter2@h', 'http://h/?key=1', 'http://h#x', ''])(
    'refuse %j as an endpoint, without repeating it',
    (endpoint) => {
      expect(() => settingsOf({}, { provider: 'openviking', endpoint })).toThrow(
        /^The endpoint of OpenViking (?!.*(hunter2|key)).*\.$/,
      );
    },
  );

  it('do not quote a file that cannot be read', () => {
    const files = { 'config.yaml': YAML, '.openviking/ovcli.conf': '{"api_key": "s3cret", oops' };
    expect(() => settingsOf(files)).toThrow(/is not a JSON object\.$/);
    expect(() => settingsOf(files)).not.toThrow(/s3cret/);
  });
});

describe('.env', () => {
  it('is read in its common forms', () => {
    const text =
      '\uFEFFA=1\r\nexport B = two words # not this\n#C=3\nD="quoted # \\"x\\"\\n"\nE=\'single # $x\'\nF=\nG=a#b\n bad line\nH';
    expect(Object.fromEntries(readDotenv(text))).toEqual({
      A: '1',
      B: 'two words',
      D: 'quoted # "x"\n',
      E: 'single # $x',
      F: '',
      G: 'a#b',
    });
  });
});

describe('config.yaml', () => {
  it('is read where it is a mapping in block style, and stepped over where not', () => {
    const text = [
      '# comment',
      'a: 1',
      'memory:   # nested',
      '  provider: openviking # this one',
      '  list:',
      '    - provider: not-this',
      '      endpoint: nor-this',
      '  flow: {provider: nor, this: one}',
      '  text: |',
      '    provider: nor this',
      '',
      '    openviking:',
      '  "openviking":',
      "    endpoint: 'http://it''s:1'",
      '    empty:',
      '    none: ~',
      '    url: http://h:2/x#y',
      'b:',
      '- provider: x',
      'c: "d: e"',
    ].join('\n');
    expect(Object.fromEntries([...readYamlScalars(text)].filter(([key]) => !key.includes('-')))).toEqual({
      a: '1',
      'memory.provider': 'openviking',
      'memory.openviking.endpoint': "http://it's:1",
      'memory.openviking.url': 'http://h:2/x#y',
      c: 'd: e',
    });
  });
});

describe('a secret', () => {
  it('gets nowhere: not into ledger, output, errors, traces, nor another server', async () => {
    const server = await OpenViking.start();
    server.apiKey = 'right';
    const id = 'aaaa00000001';
    const store = makeStore({ [id]: session(id) });
    const SECRET = 'sk-very-secret-0123456789';
    const env = { ...store.env, OPENVIKING_API_KEY: SECRET, OPENVIKING_ENDPOINT: server.url };
    const outputs: string[] = [];
    for (const args of [
      ['memory', 'scan', '--json'],
      ['memory', 'mark', id],
      ['memory-drain', '--dry-run', '--json'],
      ['memory-drain', '--json', '--verbose'],
      ['memory-drain', '--verbose'],
      ['memory-drain', '--endpoint', 'http://127.0.0.1:1', '--verbose'],
      ['memory', 'status', '--json'],
      ['memory', 'status', '--verbose'],
      ['paths', '--json'],
    ]) {
      const { stdout, stderr } = await cli(args, { env });
      outputs.push(stdout, stderr);
    }
    // The server says the key that it rejects; so it did get it.
    expect(server.requests(/commit/)[0].headers['x-api-key']).toBe(SECRET);
    expect(outputs.join('\n')).toContain('Invalid API key ***');
    expect(outputs.join('\n')).not.toContain(SECRET);
    expect(fs.readFileSync(path.join(store.stateDir, '.hermesctl-memory.db'), 'latin1')).not.toContain(SECRET);
    const { json } = await cliJson<{ sessions: object[] }>(['memory', 'status'], { env });
    expect(json.sessions).toMatchObject([{ last_attempt: { reason: 'auth_failed', code: 'AUTH_FAILED' } }]);
  });
});
