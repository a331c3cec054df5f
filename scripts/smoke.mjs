// Packs the package, installs the tarball in an empty directory, as a user would, and tries what came out.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { makeDemoStore } from './demo-store.mjs';
import { tryDocs } from './try-docs.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

/** All that the tarball may hold: what runs, what documents it, and what every package has. */
const PACKED = [
  /^bin\/run\.js$/,
  /^dist\/[\w-]+\.js$/,
  /^dist\/manifest\.json$/,
  /^dist\/(THIRD-PARTY\.txt|sbom\.cdx\.json)$/,
  /^docs\/[\w/-]+(\.schema\.json|\.md)$/,
  /^man\/hermesctl\.1$/,
  /^(package\.json|README\.md|CHANGELOG\.md|LICENSE)$/,
];
/** What it must hold at least. */
const NEEDED = [
  'bin/run.js',
  'dist/launch.js',
  'dist/main.js',
  'dist/manifest.json',
  'dist/THIRD-PARTY.txt',
  'dist/sbom.cdx.json',
  'man/hermesctl.1',
  'README.md',
  'CHANGELOG.md',
  'LICENSE',
];

const place = mkdtempSync(path.join(os.tmpdir(), 'hermesctl-smoke-'));
let failed = 0;

function check(what, problem) {
  process.stdout.write(problem === undefined ? `ok    ${what}\n` : `FAIL  ${what}: ${problem}\n`);
  if (problem !== undefined) failed++;
}

/** Runs a program and throws where it fails: nothing after it would make sense. */
function must(cwd, command, ...args) {
  const { status, stdout, stderr, error } = run(cwd, command, args);
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(' ')} failed (exit ${status ?? error?.message})\n${stdout}${stderr}`);
}

function run(cwd, command, args, env = process.env) {
  const shell = process.platform === 'win32';
  return spawnSync(command, args, { cwd, env, shell, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

try {
  const packed = packAndInspect();
  const install = path.join(place, 'install');
  mkdirSync(install);
  must(install, 'npm', 'init', '-y');
  process.stdout.write('      installing the tarball (two minutes or so where better-sqlite3 has to be compiled) …\n');
  must(install, 'npm', 'install', '--no-audit', '--no-fund', packed);
  check('the tarball installs in an empty directory');
  const bin = path.join(install, 'node_modules', '.bin', 'hermesctl');
  tryInstalled(bin);
  const { wrong, summary } = await tryDocs(bin);
  check(`README and docs: ${summary}`, wrong.length === 0 ? undefined : wrong.join('\n'));
} catch (error) {
  check('smoke test', error.message);
} finally {
  rmSync(place, { recursive: true, force: true });
}
process.stdout.write(failed === 0 ? 'The tarball is good.\n' : `${failed} checks failed.\n`);
process.exitCode = failed === 0 ? 0 : 1;

/** Packs into the temporary directory and looks at what was packed; the tarball's path. */
function packAndInspect() {
  const said = must(root, 'npm', 'pack', '--json', '--loglevel=error', '--pack-destination', place);
  const [{ filename, files }] = JSON.parse(said);
  const names = files.map((file) => file.path);
  const strange = names.filter((name) => !PACKED.some((pattern) => pattern.test(name)));
  const missing = NEEDED.filter((name) => !names.includes(name));
  check(
    `the tarball holds ${names.length} files, none that it need not`,
    strange[0] && `it holds ${strange.join(', ')}`,
  );
  check('the tarball holds what it must', missing[0] && `${missing.join(', ')} not in it`);
  return path.join(place, filename);
}

function tryInstalled(bin) {
  const { stateDir, hermesHome } = makeDemoStore(place);
  // Nothing of the caller's: an installation has to work without the checkout it came from.
  const env = { PATH: process.env.PATH, HOME: place, HERMES_HOME: hermesHome };
  const hermesctl = (...args) => run(place, bin, args, env);

  const versionLine = hermesctl('--version');
  check(
    '--version names the version',
    versionLine.status === 0 && versionLine.stdout.startsWith(`hermesctl/${version} `) ? undefined : told(versionLine),
  );

  const listed = hermesctl('sessions', 'list', '--json', '--all', '--state-dir', stateDir);
  const list = parsed(listed);
  check(
    'sessions list --json lists a store',
    listed.status === 0 && list?.total === 6 && list.sessions.length === 6 && list.warnings.length === 1
      ? undefined
      : told(listed),
  );

  const missing = hermesctl('sessions', 'list', '--json', '--state-dir', path.join(place, 'nowhere'));
  check(
    'a store that is not there is exit 10, STORE_NOT_FOUND',
    missing.status === 10 && parsed(missing)?.error?.code === 'STORE_NOT_FOUND' ? undefined : told(missing),
  );

  const help = hermesctl('sessions', 'show', '--help');
  check('every command has its help', help.status === 0 && help.stdout.includes('EXIT CODES') ? undefined : told(help));
}

function parsed({ stdout }) {
  try {
    return JSON.parse(stdout);
  } catch {
    return undefined;
  }
}

function told({ status, stdout, stderr }) {
  return `exit ${status}, stdout ${JSON.stringify(stdout.slice(0, 300))}, stderr ${JSON.stringify(stderr.slice(0, 300))}`;
}
