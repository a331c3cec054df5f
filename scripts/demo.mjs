// Shows what hermesctl does, on a store that is made on the spot and removed at the end.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { makeDemoStore } from './demo-store.mjs';
import './setup.mjs';

/** What is shown: a word about it, the command line (as a shell takes it), and the exit code it must give if not 0. */
const STEPS = [
  ['Where things are, and what named each place', 'hermesctl paths'],
  ['The sessions: pinned ones first; a damaged file is a warning, not the end', 'hermesctl sessions list'],
  [
    'Archived, cron and empty ones too, chosen columns',
    'hermesctl sessions list --all --columns session_id,title,archived,source_tag',
  ],
  ['Only a project', 'hermesctl sessions list --project Website --ids'],
  [
    'For scripts: one JSON document',
    `hermesctl sessions list --all --json | ${onInput('`${d.total} sessions, ${d.warnings.length} warning: ${d.warnings[0].code}`')}`,
  ],
  ['One session, by the beginning of its id', 'hermesctl show 0821'],
  ['What the user asked', 'hermesctl show 0821 --role user --markdown'],
  ['A snapshot of it', 'hermesctl status 0821b8fe2f4b'],
  ['Where was that talked about? Titles, messages and tool results are searched', 'hermesctl sessions search release'],
  [
    'For scripts: JSON, or a hit a line as it is found',
    `hermesctl sessions search --regex "pass(ed|word)" --agent --json | ${onInput('`${d.hits.length} hits, ${d.searched.bytes} bytes read`')}`,
  ],
  ['Tokens and cost, of one and of all', 'hermesctl usage 0821b8fe2f4b c3d2a1b0e9f8'],
  ['', `hermesctl usage --json | ${onInput('JSON.stringify(d.totals)')}`],
  [
    'With what only the databases of the profiles have; and of many stores, one of which is not there',
    `hermesctl usage --all-profiles --json | ${onInput('JSON.stringify(d.profiles)')}`,
  ],
  ['', 'printf "%s\\n" "$HERMES_WEBUI_STATE_DIR" /nonexistent | hermesctl sessions list --limit 3 --stores -', 3],
  ['What is there, what takes room, what did it cost?', 'hermesctl stats --agent'],
  ['', 'printf "%s\\n" "$HERMES_WEBUI_STATE_DIR" | hermesctl stats --by store --stores -'],
  ["What the agent talked about elsewhere: its database's sessions too", 'hermesctl sessions list --agent'],
  ['One of them, with what it continues', 'hermesctl show 20260501_0945'],
  ['', 'hermesctl sessions lineage 20260501_094500_77b0d2'],
  ['Each failure has its exit code, with and without --json', 'hermesctl show feedfacecafe', 5],
  ['A damaged session: where it breaks, and what to do', 'hermesctl show dead00beef00', 7],
  ['', 'hermesctl show dead00beef00 --json', 7],
  ['The bytes are there still', 'hermesctl show dead00beef00 --raw'],
  [
    'Everything out, a session on a line, every byte but white space as stored; what is damaged does not stop it',
    'hermesctl sessions export --all --output "$HOME"/backup.ndjson',
    3,
  ],
  ['And back again: nothing is new', 'hermesctl sessions import "$HOME"/backup.ndjson'],
  ['To show to somebody', 'hermesctl sessions export 0821 --format markdown --redact'],
  ['', 'hermesctl sessions export 0821 --format html --redact --output "$HOME"/page.html'],
  ['What would an undo take back?', 'hermesctl undo 0821b8fe2f4b --dry-run'],
  ['Take the last turn back; the version before stays as .json.bak', 'hermesctl undo 0821b8fe2f4b'],
  ['And undo that', 'hermesctl sessions restore 0821b8fe2f4b --from-bak'],
  ['A fixture in one line', 'hermesctl sessions create --id fixture1 --title Fixture --user Hello --assistant Hi.'],
  ['', 'hermesctl sessions rename fixture1 "A better title"'],
  ['', 'hermesctl sessions pin fixture1'],
  [
    'Is the index right? A row changed behind its back',
    'sed -i.bak s/better/worse/ "$HERMES_WEBUI_STATE_DIR"/sessions/fixture1.json && rm "$HERMES_WEBUI_STATE_DIR"/sessions/fixture1.json.bak; hermesctl reindex --check',
    4,
  ],
  ['', 'hermesctl reindex'],
  ['Memories: which completed turns has nobody committed?', 'hermesctl memory scan'],
  ['', 'hermesctl memory status --dirty'],
  [
    'Commit them, here with a program of one’s own (in life: OpenViking, from cron)',
    'hermesctl memory-drain --command test -- -n demo',
  ],
  ['And once more: nothing is left, nothing is committed twice', 'hermesctl memory-drain'],
  ['Is anything wrong with the store?', 'hermesctl doctor', 4],
  [
    'Without its index; what needs nobody’s judgement is mended, and every file is kept first',
    'rm "$HERMES_WEBUI_STATE_DIR"/sessions/_index.json; hermesctl doctor --repair',
    4,
  ],
  ['Away with it: what would go?', 'hermesctl sessions delete fixture1 --dry-run'],
  ['A script has to say that it means it', 'hermesctl sessions delete fixture1', 2],
  ['', 'hermesctl sessions delete fixture1 --yes'],
  ['', 'hermesctl show fixture1', 5],
  ['And back, from the trash', 'hermesctl sessions restore fixture1'],
  ['A project for cron jobs, made once', 'hermesctl projects ensure-cron && hermesctl projects list'],
  ['Completion for a shell: eval "$(hermesctl completion bash)"', 'hermesctl completion bash | tail -1'],
  ['Nothing was left behind', 'hermesctl gc-tmp --older-than 0'],
];

/** A one-liner that prints an expression over the JSON document `d` on its standard input. */
function onInput(expression) {
  return `node -p 'const d = JSON.parse(fs.readFileSync(0)); ${expression}'`;
}

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const place = mkdtempSync(path.join(os.tmpdir(), 'hermesctl-demo-'));
// A Ctrl-C ends the step that runs; the store must be removed nevertheless.
process.on('SIGINT', () => undefined);
try {
  process.exitCode = runSteps();
} finally {
  rmSync(place, { recursive: true, force: true });
}

/** Runs every step; 0 where each ended as it must. */
function runSteps() {
  const { stateDir, hermesHome } = makeDemoStore(place);
  const bin = path.join(place, 'bin');
  mkdirSync(bin);
  const launcher = `#!/bin/sh\nexec '${process.execPath}' '${path.join(root, 'bin', 'run.js')}' "$@"\n`;
  writeFileSync(path.join(bin, 'hermesctl'), launcher, { mode: 0o755 });
  const env = {
    ...process.env,
    PATH: [bin, path.dirname(process.execPath), process.env.PATH].join(path.delimiter),
    HOME: place,
    HERMES_HOME: hermesHome,
    HERMES_WEBUI_STATE_DIR: stateDir,
    HERMES_BASE_HOME: '',
    HERMES_WEBUI_DEFAULT_WORKSPACE: '',
    HERMES_WEBUI_DEFAULT_MODEL: '',
  };
  const strong = (text) => (process.stdout.isTTY && !process.env.NO_COLOR ? `\x1b[1m${text}\x1b[0m` : text);

  let wrong = 0;
  for (const [words, command, expected = 0] of STEPS) {
    process.stdout.write(`\n${words === '' ? '' : `# ${words}\n`}${strong(`$ ${command}`)}\n`);
    // Standard error goes where standard output goes, so that both stand in order in a pipe too.
    const { status } = spawnSync(command, { shell: true, env, stdio: ['ignore', 1, 1] });
    if (status === null) return 130;
    if (expected !== 0 || status !== expected) process.stdout.write(`(exit ${status})\n`);
    if (status === expected) continue;
    wrong++;
    process.stdout.write(`demo: this should have been exit ${expected}\n`);
  }
  process.stdout.write(
    wrong === 0
      ? `\nAll ${STEPS.length} commands did what they should.\n`
      : `\n${wrong} of ${STEPS.length} went wrong.\n`,
  );
  return wrong === 0 ? 0 : 1;
}
