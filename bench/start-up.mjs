// Where the time of a start goes, by module: `node bench/start-up.mjs [--docs] [COMMAND LINE]`. Build first. With --docs
// the table is put into docs/performance.md, too.
//
// V8's profiler looks 20,000 times a second at what runs; each look is put down to the module of the bundle that runs,
// or for which Node.js works, over many runs. Looking costs time itself: it is shares that count.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { environment } from './cases.mjs';
import { median, timed } from './measure.mjs';
import { intoPage, machine } from './report.mjs';
import { KEPT, storeNamed } from './stores.mjs';

const RUNS = 20;
const SHOWN = 25;
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const program = path.join(root, 'bin', 'run.js');

/**
 * What V8 writes, as far as it is read here. Times in microseconds.
 *
 * @typedef {object} Profile
 * @property {Node[]} nodes
 * @property {number[]} samples
 * @property {number[]} timeDeltas
 */

/**
 * @typedef {object} Node
 * @property {number} id
 * @property {{ functionName: string, url: string, lineNumber: number, columnNumber: number }} callFrame
 * @property {number[]} [children]
 */

/** What one module costs: in its own code, and in what Node.js does for it. In ms. @typedef {{ own: number, node: number }} Cost */

const isForDocs = process.argv[2] === '--docs';
const given = process.argv.slice(isForDocs ? 3 : 2);
const args = given.length > 0 ? given : ['sessions', 'list', '--json'];

const work = mkdtempSync(path.join(os.tmpdir(), 'hermesctl-start-'));

function profile() {
  const store = storeNamed(KEPT, '100');
  const env = environment(store.dir, path.join(work, 'cache'));
  const run = (/** @type {string[]} */ ...command) => timed({ command: [process.execPath, ...command], env }).ms;
  for (let i = 0; i < 5; i++) run(program, ...args); // what V8 compiles is kept from the first runs
  const [bare, ours] = [[], []].map(() => /** @type {number[]} */ ([]));
  for (let i = 0; i < RUNS; i++) {
    bare.push(run('-e', '0'));
    ours.push(run(program, ...args));
  }
  const profiles = path.join(work, 'profiles');
  const flags = ['--cpu-prof', '--cpu-prof-interval', '50', '--cpu-prof-dir', profiles];
  const watched = (/** @type {number} */ times) => {
    for (let i = 0; i < times; i++) spawnSync(process.execPath, [...flags, program, ...args], { env, stdio: 'ignore' });
  };
  watched(5); // with these flags, compiled code is kept by itself
  rmSync(profiles, { recursive: true });
  watched(RUNS);
  const files = readdirSync(profiles);
  /** @type {Map<string, Cost>} */
  const costs = new Map();
  for (const file of files) {
    /** @type {unknown} */
    const read = JSON.parse(readFileSync(path.join(profiles, file), 'utf8'));
    add(/** @type {Profile} */ (read), costs, files.length);
  }
  report(costs, bare, ours);
}

/**
 * @param {Map<string, Cost>} costs
 * @param {number[]} bare
 * @param {number[]} ours
 */
function report(costs, bare, ours) {
  const ratio = median(ours.map((ms, i) => ms / bare[i]));
  const lines = [...costs].map(([module, { own, node }]) => ({ module, own, node, sum: own + node }));
  lines.sort((a, b) => b.sum - a.sum);
  const rest = lines.slice(SHOWN);
  const total = (/** @type {'own' | 'node' | 'sum'} */ part, from = lines) =>
    from.reduce((sum, line) => sum + line[part], 0);
  const shown = [
    ...lines.slice(0, SHOWN),
    { module: `${rest.length} others`, own: total('own', rest), node: total('node', rest), sum: total('sum', rest) },
  ];
  const cell = (/** @type {number} */ ms) => ms.toFixed(2).padStart(7);
  const width = Math.max(...shown.map(({ module }) => module.length));
  const text = [
    `\`hermesctl ${args.join(' ')}\`: ${median(ours).toFixed(1)} ms, ${ratio.toFixed(2)} × \`node -e 0\` (${median(bare).toFixed(1)} ms)`,
    '',
    `| ${'module'.padEnd(width)} |  own ms | Node.js | both ms |   share |`,
    `| ${'-'.repeat(width)} | ------: | ------: | ------: | ------: |`,
    ...shown.map(({ module, own, node, sum }) => {
      const share = `${((100 * sum) / total('sum')).toFixed(1)} %`.padStart(7);
      return `| ${module.padEnd(width)} | ${cell(own)} | ${cell(node)} | ${cell(sum)} | ${share} |`;
    }),
  ].join('\n');
  process.stdout.write(`${text}\n`);
  if (isForDocs) intoPage('start-up', `${machine([process.execPath, program])}\n\n${text}`);
}

/**
 * Puts the looks of one run down to modules.
 *
 * @param {Profile} profile
 * @param {Map<string, Cost>} costs
 * @param {number} runs
 */
function add({ nodes, samples, timeDeltas }, costs, runs) {
  /** @type {Map<number, { node: Node, parent: number | undefined }>} */
  const byId = new Map(nodes.map((node) => [node.id, { node, parent: undefined }]));
  for (const { id, children = [] } of nodes) {
    for (const child of children) {
      const known = byId.get(child);
      if (known) known.parent = id;
    }
  }
  for (const [i, sample] of samples.entries()) {
    const top = byId.get(sample);
    if (!top || top.node.callFrame.functionName === '(idle)') continue;
    let at = top;
    let module = moduleOf(at.node);
    while (module === undefined && at.parent !== undefined) {
      const parent = byId.get(at.parent);
      if (!parent) break;
      at = parent;
      module = moduleOf(at.node);
    }
    const name = module ?? `Node.js itself (${kindOf(top.node)})`;
    const cost = costs.get(name) ?? { own: 0, node: 0 };
    cost[at === top ? 'own' : 'node'] += timeDeltas[i] / 1000 / runs;
    costs.set(name, cost);
  }
}

/** @param {Node} node */
function kindOf({ callFrame: { functionName, url } }) {
  if (functionName === '(garbage collector)') return 'collecting garbage';
  if (functionName === '(program)') return 'native code';
  return url.startsWith('node:') ? 'its own modules' : 'the rest';
}

/** What is where in the files of the bundle. @type {Map<string, { lines: number[], modules: { from: number, name: string }[] }>} */
const bundles = new Map();

/**
 * The module that a function of the bundle is of; undefined for one of Node.js.
 *
 * @param {Node} node
 */
function moduleOf({ callFrame: { url, lineNumber, columnNumber } }) {
  const file = url.replace(/^file:\/\//, '');
  if (!file.startsWith(root)) return undefined;
  const name = path.relative(root, file);
  if (!name.startsWith('dist') || name === path.join('dist', 'launch.js')) return name;
  let bundle = bundles.get(file);
  if (bundle === undefined) {
    const text = readFileSync(file, 'latin1');
    const lines = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
    const modules = [...text.matchAll(/__commonJS\(\{"([^"\n]+)"\(/g)].map((match) => ({
      from: match.index,
      name: match[1].replace(/^node_modules\//, ''),
    }));
    bundle = { lines, modules };
    bundles.set(file, bundle);
  }
  const offset = bundle.lines[lineNumber] + columnNumber;
  return bundle.modules.findLast(({ from }) => from <= offset)?.name ?? name;
}

try {
  profile();
} finally {
  rmSync(work, { recursive: true, force: true });
}
