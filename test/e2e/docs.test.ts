import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { blocksOf, docPages } from '../../scripts/try-docs.mjs';
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
      flags: Record<string, { char?: string; helpGroup?: string; allowNo?: boolean }>;
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

/** With the opposite of those that have one: `--no-trash`. */
const typed = (flags: Manifest['commands'][string]['flags']): string[] => [
  ...dashed(flags),
  ...Object.entries(flags).flatMap(([name, { allowNo }]) => (allowNo ? [`--no-${name}`] : [])),
];

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

/** All pages but the reference, which is written by a script. */
const PAGES = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...docPages().slice(1)];

/** What a program that hermesctl runs finds in its environment: docs/memory.md. */
const GIVEN_TO_PROGRAMS = ['HERMESCTL_SESSION_ID', 'HERMESCTL_TRANSCRIPT', 'HERMESCTL_STATE_DIR'];

/** The benchmarks have flags and variables of their own. */
const BENCHES = fs
  .readdirSync(path.join(ROOT, 'bench'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.mjs'))
  .map((name) => read('bench', name))
  .join('\n');

/** What the servers read and hermesctl does not: named where the two differ. */
const OTHERS = ['HERMES_WEBUI_ISOLATED_PROFILE'];

/** What a command line says behind the program's name, up to where the shell takes over. */
const COMMAND_LINE =
  /(?<![\w./-])hermesctl((?:[ \t]+(?:"[^"]*"|'[^']*'|\$\([^)]*\)|[^\s|;&<>()`'"#]+)+)*)(?![\w./:-])/g;

/** What is wrong with the words behind `hermesctl`: a command or a flag that does not exist. */
function unknownIn(words: string[]): string | undefined {
  const all = Object.values(manifest.commands);
  const named = all.flatMap((command) =>
    [command.id, ...command.aliases].map((id) => ({ id: id.split(':'), command })),
  );
  const rest = words[0] === 'help' && !words[1]?.startsWith('-') ? words.slice(1) : words;
  if (rest.length === 0 || ['--help', '--version'].includes(rest[0])) return undefined;
  const found = named
    .filter(({ id }) => id.every((word, i) => word === rest[i]))
    .sort((a, b) => b.id.length - a.id.length)[0];
  // A topic alone, or a place-holder: `hermesctl memory`, `hermesctl COMMAND`.
  if (!found) {
    const isTopic = rest.length === 1 && named.some(({ id }) => id.length > 1 && id[0] === rest[0]);
    return isTopic || /^[A-Z…]/.test(rest[0]) ? undefined : `no command '${rest.join(' ')}'`;
  }
  const { flags } = found.command;
  const names = [...typed(flags), '--help', '-h'];
  const end = rest.indexOf('--');
  for (const word of rest.slice(found.id.length, end === -1 ? undefined : end)) {
    const [flag] = word.split('=');
    if (/^--?[a-z0-9]/i.test(word) && !names.includes(flag)) return `${found.id.join(' ')} has no ${flag}`;
  }
  return undefined;
}

const wordsOf = (line: string): string[] => [...line.matchAll(/"[^"]*"|'[^']*'|\S+/g)].map(([word]) => word);

describe.each(PAGES)('%s', (page) => {
  const text = read(...page.split('/'));

  it('names commands and flags that there are, in blocks and in the text', () => {
    const blocks = blocksOf(text)
      .filter(({ language }) => !['ts', 'json', 'text'].includes(language))
      .map(({ language, lines }) =>
        (language === 'console' ? lines.filter((line) => line.startsWith('$ ')) : lines)
          .map((line) => line.replace(/(^|\s)#.*/, ''))
          .join('\n')
          .replaceAll(/\\\n\s*/g, ' '),
      );
    const spans = [...text.replaceAll(/^```[^]*?^```/gm, '').matchAll(/`([^`]+)`/g)].map(([, span]) =>
      span.replaceAll(/\s+/g, ' '),
    );
    const lines = [...blocks, ...spans].flatMap((code) => [...code.matchAll(COMMAND_LINE)].map(([, words]) => words));
    const wrong = lines.map((line) => unknownIn(wordsOf(line))).filter((problem) => problem !== undefined);
    expect(wrong).toEqual([]);
    const everyFlag = new Set([...commands.flatMap(({ flags }) => typed(flags)), '--help', '-h', '--version', '--']);
    const flags = spans.flatMap((span) =>
      [...span.split(' | ')[0].matchAll(/(?<!\S)(?:--[a-z][\w-]*|-\w(?![\w-]))/g)].map(([flag]) => flag),
    );
    const foreign = spans
      .filter((span) => /^(?:npm|npx|cp|python|systemctl|man|apt-get|complete|node) /.test(span))
      .join(' ');
    expect(
      flags.filter(
        (flag) => !everyFlag.has(flag) && !foreign.includes(flag) && !BENCHES.includes(flag.replace(/^-+/, '')),
      ),
    ).toEqual([]);
  });

  it('names variables that there are', () => {
    const known = new Set<string>([...Object.keys(ENVIRONMENT_VARIABLES), ...GIVEN_TO_PROGRAMS, ...OTHERS]);
    const named = [...text.matchAll(/\b(?:HERMES|HERMESCTL|OPENVIKING)_[A-Z][A-Z_]*\b/g)].map(([name]) => name);
    expect(named.filter((name) => !known.has(name) && !BENCHES.includes(name))).toEqual([]);
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
    for (const file of ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', ...docs]) {
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
