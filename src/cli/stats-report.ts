import * as path from 'node:path';

import { HermesctlError, ioError, isSystemError } from '../core/errors';
import { toFloat } from '../core/json/python';
import { daysUpTo } from '../core/stats/calendar';
import type { Counted, Group, GroupKey } from '../core/stats/stats';
import type { Context } from './context';
import type { Fleet } from './fleet';
import { columnChart, type Column, stackedBar } from './output/charts';
import { escapeHtml as text } from './output/html';
import { byteSize, counted, grouped } from './output/numbers';
import { isoTime, localTime } from './output/time';
import { visibleLine } from './output/visible';
import { costLine, costText, groupName, type StatsResult, storageRows, withoutCost } from './stats-result';

/**
 * Writes statistics as a page of HTML that needs nothing else: no script, no
 * network. What stands there is replaced, unless no store could be read.
 *
 * @returns the file; undefined where none was asked for or written.
 * @throws HermesctlError `USAGE` for a place among a store's sessions, `IO_ERROR`.
 */
export function writeStatsReport(
  context: Context,
  fleet: Fleet,
  file: string | undefined,
  result: StatsResult,
): string | undefined {
  if (file === undefined) return undefined;
  const { deps, environment } = context;
  const target = path.resolve(environment.cwd, file);
  if (fleet.stores.some(({ location }) => path.dirname(target) === location.sessionsDir.value)) {
    throw new HermesctlError('USAGE', `--html ${JSON.stringify(file)} is among the store's session files.`, {
      hint: 'Name a file elsewhere.',
    });
  }
  const { failed, stores } = fleet;
  if (failed.length > 0 && failed.length === stores.length) return undefined;
  const missing = failed.map(({ store, error }) => `${store}: ${error.message}`);
  const name = fleet.isMany ? counted(stores.length - missing.length, 'store') : stores[0].location.stateDir.value;
  const page = statsPage(result, { name, isMany: fleet.isMany, missing }, deps.clock.now());
  try {
    deps.fs.writeFileSync(target, page);
  } catch (error) {
    throw isSystemError(error) ? ioError(error, target) : error;
  }
  return file;
}

/**
 * The page.
 *
 * @param of what the statistics are of, and what they should be of and are not.
 * @param now epoch seconds.
 */
function statsPage(
  result: StatsResult,
  of: { name: string; isMany: boolean; missing: readonly string[] },
  now: number,
): string {
  const { stats, storage } = result;
  const { sessions, messages, bytes, usage } = stats.totals;
  const tokens = (key: string): string => compact(Number(usage[key].text));
  const tiles = [
    tile(grouped(sessions), sessions === 1 ? 'session' : 'sessions'),
    tile(grouped(messages), messages === 1 ? 'message' : 'messages'),
    tile(byteSize(bytes), 'in session files'),
    tile(tokens('total_tokens'), `tokens (${tokens('input_tokens')} in, ${tokens('output_tokens')} out)`),
    tile(costText(usage) || '–', costLine(stats.totals).replace(/^\S* estimated(; )?/, 'estimated cost$1')),
  ];
  const missing = of.missing.map((failure) => `<p>Without ${text(visibleLine(failure))}</p>`).join('');
  const weeks = stats.growth.map(({ week, sessions: begun, total }): Column => ({
    label: week,
    value: begun,
    tip: `Week of ${week}: ${counted(begun, 'session')} begun, ${grouped(total)} in all`,
  }));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sessions of ${text(visibleLine(of.name))}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>Sessions</h1><p>${text(visibleLine(of.name))} · ${isoTime(now)}</p>${missing}</header>
<div class="tiles">${tiles.join('')}</div>
${weeks.length === 0 ? '' : section('Sessions begun by week', columnChart(weeks, grouped))}
${daySections(stats.groups.get('day') ?? [])}
${[...stats.groups].map(([by, groups]) => groupSection(by, groups, result)).join('')}
${section('On disk', storageView(result))}
${sessionSection('Biggest sessions', stats.biggest, of.isMany)}
${sessionSection('Oldest sessions', stats.oldest, of.isMany)}
<footer>${text(`Made by hermesctl stats. Storage: ${byteSize(totalBytes(storage))} in all.`)}</footer>
</body>
</html>
`;
}

const tile = (value: string, label: string): string =>
  `<div class="tile"><b>${text(value)}</b><span>${text(label)}</span></div>`;

const section = (title: string, body: string): string => `<section><h2>${text(title)}</h2>${body}</section>\n`;

const TITLES: Record<GroupKey, string> = {
  profile: 'By profile',
  source: 'By source',
  model: 'By model',
  project: 'By project',
  day: 'By day of last activity',
  week: 'By week of last activity',
  month: 'By month of last activity',
  store: 'By store',
};

const DAYS = 90;

/** Tokens and cost of the last days; a plot of nothing is left out. */
function daySections(groups: readonly Group[]): string {
  const known = new Map(groups.map((group) => [group.key, group]));
  const last = groups.at(0)?.key ?? undefined;
  if (last === undefined) return '';
  const days = daysUpTo(last, DAYS);
  const begins = days.findIndex((day) => known.has(day));
  const plot = (title: string, valueOf: (group: Group) => number, spelled: (value: number) => string): string => {
    const columns = days.slice(begins).map((day) => {
      const group = known.get(day);
      const value = group === undefined ? 0 : valueOf(group);
      return { label: day, value, tip: `${day}: ${spelled(value)}` };
    });
    return columns.some(({ value }) => value > 0) ? section(title, columnChart(columns, spelled)) : '';
  };
  const dollars = (value: number): string => `$${value >= 100 ? grouped(value) : value.toFixed(2)}`;
  return [
    plot('Tokens by day of last activity', ({ usage }) => Number(usage['total_tokens'].text), compact),
    plot('Cost by day of last activity', ({ usage }) => toFloat(usage['estimated_cost'].value()) ?? 0, dollars),
  ].join('');
}

/** A large number in few characters: `12.3M`. */
function compact(value: number): string {
  const unit = ['', 'k', 'M', 'G', 'T'].findLast((_, i) => value >= 1000 ** i || i === 0)!;
  const size = value / 1000 ** ['', 'k', 'M', 'G', 'T'].indexOf(unit);
  return `${size >= 100 || unit === '' ? Math.round(size) : Number(size.toFixed(1))}${unit}`;
}

const ROWS = 30;

function groupSection(by: GroupKey, groups: readonly Group[], { projects }: StatsResult): string {
  if (groups.length === 0) return '';
  const most = Math.max(...groups.map(({ sessions }) => sessions));
  const rows = groups.slice(0, ROWS).map((group) => {
    const { sessions, messages, bytes, usage } = group;
    const unknown = withoutCost(group);
    return [
      `<td class="name">${text(groupName(by, group.key, projects))}</td>`,
      `<td class="meter">${meter(sessions / most)}</td>`,
      ...[grouped(sessions), grouped(messages), byteSize(bytes), grouped(Number(usage['total_tokens'].text))].map(
        number,
      ),
      number(costText(usage)),
      number(unknown === 0 ? '' : grouped(unknown)),
    ].join('');
  });
  const heads = [by, '', 'sessions', 'messages', 'size', 'tokens', 'cost', 'unpriced'];
  const more = groups.length > ROWS ? `<p class="more">and ${grouped(groups.length - ROWS)} more</p>` : '';
  return section(TITLES[by], table(heads, rows, 2) + more);
}

const number = (value: string): string => `<td class="number">${text(value)}</td>`;

/** @param left how many columns stand to the left; the others are numbers. */
function table(heads: readonly string[], rows: readonly string[], left: number): string {
  const head = heads.map((name, i) => `<th${i < left ? '' : ' class="number"'}>${text(name)}</th>`).join('');
  const body = rows.map((row) => `<tr>${row}</tr>`).join('\n');
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

function meter(share: number): string {
  const width = share > 0 ? Math.max(1, share * 100) : 0;
  return `<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="bar" width="${width.toFixed(1)}" height="8"/></svg>`;
}

function storageView({ storage }: StatsResult): string {
  const parts = [
    { label: 'session files', value: storage.sessions.bytes },
    { label: 'backups', value: storage.backups.bytes },
    { label: 'index and other files', value: storage.index.bytes + storage.other.bytes },
    { label: 'agent databases', value: storage.databases.reduce((sum, { bytes }) => sum + bytes, 0) },
  ];
  const rows = storageRows(storage).map(
    ([kind, files, size]) => `<td>${text(kind)}</td>${number(files)}${number(size)}`,
  );
  return stackedBar(parts, byteSize) + table(['', 'files', 'size'], rows, 1);
}

function totalBytes({ sessions, backups, index, other, databases }: StatsResult['storage']): number {
  const files = [sessions, backups, index, other].reduce((sum, { bytes }) => sum + bytes, 0);
  return databases.reduce((sum, { bytes }) => sum + bytes, files);
}

function sessionSection(title: string, sessions: readonly Counted[], isMany: boolean): string {
  if (sessions.length === 0) return '';
  const rows = sessions.map(({ row, bytes, store }) =>
    [
      `<td class="name">${text(visibleLine(String(row.value('title') ?? '')))}</td>`,
      ...(isMany ? [`<td class="name">${text(visibleLine(store))}</td>`] : []),
      `<td><code>${text(visibleLine(row.id))}</code></td>`,
      number(grouped(toFloat(row.value('message_count')) ?? 0)),
      number(bytes === undefined ? '' : byteSize(bytes)),
      number(localTime(toFloat(row.value('created_at'))).slice(0, 10)),
    ].join(''),
  );
  return section(
    title,
    table(['title', ...(isMany ? ['store'] : []), 'session', 'messages', 'size', 'begun'], rows, isMany ? 3 : 2),
  );
}

const STYLE = `
:root { --back: #fbfbfd; --card: #fff; --text: #1c1e24; --soft: #656b78; --line: #e3e5ea; --c1: #3566c9; --c2: #d98a2b; --c3: #7a8190; --c4: #3f9a76; }
@media (prefers-color-scheme: dark) { :root { --back: #14161b; --card: #1c1f26; --text: #e6e8ee; --soft: #989fae; --line: #2d313b; --c1: #7aa2f7; --c2: #e0a458; --c3: #7d8597; --c4: #6cc79e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 64rem; background: var(--back); color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.5rem; } h2 { margin: 0 0 .75rem; font-size: 1rem; }
header p, footer, .more { color: var(--soft); margin: .2rem 0 1.2rem; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .75rem; margin-bottom: .75rem; }
.tile, section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; }
.tile b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums; } .tile span { color: var(--soft); font-size: .85rem; }
section { margin-bottom: .75rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th { color: var(--soft); font-weight: 500; text-align: left; font-size: .85rem; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; } tr:last-child td { border-bottom: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.name { max-width: 22rem; overflow: hidden; text-overflow: ellipsis; } code { font-size: .85em; }
.meter { width: 30%; min-width: 5rem; } .meter svg { display: block; width: 100%; height: .6rem; }
svg.plot { display: block; width: 100%; min-width: 38rem; height: auto; } svg.stack { display: block; width: 100%; height: 1.1rem; } .bar, .p0 { fill: var(--c1); } .p1 { fill: var(--c2); } .p2 { fill: var(--c3); } .p3 { fill: var(--c4); }
.plot line { stroke: var(--line); } .plot text { fill: var(--soft); font: 11px system-ui, sans-serif; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1rem; margin: .5rem 0; padding: 0; list-style: none; font-size: .85rem; color: var(--soft); }
.legend svg { width: .7rem; height: .7rem; margin-right: .35rem; }
@media print { body { max-width: none; } section { break-inside: avoid; } }
`;
