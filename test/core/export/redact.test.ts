import fs from 'node:fs';
import path from 'node:path';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { KINDS, Redactor } from '../../../src/core/export/redact';
import { tokensOf } from '../../../src/core/json/tokens';
import { jsonText } from '../../support/arbitraries';
import { ROOT } from '../../support/cli';

/** One example of each thing that goes, the way people leave it lying about: text before, secret, text after. */
const SECRETS: [kind: string, before: string, secret: string, after: string][] = [
  [
    'private-key',
    'key:\n',
    '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\nZXktdjE=\n-----END OPENSSH PRIVATE KEY-----',
    '\n',
  ],
  ['private-key', '', '-----BEGIN RSA PRIVATE KEY-----\nMIIE cut off', ''],
  ['jwt', 'cookie is ', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhb', ';'],
  ['api-key', 'export OPENAI=', 'sk-proj-Abc123_def456ghi789', ' #'],
  ['api-key', '"', 'sk-ant-api03-AAAABBBBCCCCDDDD', '"'],
  ['api-key', 'stripe ', 'sk_live_0123456789abcdef', '.'],
  ['github-token', 'use ', 'ghp_0123456789abcdefghijABCDEFGHIJ', '!'],
  ['github-token', '', 'github_pat_11ABCDEFG0123456789_abcdef', ''],
  ['gitlab-token', '', 'glpat-0123456789abcdefghij', ' '],
  ['aws-key', 'id ', 'AKIAIOSFODNN7EXAMPLE', ','],
  ['google-key', 'key=', 'AIzaSyA1234567890abcdefghijklmnopqrstuv', '&'],
  ['slack-token', '', 'xoxb-123456789012-abcdefghij', ''],
  ['huggingface-token', '', 'hf_abcdefghijklmnopqrstuvwxyz', ''],
  ['npm-token', '', 'npm_abcdefghijklmnopqrstuvwxyz0123456789', ''],
  ['pypi-token', '', 'pypi-AgEIcHlwaS5vcmcCJDAwMDAwMDAwLTAwMDAtMDAwMA', ''],
  ['telegram-token', 'bot', '123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1', ''],
  ['password', 'postgres://app:', 'hunter2', '@db.example:5432/app'],
  ['authorization', 'Authorization: Basic ', 'dXNlcjpwYXNz', '\n'],
  ['bearer-token', 'curl -H "X: Bearer ', 'abcdef0123456789abcdef', '"'],
  ['secret', 'DB_PASSWORD=', 'correcthorse', '\n'],
  ['secret', '{\\"api_key\\": \\"', 'zzzz-yyyy-xxxx', '\\"}'],
  ['secret', 'STRIPE_SECRET_KEY=', 'abc$def&ghi;j', '\n'],
  ['secret', 'export DB_PASS=', 'hunter2', ' && run'],
  ['secret', 'password = "', 'correct horse, battery', '"'],
  ['secret', '{\\"db\\":{\\"password\\":\\"', 'hunter2', '\\"}}'],
  ['secret', 'OPENAI_KEY=', '0123456789abcdef0123456789abcdef', ''],
  ['secret', 'AccountName=x;AccountKey=', 'abcd1234efgh5678==', ';EndpointSuffix=y'],
  ['authorization', '{\\"Authorization\\": \\"Basic ', 'dXNlcjpwYXNz', '\\"}'],
  ['authorization', 'Authorization: ', '0123456789abcdef0123', '\n'],
  ['cookie', 'Set-Cookie: ', 'sid=abcdef0123456789; HttpOnly', '\n'],
  ['password', 'postgres://app:', 'p@ss:w0rd', '@db.example:5432/app'],
  ['password', 'curl -s -u admin:', 'hunter2', ' https://example.org'],
  ['webhook', 'https://hooks.slack.com/services/', 'T0000/B0000/abcdefghijklmnopqrstuvwx', ''],
  ['google-key', '', 'ya29.a0AfH6SMBx1234567890abcdefghijk', ''],
  ['api-key', '', 'gsk_abcdefghijklmnopqrstuvwxyz0123456789', ''],
  [
    'private-key',
    '',
    `-----BEGIN PGP PRIVATE KEY BLOCK-----\n${'lQdGBGabc123+/=\n'.repeat(2000)}-----END PGP PRIVATE KEY BLOCK-----`,
    '',
  ],
  ['private-key', '', `-----BEGIN RSA PRIVATE KEY-----\nMIIE cut off${' '.repeat(16_371)}`, ' and so on'],
  ['home', 'in ', '/mnt/c/Users/Ada', '/x'],
  ['home', 'in ', '/var/home/ada', '/x'],
  ['home', '', 'c:\\users\\Ada Lovelace', '\\x.txt'],
  ['home', 'in ', '/home/ada', '/projects/site'],
  ['home', 'open ', '/Users/Ada', '/x.txt'],
  ['home', '', 'C:\\Users\\Ada', '\\x.txt'],
];

const PLAIN = [
  'The token count is 12345678 and max_tokens: 4096000000.',
  'Bearer of bad news, with understanding.',
  'password: $DB_PASSWORD and token = ${TOKEN}; secret = getSecret()',
  'https://example.org:8080/a@b and /srv/home/x, ./home/y, ~/home/z',
  'sk-short, AKIA, ghp_x, eyJ.a.b, task-force-something',
  'input_tokens=1000000000',
  'class="sk-folding-cube-container"',
  'password: required; Password: incorrect. token: undefined, API_KEY=your-api-key-here, PASSWORD=********',
  'password=args.password_value, next_page_token: results.token_value, "token": "<token here>"',
  '1777000000:da39a3ee5e6b4b0d3255bfef95601890afd80709',
  'PWD=/srv/work/project OLDPWD=/srv/work/other',
];

describe('a redacted text', () => {
  it.each(SECRETS)('has no %s: %s%s%s', (kind, before, secret, after) => {
    const redactor = new Redactor();
    const placeholder = `[${kind}-1]`;
    expect(redactor.text(before + secret + after)).toBe(before + placeholder + after);
    expect(redactor.counts).toEqual({ [kind]: 1 });
  });

  it.each(PLAIN)('keeps what is no secret: %s', (text) => {
    const redactor = new Redactor();
    expect(redactor.text(text)).toBe(text);
    expect(redactor.count).toBe(0);
  });

  it('has one placeholder for one secret, wherever it stands, and none of a placeholder', () => {
    const redactor = new Redactor(['/root']);
    const [a, b] = ['ghp_0123456789abcdefghijABCDEFGHIJ', 'ghp_aaaaaaaaaabbbbbbbbbbcccccccccc'];
    expect(redactor.text(`${a} ${b} ${a}`)).toBe('[github-token-1] [github-token-2] [github-token-1]');
    expect(redactor.json(`{"share_token": "abc", "x": "${b}", "n": 1.0}`)).toBe(
      '{"share_token": "[secret-1]", "x": "[github-token-2]", "n": 1.0}',
    );
    expect(redactor.text('token: [github-token-2] /root/x /rooted')).toBe('token: [github-token-2] [home-1]/x /rooted');
    expect(redactor.counts).toEqual({ 'github-token': 4, secret: 1, home: 1 });
  });

  it('takes its time from no text', () => {
    const redactor = new Redactor();
    const size = 200_000;
    for (const piece of [
      'a',
      'a-',
      'eyJ-',
      '-----BEGIN PRIVATE KEY-----',
      'http://',
      'token=',
      'token: "',
      '/home/',
      'sk-',
      'x:',
      '\\',
      '[secret-1]',
      'bearer ',
    ]) {
      redactor.text(piece.repeat(size / piece.length));
    }
  });
});

describe('a redacted value', () => {
  it.each([
    'api_key',
    'x-api-key',
    'accessToken',
    'clientSecret',
    'SecretAccessKey',
    'PGPASSWORD',
    'SECRET_KEY',
    'cookie',
  ])('is none where its key is %s', (key) => {
    expect(new Redactor().json(JSON.stringify({ [key]: 'a b' }))).toBe(`{"${key}":"[secret-1]"}`);
  });

  it.each(['max_tokens', 'tokenizer', 'secretary', 'key', 'pwd'])('is kept where its key is %s', (key) => {
    const text = JSON.stringify({ [key]: 'a b' });
    expect(new Redactor().json(text)).toBe(text);
  });

  it('keeps every spelling where there is no secret', () => {
    fc.assert(
      fc.property(jsonText({ nonFinite: true }), (text) => {
        const redacted = new Redactor().json(text);
        // A member called secret is what it says; nothing of that name is made here.
        expect(redacted).toBe(text);
      }),
      { numRuns: 200 },
    );
  });

  it('has the same shape where there is one', () => {
    const text =
      '[{"role":"user","content":"my key is sk-proj-Abc123_def456ghi789"},{"auth":{"Authorization":["x","y"]},"k":1e400}]';
    expect([...tokensOf(new Redactor().json(text))]).toEqual([
      ...tokensOf(
        '[{"role":"user","content":"my key is [api-key-1]"},{"auth":{"Authorization":["[secret-1]","[secret-2]"]},"k":1e400}]',
      ),
    ]);
  });
});

it('is documented, kind by kind', () => {
  const rows = fs.readFileSync(path.join(ROOT, 'docs', 'export.md'), 'utf8').matchAll(/^\| `\[([a-z-]+)-N\]` *\|/gm);
  expect([...rows].map(([, kind]) => kind).sort()).toEqual([...KINDS].sort());
});
