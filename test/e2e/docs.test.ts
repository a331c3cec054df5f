import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { ERRORS } from '../../src/core/errors';
import { ENVIRONMENT_VARIABLES } from '../../src/core/location/environment';
import { ROOT } from '../support/cli';
import { hasProgram } from '../support/spawn';

const read = (...names: string[]): string => fs.readFileSync(path.join(ROOT, ...names), 'utf8');

interface Manifest {
  commands: Record<
    string,
    {
      id: string;
      hidden?: boolean;
      aliases: string[];
      flags: Record<string, { char?: string; helpGroup?: string }>;
      exitCodes?: string[];
    }
  >;
}

const manifest = JSON.parse(read('dist/manifest.json')) as Manifest;
const commands = Object.values(manifest.commands).filter((command) => !command.hidden);
const spoken = (id: string): string => `hermesctl ${id.replaceAll(':', ' ')}`;

/** The sections of a document by their second-level headings, bare of back-ticks. */
function sections(markdown: string): Map<string, string> {
  const parts = markdown.split(/^## /m).slice(1);
  return new Map(
    parts.map((part) => [part.slice(0, part.indexOf('\n')).replaceAll('`', ''), part.slice(part.indexOf('\n'))]),
  );
}

/** The first cells of all rows of the tables in a text. */
const firstCells = (markdown: string): string[] =>
  markdown
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|')[1].trim());

/** The flags that the tables of a text document, with their dashes: `--limit`, `-L`. */
const flagsIn = (markdown: string): string[] =>
  firstCells(markdown)
    .flatMap((cell) => [...cell.matchAll(/`(--?[\w-]+)/g)].map(([, flag]) => flag))
    .sort();

const dashed = (flags: Manifest['commands'][string]['flags']): string[] =>
  Object.entries(flags)
    .flatMap(([name, { char }]) => [`--${name}`, ...(char === undefined ? [] : [`-${char}`])])
    .sort();

const isGlobal = ([, { helpGroup }]: [string, { helpGroup?: string }]): boolean => helpGroup === 'GLOBAL';

describe('docs/commands.md', () => {
  const text = read('docs', 'commands.md');
  const documented = sections(text);
  const GLOBALS = 'Flags that every command has';

  it('is what the commands say, and so are the manual page and command-snapshot.json', () => {
    execFileSync(process.execPath, ['scripts/reference.mjs', '--check'], { cwd: ROOT, stdio: 'pipe' });
  });

  it('has every command that there is a file for, and no other', () => {
    const files = fs.readdirSync(path.join(ROOT, 'src', 'commands'), { recursive: true, encoding: 'utf8' });
    const names = files
      .filter((file) => file.endsWith('.ts'))
      .map((file) => file.slice(0, -3).replaceAll(path.sep, ':'));
    const shown = names.filter((id) => !manifest.commands[id]?.hidden);
    expect([...documented.keys()].filter((name) => name !== GLOBALS).sort()).toEqual(shown.map(spoken).sort());
  });

  it('has the flags of each command, and no other', () => {
    for (const { id, flags } of commands) {
      const own = Object.fromEntries(Object.entries(flags).filter((flag) => !isGlobal(flag)));
      expect(flagsIn(documented.get(spoken(id))!), id).toEqual(dashed(own));
      const global = Object.fromEntries(Object.entries(flags).filter(isGlobal));
      expect(flagsIn(documented.get(GLOBALS)!), id).toEqual([...dashed(global), '--help', '-h'].sort());
    }
  });

  it('has the aliases of each command, and no other', () => {
    for (const { id, aliases } of commands) {
      const [, line = ''] = /^Also: (.*)\.$/m.exec(documented.get(spoken(id))!) ?? [];
      const found = [...line.matchAll(/`([^`]+)`/g)].map(([, alias]) => alias);
      expect(found.sort(), id).toEqual(aliases.map(spoken).sort());
    }
  });

  it('has the failures that each command names as its own', () => {
    for (const { id, exitCodes = [] } of commands) {
      for (const code of exitCodes) expect(documented.get(spoken(id)), id).toContain(`${code}: `);
    }
  });
});

describe('man/hermesctl.1', () => {
  const page = read('man', 'hermesctl.1');

  it('has every command, failure and variable', () => {
    for (const { id } of commands) expect(page).toContain(`\n.SS ${id.replaceAll(':', ' ')}`);
    for (const name of [...Object.keys(ERRORS), ...Object.keys(ENVIRONMENT_VARIABLES)]) expect(page).toContain(name);
  });

  it.runIf(hasProgram('groff'))('is set without a warning', () => {
    const { status, stdout, stderr } = spawnSync('groff', ['-ww', '-man', '-Tutf8', '-K', 'utf8', 'man/hermesctl.1'], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('hermesctl');
  });
});

describe('docs/exit-codes.md', () => {
  const rows = read('docs', 'exit-codes.md')
    .split('\n')
    .filter((line) => /^\| *\d/.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
    .map(([, exit, code, means]) => ({ exit: Number(exit), code, means }));

  it('has the error table, word for word and in its order, after the success', () => {
    const table = Object.entries(ERRORS).map(([code, { exit, means }]) => ({ exit, code, means }));
    expect(rows).toEqual([{ exit: 0, code: '', means: 'done, or nothing to do' }, ...table]);
  });
});

describe('docs/environment.md', () => {
  const documented = firstCells(read('docs', 'environment.md'))
    .map((cell) => /^`([A-Z_]+)`$/.exec(cell)?.[1])
    .filter((name) => name !== undefined);

  it('has every variable of the list, and no other', () => {
    expect(documented.sort()).toEqual(Object.keys(ENVIRONMENT_VARIABLES).sort());
  });

  it('has every variable that the sources read', () => {
    const files = fs.readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
    for (const file of files.filter((name) => name.endsWith('.ts'))) {
      const source = read('src', file);
      const names = [
        ...source.matchAll(/variables\['(\w+)'\]|process\.env(?:\.|\[')(\w+)|'((?:HERMES|HERMESCTL)_[A-Z_]+)'/g),
      ].map(([, a, b, c]) => a ?? b ?? c);
      for (const name of names) expect(documented, file).toContain(name);
    }
  });
});

describe('the project', () => {
  it('has a lock file that names no registry', () => {
    expect(read('package-lock.json')).not.toMatch(/"resolved"/);
    expect(read('.npmrc')).toContain('omit-lockfile-registry-resolved=true');
  });

  it('has a README with the two commands for a fresh machine, each alone in a block', () => {
    const readme = read('README.md');
    for (const command of ['npm run demo', 'npm test']) {
      expect(readme).toContain(`\n\`\`\`sh\n${command}\n\`\`\`\n`);
      expect(read('.ci', 'run')).toContain(`\nstep ${command}`);
    }
  });

  it('has documentation whose links lead somewhere', () => {
    const docs = fs
      .readdirSync(path.join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.md'))
      .map((file) => path.join('docs', file));
    for (const file of ['README.md', 'CHANGELOG.md', ...docs]) {
      for (const [, target] of read(file).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
        if (/^https?:/.test(target)) continue;
        expect(fs.existsSync(path.join(ROOT, path.dirname(file), target)), `${file} → ${target}`).toBe(true);
      }
    }
  });

  it('names only files that exist in docs/ARCHITECTURE.md', () => {
    const named = [...read('docs', 'ARCHITECTURE.md').matchAll(/`((?:src|test|bin|scripts|docs|\.ci)\/[\w./-]*)`/g)];
    expect(named.length).toBeGreaterThan(20);
    for (const [, file] of named) expect(fs.existsSync(path.join(ROOT, file)), file).toBe(true);
  });
});
