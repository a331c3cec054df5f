// Compiles src to dist and writes oclif's manifest, from nothing, so that no file of an older build stays.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const run = (bin, ...args) =>
  execFileSync(process.execPath, [path.join(root, 'node_modules', bin), ...args], { cwd: root, stdio: 'inherit' });

rmSync(path.join(root, 'dist'), { recursive: true, force: true });
run('typescript/bin/tsc', '-p', 'tsconfig.json');
run('oclif/bin/run.js', 'manifest');
