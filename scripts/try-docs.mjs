// Does what README and docs say, as a new user would: every `sh` and `console` block, from the top of a page to its end,
// in an empty home with the demo's store at ~/.hermes. `node scripts/try-docs.mjs [PROGRAM] [PAGE…]`
//
// In an `sh` block every line must end with 0, or with N where its comment says `exit N`. A `console` block is what a
// terminal of 100 columns shows: `$ ` begins a command, the lines below must be what it prints, and a line `…` stands
// for any lines. What goes on `until Ctrl-C` gets one after two seconds. A block that begins with `# not run:` needs what is not here, and says what; blocks that begin with
// `npm ` are run by .ci/run itself. A `crontab` block's commands must end as their help says they may.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { makeDemoStore } from './demo-store.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Where the docs are at home. */
const HOME_IN_DOCS = '/home/ada';
/** How a command of a crontab may end: in order, partly, with findings. */
const CRON_EXITS = [0, 3, 4];
const COLUMNS = 100;
/** Far beyond what any block takes: what is still running then waits for something. */
const HUNG_AFTER_MS = 120_000;

/**
 * Tries the pages with this program, which runs on the Node.js in this directory; lines that tell what was
 * done and what went wrong.
 */
export async function tryDocs(program, pages = docPages(), nodeDir = path.dirname(process.execPath)) {
  const outcomes = [];
  const queue = [...pages];
  const worker = async () => {
    for (let page = queue.shift(); page !== undefined; page = queue.shift())
      outcomes.push(await tryPage(page, program, nodeDir));
  };
  await Promise.all([worker(), worker()]);
  const sum = (key) => outcomes.reduce((total, outcome) => total + outcome[key], 0);
  return {
    wrong: outcomes.flatMap((outcome) => outcome.wrong),
    summary:
      `${sum('commands')} command lines of ${pages.length} pages were run; ` +
      `${sum('notRun')} blocks say that they cannot be, ${sum('elsewhere')} are run by CI or by tests.`,
  };
}

/** README and every page of docs but the reference, whose examples have a test of their own. */
export function docPages() {
  const docs = readdirSync(path.join(root, 'docs')).filter((name) => name.endsWith('.md') && name !== 'commands.md');
  return ['README.md', ...docs.sort().map((name) => `docs/${name}`)];
}

/** The fenced blocks of a page: language, what else stands behind it, the first line's number, and the lines. */
export function blocksOf(markdown) {
  const blocks = [];
  let block;
  for (const [i, line] of markdown.split('\n').entries()) {
    const fence = /^\s*```(\w*) *(.*)$/.exec(line);
    if (block && fence) block = undefined;
    else if (block) block.lines.push(line);
    else if (fence) blocks.push((block = { language: fence[1], more: fence[2], at: i + 2, lines: [] }));
  }
  return blocks;
}

async function tryPage(page, program, nodeDir) {
  const place = mkdtempSync(path.join(os.tmpdir(), 'hermesctl-docs-'));
  const outcome = { wrong: [], commands: 0, notRun: 0, elsewhere: 0 };
  try {
    const { home, env } = newHome(place, program, nodeDir);
    for (const block of blocksOf(readFileSync(path.join(root, page), 'utf8'))) {
      if (!['sh', 'console', 'crontab'].includes(block.language)) continue;
      if (/^# not run: \S/.test(block.lines[0])) outcome.notRun++;
      else if (block.more !== '' || block.lines[0].startsWith('npm ')) outcome.elsewhere++;
      else {
        const run = { sh: tryShell, console: tryConsole, crontab: tryCrontab }[block.language];
        const { commands, wrong } = await run(block, { home, env });
        outcome.commands += commands;
        outcome.wrong.push(...wrong.map((words) => `${page}:${block.at}: ${words}`));
      }
    }
    return outcome;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** A home with nothing in it but a store, and a PATH on which hermesctl is. */
function newHome(place, program, nodeDir) {
  const home = path.join(place, 'home');
  const bin = path.join(place, 'bin');
  for (const dir of [home, bin]) mkdirSync(dir);
  const { stateDir, hermesHome } = makeDemoStore(place);
  renameSync(hermesHome, path.join(home, '.hermes'));
  renameSync(stateDir, path.join(home, '.hermes', 'webui'));
  writeFileSync(path.join(bin, 'hermesctl'), `#!/bin/sh\nexec '${program}' "$@"\n`, { mode: 0o755 });
  const tools = [bin, nodeDir, process.env.PATH].join(path.delimiter);
  return { home, env: { PATH: tools, HOME: home, TZ: 'UTC', LANG: 'C.UTF-8', TERM: 'xterm', NO_COLOR: '1' } };
}

function bash(script, { home, env }) {
  return new Promise((resolve) => {
    const child = execFile(
      'bash',
      ['-c', script],
      { cwd: home, env, encoding: 'utf8', timeout: HUNG_AFTER_MS },
      (error, stdout, stderr) => resolve({ status: error ? (error.code ?? 1) : 0, stdout, stderr }),
    );
    child.stdin.end();
  });
}

/** Each line of the first level is a command of its own where its comment names an exit code. */
async function tryShell({ lines }, where) {
  const named = /^[^#]*\S[^#]*#.*\bexit (\d+)/;
  const checked = lines.map((line) => {
    const until = /^([^#]*\S) +#.*until Ctrl-C/.exec(line)?.[1];
    if (until) return `timeout --preserve-status -s INT 2 ${until} || [ $? = 130 ]`;
    const exit = named.exec(line)?.[1];
    if (exit === undefined) return line;
    const command = line.slice(0, line.indexOf('#'));
    return `status=0; ${command.trim()} || status=$?; [ "$status" = ${exit} ] || { echo "exit $status, not ${exit}: ${command.trim().replace(/["$`\\]/g, '\\$&')}" >&2; exit 97; }`;
  });
  const { status, stderr, stdout } = await bash(`set -eo pipefail\n${checked.join('\n')}`, where);
  const commands = lines.filter((line) => /\bhermesctl\b/.test(line)).length;
  return {
    commands,
    wrong: status === 0 ? [] : [`exit ${status}\n${stdout.slice(-300)}${stderr.slice(-500)}`],
  };
}

async function tryConsole({ lines }, where) {
  const wrong = [];
  let commands = 0;
  const begins = lines.flatMap((line, i) => (line.startsWith('$ ') ? [i] : []));
  for (const [n, begin] of begins.entries()) {
    const command = lines[begin].slice(2).replace(/\s+#.*$/, '');
    const expected = lines.slice(begin + 1, begins[n + 1] ?? lines.length);
    const quoted = `stty cols ${COLUMNS}; ${command}`.replaceAll("'", "'\\''");
    const { stdout } = await bash(`script -qec '${quoted}' /dev/null`, where);
    const shown = stdout.replaceAll('\r', '').replaceAll(where.home, HOME_IN_DOCS);
    commands++;
    const difference = differs(trimmed(shown.split('\n')), trimmed(expected));
    if (difference) wrong.push(`$ ${command}\n${difference}`);
  }
  return { commands, wrong };
}

/** Without blanks at the ends of lines and empty lines at the end. */
function trimmed(lines) {
  return lines
    .map((line) => line.trimEnd())
    .join('\n')
    .trimEnd()
    .split('\n');
}

function differs(shown, expected) {
  const pattern = expected.map((line) => (line === '…' ? '(?:.*\\n)*' : `${escaped(line)}\\n`)).join('');
  if (new RegExp(`^${pattern}$`).test(`${shown.join('\n')}\n`)) return undefined;
  return `shows\n${shown.join('\n')}\nand not\n${expected.join('\n')}`;
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');

async function tryCrontab({ lines }, where) {
  const wrong = [];
  const entries = lines.map((line) => /^(?:@\w+|\S+ \S+ \S+ \S+ \S+) +(.*hermesctl.*)$/.exec(line)?.[1]);
  const commands = entries.filter((command) => command !== undefined);
  for (const command of commands) {
    const { status, stderr } = await bash(command.replaceAll('\\%', '%'), where);
    if (!CRON_EXITS.includes(status)) wrong.push(`${command}\nexit ${status}\n${stderr.slice(-300)}`);
  }
  return { commands: commands.length, wrong };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [program = path.join(root, 'bin', 'run.js'), ...pages] = process.argv.slice(2);
  const { wrong, summary } = await tryDocs(path.resolve(program), pages.length > 0 ? pages : undefined);
  for (const words of wrong) process.stdout.write(`${words}\n\n`);
  process.stdout.write(
    `${summary}\n${wrong.length === 0 ? 'All do what the text says.' : `${wrong.length} do not.`}\n`,
  );
  process.exitCode = wrong.length === 0 ? 0 : 1;
}
