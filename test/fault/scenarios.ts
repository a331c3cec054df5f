import fs from 'node:fs';
import path from 'node:path';

import { addAgentSessions } from '../support/agent-sessions';
import { ROOT } from '../support/cli';
import { runInProcess } from '../support/in-process';
import { makeStore, session, type TestStore, writeSidecar } from '../support/store';

export const TARGET = 'target0001';
const OTHER = 'other00001';
const NEW = 'fresh00001';
/** Exports with one session each: a new one, and another version of the target. */
const FRESH_LINE = path.join(ROOT, 'test', 'fixtures', 'exports', 'fresh.ndjson');
const TARGET_LINE = path.join(ROOT, 'test', 'fixtures', 'exports', 'target.ndjson');
/** Of this session the agent has a transcript file. */
const TOLD = 'told000001';

/** A command that changes a store, and what the store is like before. */
export interface Scenario {
  name: string;
  args: string[];
  /** The session that it changes; none where only the index or leftovers are its business. */
  id?: string;
  /** Makes the store what the command finds. Its index is brought up to date afterwards, unless `staleIndex`. */
  prepare?: (store: TestStore) => Promise<void> | void;
  staleIndex?: boolean;
  /** The live version and the backup change places: both must be somewhere, always. */
  swaps?: boolean;
  /** Done once, it must not be done again to converge: a second undo cuts another turn. */
  once?: boolean;
  /** On a file system without hard links. */
  noLinks?: boolean;
  /** `few`: it is enough to fail in one way, since others write alike. */
  faults?: 'few';
  /** Worth the processes that are killed; the others write in the same way. */
  killed?: boolean;
  /** Failures that are in order besides I/O errors. */
  mayFailWith?: string[];
}

const turn = (n: number): object[] => [
  { role: 'user', content: `Question ${n}, with "quotes" and ümläute`, timestamp: 1777000000 + 100 * n },
  { role: 'assistant', content: `Answer ${n}.`, timestamp: 1777000050 + 100 * n },
];

/** A session in two arrays, with a number and a member that no parser would write back. */
export function targetText(turns: number): string {
  const messages = Array.from({ length: turns }, (_, i) => turn(i)).flat();
  return JSON.stringify(session(TARGET, { big: 0, messages, context_messages: messages }), null, 2).replace(
    '"big": 0',
    '"big": 12345678901234567890, "odd":1.0',
  );
}

async function mustRun(store: TestStore, args: string[]): Promise<void> {
  const { code, stdout, stderr } = await runInProcess([...args, '--json'], store.env);
  if (code !== 0) throw new Error(`${args.join(' ')}: ${stdout}${stderr}`);
}

const undone = (store: TestStore): Promise<void> => mustRun(store, ['undo', TARGET]);

export const SCENARIOS: Scenario[] = [
  { name: 'undo', args: ['undo', TARGET], id: TARGET, once: true, killed: true },
  { name: 'undo without hard links', args: ['undo', TARGET], id: TARGET, once: true, killed: true, noLinks: true },
  { name: 'undo over a backup', args: ['undo', TARGET], id: TARGET, once: true, prepare: undone },
  { name: 'retry', args: ['retry', TARGET], id: TARGET, once: true },
  {
    name: 'create',
    args: ['sessions', 'create', '--id', NEW, '--title', 'Fresh', '--user', 'Hello', '--assistant', 'Hi.'],
    id: NEW,
    once: true,
    prepare: rememberDeletion,
  },
  {
    name: 'create --replace',
    killed: true,
    args: ['sessions', 'create', '--id', TARGET, '--title', 'Fresh', '--user', 'Hello', '--replace'],
    id: TARGET,
    once: true,
  },
  { name: 'rename', args: ['sessions', 'rename', TARGET, 'Another name'], id: TARGET, killed: true },
  { name: 'repair', args: ['sessions', 'repair', TARGET], id: TARGET, killed: true, prepare: makePending },
  {
    name: 'repair of a session without messages',
    args: ['sessions', 'repair', TARGET],
    id: TARGET,
    killed: true,
    prepare: makeEmpty,
  },
  {
    name: 'repair from the agent’s transcript',
    args: ['sessions', 'repair', TOLD],
    id: TOLD,
    killed: true,
    faults: 'few',
    prepare: makeTold,
  },
  {
    name: 'repair over a backup, without hard links',
    args: ['sessions', 'repair', TARGET],
    id: TARGET,
    noLinks: true,
    faults: 'few',
    prepare: (store) => {
      makePending(store);
      fs.writeFileSync(path.join(store.sessionsDir, `${TARGET}.json.bak`), targetText(1));
    },
  },
  { name: 'pin', args: ['sessions', 'pin', TARGET], id: TARGET },
  { name: 'archive', args: ['sessions', 'archive', TARGET], id: TARGET },
  {
    name: 'restore',
    args: ['sessions', 'restore', TARGET, '--from-bak'],
    id: TARGET,
    once: true,
    swaps: true,
    killed: true,
    prepare: undone,
  },
  {
    name: 'restore without hard links',
    args: ['sessions', 'restore', TARGET, '--from-bak'],
    id: TARGET,
    once: true,
    swaps: true,
    killed: true,
    noLinks: true,
    prepare: undone,
  },
  {
    name: 'restore over a damaged session',
    args: ['sessions', 'restore', TARGET, '--from-bak'],
    id: TARGET,
    once: true,
    swaps: true,
    prepare: async (store) => {
      await undone(store);
      fs.writeFileSync(path.join(store.sessionsDir, `${TARGET}.json`), '{"session_id": "target0001", "messa');
    },
  },
  {
    name: 'import of a file',
    args: ['sessions', 'import', FRESH_LINE, '--deleted'],
    id: NEW,
    killed: true,
    prepare: rememberDeletion,
  },
  {
    name: 'import of a file over a session',
    args: ['sessions', 'import', TARGET_LINE, '--replace'],
    id: TARGET,
    faults: 'few',
  },
  { name: 'import-cli', args: ['import-cli', NEW], id: NEW, killed: true, prepare: rememberDeletion },
  { name: 'import-cli of one that is there', args: ['import-cli', TARGET], id: TARGET, killed: true },
  { name: 'reindex', killed: true, args: ['reindex'], staleIndex: true, prepare: makeIndexStale },
  { name: 'reindex with ids', args: ['reindex', TARGET, OTHER], staleIndex: true, prepare: makeIndexStale },
  {
    name: 'gc-tmp',
    killed: true,
    args: ['gc-tmp', '--older-than', '0'],
    mayFailWith: ['PARTIAL'],
    prepare: (store) => {
      for (const name of [
        `${TARGET}.json.1234567`,
        `${TARGET}.json.bak.42`,
        `${OTHER}.tmp.999999999.1`,
        '_index.json.77',
      ])
        fs.writeFileSync(path.join(store.sessionsDir, name), 'half a fi');
    },
  },
];

const PENDING = {
  active_stream_id: 'stream1',
  pending_user_message: 'A question that nobody answered',
  pending_attachments: ['/srv/work/a.png'],
  pending_started_at: 1777000900.25,
};

function makePending(store: TestStore): void {
  const fields = JSON.parse(targetText(2)) as object;
  writeSidecar(store, TARGET, { ...fields, ...PENDING });
}

function makeEmpty(store: TestStore): void {
  writeSidecar(store, TARGET, session(TARGET, { ...PENDING, messages: [] }));
}

function makeTold(store: TestStore): void {
  writeSidecar(store, TOLD, session(TOLD, { ...PENDING, messages: [] }));
}

function rememberDeletion(store: TestStore): void {
  fs.writeFileSync(
    path.join(store.sessionsDir, '_deleted_webui_sessions.json'),
    JSON.stringify({ version: 1, ids: ['gone000001', NEW] }, null, 2),
  );
}

async function makeIndexStale(store: TestStore): Promise<void> {
  writeSidecar(store, 'ghost00001', session('ghost00001'));
  await mustRun(store, ['reindex']);
  fs.unlinkSync(path.join(store.sessionsDir, 'ghost00001.json'));
  writeSidecar(store, TARGET, targetText(2));
}

/** The files of `sessions/` with their bytes. */
export type Files = Map<string, string>;

/** A file system's state as a command finds it, to be laid out again and again. */
export interface Prepared {
  scenario: Scenario;
  before: Files;
  /** What a run without faults leaves, and says. */
  after: Files;
}

export function baseStore(): TestStore {
  const store = makeStore({ [TARGET]: targetText(3), [OTHER]: session(OTHER) });
  const { messages } = JSON.parse(targetText(3)) as { messages: { role: string; content: string }[] };
  const goneOn = [...messages.map(({ role, content }) => ({ role, content })), { role: 'user', content: 'And now?' }];
  addAgentSessions(store, [
    { session: { id: NEW }, messages: ['Hello', 'Hi.'] },
    { session: { id: TARGET }, messages: goneOn },
  ]);
  fs.mkdirSync(path.join(store.hermesHome, 'sessions'), { recursive: true });
  fs.writeFileSync(
    path.join(store.hermesHome, 'sessions', `session_${TOLD}.json`),
    JSON.stringify({ messages: [...turn(1), { role: 'user', content: PENDING.pending_user_message }] }),
  );
  return store;
}

export async function prepareScenario(scenario: Scenario, store = baseStore()): Promise<Prepared> {
  await scenario.prepare?.(store);
  if (!scenario.staleIndex) await mustRun(store, ['reindex']);
  const before = readFiles(store);
  await mustRun(store, scenario.args);
  return { scenario, before, after: readFiles(store) };
}

/** Names are bytes, and so are contents: latin1 keeps each. */
export function readFiles(store: TestStore): Files {
  const names = fs.readdirSync(store.sessionsDir).sort();
  return new Map(names.map((name) => [name, fs.readFileSync(path.join(store.sessionsDir, name), 'latin1')]));
}

/** Makes the store's `sessions/` what it was before. */
export function layOut(store: TestStore, files: Files): void {
  for (const name of fs.readdirSync(store.sessionsDir)) fs.unlinkSync(path.join(store.sessionsDir, name));
  for (const [name, bytes] of files) fs.writeFileSync(path.join(store.sessionsDir, name), bytes, 'latin1');
}

/** What two runs of one command may differ in: its time, and the fresh shrink generation. */
export function withoutStamps(text: string): string {
  return text
    .replace(/"(updated_at|created_at|last_message_at|timestamp)": [\d.e+]+/g, (whole, key: string) =>
      isOfThisRun(Number(whole.slice(key.length + 4))) ? `"${key}": 0` : whole,
    )
    .replace(/"intentional_shrink_generation": "[0-9a-f]{32}"/g, '"intentional_shrink_generation": ""');
}

/** The fixtures' times are not near any day on which the tests run. */
function isOfThisRun(time: number): boolean {
  return Math.abs(time - Date.now() / 1000) < 86_400;
}
