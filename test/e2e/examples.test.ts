import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { makeDemoStore } from '../../scripts/demo-store.mjs';
import { BIN, bareEnvironment, ROOT } from '../support/cli';
import { executed } from '../support/agent-db';
import { finished } from '../support/spawn';
import { ERRORS } from '../../src/core/errors';

/*
 * Every example in the help of every command, run by bash on a copy of the
 * demo's store of its own: each ends with an exit code that its command's help
 * names, and with 0 unless EXITS says why not.
 */

interface Example {
  command: string;
  line: string;
}

const manifest = JSON.parse(fs.readFileSync(path.join(ROOT, 'dist', 'manifest.json'), 'utf8')) as {
  commands: Record<
    string,
    { examples?: (string | { command: string })[]; exitCodes?: (keyof typeof ERRORS)[]; aliases: string[] }
  >;
};

const EXAMPLES: Example[] = Object.entries(manifest.commands).flatMap(([command, { examples = [] }]) =>
  examples.map((example) => ({
    command,
    line: (typeof example === 'string' ? example : example.command).replaceAll('<%= config.bin %>', 'hermesctl'),
  })),
);

/** What ends otherwise than with 0 on that store, which has a damaged session, no index and no provider. */
const EXITS: Record<string, number> = {
  'hermesctl doctor': 4,
  'hermesctl doctor --repair': 4,
  'hermesctl doctor --all-profiles': 4,
  'hermesctl doctor --skip database-damaged': 4,
  'hermesctl doctor --stores stores.txt --json': 4,
  "hermesctl doctor --json | jq -r '.findings[].command // empty' | sort -u": 4,
  'hermesctl reindex --check': 4,
  'hermesctl sessions export --all --output backup.ndjson': 3,
  'hermesctl sessions export --all | jq -r \'.messages[] | select(.role == "user") | .content\'': 3,
  'hermesctl sessions export --all --state-dir /srv/old | hermesctl sessions import - --state-dir /srv/new': 3,
  'hermesctl memory scan --quiet; hermesctl memory-drain --quiet': 3,
  'hermesctl sessions repair --all --dry-run': 3,
};

/** So that an import has something to bring. */
const EXPORTED = 'hermesctl sessions export 0821b8fe2f4b --output backup.ndjson && rm webui/sessions/0821b8fe2f4b.json';

/** What has to have been done before. */
const BEFORE: Record<string, string> = {
  'hermesctl sessions import backup.ndjson': EXPORTED,
  'hermesctl sessions import backup.ndjson --dry-run': EXPORTED,
  'hermesctl sessions export --all --state-dir /srv/old | hermesctl sessions import - --state-dir /srv/new':
    'mkdir -p srv/new/sessions && cp -a webui srv/old',
  'hermesctl sessions restore 0821b8fe2f4b': 'hermesctl sessions delete 0821b8fe2f4b --yes',
  'hermesctl sessions restore 0821b8fe2f4b -n': 'hermesctl sessions delete 0821b8fe2f4b --yes',
  'hermesctl sessions restore 0821b8fe2f4b --from-bak': 'hermesctl undo 0821b8fe2f4b',
};

/** Runs all of them, two at a time; by line the exit code and what was said. */
const RUNNER = String.raw`
set -u
one() {
  local place="$WORK/$1" status=0
  cp -a "$WORK/store" "$place" && cd "$place" || exit 99
  export HOME="$place" HERMES_HOME="$place/hermes" HERMES_WEBUI_STATE_DIR="$place/webui"
  if [ -n "$3" ]; then bash -o pipefail -c "$3" >before 2>&1 || { echo "before: $(tail -c 500 before)" >said; echo 98 >status; return; }; fi
  # What goes on until Ctrl-C gets one.
  if [[ "$2" == *--watch* ]]; then set -- "$1" "timeout --preserve-status -s INT 3 $2" "$3"; fi
  bash -o pipefail -c "$2" >said 2>&1 </dev/null || status=$?
  echo "$status" >status
}
export -f one
xargs -0 -n 3 -P 2 bash -c 'one "$@"' one
`;

/** One example takes back three turns. */
function threefold(file: string): void {
  const session = JSON.parse(fs.readFileSync(file, 'utf8')) as { messages: unknown[] };
  const messages = [...session.messages, ...session.messages, ...session.messages];
  fs.writeFileSync(file, JSON.stringify({ ...session, message_count: messages.length, messages }, null, 2));
}

const documented = (command: string): number[] => {
  const { exitCodes = [] } = manifest.commands[command];
  return [0, 130, ...exitCodes.map((code) => ERRORS[code].exit)];
};

describe('the examples of the help', () => {
  const work = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'hermesctl-examples-'));
  afterAll(() => fs.rmSync(work, { recursive: true, force: true }));
  const outcomes = new Map<string, { status: number; said: string }>();

  beforeAll(async () => {
    const store = path.join(work, 'store');
    const { stateDir, hermesHome } = makeDemoStore(store);
    threefold(path.join(stateDir, 'sessions', '0821b8fe2f4b.json'));
    executed(
      path.join(hermesHome, 'state.db'),
      `INSERT INTO sessions (id, source, title, started_at, message_count)
         VALUES ('20260425_000000_b8a1ab', 'cli', 'Backups', 1777075200, 2), ('20260425_101500_3fa9c1', 'cli', 'Logs', 1777112100, 2);
       INSERT INTO messages (session_id, role, content, timestamp)
         SELECT id, role, 'Text', started_at FROM sessions, (SELECT 'user' AS role UNION SELECT 'assistant') WHERE title IN ('Backups', 'Logs');`,
    );
    fs.writeFileSync(path.join(store, 'stores.txt'), 'webui\n');
    fs.mkdirSync(path.join(store, '.config', 'fish', 'completions'), { recursive: true });
    const bin = path.join(work, 'bin');
    fs.mkdirSync(bin);
    fs.writeFileSync(path.join(bin, 'hermesctl'), `#!/bin/sh\nexec '${process.execPath}' '${BIN}' "$@"\n`, {
      mode: 0o755,
    });
    const child = spawn('bash', ['-c', RUNNER], {
      env: { ...bareEnvironment({ WORK: work }), PATH: `${bin}:${process.env['PATH'] ?? ''}` },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.stdin.end(
      EXAMPLES.map(({ line }, i) => `${i}\0${line.replaceAll('/srv/', 'srv/')}\0${BEFORE[line] ?? ''}\0`).join(''),
    );
    const { code, stderr } = await finished(child);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    EXAMPLES.forEach(({ line }, i) => {
      const read = (name: string): string => fs.readFileSync(path.join(work, String(i), name), 'utf8');
      outcomes.set(line, { status: Number(read('status')), said: read('said') });
    });
  }, 180_000);

  it.each(EXAMPLES)('$command: $line', ({ command, line }) => {
    const { status, said } = outcomes.get(line)!;
    expect({ status, said }).toEqual({
      status: EXITS[line] ?? (line.includes('--watch') ? 130 : 0),
      said: expect.any(String) as string,
    });
    expect(documented(command)).toContain(status);
    expect(said).not.toMatch(/command not found|No such file/);
  });

  it('are not named here when they are gone', () => {
    const lines = EXAMPLES.map(({ line }) => line);
    for (const line of [...Object.keys(EXITS), ...Object.keys(BEFORE)]) expect(lines).toContain(line);
  });
});
