// Compiles src to dist and writes oclif's manifest, from nothing, so that no file of an older build stays.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const run = (stdout, bin, ...args) =>
  execFileSync(process.execPath, [path.join(root, 'node_modules', bin), ...args], {
    cwd: root,
    // What a build says is no part of the output of the command that started it.
    stdio: ['ignore', stdout, 2],
    // A build asks nobody on the network whether there is a newer oclif.
    env: { ...process.env, OCLIF_SKIP_NEW_VERSION_CHECK: '1' },
  });

rmSync(path.join(root, 'dist'), { recursive: true, force: true });
rmSync(path.join(root, 'oclif.manifest.json'), { force: true });
run(2, 'typescript/bin/tsc', '-p', 'tsconfig.json');
run('ignore', 'oclif/bin/run.js', 'manifest');
