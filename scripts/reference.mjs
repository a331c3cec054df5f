// Writes docs/commands.md, the manual page and the snapshot of the commands from what the built commands say of
// themselves; with --check only tells whether they are so.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { format, resolveConfig } from 'prettier';

import { commandSnapshot } from './command-snapshot.mjs';
import { manPage } from './man-page.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const file = path.join(root, 'docs', 'commands.md');
const { load } = createRequire(import.meta.url)(path.join(root, 'dist', 'launch.js'));
const { program, exitCodeTable } = load().internals();
const { commands } = program.manifest();

const BIN = 'hermesctl';
const spoken = (id) => `${BIN} ${id.replaceAll(':', ' ')}`;
const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const code = (text) => `\`${text}\``;
const list = (names) => names.map((name) => code(`--${name}`)).join(', ');

function table(heads, rows) {
  return [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.map(cell).join(' | ')} |`).join('\n');
}

function flagRow(flag) {
  const value = flag.type === 'boolean' ? '' : ` ${flag.helpValue ?? 'VALUE'}`;
  const name = `${flag.char ? `${code(`-${flag.char}`)}, ` : ''}${code(`--${flag.name}${value}`)}`;
  const facts = [
    flag.summary ?? flag.description,
    flag.options && `One of ${flag.options.map(code).join(', ')}.`,
    flag.default !== undefined && flag.default !== false && `Default: ${code(flag.default)}.`,
    flag.required && 'Required.',
    flag.exclusive?.length && `Not with ${list(flag.exclusive)}.`,
    flag.dependsOn?.length && `Only with ${list(flag.dependsOn)}.`,
  ];
  return [name, facts.filter(Boolean).join(' ')];
}

function flagTable(flags) {
  const byName = flags.filter((flag) => !flag.hidden).sort((a, b) => (a.name < b.name ? -1 : 1));
  return table(['flag', ''], byName.map(flagRow));
}

function usage({ id, args, strict }) {
  const words = Object.values(args).map((arg) => {
    const name = `${arg.name.toUpperCase()}${strict ? '' : '…'}`;
    return arg.required ? name : `[${name}]`;
  });
  return [spoken(id), ...words, '[FLAGS]'].join(' ');
}

function exampleLines(example) {
  const { description, command } = typeof example === 'string' ? { command: example } : example;
  return [description && `# ${description}`, command.replaceAll('<%= config.bin %>', BIN)].filter(Boolean).join('\n');
}

function section(command) {
  const flags = Object.values(command.flags).filter(({ helpGroup }) => helpGroup !== 'GLOBAL');
  const own = flags.filter(({ helpGroup }) => helpGroup !== 'FILTER');
  const filters = flags.filter(({ helpGroup }) => helpGroup === 'FILTER');
  const args = Object.values(command.args);
  return [
    `## ${code(spoken(command.id))}`,
    command.summary,
    command.aliases.length > 0 && `Also: ${command.aliases.map((id) => code(spoken(id))).join(', ')}.`,
    command.description,
    `\`\`\`text\n${usage(command)}\n\`\`\``,
    args.length > 0 &&
      table(
        ['argument', ''],
        args.map((arg) => [code(arg.name.toUpperCase()), arg.description]),
      ),
    own.length > 0 && flagTable(own),
    filters.length > 0 && `Which sessions:\n\n${flagTable(filters)}`,
    command.examples?.length > 0 && `\`\`\`sh\n${command.examples.map(exampleLines).join('\n\n')}\n\`\`\``,
    table(['exit', ''], exitCodeTable(command.exitCodes ?? [])),
  ]
    .filter(Boolean)
    .join('\n\n');
}

const shown = Object.values(commands)
  .filter((command) => !command.hidden)
  .sort((a, b) => (a.id < b.id ? -1 : 1));
const globals = Object.values(shown[0].flags).filter(({ helpGroup }) => helpGroup === 'GLOBAL');

const text = await format(
  [
    '# Commands',
    '<!-- Written by `npm run reference` from the commands themselves. Change those, not this. -->',
    'What goes for all of them: [output](output.md), [exit codes](exit-codes.md), [environment](environment.md).',
    shown
      .map(({ id, summary }) => `- [${code(spoken(id))}](#${spoken(id).replaceAll(' ', '-')}): ${summary}`)
      .join('\n'),
    '## Flags that every command has',
    flagTable([
      ...globals,
      { name: 'help', char: 'h', type: 'boolean', summary: 'Show help for the command, with its exit codes.' },
    ]),
    `${code(`${BIN} --version`)} prints the version on one line.`,
    ...shown.map(section),
  ].join('\n\n'),
  { ...(await resolveConfig(file)), parser: 'markdown' },
);

const snapshot = commandSnapshot(commands, (codes) => exitCodeTable(codes).map(([exit]) => Number(exit)));
const WRITTEN = {
  'docs/commands.md': text,
  'man/hermesctl.1': manPage(root, { shown, globals }),
  'command-snapshot.json': await format(snapshot, { ...(await resolveConfig(file)), parser: 'json' }),
};

for (const [name, content] of Object.entries(WRITTEN)) {
  const target = path.join(root, name);
  if (process.argv.includes('--check')) {
    if (contentOf(target) === content) continue;
    process.stderr.write(`${name} is not what the commands say: run \`npm run reference\`.\n`);
    process.exitCode = 1;
  } else {
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, content);
  }
}

function contentOf(target) {
  try {
    return readFileSync(target, 'utf8');
  } catch {
    return undefined;
  }
}
