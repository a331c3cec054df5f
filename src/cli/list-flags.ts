import { Flags } from '@oclif/core';

import { HermesctlError } from '../core/errors';
import { resolveProject } from '../core/listing/list';
import type { ListFilter } from '../core/listing/query';
import { allProfilesFlag } from './all-profiles';
import type { Context } from './context';
import { parseTime } from './output/time';

const group = { helpGroup: 'FILTER' };

/** The flags that narrow: those of {@link listFilterFlags} for what hides nothing anyway. */
export const narrowingFlags = {
  'only-archived': Flags.boolean({ ...group, summary: 'Only archived sessions.' }),
  pinned: Flags.boolean({ ...group, summary: 'Only pinned sessions.' }),
  'all-profiles': allProfilesFlag('Sessions of every profile (the default without -p).', group),
  project: Flags.string({ ...group, helpValue: 'ID|NAME', summary: 'Only this project; none: in no project.' }),
  source: Flags.string({
    ...group,
    multiple: true,
    multipleNonGreedy: true,
    helpValue: 'NAME',
    summary: 'Only from this source (cli, telegram, cron …; webui: without one). Repeatable.',
  }),
  title: Flags.string({ ...group, helpValue: 'TEXT', summary: 'Only titles that contain this, in any case.' }),
  model: Flags.string({ ...group, helpValue: 'TEXT', summary: 'Only models whose name contains this, in any case.' }),
  since: Flags.string({
    ...group,
    helpValue: 'WHEN',
    summary: 'Active since: 7d, 12h, 2026-05-01, 2026-05-01T08:00Z.',
  }),
  until: Flags.string({ ...group, helpValue: 'WHEN', summary: 'Last active before: as --since.' }),
};

/** The flags that say which sessions are meant: those of `sessions list`, and of all that works on many. */
export const listFilterFlags = {
  all: Flags.boolean({ ...group, summary: 'Every readable session: hide nothing.' }),
  archived: Flags.boolean({ ...group, summary: 'Archived sessions too.' }),
  cron: Flags.boolean({ ...group, summary: 'Sessions of cron jobs too.' }),
  webhook: Flags.boolean({ ...group, summary: 'Sessions of webhooks too.' }),
  kanban: Flags.boolean({ ...group, summary: 'Sessions of kanban cards too.' }),
  empty: Flags.boolean({ ...group, summary: 'Empty Untitled sessions too.' }),
  ...narrowingFlags,
};

/** The flags of a list that stays. */
export const watchFlags = {
  watch: Flags.boolean({
    exclusive: ['ids', 'stores'],
    summary: 'Keep the list up to date until Ctrl-C: a table on a terminal, else a line of JSON for each change.',
  }),
  interval: Flags.string({
    dependsOn: ['watch'],
    helpValue: 'SECONDS',
    summary: 'With --watch: look so often (default 1), and as soon as the system tells of a change.',
  }),
};

/** Values of {@link listFilterFlags}. */
export interface ListFilterValues {
  all: boolean;
  archived: boolean;
  'only-archived': boolean;
  pinned: boolean;
  cron: boolean;
  webhook: boolean;
  kanban: boolean;
  empty: boolean;
  project?: string | undefined;
  source?: string[] | undefined;
  title?: string | undefined;
  model?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
}

/**
 * What the flags ask for.
 *
 * @throws HermesctlError `USAGE` for a time that is none, `STORE_DAMAGED` where a project's name cannot be looked up.
 */
export async function listFilter(context: Context, flags: ListFilterValues): Promise<ListFilter> {
  const { project } = flags;
  const sources = flags.source ?? [];
  return {
    all: flags.all,
    archived: flags['only-archived'] ? 'only' : flags.archived ? 'show' : 'hide',
    // Asking for a source by name asks to see it.
    cron: flags.cron || sources.includes('cron'),
    webhook: flags.webhook || sources.includes('webhook'),
    kanban: flags.kanban || sources.includes('kanban'),
    empty: flags.empty,
    pinnedOnly: flags.pinned,
    profile: context.profileFilter,
    projectId: project === undefined ? undefined : resolveProject(project, context.location, context.deps),
    sources,
    title: flags.title,
    model: flags.model,
    since: await timeFlag(context, '--since', flags.since),
    until: await timeFlag(context, '--until', flags.until),
  };
}

/**
 * The time that a flag gives, in epoch seconds.
 *
 * @throws HermesctlError `USAGE` for a text that is none.
 */
export async function timeFlag(context: Context, name: string, text: string | undefined): Promise<number | undefined> {
  if (text === undefined) return undefined;
  const time = await parseTime(text, context.deps.clock.now());
  if (time !== undefined) return time;
  throw new HermesctlError('USAGE', `${name} ${JSON.stringify(text)} is not a time.`, {
    hint: 'Say how long ago (30m, 12h, 7d), or a date or time in ISO 8601 (2026-05-01, 2026-05-01T08:00Z).',
  });
}
