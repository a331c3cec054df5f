// `npm run bench -- [options]`: measures every kind of work on stores of several sizes. Build first. Times hang on the
// machine and on what else it does; what is compared was run in turns, and a ratio is the median of those of each turn.
//
//   --quick         fewer rounds, no store of 100,000 sessions, and nothing of 500 MB
//   --only NAME     this group; more than once for several
//   --rounds N      so many rounds instead of each group's own number
//   --json FILE     all times, too
//   --markdown      tables in Markdown
//   --docs          the tables into docs/performance.md, too
//   --strict        exit code 1 where a ratio is worse than bench/budget.json allows; else that is a warning
//   --stores DIR    where the stores are kept that are measured on
//   --program FILE  another build than this one
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { groups } from './cases.mjs';
import { median, timed, weighed } from './measure.mjs';
import { asMarkdown, asText, intoPage, machine } from './report.mjs';
import { KEPT } from './stores.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

/**
 * What was found of one line.
 *
 * @typedef {object} Result
 * @property {string} work
 * @property {string | undefined} size
 * @property {number[]} ms of each round
 * @property {number} median
 * @property {number} worst
 * @property {number | undefined} peakMb
 * @property {number | undefined} cpuMs
 * @property {Ratio[]} ratios
 */

/**
 * @typedef {object} Ratio
 * @property {'bare' | 'to' | 'smaller' | 'more'} kind
 * @property {string} to
 * @property {number} value
 * @property {number | undefined} [atMost]
 */

/**
 * A line of budget.json: no more than so many times as long as something else in the group, or than so much memory.
 *
 * @typedef {object} Budget
 * @property {string} group
 * @property {string} work
 * @property {string} [size]
 * @property {string} [to]
 * @property {string} [toSize]
 * @property {number} [atMost]
 * @property {number} [peakMb]
 */

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string' },
    json: { type: 'string' },
    markdown: { type: 'boolean', default: false },
    docs: { type: 'boolean', default: false },
    strict: { type: 'boolean', default: false },
    stores: { type: 'string', default: KEPT },
    program: { type: 'string', default: path.join(here, '..', 'bin', 'run.js') },
  },
});

/** @type {unknown} */
const asked = JSON.parse(readFileSync(path.join(here, 'budget.json'), 'utf8'));
const budgets = /** @type {Budget[]} */ (asked);

async function main() {
  makeOwn(options.stores);
  const work = mkdtempSync(path.join(options.stores, 'work-'));
  const removeWork = () => rmSync(work, { recursive: true, force: true });
  process.once('SIGINT', () => {
    removeWork();
    process.kill(process.pid, 'SIGTERM');
  });
  try {
    const setup = {
      kept: options.stores,
      work,
      program: [process.execPath, path.resolve(options.program)],
      quick: options.quick,
    };
    const chosen = groups(setup).filter(({ name }) => options.only.length === 0 || options.only.includes(name));
    const unknown = options.only.filter((name) => !groups(setup).some((group) => group.name === name));
    if (unknown.length > 0) throw new Error(`no such group: ${unknown.join(', ')}`);
    const found = [];
    for (const group of chosen) {
      const results = await measured(group);
      if (results.length === 0) continue;
      found.push({ name: group.name, title: group.title, results });
      if (!options.markdown) process.stdout.write(asText(found[found.length - 1]));
    }
    const about = machine(setup.program);
    if (options.markdown) process.stdout.write(asMarkdown(found, about));
    else process.stdout.write(`${about}\n`);
    if (options.docs) intoPage('bench', asMarkdown(found, about));
    if (options.json) writeFileSync(options.json, `${JSON.stringify({ about, groups: found }, null, 2)}\n`);
    warn(found.flatMap(({ name, results }) => overBudget(name, results)));
  } finally {
    removeWork();
  }
}

/**
 * The directory for stores: this user's own, because what is in it is believed.
 *
 * @param {string} dir
 */
function makeOwn(dir) {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const { uid } = statSync(dir);
  if (process.getuid !== undefined && uid !== process.getuid()) throw new Error(`${dir} is another user's`);
}

/**
 * @param {import('./cases.mjs').Group} group
 * @returns {Promise<Result[]>}
 */
async function measured(group) {
  process.stderr.write(`${group.name} …\n`);
  const cases = group.cases();
  const rounds = Number(options.rounds ?? group.rounds);
  /** @type {number[][]} */
  const times = cases.map(() => []);
  for (const { run, before } of cases) warmUp(run, before);
  for (let round = 1; round <= rounds; round++) {
    for (const [i, { run, before, ms }] of cases.entries()) {
      before?.();
      const took = timed(run).ms;
      times[i].push(ms ? ms() : took);
    }
  }
  const results = [];
  for (const [i, one] of cases.entries()) {
    one.before?.();
    const { peakKib, cpuMs } = one.ms ? { peakKib: undefined, cpuMs: undefined } : await weighed(one.run);
    results.push({
      work: one.work,
      size: one.size,
      ms: times[i],
      median: median(times[i]),
      worst: Math.max(...times[i]),
      peakMb: peakKib === undefined ? undefined : peakKib / 1024,
      cpuMs,
      ratios: ratiosOf(group.name, cases, times, i),
    });
  }
  return results;
}

/** Of what V8 compiles for a command, its first runs keep something each. */
const WARMING_RUNS = 4;
const WARMING_MS = 1000;

/**
 * Runs a program until its files are in memory and what is kept between runs is
 * there: once, or some times where it is quick.
 *
 * @param {import('./measure.mjs').Run} run
 * @param {(() => void) | undefined} before
 */
function warmUp(run, before) {
  for (let i = 0, spent = 0; i < WARMING_RUNS && spent < WARMING_MS; i++) {
    before?.();
    spent += timed(run).ms;
  }
}

/**
 * @param {string} group
 * @param {import('./cases.mjs').Case[]} cases
 * @param {number[][]} times
 * @param {number} own
 * @returns {Ratio[]}
 */
function ratiosOf(group, cases, times, own) {
  const { work, size, to, smaller, ms } = cases[own];
  /** @type {Ratio[]} */
  const ratios = [];
  /**
   * @param {Ratio['kind']} kind
   * @param {string} toWork
   * @param {string | undefined} toSize
   */
  const add = (kind, toWork, toSize) => {
    const other = cases.findIndex((one) => one.work === toWork && one.size === toSize);
    if (other < 0 || other === own || ratios.some((ratio) => ratio.to === nameOf(toWork, toSize))) return;
    const value = median(times[own].map((took, round) => took / times[other][round]));
    const budget = budgets.find(
      (one) =>
        one.group === group && one.work === work && one.size === size && one.to === toWork && one.toSize === toSize,
    );
    ratios.push({ kind, to: nameOf(toWork, toSize), value, atMost: budget?.atMost });
  };
  if (ms === undefined) add('bare', cases[0].work, cases[0].size);
  if (to !== undefined) add('to', to, size);
  if (smaller !== undefined) add('smaller', work, smaller);
  for (const one of budgets) {
    if (one.group === group && one.work === work && one.size === size && one.to !== undefined)
      add('more', one.to, one.toSize);
  }
  return ratios;
}

/**
 * @param {string} work
 * @param {string | undefined} size
 */
function nameOf(work, size) {
  return size === undefined ? work : `${work}, ${size}`;
}

/**
 * What is worse than budget.json allows.
 *
 * @param {string} group
 * @param {Result[]} results
 */
function overBudget(group, results) {
  const over = [];
  for (const { work, size, peakMb, ratios } of results) {
    for (const { to, value, atMost } of ratios) {
      if (atMost !== undefined && value > atMost)
        over.push(
          `${group}: ${nameOf(work, size)} takes ${value.toFixed(3)} × ${to}; at most ${atMost.toFixed(3)} was asked for`,
        );
    }
    const most = budgets.find(
      (one) => one.group === group && one.work === work && one.size === size && one.peakMb,
    )?.peakMb;
    if (most !== undefined && peakMb !== undefined && peakMb > most)
      over.push(`${group}: ${nameOf(work, size)} takes ${peakMb.toFixed(0)} MB; at most ${most} were asked for`);
  }
  return over;
}

/** @param {string[]} over */
function warn(over) {
  for (const line of over) process.stderr.write(`warning: ${line}\n`);
  if (options.strict && over.length > 0) process.exitCode = 1;
}

await main();
