// What was measured, as a table for people and for docs/performance.md.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const PAGE = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'docs', 'performance.md');

/** @typedef {import('./run.mjs').Result} Result */
/** @typedef {{ name: string, title: string, results: Result[] }} Found */

const HEAD = [
  'work',
  'sessions',
  'median ms',
  'worst ms',
  'peak MB',
  '× node -e 0',
  '× compared with',
  '× size before',
];

/**
 * Times in a form that tells small ones apart.
 *
 * @param {number} value
 */
function ms(value) {
  return value < 100 ? value.toFixed(1) : value.toFixed(0);
}

/** @param {number} value */
function times(value) {
  return value < 0.995 ? value.toFixed(3) : value.toFixed(2);
}

/** @param {Result} result */
function cells({ work, size, median, worst, peakMb, ratios }) {
  /** @param {string[]} kinds */
  const ratio = (...kinds) =>
    ratios
      .filter(({ kind }) => kinds.includes(kind))
      .map(({ kind, to, value, atMost }) => {
        const against = kind === 'to' || kind === 'more' ? ` ${to.replace(/, \d+$/, '')}` : '';
        return times(value) + against + (atMost === undefined ? '' : ` (at most ${times(atMost)})`);
      })
      .join('; ');
  const peak = peakMb === undefined ? '' : peakMb.toFixed(0);
  return [
    work,
    size ? grouped(size) : '',
    ms(median),
    ms(worst),
    peak,
    ratio('bare'),
    ratio('to', 'more'),
    ratio('smaller'),
  ];
}

/** @param {string} size */
function grouped(size) {
  return size.replace(/\d+/, (digits) => digits.replace(/(?<=\d)(?=(?:\d{3})+$)/g, ','));
}

/** Columns that are aligned on the right. @param {number} column */
const isNumber = (column) => column >= 1 && column <= 4;

/** @param {string[][]} rows */
function aligned(rows) {
  const widths = HEAD.map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) => row.map((cell, i) => (isNumber(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))));
}

/** @param {Found} found */
export function asText({ name, title, results }) {
  const rows = aligned([HEAD, ...results.map(cells)]);
  return `${title} (${name})\n${rows.map((row) => `  ${row.join('  ').trimEnd()}\n`).join('')}\n`;
}

/**
 * @param {Found[]} found
 * @param {string} about
 */
export function asMarkdown(found, about) {
  const tables = found.map(({ title, results }) => {
    const [head, ...rows] = aligned([HEAD, ...results.map(cells)]);
    const rule = head.map((cell, i) => (isNumber(i) ? `${'-'.repeat(cell.length - 1)}:` : '-'.repeat(cell.length)));
    const lines = [head, rule, ...rows].map((row) => `| ${row.join(' | ')} |`);
    return `### ${title}\n\n${lines.join('\n')}\n`;
  });
  return `${about}\n\n${tables.join('\n')}`;
}

/**
 * What it was measured on.
 *
 * @param {string[]} program
 */
export function machine([node, ...program]) {
  const version = spawnSync(node, [...program, '--version'], { encoding: 'utf8' }).stdout.trim();
  const [cpu] = os.cpus();
  const memory = Math.round(os.totalmem() / 2 ** 30);
  const python = spawnSync('python3', ['--version'], { encoding: 'utf8' });
  return [
    version,
    `Node.js ${process.versions.node}, V8 ${process.versions.v8}`,
    python.status === 0 ? python.stdout.trim() : 'no Python',
    `${os.type()} ${os.release()} ${os.arch()}`,
    `${os.cpus().length} × ${cpu.model.trim()}`,
    `${memory} GiB`,
    `load ${os.loadavg()[0].toFixed(1)}`,
  ].join('; ');
}

/**
 * Puts what was measured into docs/performance.md, in place of what was there.
 *
 * @param {string} place the name of the place in the page
 * @param {string} text
 */
export function intoPage(place, text) {
  const page = readFileSync(PAGE, 'utf8');
  const [begin, end] = [`<!-- ${place}: begin -->`, `<!-- ${place}: end -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${PAGE} has no place for ${place}`);
  writeFileSync(PAGE, `${page.slice(0, from + begin.length)}\n\n${text.trim()}\n\n${page.slice(to)}`);
}
