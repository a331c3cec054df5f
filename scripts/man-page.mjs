// The manual page, in man(7), of what the commands say of themselves and of the tables in docs.
import { readFileSync } from 'node:fs';
import path from 'node:path';

const BIN = 'hermesctl';
const spoken = (id) => `${BIN} ${id.replaceAll(':', ' ')}`;

const SPECIAL = { '\\': '\\e', '-': '\\-', '’': '\\(cq', '‘': '\\(oq', '…': '...', '→': '\\(->', '–': '\\(en' };

/** Text as roff takes it; what is in back-ticks stands in bold. */
function text(words) {
  return plain(words)
    .replace(/`([^`]+)`/g, '\\fB$1\\fR')
    .replace(/^(?=[.'])/gm, '\\&');
}

const plain = (words) => words.replace(/[\\‘’…→–-]/g, (char) => SPECIAL[char]);
const bold = (words) => `\\fB${plain(words)}\\fR`;
const italic = (words) => `\\fI${plain(words)}\\fR`;
const paragraphs = (words) => words.split(/\n\n+/).map(text).join('\n.PP\n');

function flagEntry(flag) {
  const value = flag.type === 'boolean' ? '' : ` ${italic(flag.helpValue ?? 'VALUE')}`;
  const names = [flag.char && bold(`-${flag.char}`), `${bold(`--${flag.name}`)}${value}`].filter(Boolean).join(', ');
  const list = (others) => others.map((name) => `--${name}`).join(', ');
  const facts = [
    flag.summary ?? flag.description,
    flag.options && `One of ${flag.options.join(', ')}.`,
    flag.default !== undefined && flag.default !== false && `Default: ${flag.default}.`,
    flag.required && 'Required.',
    flag.exclusive?.length && `Not with ${list(flag.exclusive)}.`,
    flag.dependsOn?.length && `Only with ${list(flag.dependsOn)}.`,
  ];
  return `.TP\n${names}\n${text(facts.filter(Boolean).join(' '))}`;
}

const flagEntries = (flags) =>
  flags
    .filter((flag) => !flag.hidden)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(flagEntry);

function commandEntry(command) {
  const args = Object.values(command.args).map((arg) => {
    const name = `${italic(arg.name.toUpperCase())}${command.strict ? '' : '...'}`;
    return arg.required ? name : `[${name}]`;
  });
  const own = Object.values(command.flags).filter(({ helpGroup }) => helpGroup !== 'GLOBAL');
  const examples = (command.examples ?? []).map((example) => {
    const { description, command: line } = typeof example === 'string' ? { command: example } : example;
    return `${description ? `# ${description}\n` : ''}${line.replaceAll('<%= config.bin %>', BIN)}`;
  });
  return [
    `.SS ${[command.id, ...command.aliases].map((id) => id.replaceAll(':', ' ')).join(', ')}`,
    [bold(spoken(command.id)), ...args, `[${italic('flags')}]`].join(' '),
    `.PP\n${text(command.summary)}`,
    `.PP\n${paragraphs(command.description)}`,
    ...Object.values(command.args).map((arg) => `.TP\n${italic(arg.name.toUpperCase())}\n${text(arg.description)}`),
    ...flagEntries(own),
    examples.length > 0 && `.PP\n.nf\n${examples.map(text).join('\n\n')}\n.fi`,
    command.exitCodes?.length > 0 && `.PP\nIts own failures: ${text(command.exitCodes.join(', '))}.`,
  ]
    .filter(Boolean)
    .join('\n');
}

/** The rows of the first table in a file of docs, as their cells. */
function rows(root, file) {
  const lines = readFileSync(path.join(root, 'docs', file), 'utf8').split('\n');
  const begin = lines.findIndex((line) => line.startsWith('|'));
  const end = lines.findIndex((line, i) => i > begin && !line.startsWith('|'));
  return lines.slice(begin + 2, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** `shown`: the commands, by id; `globals`: the flags that all of them have. */
export function manPage(root, { shown, globals }) {
  const { version, description } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const exits = rows(root, 'exit-codes.md').map(
    ([exit, code, means]) => `.TP\n${bold([exit, code.replaceAll('`', '')].filter(Boolean).join(' '))}\n${text(means)}`,
  );
  const variables = rows(root, 'environment.md').map(
    ([name, what]) => `.TP\n${bold(name.replaceAll('`', ''))}\n${text(what)}`,
  );
  return `.\\" Written by 'npm run reference' from the commands themselves. Change those, not this.
.TH HERMESCTL 1 "" "hermesctl ${version}" "User Commands"
.ad l
.nh
.SH NAME
hermesctl \\- ${text(description.charAt(0).toLowerCase() + description.slice(1))}
.SH SYNOPSIS
.B hermesctl
.I command
[\\fIargument\\fR...] [\\fIflags\\fR]
.SH DESCRIPTION
hermesctl works on the session stores of Hermes Agent and Hermes WebUI without their programs: it lists, shows, sums up,
imports, cuts, repairs and deletes conversations, audits a store, and commits memories.
Reading never writes. A change replaces a file as a whole, or not at all.
.PP
A session is named by its id, or where only reading is done by a unique beginning of 4 or more characters.
Data goes to standard output and everything else to standard error; the form differs between a terminal, a pipe and
\\fB\\-\\-json\\fR.
.SH OPTIONS
Flags that every command has:
${flagEntries([...globals, { name: 'help', char: 'h', type: 'boolean', summary: 'Show help for the command, with its exit codes.' }]).join('\n')}
.TP
\\fBhermesctl \\-\\-version\\fR
Print the version on one line.
.SH COMMANDS
${shown.map(commandEntry).join('\n')}
.SH EXIT STATUS
${exits.join('\n')}
.SH ENVIRONMENT
${variables.join('\n')}
.SH SEE ALSO
The same and more is in the directory \\fIdocs\\fR of the package.
`;
}
