// Makes one tarball with its own Node.js, for a machine that has none: `node scripts/standalone.mjs [DIRECTORY]`.
//
// What `npm pack` ships, the native module as it is compiled here, and the `node` of the npm package of that name, in the
// version that it is compiled for. Then it is unpacked, and tried with an empty environment.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { makeDemoStore } from './demo-store.mjs';
import { root } from './product.mjs';

const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const name = `hermesctl-${version}-${process.platform}-${process.arch}`;
const outdir = path.resolve(process.argv[2] ?? '.');
const place = mkdtempSync(path.join(os.tmpdir(), 'hermesctl-standalone-'));

/** Finds its own place, also through links, and runs on the Node.js beside it whatever is on the PATH. */
const LAUNCHER = `#!/bin/sh
self=$0
while [ -h "$self" ]; do
  target=$(readlink "$self")
  case $target in
  /*) self=$target ;;
  *) self=\${self%/*}/$target ;;
  esac
done
case $self in
*/*) here=\${self%/*}/.. ;;
*) here=.. ;;
esac
exec "$here/lib/node" "$here/lib/hermesctl/bin/run.js" "$@"
`;

/** What of better-sqlite3 is needed to run it. */
const RUNTIME = {
  'better-sqlite3': ['package.json', 'LICENSE', 'lib', 'build/Release/better_sqlite3.node'],
  bindings: ['package.json', 'LICENSE.md', 'bindings.js'],
  'file-uri-to-path': ['package.json', 'LICENSE', 'index.js'],
};

try {
  mkdirSync(outdir, { recursive: true });
  const tree = path.join(place, name);
  fill(tree);
  const target = path.join(outdir, `${name}.tar.gz`);
  execFileSync('tar', ['-czf', target, '-C', place, name]);
  tryIt(target);
  process.stdout.write(
    `${target} (${Math.round(statSync(target).size / 1e6)} MB) works without Node.js on the PATH.\n`,
  );
} finally {
  rmSync(place, { recursive: true, force: true });
}

function fill(tree) {
  const lib = path.join(tree, 'lib');
  for (const dir of [path.join(tree, 'bin'), lib]) mkdirSync(dir, { recursive: true });
  const npm = (cwd, ...args) => execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 2] });
  const packed = npm(root, 'pack', '--json', '--loglevel=error', '--pack-destination', place);
  execFileSync('tar', ['-xzf', path.join(place, JSON.parse(packed)[0].filename), '-C', place]);
  cpSync(path.join(place, 'package'), path.join(lib, 'hermesctl'), { recursive: true });
  for (const [name, files] of Object.entries(RUNTIME)) {
    for (const file of files) {
      const from = path.join(root, 'node_modules', name, file);
      cpSync(from, path.join(lib, 'hermesctl', 'node_modules', name, file), { recursive: true });
    }
  }
  const [major] = process.versions.node.split('.');
  const fetched = path.join(place, 'node');
  mkdirSync(fetched);
  writeFileSync(path.join(fetched, 'package.json'), '{ "private": true }');
  npm(fetched, 'install', '--no-audit', '--no-fund', '--loglevel=error', `node@${major}`);
  const from = directoryOfNode(fetched);
  cpSync(path.join(from, 'bin', 'node'), path.join(lib, 'node'));
  cpSync(path.join(from, 'LICENSE'), path.join(lib, 'node-LICENSE'));
  writeFileSync(path.join(tree, 'bin', 'hermesctl'), LAUNCHER, { mode: 0o755 });
  for (const file of ['README.md', 'LICENSE']) cpSync(path.join(root, file), path.join(tree, file));
}

function directoryOfNode(fetched) {
  const places = [path.join(fetched, 'node_modules', 'node', 'node_modules'), path.join(fetched, 'node_modules')];
  const found = places
    .filter((dir) => existsSync(dir))
    .flatMap((dir) => readdirSync(dir).map((name) => path.join(dir, name)))
    .find((dir) => existsSync(path.join(dir, 'include', 'node', 'node.h')));
  if (!found) throw new Error('the npm package node brought no Node.js for this system');
  return found;
}

/** Unpacked somewhere else, with nothing in the environment: neither a PATH nor a HOME. */
function tryIt(tarball) {
  const elsewhere = path.join(place, 'some where else');
  mkdirSync(elsewhere);
  execFileSync('tar', ['-xzf', tarball, '-C', elsewhere]);
  const { stateDir, hermesHome } = makeDemoStore(path.join(place, 'store'));
  const bin = path.join(elsewhere, name, 'bin', 'hermesctl');
  const link = path.join(place, 'link');
  execFileSync('ln', ['-s', bin, link]);
  const where = ['--state-dir', stateDir, '--hermes-home', hermesHome];
  for (const [program, args] of [
    [bin, ['version', '--json']],
    [link, ['sessions', 'list', '--agent', '--json', ...where]],
    [bin, ['undo', '0821b8fe2f4b', '--json', ...where]],
  ]) {
    const { status, stdout, stderr } = spawnSync(program, args, { env: {}, encoding: 'utf8', cwd: elsewhere });
    if (status !== 0) throw new Error(`${args.join(' ')}: exit ${status}\n${stdout}${stderr}`);
    JSON.parse(stdout);
  }
}
