import { toFloat } from '../core/json/python';
import { NULL, RawJson } from '../core/json/raw';
import type { RawRecord } from '../core/session/status';
import type { Storage } from '../core/stats/sizes';
import {
  type Counted,
  type Group,
  type GroupKey,
  type Stats,
  type Sums,
  sumsRecord,
  type Week,
} from '../core/stats/stats';
import type { Context } from './context';
import type { Fleet } from './fleet';
import type { OutputValue } from './output/document';
import { byteSize, counted, grouped } from './output/numbers';
import { columnsThatFit, renderTable } from './output/table';
import { localTime } from './output/time';
import { visibleLine } from './output/visible';

/** All that `stats` shows. */
export interface StatsResult {
  stats: Stats;
  storage: Storage;
  /** Names of projects, by id. */
  projects: ReadonlyMap<string, string>;
  /** How many groups of a kind, and weeks, people are shown. */
  top: number;
}

/** Shows statistics in the face that was asked for. `html` is the report that was written. */
export async function showStats(context: Context, fleet: Fleet, result: StatsResult, html?: string): Promise<void> {
  const { stats, storage } = result;
  const sessionFor = (session: Counted): OutputValue => sessionForOutput(session, fleet);
  await context.show({
    json: (document) => {
      document.member('totals', { ...sumsRecord(stats.totals), ...timesOf(stats) });
      document.member('by', groupsForOutput(result));
      document.member('growth', stats.growth.map(weekForOutput));
      document.member('biggest', stats.biggest.map(sessionFor));
      document.member('oldest', stats.oldest.map(sessionFor));
      document.member('storage', storageForOutput(storage));
      if (html !== undefined) document.member('html', html);
      fleet.show(document);
    },
    human: async () => {
      if (!context.isTerminal) showLines(context, fleet, result);
      else await showTables(context, fleet, result);
      if (stats.totals.sessions === 0) context.note('No sessions.');
      if (html !== undefined) context.note(`The report is in ${html}.`);
    },
  });
}

function timesOf({ first, last }: Stats): RawRecord {
  const time = (seconds: number | undefined): RawJson => (seconds === undefined ? NULL : RawJson.float(seconds));
  return { first_created_at: time(first), last_active_at: time(last) };
}

function groupsForOutput({ stats, projects }: StatsResult): OutputValue {
  const named = (by: GroupKey, { key, ...sums }: Group): OutputValue => {
    const name = by === 'project' && key !== null ? { name: projects.get(key) ?? null } : {};
    return { key, ...name, ...sumsRecord(sums) };
  };
  return Object.fromEntries([...stats.groups].map(([by, groups]) => [by, groups.map((group) => named(by, group))]));
}

const weekForOutput = ({ week, sessions, total, bytes }: Week): OutputValue => ({ week, sessions, total, bytes });

function sessionForOutput({ row, bytes, store }: Counted, { isMany }: Fleet): OutputValue {
  const at = (key: string): RawJson => row.raw(key) ?? NULL;
  const keys = ['session_id', 'title', 'message_count', 'created_at', 'last_message_at'];
  return {
    ...Object.fromEntries(keys.map((key) => [key, at(key)])),
    bytes: bytes ?? null,
    stored_in: row.value('stored_in') === 'agent' ? 'agent' : 'store',
    ...(isMany ? { store } : {}),
  };
}

function storageForOutput({ databases, ...kinds }: Storage): OutputValue {
  const files = Object.entries(kinds).map(([kind, { files: count, bytes }]) => [kind, { files: count, bytes }]);
  return {
    ...(Object.fromEntries(files) as Record<string, OutputValue>),
    databases: databases.map(({ path, profile, bytes }) => ({ path, profile, bytes })),
  };
}

/** In a pipe: a line for each set of sums, `section`, `key`, then always the same numbers. */
function showLines(context: Context, { isMany }: Fleet, { stats }: StatsResult): void {
  const line = (section: string, key: string | null, sums: Pick<Sums, 'messages' | 'bytes' | 'usage'>): void => {
    const numbers = Object.values(sumsRecord(sums as Sums)).map((raw) => (raw.text === 'null' ? '' : raw.text));
    context.line([section, visibleLine(key ?? ''), ...numbers].join('\t'));
  };
  line('total', null, stats.totals);
  for (const [by, groups] of stats.groups) for (const group of groups) line(by, group.key, group);
  for (const { week, sessions, total, bytes } of stats.growth)
    context.line(['growth', week, sessions, total, bytes].join('\t'));
  for (const [section, sessions] of [['biggest', stats.biggest] as const, ['oldest', stats.oldest] as const])
    for (const { row, bytes, store } of sessions) {
      const place = isMany ? [visibleLine(store)] : [];
      context.line([section, visibleLine(row.id), bytes ?? '', ...place].join('\t'));
    }
}

const HEADINGS: Record<GroupKey, string> = {
  profile: 'Profiles',
  source: 'Sources',
  model: 'Models',
  project: 'Projects',
  day: 'Days of last activity',
  week: 'Weeks of last activity',
  month: 'Months of last activity',
  store: 'Stores',
};

async function showTables(context: Context, fleet: Fleet, result: StatsResult): Promise<void> {
  const { stats, storage, top } = result;
  const { bold } = context.colors;
  const heading = (text: string): void => {
    context.line();
    context.line(bold(text));
  };
  const leftOut: string[] = [];
  for (const text of summaryLines(stats)) context.line(text);
  heading('On disk');
  await table(context, [{ header: '', align: 'left' }, { header: 'FILES' }, { header: 'SIZE' }], storageRows(storage));
  for (const [by, groups] of stats.groups) {
    if (groups.length === 0) continue;
    heading(HEADINGS[by]);
    leftOut.push(...(await groupTable(context, by, groups.slice(0, top), result)));
    if (groups.length > top)
      context.line(context.colors.dim(`and ${counted(groups.length - top, 'more group')}: --top`));
  }
  if (stats.growth.length > 0) {
    heading('Sessions begun by week');
    for (const text of growthLines(context, stats.growth)) context.line(text);
  }
  for (const [name, sessions] of [['Biggest', stats.biggest] as const, ['Oldest', stats.oldest] as const]) {
    if (sessions.length === 0) continue;
    heading(name);
    leftOut.push(...(await sessionTable(context, fleet, sessions)));
  }
  if (leftOut.length > 0) context.note(`Too narrow here for: ${[...new Set(leftOut)].join(', ')}.`);
}

function summaryLines({ totals, first, last }: Stats): string[] {
  const { sessions, messages, bytes } = totals;
  const tokens = (key: string): string => grouped(Number(totals.usage[key].text));
  const times = [
    ...(first === undefined ? [] : [`begun since ${localTime(first).slice(0, 10)}`]),
    ...(last === undefined ? [] : [`last active ${localTime(last)}`]),
  ].join(', ');
  return [
    `${counted(sessions, 'session')}, ${counted(messages, 'message')}, ${byteSize(bytes)}`,
    `${tokens('total_tokens')} tokens (${tokens('input_tokens')} in, ${tokens('output_tokens')} out)`,
    costLine(totals),
    ...(times === '' ? [] : [times]),
  ];
}

/** What is not known is not zero: how many sessions record no cost is said beside it. */
export function costLine(totals: Sums): string {
  const unknown = withoutCost(totals);
  const cost = costText(totals.usage);
  if (cost === '') return 'no cost is recorded';
  if (unknown === 0) return `${cost} estimated`;
  return `${cost} estimated; ${counted(unknown, 'session')} ${unknown === 1 ? 'records' : 'record'} no cost`;
}

/** Sessions that record no cost. */
export function withoutCost({ sessions, usage }: Sums): number {
  return sessions - Number(usage['sessions_with_cost'].text);
}

/** `$1,234.56`, or `$0.0123`; '' where no session records a cost. */
export function costText(usage: RawRecord): string {
  const cost = toFloat(usage['estimated_cost'].value());
  if (cost === undefined) return '';
  const amount = Math.abs(cost);
  const [whole, fraction] = amount.toFixed(amount > 0 && amount < 1 ? 4 : 2).split('.');
  return `${cost < 0 ? '-' : ''}$${grouped(Number(whole))}.${fraction}`;
}

export function storageRows({ databases, sessions, backups, index, other }: Storage): string[][] {
  const kinds = { 'session files': sessions, backups, index, 'other files': other };
  return [
    ...Object.entries(kinds)
      .filter(([, { files }]) => files > 0)
      .map(([kind, { files, bytes }]) => [kind, grouped(files), byteSize(bytes)]),
    ...databaseRows(databases),
  ];
}

/** By profile; those of several homes, which call their profiles alike, together. */
function databaseRows(databases: Storage['databases']): string[][] {
  const profiles = new Set(databases.map(({ profile }) => profile));
  if (profiles.size === databases.length)
    return databases.map(({ profile, bytes }) => [`database of ${visibleLine(profile)}`, '1', byteSize(bytes)]);
  const bytes = databases.reduce((sum, database) => sum + database.bytes, 0);
  return [['databases', grouped(databases.length), byteSize(bytes)]];
}

/** What a group is called. */
export function groupName(by: GroupKey, key: string | null, projects: StatsResult['projects']): string {
  if (key === null) return by === 'project' ? '(no project)' : '(none)';
  return visibleLine((by === 'project' ? projects.get(key) : undefined) ?? key);
}

interface Aligned {
  header: string;
  align?: 'left';
  flexible?: boolean;
}

async function groupTable(
  context: Context,
  by: GroupKey,
  groups: readonly Group[],
  { projects }: StatsResult,
): Promise<string[]> {
  const rows = groups.map((group) => [
    groupName(by, by === 'store' ? (context.storeNames.get(group.key ?? '') ?? group.key) : group.key, projects),
    grouped(group.sessions),
    grouped(group.messages),
    byteSize(group.bytes),
    grouped(Number(group.usage['total_tokens'].text)),
    costText(group.usage),
    withoutCost(group) === 0 ? '' : grouped(withoutCost(group)),
  ]);
  const columns: Aligned[] = [
    { header: by.toUpperCase(), align: 'left', flexible: true },
    ...['SESSIONS', 'MESSAGES', 'SIZE', 'TOKENS', 'COST', 'UNPRICED'].map((header) => ({ header })),
  ];
  // A column that says nothing is none.
  const used = columns.map((_, c) => c === 0 || rows.some((row) => row[c] !== ''));
  const only = <T>(cells: readonly T[]): T[] => cells.filter((_, c) => used[c]);
  return table(context, only(columns), rows.map(only));
}

function sessionTable(context: Context, { isMany }: Fleet, sessions: readonly Counted[]): Promise<string[]> {
  const rows = sessions.map(({ row, bytes, store }) => [
    visibleLine(row.id),
    bytes === undefined ? '' : byteSize(bytes),
    localTime(toFloat(row.value('created_at'))).slice(0, 10),
    visibleLine(String(row.value('title') ?? '')),
    ...(isMany ? [visibleLine(context.storeNames.get(store) ?? store)] : []),
  ]);
  const columns: Aligned[] = [
    { header: 'SESSION', align: 'left' },
    { header: 'SIZE' },
    { header: 'BEGUN', align: 'left' },
    { header: 'TITLE', align: 'left', flexible: true },
    ...(isMany ? [{ header: 'STORE', align: 'left', flexible: true } as const] : []),
  ];
  return table(context, columns, rows);
}

/** Numbers to the right. Gives the heads of the columns that have no room on a narrow terminal, and are left out. */
async function table(context: Context, columns: readonly Aligned[], rows: string[][]): Promise<string[]> {
  if (rows.length === 0) return [];
  const { dim } = context.colors;
  const all = columns.map(({ header, align = 'right' as const, flexible = false }) => ({ header, align, flexible }));
  const fit = columnsThatFit(all, rows, context.terminal);
  const cut = rows.map((row) => row.slice(0, fit));
  const paint = (text: string, row: number): string => (row < 0 ? dim(text) : text);
  context.line(await renderTable(all.slice(0, fit), cut, context.terminal, paint));
  return columns.slice(fit).map(({ header }) => header.toLowerCase());
}

/** Weeks that people are shown; the numbers of all are in JSON. */
const WEEKS = 16;
const LONGEST_BAR = 60;

function growthLines(context: Context, growth: readonly Week[]): string[] {
  const shown = growth.slice(-WEEKS);
  const most = Math.max(...shown.map(({ sessions }) => sessions), 1);
  const width = Math.max(...shown.map(({ sessions }) => grouped(sessions).length));
  const room = Math.min(LONGEST_BAR, context.terminal.columns - '2025-10-06'.length - width - 2);
  const { dim, cyan } = context.colors;
  const lines = shown.map(({ week, sessions }) =>
    `${dim(week)} ${grouped(sessions).padStart(width)} ${cyan(bar((sessions / most) * Math.max(1, room)))}`.trimEnd(),
  );
  const [before] = growth.slice(-WEEKS - 1, -WEEKS);
  return growth.length > WEEKS ? [dim(`before: ${counted(before.total, 'session')}`), ...lines] : lines;
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A bar so many places long, to an eighth. What is more than nothing shows. */
function bar(places: number): string {
  const eighths = places > 0 ? Math.max(1, Math.round(places * 8)) : 0;
  return '█'.repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
}
