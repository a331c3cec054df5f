// Tries the packed program on other versions of Node.js: `node scripts/matrix.mjs [--tarball FILE] [MAJOR…]`, by
// default on 22 and 24; without a tarball it packs one.
//
// Each comes from the npm package `node`. better-sqlite3 is compiled against the headers in that package, without
// optimisation, which takes a third of the time and tells as much. `npm install --global` as a user does it.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { makeDemoStore } from './demo-store.mjs';
import { root } from './product.mjs';
import { tryDocs } from './try-docs.mjs';

const { values: given, positionals } = parseArgs({ options: { tarball: { type: 'string' } }, allowPositionals: true });
const MAJORS = positionals.length > 0 ? positionals : ['22', '24'];
/** What uses all that depends on the version: the bundle, the native module, terminals. */
const PAGES = ['README.md', 'docs/quick-start.md', 'docs/troubleshooting.md'];

/** Opens and drops databases and statements while garbage is collected outside of JavaScript. */
const STRESS = `
  const { keepingNatives } = require(process.argv[1] + '/dist/launch.js');
  const Database = keepingNatives(require('node:module').createRequire(process.argv[1] + '/dist/'))('better-sqlite3');
  let rounds = 60;
  const timer = setInterval(() => {
    const database = new Database(':memory:');
    for (let i = 0; i < 50; i++) for (const row of database.prepare('SELECT ' + i).iterate()) if (!row) throw row;
    database.transaction(() => database.pragma('user_version'))();
    database.close();
    Array.from({ length: 1e5 }, (_, i) => ({ i }));
    if (--rounds === 0) clearInterval(timer);
  }, 1);`;

const place = mkdtempSync(path.join(os.tmpdir(), 'hermesctl-matrix-'));
let failed = 0;
try {
  const tarball = given.tarball ? path.resolve(given.tarball) : await pack();
  for (const major of MAJORS) await tryOn(major, tarball);
} catch (error) {
  check('matrix', error.message);
} finally {
  rmSync(place, { recursive: true, force: true });
}
process.stdout.write(failed === 0 ? `Good on Node.js ${MAJORS.join(' and ')}.\n` : `${failed} checks failed.\n`);
process.exitCode = failed === 0 ? 0 : 1;

async function pack() {
  const said = await must(root, process.env, 'npm', 'pack', '--json', '--loglevel=error', '--pack-destination', place);
  return path.join(place, JSON.parse(said)[0].filename);
}

async function tryOn(major, tarball) {
  const began = Date.now();
  const home = path.join(place, major);
  const prefix = path.join(home, 'prefix');
  mkdirSync(prefix, { recursive: true });
  writeFileSync(path.join(home, 'package.json'), '{ "private": true }');
  await must(home, process.env, 'npm', 'install', '--no-audit', '--no-fund', '--loglevel=error', `node@${major}`);
  const node = installedNode(home);
  const env = {
    ...process.env,
    PATH: [path.join(node, 'bin'), process.env.PATH].join(path.delimiter),
    npm_config_nodedir: node,
    CFLAGS: '-O0',
    CXXFLAGS: '-O0',
  };
  const version = (await must(home, env, 'node', '--version')).trim();
  const npm = ['install', '--global', '--prefix', prefix, '--no-audit', '--no-fund', '--loglevel=error'];
  await must(home, env, 'npm', ...npm, tarball);
  check(`${version}: npm install --global, native module and all, after ${seconds(began)} s`);

  const bin = path.join(prefix, 'bin', 'hermesctl');
  const { stateDir, hermesHome } = makeDemoStore(home);
  const store = { ...env, HOME: home, HERMES_HOME: hermesHome, HERMES_WEBUI_STATE_DIR: stateDir };
  const said = await run(home, store, bin, ['version', '--json']);
  check(`${version}: version names it`, said.stdout.includes(`"node":"${version.slice(1)}"`) ? undefined : told(said));
  const listed = await run(home, store, bin, ['sessions', 'list', '--agent', '--ids']);
  const ids = listed.stdout.trim().split('\n').length;
  check(`${version}: lists a store and a database`, listed.status === 0 && ids === 6 ? undefined : told(listed));
  const installed = path.join(prefix, 'lib', 'node_modules', 'hermesctl');
  const stressed = await run(home, store, 'node', ['-e', STRESS, installed]);
  check(`${version}: databases and statements come and go`, stressed.status === 0 ? undefined : told(stressed));
  const { wrong, summary } = await tryDocs(bin, PAGES, path.join(node, 'bin'));
  check(`${version}: ${summary}`, wrong.length === 0 ? undefined : wrong.join('\n'));
  process.stdout.write(`      ${version} took ${seconds(began)} s\n`);
}

/** The directory with `bin` and `include` of what the package `node` has installed for this system. */
function installedNode(home) {
  const places = [path.join(home, 'node_modules', 'node', 'node_modules'), path.join(home, 'node_modules')];
  for (const dir of places.filter((one) => existsSync(one))) {
    const name = readdirSync(dir).find((one) => existsSync(path.join(dir, one, 'include', 'node', 'node.h')));
    if (name) return path.join(dir, name);
  }
  throw new Error(`the package node brought no headers below ${home}`);
}

function seconds(began) {
  return Math.round((Date.now() - began) / 1000);
}

function check(what, problem) {
  process.stdout.write(problem === undefined ? `ok    ${what}\n` : `FAIL  ${what}: ${problem}\n`);
  if (problem !== undefined) failed++;
}

async function must(cwd, env, command, ...args) {
  const result = await run(cwd, env, command, args);
  if (result.status === 0) return result.stdout;
  throw new Error(`${command} ${args.join(' ')}: ${told(result)}`);
}

function run(cwd, env, command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => (said[name] += text));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ status: code ?? signal, ...said }));
  });
}

function told({ status, stdout, stderr }) {
  return `exit ${status}\n${stdout.slice(-500)}${stderr.slice(-1500)}`;
}
