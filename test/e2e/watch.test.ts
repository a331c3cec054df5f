import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { Ajv2020 } from 'ajv/dist/2020';
import { afterEach, describe, expect, it } from 'vitest';

import { addAgentMessages, addAgentSessions } from '../support/agent-sessions';
import { bareEnvironment, BIN, cli, cliJson, ROOT } from '../support/cli';
import { hasProgram, shell } from '../support/spawn';
import { makeStore, session, temporaryDirectory, type TestStore, treeHash, writeSidecar } from '../support/store';

/** How long a store is changed under a watch. A longer run than that of every day is asked for by hand. */
const SECONDS = Number(process.env['WATCH_SECONDS'] ?? 5);
/** Far beyond what anything takes here. */
const PATIENCE_MS = 30_000;

interface Event {
  event: string;
  at: number;
  session_id: string;
  session: Record<string, unknown>;
  keys?: string[];
  total?: number;
  warning?: { code: string };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what: string, isSo: () => boolean): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!isSo()) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await pause(5);
  }
}

const started: ChildProcess[] = [];
afterEach(() => started.splice(0).forEach((child) => child.kill('SIGKILL')));

/** A running `sessions list --watch`, and the list that its events make. */
class Watcher {
  readonly events: Event[] = [];
  readonly list = new Map<string, Record<string, unknown>>();
  readonly child: ChildProcess;
  readonly ended: Promise<number | string | null>;
  stderr = '';

  constructor(
    private readonly store: TestStore,
    args: string[] = [],
    nodeArgs: string[] = [],
  ) {
    const line = [...nodeArgs, BIN, 'sessions', 'list', '--watch', '--interval', '0.05', ...args];
    this.child = spawn(process.execPath, line, { env: bareEnvironment(store.env), cwd: ROOT });
    started.push(this.child);
    let rest = '';
    this.child.stdout!.on('data', (chunk: Buffer) => {
      const lines = `${rest}${chunk.toString()}`.split('\n');
      rest = lines.pop()!;
      for (const text of lines) this.take(JSON.parse(text) as Event);
    });
    this.child.stderr!.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code, signal) => {
        expect(rest).toBe('');
        resolve(code ?? signal);
      });
    });
  }

  /** No event is of a row that it cannot be of. */
  private take(event: Event): void {
    this.events.push(event);
    const { event: kind, session_id: id, session: row } = event;
    if (!['added', 'changed', 'removed'].includes(kind)) return;
    expect({ kind, known: this.list.has(id) }).toEqual({ kind, known: kind !== 'added' });
    if (kind === 'removed') this.list.delete(id);
    else this.list.set(id, row);
  }

  ready(): Promise<void> {
    return until('ready', () => this.events.at(-1)?.event === 'ready');
  }

  /** Descriptors that stay open: of some looks the fewest. */
  async descriptors(): Promise<number> {
    const counts: number[] = [];
    for (let i = 0; i < 8; i++) {
      counts.push(fs.readdirSync(`/proc/${this.child.pid}/fd`).length);
      await pause(20);
    }
    return Math.min(...counts);
  }

  /** Resident, in KiB. */
  memory(): number {
    return Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${this.child.pid}/status`, 'utf8'))?.[1]);
  }

  /** The list as a single call shows it now. */
  async now(): Promise<Map<string, Record<string, unknown>>> {
    const { json } = await cliJson<{ sessions: Record<string, unknown>[] }>(
      ['sessions', 'list', '--no-cache', '--limit', '0'],
      { env: this.store.env },
    );
    return new Map(json.sessions.map((row) => [String(row['session_id']), row]));
  }
}

describe('events', () => {
  /** Somebody who changes a store in every way, and knows what it must look like. */
  class Changer {
    /** What a list must show of each session. */
    readonly expected = new Map<string, { title: string; count: number }>();
    private serial = 0;
    private seed = 12345;

    constructor(
      private readonly store: TestStore,
      private readonly hasIndex: boolean,
    ) {}

    private random(below: number): number {
      this.seed = (Math.imul(this.seed, 1103515245) + 12345) & 0x7fffffff;
      return (this.seed >>> 8) % below;
    }

    private fileOf(id: string): string {
      return path.join(this.store.sessionsDir, `${id}.json`);
    }

    private write(id: string, count: number, inPlace: boolean): void {
      const title = `${id} ${this.serial++}`;
      const messages = Array.from({ length: count }, (_, i) => ({
        role: 'user',
        content: title,
        timestamp: 1777000000 + i,
      }));
      const text = JSON.stringify(session(id, { title, messages, message_count: count }));
      const temporary = `${this.fileOf(id)}.tmp.1.1`;
      fs.writeFileSync(inPlace ? this.fileOf(id) : temporary, text);
      if (!inPlace) fs.renameSync(temporary, this.fileOf(id));
      this.expected.set(id, { title, count });
    }

    /** One change: a session grows, shrinks, is replaced, renamed, removed, made. */
    change(): string {
      const id = `s${this.random(12)}`;
      const known = this.expected.get(id);
      const kind = this.random(6);
      if (known === undefined || kind === 0) this.write(id, 1 + this.random(4), false);
      else if (kind === 1) this.write(id, known.count + 1, this.random(2) === 0);
      else if (kind === 2) this.write(id, Math.max(1, known.count - 1), this.random(2) === 0);
      else if (kind === 3) this.write(id, known.count, false);
      else if (kind === 4) this.rename(id, `r${this.serial++}`);
      else {
        fs.rmSync(this.fileOf(id));
        this.expected.delete(id);
      }
      if (this.hasIndex) this.writeIndex();
      return id;
    }

    private rename(id: string, other: string): void {
      fs.renameSync(this.fileOf(id), this.fileOf(other));
      this.expected.set(other, this.expected.get(id)!);
      this.expected.delete(id);
    }

    private writeIndex(): void {
      const file = path.join(this.store.sessionsDir, '_index.json');
      const rows = [...this.expected].map(([id, { title, count }]) => ({
        session_id: id,
        title,
        message_count: count,
        updated_at: 1777000000.5,
        last_message_at: 1777000000.5,
      }));
      fs.writeFileSync(`${file}.tmp`, JSON.stringify(rows));
      fs.renameSync(`${file}.tmp`, file);
    }

    isShownIn(list: Watcher['list']): boolean {
      return (
        list.size === this.expected.size &&
        [...this.expected].every(([id, { title, count }]) => {
          const row = list.get(id);
          return row?.['title'] === title && row['message_count'] === count;
        })
      );
    }
  }

  it.each([
    ['without an index', false, []],
    [
      'with an index, where the system tells of nothing',
      true,
      ['--require', path.join(ROOT, 'test/support/no-fs-watch.cjs')],
    ],
  ])(
    'none is lost while files grow, shrink, are renamed and replaced, %s, and no descriptor stays open',
    async (_, hasIndex, nodeArgs) => {
      const store = makeStore();
      const changer = new Changer(store, hasIndex);
      for (let i = 0; i < 10; i++) changer.change();
      const watcher = new Watcher(store, [], nodeArgs);
      await watcher.ready();
      const before = await watcher.descriptors();
      const memory = watcher.memory();
      const end = Date.now() + SECONDS * 1000;
      const tally = { changes: 0, stayed: 0 };
      while (Date.now() < end) {
        for (let i = 0; i < tally.changes % 5; i++) {
          changer.change();
          tally.changes++;
          await pause(tally.changes % 7);
        }
        // This one stays until it was told: for that there is no other way than its event.
        changer.change();
        tally.changes++;
        tally.stayed++;
        await until(`change ${tally.changes}`, () => changer.isShownIn(watcher.list));
      }
      expect(await watcher.now()).toEqual(watcher.list);
      expect(await watcher.descriptors()).toBe(before);
      const figures = { ...tally, events: watcher.events.length, descriptors: before };
      if (SECONDS > 5) console.info({ ...figures, seconds: SECONDS, memory: [memory, watcher.memory()] });
      watcher.child.kill('SIGINT');
      expect(await watcher.ended).toBe(130);
      expect(tally.stayed).toBeGreaterThan(5);
    },
    SECONDS * 1000 + 2 * PATIENCE_MS,
  );

  it('agree with their schema, and have the columns that were asked for', async () => {
    const schema = path.join(ROOT, 'docs', 'schemas', 'watch-event.schema.json');
    const validate = new Ajv2020({ strict: true, strictRequired: false }).compile(
      JSON.parse(fs.readFileSync(schema, 'utf8')) as object,
    );
    const store = makeStore({ a: session('a'), b: session('b', { archived: true }) });
    const before = treeHash(store.root);
    const watcher = new Watcher(store, ['--ndjson', '--columns', 'title']);
    await watcher.ready();
    expect(treeHash(store.root)).toBe(before);
    writeSidecar(store, 'a', session('a', { title: 'A', model: 'another' }));
    await until('a change', () => watcher.events.at(-1)?.event === 'changed');
    fs.renameSync(store.stateDir, `${store.stateDir}.away`);
    await until('the store to be gone', () => watcher.events.at(-1)?.event === 'stale');
    fs.renameSync(`${store.stateDir}.away`, store.stateDir);
    await until('the store to be back', () => watcher.events.at(-1)?.event === 'ready');
    fs.rmSync(path.join(store.sessionsDir, 'a.json'));
    await until('the removal', () => watcher.list.size === 0);
    for (const event of watcher.events) expect(validate(event), JSON.stringify(event)).toBe(true);
    expect(watcher.events.map(({ at, ...event }) => ({ ...event, at: typeof at }))).toMatchObject([
      { event: 'added', session_id: 'a', session: { title: 'Session a' } },
      { event: 'ready', total: 1 },
      { event: 'changed', keys: ['title'], session: { title: 'A' } },
      { event: 'stale', warning: { code: 'STORE_NOT_FOUND' } },
      { event: 'ready', total: 1 },
      { event: 'removed', session_id: 'a', session: { title: 'A' } },
    ]);
    expect(Object.keys(watcher.events[0].session)).toEqual(['title']);
    watcher.child.kill('SIGTERM');
    expect(await watcher.ended).toBe(143);
    expect(watcher.stderr).toBe('');
  });

  it('tell of the agent’s sessions, and leave its database closed between two looks', async () => {
    const messages = [{ role: 'user', content: 'Hello', timestamp: 1776000000 }];
    const store = makeStore({ a: session('a', { messages, updated_at: 1776000000.5 }) });
    addAgentSessions(store, [{ session: { id: 'theirs' }, messages: ['Hello', 'Hi.', 'More?'] }]);
    const watcher = new Watcher(store, ['--agent', '--limit', '1']);
    await watcher.ready();
    const [first] = watcher.list.keys();
    expect(first).toBe('theirs');
    addAgentMessages(store, 'theirs', ['One more']);
    await until('a commit', () => watcher.list.get('theirs')?.['message_count'] === 4);
    writeSidecar(store, 'a', session('a', { pinned: true }));
    await until('the page', () => watcher.list.has('a'));
    expect([...watcher.list.keys()]).toEqual(['a']);
    const open = fs
      .readdirSync(`/proc/${watcher.child.pid}/fd`)
      .map((fd) => fs.readlinkSync(`/proc/${watcher.child.pid}/fd/${fd}`));
    expect(open.filter((file) => file.startsWith(store.root))).toEqual([]);
    watcher.child.kill('SIGHUP');
    expect(await watcher.ended).toBe(0);
  });

  it('end with the reader of a pipe, also where nothing happens', async () => {
    const store = makeStore({ a: session('a') });
    const line = '$HERMESCTL sessions list --watch --interval 0.05 | head -1 | cut -c 1-16; echo "${PIPESTATUS[0]}"';
    expect(await shell(line, store.env)).toMatchObject({ code: 0, stdout: '{"event":"added"\n0\n', stderr: '' });
  });
});

it.each([
  [['--watch', '--json'], '--ndjson'],
  [['--watch', '--interval', '0'], '0.05'],
  [['--watch', '--interval', 'soon'], '30m'],
  [['--watch', '--columns', 'no_such'], 'session_id'],
])('%j is refused with a hint', async (args, hint) => {
  const store = makeStore({ a: session('a') });
  const { code, stdout, stderr } = await cli(['sessions', 'list', ...args], { env: store.env });
  expect(code).toBe(2);
  expect(args.includes('--json') ? stdout : stderr).toMatch(new RegExp(`hint.*${hint.replace('.', '\\.')}`));
});

describe.runIf(hasProgram('script'))('on a terminal', () => {
  const ESC = '\x1b[';
  const linesOf = (bytes: string): number[] =>
    [...bytes.matchAll(/\x1b\[(\d+);1H/g)].map(([, line]) => Number(line)).sort((a, b) => a - b);

  it('writes only what changed, follows the size, and gives the terminal back', async () => {
    const store = makeStore(
      Object.fromEntries(['a', 'b', 'c', 'd'].map((id, i) => [id, session(id, { pinned: true, updated_at: 1 + i })])),
    );
    const place = path.join(temporaryDirectory(), 'tty');
    const line = `tty >${place}; stty rows 12 cols 90; exec '${process.execPath}' '${BIN}' sessions list --watch --interval 0.05`;
    const child = spawn('script', ['-qec', line, '/dev/null'], {
      env: bareEnvironment({ TERM: 'xterm-256color', SHELL: '/bin/sh', ...store.env }),
    });
    started.push(child);
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const ended = new Promise((resolve) => child.on('close', resolve));
    const next = async (what: string, sign: string): Promise<string> => {
      await until(what, () => said.includes(sign));
      await pause(150);
      const bytes = said;
      said = '';
      return bytes;
    };

    const first = await next('the table', '4 sessions');
    expect(first).toContain(`${ESC}?1049h${ESC}?25l`);
    expect(first).toContain('LAST MESSAGE');
    expect(new Set(linesOf(first))).toEqual(new Set([1, 2, 3, 4, 5, 12]));

    writeSidecar(store, 'b', session('b', { pinned: true, updated_at: 2, title: 'Session B' }));
    const changed = await next('a change', 'Session B');
    expect(linesOf(changed)).toContain(4); // and the last line, where the second is another by now
    expect(linesOf(changed).filter((n) => n !== 4 && n !== 12)).toEqual([]);
    expect(changed).not.toContain('Session a');

    spawn('stty', ['-F', fs.readFileSync(place, 'utf8').trim(), 'cols', '40']);
    const narrow = await next('the resize', `${ESC}2J`);
    expect(narrow).toContain('Session B');
    expect(narrow).not.toContain('LAST MESSAGE');
    const shown = narrow.split(/\x1b\[\d+;1H/).map((text) => text.replace(/\x1b\[[\d;?]*[A-Za-z]/g, ''));
    for (const text of shown) expect(text.length).toBeLessThanOrEqual(40);

    child.stdin.write('x\r'); // no key of ours, and one that only looks
    await pause(100);
    expect(said).toBe('');
    child.stdin.write('\x03');
    expect(await ended).toBe(130);
    expect(said).toBe(`${ESC}?7h${ESC}?25h${ESC}?1049l`);
  });
});
