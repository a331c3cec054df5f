// What is measured: groups of programs that are run in turns, so that what the machine does meanwhile meets all of them.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { storeAt, storeNamed } from './stores.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

/**
 * One line of the table.
 *
 * @typedef {object} Case
 * @property {string} work
 * @property {string | undefined} [size]
 * @property {import('./measure.mjs').Run} run
 * @property {() => void} [before] is done before each run, in no time
 * @property {() => number} [ms] what is measured instead of the whole process, told after a run
 * @property {string} [to] the work in this group, of the same size, that it is compared with
 * @property {string | undefined} [smaller] the size that it is compared with
 */

/**
 * @typedef {object} Group
 * @property {string} name
 * @property {string} title
 * @property {number} rounds
 * @property {() => Case[]} cases
 */

/**
 * @typedef {object} Setup
 * @property {string} kept where the stores are
 * @property {string} work a directory for copies, which is thrown away
 * @property {string[]} program
 * @property {boolean} quick
 */

/** @type {Case} */
const BARE = { work: 'node -e 0', run: { command: [process.execPath, '-e', '0'], env: environment('/', '/') } };

/**
 * The environment in which everything runs: that of this process without what
 * would point the program elsewhere or change how Node.js starts.
 *
 * @param {string} dir
 * @param {string} cache
 * @returns {NodeJS.ProcessEnv}
 */
export function environment(dir, cache) {
  const own = Object.entries(process.env).filter(([name]) => !/^(HERMES|NODE_|NO_COLOR|FORCE_COLOR|XDG_)/.test(name));
  return {
    ...Object.fromEntries(own),
    HOME: dir,
    HERMES_HOME: dir,
    HERMES_WEBUI_STATE_DIR: path.join(dir, 'webui'),
    HERMES_WEBUI_DEFAULT_WORKSPACE: '/srv/work',
    XDG_CACHE_HOME: cache,
  };
}

/** @param {Setup} setup @returns {Group[]} */
export function groups(setup) {
  const { quick } = setup;
  const sizes = quick ? ['100', '10000'] : ['100', '10000', '100000'];
  const copies = new Copies(setup);

  /**
   * The same at every size, beside what it is compared with.
   *
   * @param {(copy: Copy, size: string) => Case[]} make
   */
  const everySize = (make) => [
    BARE,
    ...sizes.flatMap((size, i) =>
      make(copies.of(size), size).map((one) => ({ ...one, size, smaller: i > 0 ? sizes[i - 1] : undefined })),
    ),
  ];

  /**
   * A command that reads all session files, where there is such a command.
   *
   * @param {string[]} command
   * @param {Record<string, string[]>} kinds its arguments, by what they are called
   */
  const reading = (command, kinds) => {
    if (!copies.of('100').has(command)) return [];
    return everySize((copy) => [
      copy.shell('cat', CAT, copy.store.sessions),
      ...Object.entries(kinds).map(([work, args]) => {
        const ours = copy.ours(work, [...command, ...args], copy.codeOf([...command, ...args]));
        return { ...ours, run: { ...ours.run, isLarge: true }, to: 'cat' };
      }),
    ]);
  };

  return [
    {
      name: 'start',
      title: 'Start-up, beside bare Node.js',
      rounds: quick ? 7 : 15,
      cases: () => {
        const copy = copies.of('100');
        const [id] = copy.store.ids;
        return [
          BARE,
          copy.ours('--version', ['--version']),
          copy.ours('--help', ['--help']),
          copy.ours('a usage error', ['sessions', 'list', '--nonsense'], 2),
          copy.ours('an unknown command', ['nonsense'], 2),
          copy.ours('sessions list --json', ['sessions', 'list', '--json']),
          copy.ours('sessions status', ['sessions', 'status', id, '--json']),
          copy.ours('sessions show --metadata', ['sessions', 'show', id, '--metadata', '--json']),
        ];
      },
    },
    {
      name: 'list',
      title: 'A page of a list, from the list cache',
      rounds: quick ? 7 : 15,
      cases: () => everySize((copy) => [copy.ours('sessions list --limit 50', LIST)]),
    },
    {
      name: 'list-cold',
      title: 'A page of a list, made anew; beside reading and parsing the index',
      rounds: quick ? 3 : 7,
      cases: () =>
        everySize((copy) => [
          copy.node('read and parse the index', ['parse-file.cjs', path.join(copy.store.sessions, '_index.json')]),
          {
            ...copy.ours('sessions list --limit 50 --no-cache', [...LIST, '--no-cache']),
            to: 'read and parse the index',
          },
          {
            ...copy.ours('sessions list --limit 50, no cache yet', LIST),
            before: () => copy.forget('list'),
            to: 'read and parse the index',
          },
        ]),
    },
    {
      name: 'show',
      title: 'One session, beside cat of its file',
      rounds: quick ? 5 : 11,
      cases: () =>
        everySize((copy) => [
          copy.shell('cat', `cat -- "$1" > /dev/null`, copy.file(copy.usual)),
          { ...copy.ours('sessions show', ['sessions', 'show', copy.usual, '--json']), to: 'cat' },
        ]),
    },
    {
      name: 'undo',
      title: 'Taking back a turn, beside cp and fsync of the file',
      rounds: quick ? 5 : 11,
      cases: () =>
        everySize((copy) => [
          copy.shell('cp, fsync', COPY, copy.file(copy.usual)),
          {
            ...copy.ours('sessions undo', ['sessions', 'undo', copy.usual, '--json']),
            before: () => copy.restore(copy.usual),
            to: 'cp, fsync',
          },
        ]),
    },
    {
      name: 'reindex',
      title: 'The index made anew, beside cat of all session files',
      rounds: quick ? 2 : 5,
      cases: () =>
        everySize((copy) => [
          copy.shell('cat', CAT, copy.store.sessions),
          { ...copy.ours('reindex --full', ['reindex', '--full', '--json']), to: 'cat' },
        ]),
    },
    {
      name: 'reindex-again',
      title: 'The index made anew where nothing changed, beside a stat of every file',
      rounds: quick ? 5 : 9,
      cases: () =>
        everySize((copy) => [
          copy.node('stat', ['stat-all.cjs', copy.store.sessions]),
          { ...copy.ours('reindex', ['reindex', '--json']), to: 'stat' },
        ]),
    },
    {
      name: 'gc-tmp',
      title: 'Looking for files left behind, beside a stat of every file',
      rounds: quick ? 3 : 7,
      cases: () =>
        everySize((copy) => [
          copy.node('stat', ['stat-all.cjs', copy.store.sessions]),
          { ...copy.ours('gc-tmp', ['gc-tmp', '--json']), to: 'stat' },
        ]),
    },
    {
      name: 'doctor',
      title: 'All checks of all files, beside cat of all session files',
      rounds: quick ? 2 : 5,
      cases: () =>
        everySize((copy) => [
          copy.shell('cat', CAT, copy.store.sessions),
          { ...copy.ours('doctor', ['doctor', '--json'], copy.codeOf(['doctor', '--json'])), to: 'cat' },
        ]),
    },
    {
      name: 'export',
      title: 'Every session in one stream, beside cat of all session files',
      rounds: quick ? 2 : 5,
      cases: () => reading(['sessions', 'export'], { 'sessions export': ['--all', '--ndjson'] }),
    },
    {
      name: 'search',
      title: 'Text in all sessions, beside cat of all session files',
      rounds: quick ? 2 : 5,
      cases: () =>
        reading(['sessions', 'search'], {
          'sessions search, nowhere': ['no such words'],
          'sessions search, in every message': ['deploy'],
          'the same, --ndjson': ['deploy', '--ndjson'],
        }),
    },
    {
      name: 'large',
      title: 'A session of 500 MB, beside cp and fsync of its file',
      rounds: 5,
      cases: () => {
        if (quick) return [];
        const copy = copies.of('large');
        const [id] = copy.store.ids;
        return [
          BARE,
          { ...copy.shell('cp, fsync', COPY, copy.file(id)), size: '500 MB' },
          {
            ...copy.ours('sessions undo', ['sessions', 'undo', id, '--json']),
            before: () => copy.restore(id),
            size: '500 MB',
            to: 'cp, fsync',
          },
        ];
      },
    },
    {
      name: 'agent',
      title: 'Agent sessions: 20,000 with 2,000,000 messages',
      rounds: quick ? 3 : 9,
      cases: () => agentCases(setup),
    },
    {
      name: 'peer',
      title: 'The index made anew, beside the Python of the checkout that HERMES_WEBUI_SRC names',
      rounds: quick ? 1 : 3,
      cases: () => {
        const checkout = process.env.HERMES_WEBUI_SRC;
        if (!checkout) return [];
        const copy = copies.of('10000');
        const interpreter = pythonFor(checkout, copy.env);
        if (interpreter === undefined) return [];
        const python = [interpreter, path.join(here, 'peer.py'), checkout, path.join(copy.store.dir, 'webui')];
        return [
          BARE,
          copy.shell('cat', CAT, copy.store.sessions),
          { ...copy.ours('reindex --full', ['reindex', '--full', '--json']), to: 'cat' },
          { work: 'the Python', run: { command: python, env: copy.env }, to: 'cat' },
        ].map((one) => ({ ...one, size: one === BARE ? undefined : '10000' }));
      },
    },
  ];
}

const LIST = ['sessions', 'list', '--limit', '50', '--json'];

/** As a shell reads all files of a directory, however many they are. */
const CAT = `find "$1" -name '*.json' -print0 | xargs -0 cat > /dev/null`;

const COPY = 'cp -- "$1" "$1.copy" && sync -- "$1.copy"; rm -f -- "$1.copy"';

/** @param {Setup} setup @returns {Case[]} */
function agentCases({ kept, work, program }) {
  const store = storeNamed(kept, 'agent');
  const told = path.join(work, 'query-time.json');
  const env = { ...environment(store.dir, path.join(work, 'cache-agent')), HERMESCTL_BENCH_QUERY_TIME: told };
  // In a pipe no total is shown, and none is made; a document has one.
  const list = [...program.slice(1), 'sessions', 'list', '--limit', '50', '--agent', '--no-cache'];
  const seed = [path.join(here, 'seed-query.mjs'), path.join(store.dir, 'state.db')];
  const preloaded = [process.execPath, '--require', path.join(here, 'query-time.cjs')];
  const span = () => {
    /** @type {unknown} */
    const time = JSON.parse(readFileSync(told, 'utf8'));
    return /** @type {{ span: number }} */ (time).span;
  };
  /** @param {string} name @param {string[]} args @returns {Case} */
  const query = (name, args) => ({
    work: `${name}: the query`,
    run: { command: [...preloaded, ...args], env },
    ms: span,
  });
  /** @param {string} name @param {string[]} args @returns {Case} */
  const whole = (name, args) => ({ work: name, run: { command: [process.execPath, ...args], env } });
  const ours = 'sessions list --agent --limit 50';
  return [
    BARE,
    whole(ours, list),
    whole('the server of April 2026', seed),
    { ...query(ours, list), to: 'the server of April 2026: the query' },
    { ...query(`${ours} --json`, [...list, '--json']), to: 'the server of April 2026: the query' },
    query('the server of April 2026', seed),
    query('the same with counts by role', [...seed, 'counts']),
  ];
}

/**
 * A Python that can load the checkout. The system's own before one that a
 * version manager wraps in a script.
 *
 * @param {string} checkout
 * @param {NodeJS.ProcessEnv} env
 */
function pythonFor(checkout, env) {
  const found = ['/usr/bin/python3', 'python3'].find(
    (python) => spawnSync(python, ['-c', 'import api.models'], { cwd: checkout, env, stdio: 'ignore' }).status === 0,
  );
  if (found === undefined) process.stderr.write(`No python3 loads ${checkout}.\n`);
  return found;
}

/** Copies of the stores, made when they are first asked for. */
class Copies {
  /** @type {Map<string, Copy>} */
  #made = new Map();

  /** @param {Setup} setup */
  constructor(setup) {
    this.setup = setup;
  }

  /** @param {string} name */
  of(name) {
    let copy = this.#made.get(name);
    if (copy === undefined) {
      copy = new Copy(this.setup, name);
      this.#made.set(name, copy);
    }
    return copy;
  }
}

/** A copy of a store, which may be written to, and a cache of its own. */
class Copy {
  /**
   * @param {Setup} setup
   * @param {string} name
   */
  constructor({ kept, work, program }, name) {
    this.original = storeNamed(kept, name);
    const dir = path.join(work, name);
    cpSync(this.original.dir, dir, { recursive: true, preserveTimestamps: true });
    this.store = storeAt(dir);
    this.cache = path.join(work, `cache-${name}`);
    this.env = environment(dir, this.cache);
    this.program = program;
    mkdirSync(this.cache, { mode: 0o700 });
    // Of a usual size: half of the files are larger.
    const bySize = this.store.ids
      .map((id) => ({ id, size: statSync(this.file(id)).size }))
      .sort((a, b) => a.size - b.size);
    this.usual = bySize[Math.floor(bySize.length / 2)].id;
    if (name !== 'large') this.codeOf(['reindex']);
  }

  /** @param {string} id */
  file(id) {
    return path.join(this.store.sessions, `${id}.json`);
  }

  /**
   * @param {string} work
   * @param {string[]} args
   * @param {number} [exit]
   * @returns {Case}
   */
  ours(work, args, exit = 0) {
    return { work, run: { command: [...this.program, ...args], env: this.env, exit } };
  }

  /** @param {string} work @param {string[]} args @returns {Case} */
  node(work, [script, ...args]) {
    return { work, run: { command: [process.execPath, path.join(here, script), ...args], env: this.env } };
  }

  /** @param {string} work @param {string} script @param {string} argument @returns {Case} */
  shell(work, script, argument) {
    return { work, run: { command: ['sh', '-c', script, 'sh', argument], env: this.env } };
  }

  /**
   * The exit code: what a command finds is no failure of it.
   *
   * @param {string[]} args
   */
  codeOf(args) {
    const [node, ...program] = this.program;
    const { status, stderr } = spawnSync(node, [...program, ...args], {
      env: this.env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    if (status === null || status === 2 || status >= 10)
      throw new Error(`${args.join(' ')}: ${String(status)} ${String(stderr)}`);
    return status;
  }

  /**
   * Whether there is such a command.
   *
   * @param {string[]} command
   */
  has(command) {
    const [node, ...program] = this.program;
    return spawnSync(node, [...program, ...command, '--help'], { env: this.env, stdio: 'ignore' }).status === 0;
  }

  /**
   * Throws away what is kept to list faster.
   *
   * @param {string} part
   */
  forget(part) {
    const own = path.join(this.cache, 'hermesctl');
    for (const name of existsSync(own) ? readdirSync(own) : [])
      if (name.includes(part)) rmSync(path.join(own, name), { recursive: true, force: true });
  }

  /**
   * Puts a session back as it was, and takes away what a change of it left.
   *
   * @param {string} id
   */
  restore(id) {
    const file = this.file(id);
    const original = path.join(this.original.sessions, `${id}.json`);
    rmSync(`${file}.bak`, { force: true });
    copyFileSync(original, file);
    const { atime, mtime } = statSync(original);
    utimesSync(file, atime, mtime);
  }
}
