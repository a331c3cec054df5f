import fs from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { cli } from '../support/cli';
import { type FleetHome, makeDatabase, makeHome, strangersEnvironment } from '../support/fleet';
import { type InProcessResult, runInProcess } from '../support/in-process';
import { cliOnTerminal, hasProgram } from '../support/spawn';
import { session, temporaryDirectory, treeHash } from '../support/store';

interface Problem {
  code: string;
  exit: number;
  message: string;
  details: Record<string, unknown>;
}

interface Document {
  warnings: { code: string; store?: string }[];
  error?: Problem;
  stores?: { state_dir: string; given: string; ok: boolean; error?: Problem; [fact: string]: unknown }[];
  [name: string]: unknown;
}

type Rows = Record<string, unknown>[];

/** Runs a command in both faces, which must end alike. */
async function faces(args: string[], env: Record<string, string>): Promise<{ human: InProcessResult; json: Document }> {
  const human = await runInProcess(args, env);
  const { code, stdout, stderr } = await runInProcess([...args, '--json'], env);
  const json = JSON.parse(stdout) as Document;
  expect({ args, code: human.code, stderr }).toEqual({ args, code, stderr: '' });
  expect(json.error?.exit ?? 0).toBe(code);
  return { human, json };
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

describe('a fleet of 24 profiles', () => {
  const PROFILES = Array.from({ length: 23 }, (_, i) => `p${String(i).padStart(2, '0')}`);

  /** Each has a session of its own that cost 0.25, one that all have, and a mirror of the store's. */
  function fleet(): FleetHome & { root: string; env: Record<string, string>; homeOf: (profile: string) => string } {
    const root = temporaryDirectory();
    const home = makeHome(root, 'home', {
      mirror01: { input_tokens: 1000, estimated_cost: 1, profile: 'p03' },
      plain001: { input_tokens: 2000, estimated_cost: 2 },
    });
    const homeOf = (profile: string): string =>
      profile === 'default' ? home.home : path.join(home.home, 'profiles', profile);
    for (const profile of ['default', ...PROFILES]) {
      makeDatabase(homeOf(profile), [
        { id: `${profile}_own`, input_tokens: 10, cost: 0.25 },
        { id: 'everywhere', input_tokens: 1 },
        { id: 'mirror01', source: 'webui', input_tokens: 999 },
      ]);
    }
    return { ...home, root, homeOf, env: { ...strangersEnvironment(root), HERMES_HOME: home.home } };
  }

  const breakDatabase = (home: string): void =>
    fs.writeFileSync(path.join(home, 'state.db'), 'no database at all, but some text'.repeat(99));

  it('is summed, each session once, by profile', async () => {
    const { env, root } = fleet();
    const before = treeHash(root);
    const { json, human } = await faces(['usage', '--all-profiles'], env);
    expect(json.error).toBeUndefined();
    // Two files, one own session in each of 24 databases, and the one that all have.
    expect(json['totals']).toMatchObject({ sessions: 27, input_tokens: 3000 + 24 * 10 + 1, estimated_cost: 9 });
    const profiles = json['profiles'] as Rows;
    expect(profiles.map(({ profile }) => profile)).toEqual(['default', ...PROFILES]);
    expect(profiles[0]).toMatchObject({ sessions: 3, input_tokens: 2011, estimated_cost: 2.25 });
    expect(profiles[4]).toMatchObject({ profile: 'p03', sessions: 2, input_tokens: 1010, estimated_cost: 1.25 });
    expect(profiles.reduce((sum, { sessions }) => sum + Number(sessions), 0)).toBe(27);
    const usages = json['usages'] as Rows;
    expect(usages.filter(({ stored_in: where }) => where === 'agent')).toHaveLength(25);
    expect(lines(human.stdout)).toHaveLength(27);
    // Without the flag the store only, as ever.
    const { json: store } = await faces(['usage'], env);
    expect(store['totals']).toMatchObject({ sessions: 2, input_tokens: 3000 });
    expect(store).not.toHaveProperty('profiles');
    expect(treeHash(root)).toBe(before);
  });

  it('counts a session of the WebUI that has no file any more', async () => {
    const { env, stateDir } = fleet();
    fs.rmSync(path.join(stateDir, 'sessions', 'mirror01.json'));
    const { json } = await faces(['usage', '--all-profiles'], env);
    expect(json['totals']).toMatchObject({ sessions: 27, input_tokens: 2000 + 24 * 10 + 1 + 999 });
  });

  it.each([
    [['usage', '--all-profiles'], 'usages', 26],
    [['sessions', 'list', '--agent', '--all', '--all-profiles'], 'sessions', 26],
    [['sessions', 'export', '--agent', '--all', '--all-profiles'], 'sessions', 26],
    [['sessions', 'search', 'Of ', '--in', 'title', '--agent', '--all', '--all-profiles'], 'hits', 24],
  ])('%j shows all but what one broken database has, and exits 3', async (args, name, rows) => {
    const { env, homeOf } = fleet();
    breakDatabase(homeOf('p07'));
    fs.rmSync(path.join(homeOf('default'), 'state.db')); // one that is not there is no failure
    const { json, human } = await faces(args, env);
    expect(json.error).toMatchObject({ code: 'PARTIAL', exit: 3 });
    expect(json.error!.details['failed']).toEqual([
      { path: path.join(homeOf('p07'), 'state.db'), code: 'DATABASE_UNUSABLE' },
    ]);
    // Of 24 databases two are out.
    expect(json[name]).toHaveLength(rows - 1);
    expect(json.warnings.map(({ code }) => code)).toContain('DATABASE_UNUSABLE');
    expect(lines(human.stdout)).toHaveLength(rows - 1);
  });

  it('is looked at by the doctor: every database, the store once', async () => {
    const { env, homeOf, stateDir, root } = fleet();
    breakDatabase(homeOf('p07'));
    fs.rmSync(path.join(stateDir, 'sessions', 'mirror01.json'));
    const child = session('child001', { parent_session_id: 'p05_own' });
    fs.writeFileSync(path.join(stateDir, 'sessions', 'child001.json'), JSON.stringify(child));
    fs.mkdirSync(path.join(homeOf('p09'), 'sessions'));
    fs.writeFileSync(path.join(homeOf('p09'), 'sessions', 'nobody.jsonl'), '');
    expect((await runInProcess(['reindex', '-q'], env)).code).toBe(0);

    const before = treeHash(root);
    const { json, human } = await faces(['doctor', '--all-profiles'], env);
    expect(json.error).toMatchObject({ code: 'PROBLEMS_FOUND', exit: 4 });
    const findings = json['findings'] as Rows;
    const about = (check: string): unknown[] =>
      findings.filter((finding) => finding['check'] === check).map(({ profile }) => profile);
    const usable = ['default', ...PROFILES].filter((name) => name !== 'p07');
    expect(about('database-unusable')).toEqual(['p07']);
    expect(about('database-missing-sidecar')).toEqual(usable);
    expect(about('agent-transcript-orphan')).toEqual(['p09']);
    // What it continues is in another profile's database: there it is.
    expect(about('session-parent')).toEqual([]);
    expect(findings).toHaveLength(usable.length + 2);
    expect(findings.find(({ profile }) => profile === 'p07')).toMatchObject({
      database: path.join(homeOf('p07'), 'state.db'),
    });
    const profiles = json['profiles'] as Rows;
    expect(profiles).toHaveLength(24);
    expect(profiles.find(({ profile }) => profile === 'p07')).toMatchObject({ state: 'unusable', sessions: null });
    expect(lines(human.stdout).map((line) => line.split('\t')[5])).toEqual(findings.map(({ profile }) => profile));
    expect(treeHash(root)).toBe(before);

    // Without the flag only the active profile's: the parent is nowhere.
    const alone = (await faces(['doctor'], env)).json['findings'] as Rows;
    expect(alone.map(({ check }) => check)).toEqual(['session-parent', 'database-missing-sidecar']);
  });

  it('is mended by the command that a finding of another profile names', async () => {
    const { env, homeOf, stateDir } = fleet();
    makeDatabase(homeOf('q'), [{ id: 'lostfile1', source: 'webui' }]);
    expect((await runInProcess(['reindex', '-q'], env)).code).toBe(0);
    const find = async (): Promise<Rows> => (await faces(['doctor', '--all-profiles'], env)).json['findings'] as Rows;
    const [finding, ...others] = await find();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ session_id: 'lostfile1', profile: 'q', repair: null });
    expect(finding['command']).toBe('hermesctl doctor --repair --check database-missing-sidecar -p q');
    // Of the store and its own profile a repair mends; this is of another.
    const [args] = [String(finding['command']).split(' ').slice(1)];
    expect((await runInProcess([...args, '-q'], env)).code).toBe(0);
    expect(fs.existsSync(path.join(stateDir, 'sessions', 'lostfile1.json'))).toBe(true);
    expect(await find()).toEqual([]);
  });

  it('is rid of the temporary files that its writers left, in the store and in every home', async () => {
    const { env, homeOf, stateDir, root } = fleet();
    const old = new Date(Date.now() - 86_400_000);
    const put = (file: string, time = old): string => {
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, 'x');
      fs.utimesSync(file, time, time);
      return file;
    };
    const gone = [
      put(path.join(stateDir, 'sessions', 'aaaa.tmp.4194305.7')),
      put(path.join(homeOf('default'), 'sessions', '.sessions_ab12_xyz.tmp')),
      put(path.join(homeOf('p01'), '.config.yaml_0a1b2c.tmp')),
      put(path.join(homeOf('p02'), 'cron', '.jobs_abcdefgh.tmp')),
      put(path.join(homeOf('p22'), 'sessions', `.cleanup_manifest_${'a1'.repeat(16)}.tmp`)),
    ];
    const kept = [
      put(path.join(homeOf('p03'), 'sessions', '.sessions_abcdefgh.tmp'), new Date()),
      // In a home the store's names are nobody's, nor are others at all.
      put(path.join(homeOf('p04'), 'sessions', 'aaaa.tmp.4194305.7')),
      put(path.join(homeOf('p05'), '.sessions_abcdefgh.tmp')),
      put(path.join(homeOf('p06'), 'cron', 'jobs.json')),
      put(path.join(homeOf('p06'), 'sessions', 'saved.tmp')),
    ];
    const before = treeHash(root);
    const { json: planned } = await faces(['gc-tmp', '--all-profiles', '--dry-run'], env);
    expect(treeHash(root)).toBe(before);
    const files = planned['files'] as Rows;
    expect(files.filter(({ action }) => action === 'remove').map((file) => file['path'])).toEqual(gone);
    expect(files.map(({ profile }) => profile)).toEqual([undefined, 'default', 'p01', 'p02', 'p03', 'p22']);
    expect((await runInProcess(['gc-tmp', '--dry-run', '--json'], env)).stdout).not.toContain('profiles');

    // A home that cannot be looked at hides no other.
    fs.rmSync(path.join(homeOf('p06'), 'sessions'), { recursive: true });
    put(path.join(homeOf('p06'), 'sessions'));
    const { code, stdout } = await runInProcess(['gc-tmp', '--all-profiles', '--json'], env);
    const removed = JSON.parse(stdout) as Document;
    expect({ code, removed: removed['removed'] }).toEqual({ code: 3, removed: gone.length });
    expect(removed['failed']).toMatchObject([{ profile: 'p06', error: { code: 'IO_ERROR' } }]);
    expect(gone.filter((file) => fs.existsSync(file))).toEqual([]);
    expect(kept.slice(0, -1).filter((file) => !fs.existsSync(file))).toEqual([]);
  });

  it('has its memories committed, of whichever profile, or of one', async () => {
    const { env } = fleet();
    expect((await runInProcess(['memory', 'scan', '-q', '--json'], env)).code).toBe(0);
    const drained = async (...flags: string[]): Promise<unknown[]> => {
      const args = ['memory-drain', '--dry-run', '--command', 'true', ...flags, '--json'];
      const { segments } = JSON.parse((await runInProcess(args, env)).stdout) as { segments: Rows };
      return segments.map(({ session_id: id, profile }) => [id, profile]).sort();
    };
    const all = [
      ['mirror01', 'p03'],
      ['plain001', 'default'],
    ];
    expect(await drained('--all-profiles')).toEqual(all);
    expect(await drained()).toEqual(all);
    expect(await drained('-p', 'p03')).toEqual(all.slice(0, 1));
  });

  it.each([['usage'], ['doctor'], ['gc-tmp'], ['memory-drain']])('%s takes it or -p, not both', async (command) => {
    const { env } = fleet();
    const { human } = await faces([command, '--all-profiles', '-p', 'p01'], env);
    expect(human.code).toBe(2);
    expect(human.stderr).toContain('--all-profiles');
  });
});

describe('a fleet of stores', () => {
  interface Fleet {
    root: string;
    env: Record<string, string>;
    /** The list of all, and the state directory of each. */
    list: string;
    good: string;
    missing: string;
    damaged: string;
    broken: string;
  }

  /** One that is well, one that is not there, one that is damaged in every file, one with a broken database. */
  function fleet(): Fleet {
    const root = temporaryDirectory();
    const sent = (at: number): object => ({ messages: [{ role: 'user', content: 'Hello', timestamp: at }] });
    const good = makeHome(root, 'good', {
      good0001: { ...sent(1777000500), input_tokens: 1, estimated_cost: 1 },
      good0002: { ...sent(1777000100), input_tokens: 2, title: 'Last' },
    });
    makeDatabase(good.home, [{ id: 'cli_good', input_tokens: 16 }]);
    fs.writeFileSync(
      path.join(good.stateDir, 'projects.json'),
      '[{"project_id": "aaaaaaaaaaaa", "name": "One", "created_at": 1777000000.0}]',
    );
    const damaged = makeHome(root, 'damaged', { cut00001: '{"session_id": "cut00001", "messages": [' });
    fs.writeFileSync(path.join(damaged.stateDir, 'projects.json'), '{');
    fs.writeFileSync(path.join(damaged.stateDir, 'sessions', '_index.json'), '[{');
    const broken = makeHome(root, 'broken', {
      broken01: { ...sent(1777000300), input_tokens: 4, pinned: true },
      broken02: { ...sent(1777000400), input_tokens: 8 },
    });
    fs.writeFileSync(path.join(broken.home, 'state.db'), 'no database at all, but some text'.repeat(99));
    const missing = path.join(root, 'missing');
    const list = path.join(root, 'stores');
    const names = ['# The fleet', good.stateDir, '', missing, `${root}/good/../good/webui\r`, damaged.stateDir];
    fs.writeFileSync(list, [...names, `  ${broken.stateDir}`].join('\n'));
    const dirs = { good: good.stateDir, missing, damaged: damaged.stateDir, broken: broken.stateDir };
    return { root, env: strangersEnvironment(root), list, ...dirs };
  }

  /** Every command that takes --stores, each with what it cannot do without. */
  const READERS = [
    ['sessions', 'list'],
    ['sessions', 'search', 'Hello'],
    ['sessions', 'export', '--all', '--output', '/nonexistent/never-made/'],
    ['stats'],
    ['usage'],
    ['doctor'],
    ['reindex', '--check'],
    ['projects', 'list'],
    ['memory', 'status'],
  ];

  const outcomes = ({ stores }: Document): unknown[] =>
    stores!.map(({ state_dir: dir, ok, error }) => [dir, ok ? true : error!.code]);

  it('lists as one, in one order; what fails hides no other', async () => {
    const { env, list, root, ...dirs } = fleet();
    const before = treeHash(root);
    const { json, human } = await faces(['sessions', 'list', '--stores', list], env);
    expect((json['sessions'] as Rows).map(({ session_id: id, store }) => [id, store])).toEqual([
      ['broken01', dirs.broken], // pinned
      ['good0001', dirs.good],
      ['broken02', dirs.broken],
      ['good0002', dirs.good],
    ]);
    expect(json['total']).toBe(4);
    expect(outcomes(json)).toEqual([
      [dirs.good, true],
      [dirs.missing, 'STORE_NOT_FOUND'],
      [dirs.damaged, true],
      [dirs.broken, true],
    ]);
    expect(json.error).toMatchObject({ code: 'PARTIAL', exit: 3 });
    expect(json.error!.details).toEqual({ failed: [{ store: dirs.missing, code: 'STORE_NOT_FOUND' }] });
    expect(json.warnings.map(({ code, store }) => [code, store])).toEqual([
      ['INDEX_BROKEN', dirs.damaged],
      ['SESSION_DAMAGED', dirs.damaged],
    ]);
    expect(lines(human.stdout).map((line) => line.split('\t').at(-1))).toEqual([
      dirs.broken,
      dirs.good,
      dirs.broken,
      dirs.good,
    ]);
    expect(human.stderr).toMatch(new RegExp(`^There is no store at ${dirs.missing}`, 'm'));
    expect(treeHash(root)).toBe(before);
  });

  it('lists a page of it, by any order', async () => {
    const { env, list } = fleet();
    const ids = async (...flags: string[]): Promise<unknown[]> => {
      const { stdout } = await runInProcess(['sessions', 'list', '--stores', list, '--json', ...flags], env);
      const { sessions, total } = JSON.parse(stdout) as { sessions: Rows; total: number };
      expect(total).toBe(4);
      return sessions.map(({ session_id: id }) => id);
    };
    expect(await ids('--limit', '2', '--offset', '1')).toEqual(['good0001', 'broken02']);
    expect(await ids('--limit', '3', '--sort', 'tokens')).toEqual(['broken02', 'broken01', 'good0002']);
    expect(await ids('--limit', '1', '--sort', 'id', '--reverse')).toEqual(['good0002']);
    // The second time from the cache, which knows when a session was active.
    expect(await ids('--limit', '2', '--offset', '1')).toEqual(['good0001', 'broken02']);
  });

  it('is searched store by store, up to the limit', async () => {
    const { env, list, root, good, missing, damaged, broken } = fleet();
    const before = treeHash(root);
    const { json, human } = await faces(['sessions', 'search', 'hello', '--stores', list], env);
    expect((json['hits'] as Rows).map(({ store }) => store)).toEqual([good, good, broken, broken]);
    expect(json['searched']).toMatchObject({ sessions: 4, files: 5, skipped: 1 });
    expect(json.stores!.map(({ hits, searched }) => [hits, (searched as Rows[number])?.['files']])).toEqual([
      [2, 2],
      [undefined, undefined],
      [0, 1],
      [2, 2],
    ]);
    expect(outcomes(json)[1]).toEqual([missing, 'STORE_NOT_FOUND']);
    expect(json.warnings).toMatchObject([{ code: 'SESSION_DAMAGED', store: damaged }]);
    expect(json.error).toMatchObject({ code: 'PARTIAL', exit: 3 });
    expect(lines(human.stdout).map((line) => line.split('\t').at(-1))).toEqual([good, good, broken, broken]);
    expect(human.stderr).toContain('4 hits in 4 sessions; searched 4 sessions of 3 stores');

    const ndjson = await runInProcess(['sessions', 'search', 'hello', '--stores', list, '--ndjson', '-L', '3'], env);
    expect(ndjson.code).toBe(3);
    expect(lines(ndjson.stdout).map((line) => (JSON.parse(line) as Rows[number])['store'])).toEqual([
      good,
      good,
      broken,
    ]);
    expect(JSON.parse(lines(ndjson.stderr)[0])).toMatchObject({ store: missing, error: { code: 'STORE_NOT_FOUND' } });

    // What comes after the limit is not searched; that a store is not there is said all the same.
    const { json: limited } = await faces(['sessions', 'search', 'hello', '--stores', list, '--limit', '2'], env);
    expect(limited['limited']).toBe(true);
    expect(limited.stores!.map(({ searched }) => searched === null)).toEqual([false, false, true, true]);
    expect(outcomes(limited)[1]).toEqual([missing, 'STORE_NOT_FOUND']);
    expect(treeHash(root)).toBe(before);
  });

  it('is counted as one, and by store', async () => {
    const { env, list, root, good, missing, broken } = fleet();
    const { json, human } = await faces(['stats', '--stores', list], env);
    expect(json['totals']).toMatchObject({ sessions: 4, input_tokens: 15, estimated_cost: 1 });
    const by = json['by'] as Record<string, Rows>;
    expect(by['store'].map(({ key, sessions, input_tokens: tokens }) => [key, sessions, tokens])).toEqual([
      [broken, 2, 12],
      [good, 2, 3],
    ]);
    expect(by['profile']).toMatchObject([{ key: 'default', sessions: 4 }]);
    expect((json['oldest'] as Rows).map(({ store }) => store)).toEqual([broken, broken, good, good]);
    expect(json['storage']).toMatchObject({ sessions: { files: 5 }, index: { files: 1 }, databases: [] });
    expect(json.stores!.map(({ totals }) => (totals as Rows[number])?.['sessions'])).toEqual([2, undefined, 0, 2]);
    expect(json.error).toMatchObject({ code: 'PARTIAL', exit: 3 });
    expect(lines(human.stdout).filter((line) => line.startsWith('store\t'))).toHaveLength(2);

    const page = path.join(root, 'page.html');
    const withPage = await faces(['stats', '--stores', list, '--agent', '--all-profiles', '--html', page], env);
    expect(withPage.json['totals']).toMatchObject({ sessions: 5, input_tokens: 31 });
    expect(withPage.json.warnings.map(({ code }) => code)).toContain('DATABASE_UNUSABLE');
    expect(fs.readFileSync(page, 'utf8')).toContain(`Without ${missing}: There is no store`);
    // One that is of nothing does not replace it.
    fs.writeFileSync(list, missing);
    expect((await faces(['stats', '--stores', list, '--html', page], env)).json).not.toHaveProperty('html');
    expect(fs.readFileSync(page, 'utf8')).toContain('Without');
    fs.writeFileSync(list, `${good}\n${broken}`);
    const inStore = ['stats', '--stores', list, '--html', path.join(broken, 'sessions', 'x')];
    expect((await faces(inStore, env)).human.code).toBe(2);
    // An unusable database is what is missing from it.
    const { json: unusable } = await faces(['stats', '--stores', list, '--agent', '--all-profiles'], env);
    expect(unusable.error).toMatchObject({ code: 'PARTIAL', details: { failed: [{ code: 'DATABASE_UNUSABLE' }] } });
  });

  it('is exported to a directory for each store, or all to one stream, and comes back as it was', async () => {
    const { env, list, root, good, missing, damaged, broken } = fleet();
    const dir = path.join(root, 'backup');
    const asked = ['sessions', 'export', '--all', '--stores', list];
    const { code, stdout } = await runInProcess([...asked, '--output', dir, '--json'], env);
    const json = JSON.parse(stdout) as Document & { files: { path: string; store: string }[] };
    expect(code).toBe(3);
    expect(json.files.map(({ store }) => store)).toEqual([good, good, broken, broken]);
    expect(json['export']).toMatchObject({ exported: 4 });
    expect(json['failed']).toMatchObject([
      { store: damaged, session_id: 'cut00001', error: { code: 'SESSION_DAMAGED' } },
    ]);
    expect(json.stores!.map(({ exported, failed }) => [exported, failed])).toEqual([
      [2, 0],
      [undefined, undefined],
      [0, 1],
      [2, 0],
    ]);
    expect(outcomes(json)[1]).toEqual([missing, 'STORE_NOT_FOUND']);
    expect(new Set(json.files.map(({ path: file }) => path.basename(path.dirname(file))))).toEqual(
      new Set([good, broken].map((store) => store.slice(1).replaceAll('/', '+'))),
    );
    for (const { path: file, store } of json.files) {
      const original = path.join(store, 'sessions', `${path.basename(file, '.ndjson')}.json`);
      expect(JSON.parse(fs.readFileSync(file, 'utf8'))).toEqual(JSON.parse(fs.readFileSync(original, 'utf8')));
    }
    const again = path.join(root, 'again', 'webui');
    fs.mkdirSync(path.join(again, 'sessions'), { recursive: true });
    const files = json.files.filter(({ store }) => store === good);
    const together = path.join(root, 'good.ndjson');
    fs.writeFileSync(together, files.map(({ path: file }) => fs.readFileSync(file, 'utf8')).join(''));
    expect((await runInProcess(['sessions', 'import', together, '--state-dir', again, '-q'], env)).code).toBe(0);
    expect(fs.readdirSync(path.join(again, 'sessions')).sort()).toEqual(
      expect.arrayContaining(['good0001.json', 'good0002.json']),
    );

    const stream = await runInProcess([...asked, '--ndjson'], env);
    expect(stream.code).toBe(3);
    const sessions = lines(stream.stdout).map((line) => JSON.parse(line) as Rows[number]);
    expect(sessions.map(({ session_id: id }) => id)).toEqual(['good0001', 'good0002', 'broken01', 'broken02']);
    for (const one of sessions) expect(one).not.toHaveProperty('store');
    expect(lines(stream.stderr).map((line) => (JSON.parse(line) as Rows[number])['store'])).toEqual([
      missing,
      damaged,
      undefined,
    ]);

    // Into the stream of many only lines go, and into a file nothing.
    for (const refused of [['--json'], ['-f', 'markdown'], ['-f', 'html'], ['--output', list]])
      expect((await runInProcess([...asked, ...refused], env)).code, refused.join(' ')).toBe(2);
    const inStore = await runInProcess([...asked, '--output', path.join(broken, 'sessions', 'x')], env);
    expect([inStore.code, fs.existsSync(path.join(broken, 'sessions', 'x'))]).toEqual([13, false]);
  });

  it('lists as NDJSON: rows on standard output, everything else as JSON lines on standard error', async () => {
    const { env, list, missing, damaged } = fleet();
    const { code, stdout, stderr } = await runInProcess(
      ['sessions', 'list', '--stores', list, '--ndjson', '--columns', 'session_id,store'],
      env,
    );
    expect(code).toBe(3);
    const rows = lines(stdout).map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows).toHaveLength(4);
    for (const row of rows) expect(Object.keys(row)).toEqual(['session_id', 'store']);
    const told = lines(stderr).map((line) => JSON.parse(line) as Record<string, Record<string, unknown>>);
    expect(told[0]).toMatchObject({ store: missing, error: { code: 'STORE_NOT_FOUND', exit: 10 } });
    expect(told[1]).toMatchObject({ warning: { code: 'INDEX_BROKEN', store: damaged } });
    expect(told.at(-1)).toMatchObject({ error: { code: 'PARTIAL', exit: 3 } });
    expect(told).toHaveLength(4);
  });

  it('is summed as one, by store', async () => {
    const { env, list, good, broken } = fleet();
    const { json, human } = await faces(['usage', '--stores', list], env);
    expect(json['totals']).toMatchObject({ sessions: 4, input_tokens: 15, estimated_cost: 1 });
    expect((json['usages'] as Rows).map(({ store }) => store)).toEqual([good, good, broken, broken]);
    expect(json.stores!.map(({ totals }) => (totals as Rows[number] | undefined)?.['input_tokens'])).toEqual([
      3,
      undefined,
      0,
      12,
    ]);
    expect(json.error).toMatchObject({ code: 'PARTIAL' });
    expect(lines(human.stdout)).toHaveLength(4);
    const { json: all } = await faces(['usage', '--stores', list, '--all-profiles'], env);
    expect(all['totals']).toMatchObject({ sessions: 5, input_tokens: 31 });
    expect((all['profiles'] as Rows).map(({ store, sessions }) => [store, sessions])).toEqual([
      [good, 3],
      [broken, 2],
    ]);
  });

  it.runIf(hasProgram('script'))('has room for the store where a terminal has none for all columns', async () => {
    const { env, list } = fleet();
    const { stdout } = await cliOnTerminal(['usage', '--stores', list, '--no-color'], env, 60);
    const [header] = lines(stdout).filter((line) => line.startsWith('SESSION ID'));
    expect(header).toMatch(/^SESSION ID +STORE +INPUT/);
    expect(stdout).toContain('Too narrow here for: ');
  });

  it('is looked at by the doctor, each store for itself, and by commands that name it', async () => {
    const { env, list, good, damaged, broken, root } = fleet();
    const { json, human } = await faces(['doctor', '--stores', list, '-q'], env);
    expect(json.error).toMatchObject({ code: 'PARTIAL', exit: 3 });
    const findings = json['findings'] as Rows;
    expect(findings.map(({ check, store }) => [store, check])).toEqual([
      [good, 'index-missing'],
      [damaged, 'session-unreadable'],
      [damaged, 'index-broken'],
      [damaged, 'projects-broken'],
      [broken, 'index-missing'],
      [broken, 'database-unusable'],
    ]);
    expect(findings[0]['command']).toBe(`hermesctl reindex --state-dir ${good} --hermes-home ${root}/good`);
    expect(json.stores!.map(({ findings: count }) => count)).toEqual([1, undefined, 3, 2]);
    expect(lines(human.stdout)).toHaveLength(6);
    // Where only something is found, that is what it ends with.
    fs.writeFileSync(list, `${good}\n${broken}\n`);
    expect((await faces(['doctor', '--stores', list], env)).json.error).toMatchObject({ code: 'PROBLEMS_FOUND' });
  });

  it('is checked for what its indexes say, its projects and its memories', async () => {
    const { env, list, good, damaged, broken } = fleet();
    const { json: drift, human } = await faces(['reindex', '--check', '--stores', list], env);
    expect((drift['drift'] as Rows).map(({ kind, store }) => [kind, store])).toEqual([
      ['missing', good],
      ['missing', good],
      ['unusable', damaged],
      ['missing', broken],
      ['missing', broken],
    ]);
    expect(drift.error).toMatchObject({ code: 'PARTIAL' });
    expect(lines(human.stdout)).toHaveLength(5);

    const { json: projects } = await faces(['projects', 'list', '--stores', list], env);
    expect(projects['projects']).toMatchObject([{ name: 'One', store: good }]);
    expect(projects['total']).toBe(1);
    expect(outcomes(projects).map((one) => (one as unknown[])[1])).toEqual([
      true,
      'STORE_NOT_FOUND',
      'STORE_DAMAGED',
      true,
    ]);

    expect((await runInProcess(['memory', 'scan', '--state-dir', broken, '-q'], env)).code).toBe(0);
    const { json: none } = await faces(['memory', 'status', '--stores', list], env);
    expect(none.stores!.map(({ ledger }) => typeof ledger)).toEqual(['object', 'undefined', 'object', 'string']);
    expect(none).toMatchObject({ dirty: 0, ledger: null });
  });

  it('ends as its stores do where all fail alike', async () => {
    const { env, list, missing, root } = fleet();
    fs.writeFileSync(list, `${missing}\n${root}/neither\n`);
    for (const args of READERS) {
      const { json } = await faces([...args, '--stores', list], env);
      expect(json.error).toMatchObject({ code: 'STORE_NOT_FOUND', exit: 10 });
      expect(json.stores).toHaveLength(2);
    }
  });

  it('may be none at all', async () => {
    const { env, list } = fleet();
    fs.writeFileSync(list, '\n# none yet\n');
    const { json } = await faces(['sessions', 'list', '--stores', list], env);
    expect(json).toEqual({ sessions: [], total: 0, stores: [], warnings: [] });
    for (const args of READERS)
      expect((await faces([...args, '--stores', list], env)).json).toMatchObject({ stores: [] });
  });

  it('asks the databases of a home that stores share once', async () => {
    const root = temporaryDirectory();
    const { home, stateDir } = makeHome(root, 'home', { first001: { input_tokens: 1 } });
    const other = path.join(root, 'other');
    fs.mkdirSync(path.join(other, 'sessions'), { recursive: true });
    fs.writeFileSync(
      path.join(other, 'sessions', 'second01.json'),
      JSON.stringify(session('second01', { input_tokens: 2 })),
    );
    makeDatabase(home, [
      { id: 'first001', source: 'webui', input_tokens: 1 },
      { id: 'second01', source: 'webui', input_tokens: 2 },
      { id: 'cli_only', input_tokens: 4 },
    ]);
    const env = { ...strangersEnvironment(root), HERMES_HOME: home };
    const list = path.join(root, 'stores');
    for (const order of [
      [stateDir, other],
      [path.join(root, 'missing'), other, stateDir],
    ]) {
      fs.writeFileSync(list, order.join('\n'));
      const { json: usage } = await faces(['usage', '--all-profiles', '--stores', list], env);
      expect(usage['totals']).toMatchObject({ sessions: 3, input_tokens: 7 });
      const { json } = await faces(['sessions', 'list', '--agent', '--all', '--sort', 'id', '--stores', list], env);
      expect((json['sessions'] as Rows).map(({ session_id: id }) => id)).toEqual(['cli_only', 'first001', 'second01']);
      const { json: stats } = await faces(['stats', '--agent', '--stores', list], env);
      expect(stats['totals']).toMatchObject({ sessions: 3, input_tokens: 7 });
      expect(stats['storage']).toMatchObject({ databases: [{ profile: 'default' }] });
      const search = ['sessions', 'search', 'Again', '--agent', '--stores', list];
      const { json: found } = await faces(search, env);
      expect(found['hits']).toMatchObject([{ session_id: 'cli_only' }]);
      const { stdout } = await runInProcess(['sessions', 'export', '--all', '--agent', '--stores', list], env);
      expect(lines(stdout).filter((line) => line.includes('"cli_only"'))).toHaveLength(1);
      expect(lines(stdout)).toHaveLength(3);
    }
  });

  it('is named by a list that can be read, and by nothing else beside it', async () => {
    const { env, list, good, root } = fleet();
    expect((await faces(['usage', '--stores', path.join(root, 'no-list')], env)).json.error).toMatchObject({
      code: 'IO_ERROR',
      exit: 1,
    });
    expect((await faces(['usage', '--stores', root], env)).json.error).toMatchObject({ code: 'IO_ERROR' });
    const byNul = path.join(root, 'by-nul');
    fs.writeFileSync(byNul, `${good}\0`);
    expect((await faces(['doctor', '--stores', byNul], env)).json.error).toMatchObject({ code: 'USAGE' });
    const refused = [
      ['sessions', 'list', '--state-dir', good],
      ['sessions', 'list', '--ids'],
      ['sessions', 'list', '--watch'],
      ['sessions', 'export', 'good0001'],
      ['usage', 'good0001'],
      ['doctor', '--repair'],
      ['reindex'],
      ['reindex', '--check', 'good0001'],
      ['memory', 'status', 'good0001'],
    ];
    for (const args of refused) {
      // One face: --ids and --json exclude each other.
      const { code, stderr } = await runInProcess([...args, '--stores', list], env);
      expect({ args, code }).toEqual({ args, code: 2 });
      expect(stderr).toContain('--stores');
    }
    // What is wrong with the question is said once, and not of each store.
    const asked = await faces(['sessions', 'list', '--since', 'nonsense', '--stores', list], env);
    expect(asked.json.error).toMatchObject({ code: 'USAGE' });
    expect(asked.json).not.toHaveProperty('sessions');
  });

  it('is named on standard input, by lines or NUL, or by relative paths', async () => {
    const { env, good, broken, root } = fleet();
    const count = async (args: string[], stdin: string): Promise<unknown> => {
      const { code, stdout } = await cli([...args, '--json'], { env, stdin, cwd: root });
      expect(code).toBe(args[0] === 'reindex' ? 4 : 0);
      return (JSON.parse(stdout) as Document).stores!.map(({ state_dir: dir }) => dir);
    };
    const [byLine, byNul, empty] = await Promise.all([
      count(['usage', '--stores', '-'], 'good/webui\nbroken/webui'),
      count(['reindex', '--check', '--stores', '-', '-0'], `${good}\0${broken}\0`),
      count(['usage', '--stores', '-'], ''),
    ]);
    expect([byLine, byNul, empty]).toEqual([[good, broken], [good, broken], []]);
  });

  it.runIf(hasProgram('script'))(
    'shows where each session is on a terminal, and never waits for a list there',
    async () => {
      const { env, list, good } = fleet();
      const [table, narrow, waiting] = await Promise.all([
        cliOnTerminal(['sessions', 'list', '--stores', list, '--no-color'], env),
        cliOnTerminal(['sessions', 'search', 'hello', '--stores', list, '--no-color'], env, 40),
        cliOnTerminal(['sessions', 'list', '--stores', '-'], env),
      ]);
      expect(table.stdout).toMatch(/SESSION ID .* STORE/);
      // By what tells the stores apart, in the little room there is.
      expect(table.stdout).toMatch(/good0001 .* good\/webui\r?\n/);
      expect(table.code).toBe(3);
      expect(narrow.stdout).toContain(`${good}\r\n`);
      expect(narrow.code).toBe(3);
      expect(waiting.code).toBe(2);
      expect(waiting.stdout).toContain('--stores - would wait');
    },
  );
});
