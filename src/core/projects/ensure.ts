import type { Deps } from '../deps';
import { durableWrite } from '../files/durable-write';
import type { FileStamp } from '../files/stamp';
import { withFileAsync } from '../files/open-file';
import { formatJson } from '../json/format';
import { RawJson } from '../json/raw';
import type { ByteSource } from '../json/reader';
import { memberSplices, type Splice, writeSpliced } from '../json/splice';
import { DEFAULT_PROFILE } from '../location/location';
import { type ProjectEntry, projectOf, type ProjectsFile, withProjects } from './read';

/** What the server calls the project of cron sessions, and its colour (reference: webui-store §5.4). */
export const CRON_PROJECT = { name: 'Cron Jobs', color: '#6366f1' } as const;

/** The order in which the server writes a project's members. */
const PROJECT_ORDER = ['project_id', 'name', 'color', 'profile', 'created_at'];
const PROJECT_ID_LENGTH = 12;

/** A profile's cron project, found or to be made. */
export interface EnsureProjectPlan {
  path: string;
  project: { project_id: string; name: string; profile: string };
  /** Nothing to do; an old project without a profile gets this one; or the project is made. */
  action: 'none' | 'tag' | 'create';
  /** The version of `projects.json` that was read, and that must still be there. */
  expected: FileStamp | 'absent';
  splices: Splice[];
}

/**
 * Finds a profile's "Cron Jobs" project, or plans to make it (seed 001,
 * `ensure_cron_project`). One that records no profile belongs to the default
 * one; a named profile takes it over, as the server has it.
 *
 * @throws HermesctlError `STORE_DAMAGED` where projects.json is broken, `IO_ERROR`.
 */
export function planEnsureCronProject(projectsFile: string, profile: string, deps: Deps): EnsureProjectPlan {
  const make = (): EnsureProjectPlan => ({
    path: projectsFile,
    project: { project_id: deps.ids.uuidHex().slice(0, PROJECT_ID_LENGTH), name: CRON_PROJECT.name, profile },
    action: 'create',
    expected: 'absent',
    splices: [],
  });
  const planned = withProjects(deps.fs, projectsFile, (file): EnsureProjectPlan => {
    const found = findCronProject(file.entries, profile);
    const plan = { ...make(), expected: file.stamp };
    if (!found) return { ...plan, splices: [appended(file, newProjectText(plan, deps))] };
    const project = { ...plan.project, project_id: found.id };
    if (!found.untagged) return { ...plan, project, action: 'none' };
    const tag = new Map([['profile', JSON.stringify(profile)]]);
    const read = (start: number, end: number): string => readSpan(file.source, start, end);
    return { ...plan, project, action: 'tag', splices: memberSplices(found.entry.members, tag, PROJECT_ORDER, read) };
  });
  if (planned) return planned;
  const plan = make();
  return { ...plan, splices: [{ start: 0, end: 0, text: formatJson(`[${newProjectText(plan, deps)}]`) }] };
}

/**
 * Writes what was planned: every byte of other projects stays. The store's
 * lock must be held.
 *
 * @throws HermesctlError `CHANGED_ON_DISK`, `REFUSED`, `IO_ERROR`
 */
export async function applyEnsureProject(plan: EnsureProjectPlan, deps: Deps): Promise<void> {
  if (plan.action === 'none') return;
  const target = { path: plan.path, expected: plan.expected };
  const write = (source: ByteSource, size: number): Promise<FileStamp> =>
    durableWrite(target, (put) => writeSpliced(source, size, plan.splices, put), deps);
  // Where the file is gone meanwhile, the comparison with the version expected says so.
  const done = await withFileAsync(deps.fs, plan.path, ({ source, stamp }) => write(source, Number(stamp.size)));
  if (!done) await write({ read: () => 0 }, 0);
}

/**
 * {@link planEnsureCronProject} and {@link applyEnsureProject} in one.
 *
 * @returns the project's id.
 */
export async function ensureCronProject(projectsFile: string, profile: string, deps: Deps): Promise<string> {
  const plan = planEnsureCronProject(projectsFile, profile, deps);
  await applyEnsureProject(plan, deps);
  return plan.project.project_id;
}

function findCronProject(
  entries: readonly ProjectEntry[],
  profile: string,
): { id: string; entry: ProjectEntry; untagged: boolean } | undefined {
  let untagged: { id: string; entry: ProjectEntry; untagged: boolean } | undefined;
  for (const entry of entries) {
    const project = projectOf(entry);
    if (project?.name !== CRON_PROJECT.name) continue;
    if ((project.profile || DEFAULT_PROFILE) === profile) return { id: project.project_id, entry, untagged: false };
    if (!project.profile) untagged ??= { id: project.project_id, entry, untagged: true };
  }
  return untagged;
}

function newProjectText({ project }: EnsureProjectPlan, deps: Deps): string {
  const members: Record<string, RawJson> = {
    project_id: RawJson.of(project.project_id),
    name: RawJson.of(project.name),
    color: RawJson.of(CRON_PROJECT.color),
    profile: RawJson.of(project.profile),
    created_at: RawJson.float(deps.clock.now()),
  };
  const texts = PROJECT_ORDER.map((key) => `${JSON.stringify(key)}:${members[key].text}`);
  return `{${texts.join(',')}}`;
}

/** The splice that puts one more entry at the end of the list, laid out as the list is. */
function appended({ source, end, entries }: ProjectsFile, text: string): Splice {
  const opening = readSpan(source, 0, entries.at(0)?.start ?? end);
  const indent = /\n([ \t]*)$/.exec(opening)?.[1];
  const last = readSpan(source, 0, end).trimEnd();
  const at = Buffer.byteLength(last);
  const isEmpty = last.endsWith('[') && entries.length === 0;
  // A list on one line stays on one line; an empty one gets the server's layout.
  if (indent === undefined && !isEmpty) return { start: at, end: at, text: `, ${text}` };
  const entry = formatJson(text, 1);
  return { start: at, end: isEmpty ? end : at, text: isEmpty ? `\n  ${entry}\n` : `,\n${indent ?? '  '}${entry}` };
}

function readSpan(source: ByteSource, start: number, end: number): string {
  const bytes = Buffer.alloc(end - start);
  let filled = 0;
  while (filled < bytes.length) {
    const n = source.read(bytes, filled, bytes.length - filled, start + filled);
    if (n === 0) break;
    filled += n;
  }
  return bytes.toString('utf8', 0, filled);
}
