// Makes a checkout ready to run: the right Node.js, the packages of the lock file, a build of the sources.
// Does only what is missing and is silent when nothing is. Uses nothing but Node.js itself.
import { spawnSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const inRoot = (...names) => path.join(root, ...names);
const readJson = (...names) => JSON.parse(readFileSync(inRoot(...names), 'utf8'));

function fail(...lines) {
  for (const line of lines) process.stderr.write(`setup: ${line}\n`);
  process.exit(1);
}

// --- Node.js

const WANTED = [20, 17];

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > WANTED[0] || (major === WANTED[0] && minor >= WANTED[1])) return;
  fail(
    `hermesctl needs Node.js ${WANTED.join('.')} or newer; this is ${process.versions.node} (${process.execPath}).`,
    'Install a newer one (https://nodejs.org, or your system’s packages) and try again.',
  );
}

// --- packages

/**
 * What is installed that the lock file does not name, or the other way round;
 * undefined where they agree. Compared by content: a checkout changes the
 * times of files without changing the files.
 */
function difference() {
  let installed;
  try {
    installed = readJson('node_modules', '.package-lock.json').packages;
  } catch {
    return 'nothing is installed';
  }
  const wanted = readJson('package-lock.json').packages;
  for (const [place, { version, link, optional, devOptional }] of Object.entries(wanted)) {
    if (place === '' || link || ((optional || devOptional) && !installed[place])) continue;
    if (installed[place]?.version !== version) return `${place} is not ${version}`;
  }
  return Object.keys(installed).find((place) => !wanted[place]);
}

/** Whether the native module runs on this Node.js: it may have been built for another. */
function nativeModuleLoads() {
  const script = "new (require('better-sqlite3'))(':memory:').close()";
  return spawnSync(process.execPath, ['-e', script], { cwd: root, stdio: 'ignore' }).status === 0;
}

function ensurePackages() {
  const missing = difference();
  if (missing === undefined && nativeModuleLoads()) return;
  if (lstatSync(inRoot('node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
    fail(`node_modules is a link, and what it leads to does not fit (${missing ?? 'better-sqlite3 does not load'}).`);
  }
  process.stderr.write('setup: installing packages (two minutes or so where better-sqlite3 has to be compiled) …\n');
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = spawnSync('npm', args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    shell: process.platform === 'win32',
  });
  if (npm.error) fail(`npm could not be started: ${npm.error.message}`);
  if (npm.status === 0 && nativeModuleLoads()) return;
  const said = `${npm.stdout}${npm.stderr}`;
  process.stderr.write(`${said.trim().split('\n').slice(-30).join('\n')}\n`);
  if (npm.status === 0 || /node-gyp|gyp ERR|prebuild-install/.test(said)) {
    fail(
      'better-sqlite3, which holds native code, could not be installed.',
      'Where there is no prebuilt one for this system, compiling it needs python3, make and g++',
      '(Debian, Ubuntu: apt-get install python3 make g++). Install them and try again.',
    );
  }
  fail(`'npm ci' failed (exit ${npm.status}).`);
}

// --- build

/** The latest modification below these, directories included: a file that was removed changes its directory. */
function newest(...places) {
  return Math.max(
    ...places.map((place) => {
      const stats = statSync(place);
      return stats.isDirectory()
        ? Math.max(stats.mtimeMs, ...readdirSync(place).map((name) => newest(path.join(place, name))))
        : stats.mtimeMs;
    }),
  );
}

function ensureBuild() {
  const sources = ['src', 'package.json', 'package-lock.json', 'tsconfig.json', 'scripts/build.mjs', 'scripts/bundle'];
  // Written last by a build, so that one that was cut short is done again.
  const built = statSync(inRoot('dist', 'launch.js'), { throwIfNoEntry: false });
  if (built && built.mtimeMs > newest(...sources.map((name) => inRoot(name)))) return;
  process.stderr.write('setup: building …\n');
  const build = spawnSync(process.execPath, [inRoot('scripts', 'build.mjs')], { cwd: root, stdio: ['ignore', 2, 2] });
  if (build.status !== 0) fail('the build failed.');
}

checkNode();
ensurePackages();
ensureBuild();
