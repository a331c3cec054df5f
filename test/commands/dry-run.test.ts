import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { bareEnvironment, BIN, cliJson } from '../support/cli';
import { addAgentSessions } from '../support/agent-sessions';
import { builtCommands } from '../support/program';
import { makeStore, session, type TestStore, treeHash } from '../support/store';
import { inParallel, sidecarFile } from '../support/writing';

interface Case {
  args: string[];
  stdin?: string;
  /** Brings the store into a state in which the command has something to do. */
  prepare?: (store: TestStore) => void | Promise<void>;
  /** What plan and result have in common, where that is not all but the index. */
  common?: (json: Record<string, unknown>) => unknown;
}

/** A ledger with a turn of `talk` that is not committed, and one of `done` that is. */
const markedTurns = (store: TestStore): void => {
  for (const args of [
    ['memory', 'mark', 'done', '--owner', 'none'],
    ['memory-drain', '--command', 'true'],
    ['memory', 'mark', 'talk', '--owner', 'none'],
  ]) {
    spawnSync(process.execPath, [BIN, ...args], { env: bareEnvironment(store.env) });
  }
};

const smallerBackup = (store: TestStore): void =>
  fs.writeFileSync(`${sidecarFile(store, 'talk')}.bak`, JSON.stringify(session('talk', { title: 'Before' })));

const stalePending = (store: TestStore): void => {
  const pending = { pending_user_message: 'Anybody there?', pending_started_at: 1777000200.5, active_stream_id: 's1' };
  fs.writeFileSync(sidecarFile(store, 'stale'), JSON.stringify(session('stale', pending), null, 2));
};

const agentSessions = (store: TestStore): void =>
  void addAgentSessions(store, [
    { session: { id: 'fresh' }, messages: ['Hello', 'Hi.', 'More?'] },
    { session: { id: 'empty' }, messages: [] },
  ]);

/** For every command that has --dry-run, ways to run it that change something. */
const CASES: Record<string, Case[]> = {
  doctor: [
    {
      args: ['--repair'],
      // What nobody but a person can mend is an exit code of its own.
      prepare: (store) => {
        fs.rmSync(sidecarFile(store, 'hurt'));
        fs.rmSync(sidecarFile(store, 'busy'));
      },
      common: (json) => (json['repair'] as { repairs: Case[] }).repairs.map((step) => ({ ...step, done: undefined })),
    },
  ],
  'gc-tmp': [
    {
      args: ['--trash', '--older-than', '0'],
      prepare: async (store) => {
        expect((await cliJson(['sessions', 'delete', 'talk', 'done', '--yes'], { env: store.env })).code).toBe(0);
      },
      common: (json) =>
        (json['files'] as Record<string, unknown>[]).map(({ session_id: id, bytes, action }) => ({
          id,
          bytes,
          action,
        })),
    },
    {
      args: ['--older-than', '0'],
      prepare: (store) => {
        fs.writeFileSync(path.join(store.sessionsDir, 'talk.json.123'), 'x');
        fs.writeFileSync(path.join(store.sessionsDir, `talk.tmp.${process.pid}.1`), 'x');
      },
      common: (json) =>
        (json['files'] as Record<string, unknown>[]).map(({ name, bytes, pattern, action, reason, error }) => ({
          name,
          bytes,
          pattern,
          action,
          reason,
          error,
        })),
    },
  ],
  'memory-drain': [
    {
      args: ['--command', 'true'],
      prepare: markedTurns,
      common: (json) => [
        (json['segments'] as Record<string, unknown>[]).map((segment) => ({ ...segment, outcome: undefined })),
        json['remaining'],
      ],
    },
  ],
  'memory:discard': [{ args: ['done'], prepare: markedTurns }],
  'memory:mark': [{ args: ['talk'] }, { args: ['talk', 'done'], prepare: markedTurns }],
  'memory:scan': [{ args: [] }, { args: ['talk'] }, { args: [], prepare: markedTurns }],
  'sessions:delete': [
    { args: ['talk', '--yes'], common: withoutTrash },
    { args: ['talk', 'done', 'none', '--yes'], common: withoutTrash },
    { args: ['talk', '--yes', '--no-trash'], prepare: smallerBackup },
    { args: ['-', '--yes', '--store-only'], stdin: 'hurt\n', common: withoutTrash },
  ],
  'projects:ensure-cron': [
    { args: [], common: ({ project }) => ({ ...(project as object), project_id: '' }) },
    {
      args: ['-p', 'work'],
      prepare: (store) =>
        fs.writeFileSync(path.join(store.stateDir, 'projects.json'), '[{"project_id":"p1","name":"Cron Jobs"}]'),
    },
  ],
  reindex: [
    { args: [] },
    { args: ['talk'] },
    {
      args: ['talk'],
      prepare: (store) =>
        fs.writeFileSync(path.join(store.sessionsDir, '_index.json'), '[{"session_id":"gone"},{"session_id":"talk"}]'),
    },
  ],
  'sessions:archive': [{ args: ['talk'] }, { args: ['talk', 'done', 'none'] }],
  'sessions:create': [
    { args: ['--id', 'made', '--user', 'Hello'] },
    { args: ['--id', 'talk', '--replace'] },
    {
      args: ['--input', '-'],
      stdin: '{"session_id":"made","messages":[{"role":"user"}]}',
      prepare: (store) =>
        fs.writeFileSync(path.join(store.sessionsDir, '_deleted_webui_sessions.json'), '{"version":1,"ids":["made"]}'),
    },
  ],
  'sessions:import': [
    {
      args: ['-'],
      stdin: `${JSON.stringify(session('made'))}\n${JSON.stringify(session('talk'))}\n`,
    },
    {
      args: ['-', '--replace', '--deleted'],
      stdin: JSON.stringify([session('made'), session('talk', { title: 'New' })]),
      prepare: (store) =>
        fs.writeFileSync(path.join(store.sessionsDir, '_deleted_webui_sessions.json'), '{"version":1,"ids":["made"]}'),
    },
  ],
  'sessions:import-cli': [
    { args: ['talk', 'fresh'], prepare: agentSessions },
    { args: ['--all'], prepare: agentSessions },
    {
      args: ['--all', '--ensure-project'],
      prepare: (store) => {
        const id = 'cron_job1_20260425_000000';
        addAgentSessions(store, [{ session: { id, source: 'cron' }, messages: ['Report'] }]);
      },
    },
  ],
  'sessions:pin': [{ args: ['talk'] }, { args: ['-'], stdin: 'talk\ndone\n' }],
  'sessions:rename': [{ args: ['talk', 'Another title'] }],
  'sessions:repair': [
    { args: ['stale'], prepare: stalePending },
    { args: ['stale', 'talk', 'none', 'busy'], prepare: stalePending },
    { args: ['--all'], prepare: stalePending },
  ],
  'sessions:restore': [
    {
      args: ['talk'],
      prepare: async (store) => {
        smallerBackup(store);
        const { code } = await cliJson(['sessions', 'delete', 'talk', '--yes'], { env: store.env });
        expect(code).toBe(0);
      },
      common: ({ restore }) => ({ ...(restore as object), rows: null, index: null }),
    },
    { args: ['talk', '--from-bak'], prepare: smallerBackup },
    {
      args: ['talk', '--from-bak'],
      prepare: (store) => {
        smallerBackup(store);
        fs.rmSync(sidecarFile(store, 'talk'));
      },
    },
  ],
  'sessions:retry': [{ args: ['talk'] }],
  'sessions:unarchive': [{ args: ['done'] }],
  'sessions:undo': [{ args: ['talk'] }, { args: ['busy', '--force'] }],
  'sessions:unpin': [{ args: ['done'] }],
};

const makeCaseStore = async ({ prepare }: Case): Promise<TestStore> => {
  const store = makeStore({
    talk: session('talk'),
    done: session('done', { pinned: true, archived: true }),
    busy: session('busy', { active_stream_id: 's1' }),
    hurt: '{"messages":',
  });
  await prepare?.(store);
  return store;
};

it('is held for every command that can change something', async () => {
  const config = await builtCommands();
  const commands = config.commands
    .filter(({ id, aliases, flags }) => 'dry-run' in flags && !aliases.includes(id))
    .map(({ id }) => id);
  expect(commands.sort()).toEqual(Object.keys(CASES).sort());
});

describe.each(Object.keys(CASES))('%s --dry-run', (id) => {
  it('changes no byte, and tells what the command then does', async () => {
    const stores = await Promise.all(CASES[id].map(async (one) => ({ one, store: await makeCaseStore(one) })));
    await inParallel(stores, 3, async ({ one, store }) => {
      const command = [...id.split(':'), ...one.args];
      const options = { env: store.env, ...(one.stdin === undefined ? {} : { stdin: one.stdin }) };
      const before = treeHash(store.root);
      const plan = await cliJson([...command, '--dry-run'], options);
      expect(treeHash(store.root), command.join(' ')).toBe(before);
      expect(plan.json).toMatchObject({ dry_run: true });

      const real = await cliJson(command, options);
      expect(treeHash(store.root), command.join(' ')).not.toBe(before);
      expect(real.code).toBe(plan.code);
      expect(real.json).not.toHaveProperty('dry_run');
      const common = one.common ?? withoutIndex;
      expect(common(plan.json)).toEqual(common(real.json));
    });
  });
});

/** Of a deletion, all but where it is kept: that is known when it is done. */
function withoutTrash(json: Record<string, unknown>): unknown {
  return JSON.parse(JSON.stringify(json), (key, value: unknown) =>
    ['trash', 'dry_run'].includes(key) ? undefined : value,
  );
}

/** The whole document, but for the mark of a dry run and for what became of the index. */
function withoutIndex(json: Record<string, unknown>): unknown {
  return JSON.parse(JSON.stringify(json), (key, value: unknown) =>
    key === 'index' || key === 'dry_run' ? undefined : value,
  );
}

describe('a dry run of what is refused', () => {
  it.each([
    [['sessions', 'undo', 'busy'], 8],
    [['sessions', 'undo', 'none'], 5],
    [['sessions', 'retry', 'hurt'], 7],
    [['sessions', 'undo', 'talk', '--turns', '5'], 6],
    [['sessions', 'create', '--id', 'talk'], 13],
    [['sessions', 'restore', 'talk', '--from-bak'], 5],
    [['sessions', 'restore', 'talk'], 5],
    [['sessions', 'delete', 'none', '--yes'], 5],
    [['sessions', 'delete', 'busy', '--yes'], 8],
    [['sessions', 'delete', '../talk', '--yes'], 2],
  ])('fails as the command does: %j', async (args, exit) => {
    const store = await makeCaseStore({ args });
    const [before, sessions] = [treeHash(store.root), treeHash(store.sessionsDir)];
    const plan = await cliJson([...args, '--dry-run'], { env: store.env });
    expect(plan.code).toBe(exit);
    expect(treeHash(store.root)).toBe(before);
    const real = await cliJson(args, { env: store.env });
    expect(real.code).toBe(exit);
    expect(real.json).toEqual(plan.json);
    expect(treeHash(store.sessionsDir)).toBe(sessions);
  });
});
