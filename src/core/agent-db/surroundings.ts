import * as path from 'node:path';

import type { Deps } from '../deps';
import { HermesctlError, isSystemError, type Warning } from '../errors';
import { decodeJson } from '../json/decode';
import { lastWorkspace } from '../location/last-workspace';
import type { Location } from '../location/location';
import { CRON_PROJECT } from '../projects/ensure';
import { readProjects } from '../projects/read';

/** What the row of an agent session takes from beside the database. */
export interface AgentSurroundings {
  profile: string;
  /** The workspace that an imported session would get. */
  workspace: string;
  /** Names of the profile's cron jobs, by job id. */
  cronNames: ReadonlyMap<string, string>;
  /** The profile's project for cron sessions, where there is one: none is made for a list. */
  cronProject: string | null;
}

/** Reads them for the location's profile. What is missing or broken leaves a gap, and a broken projects.json a warning. */
export function agentSurroundings(
  location: Location,
  deps: Deps,
): { surroundings: AgentSurroundings; warnings: Warning[] } {
  const warnings: Warning[] = [];
  let cronProject: string | null = null;
  try {
    cronProject = cronProjectOf(location, deps);
  } catch (error) {
    if (!(error instanceof HermesctlError)) throw error;
    warnings.push({ code: error.code, message: error.message, ...error.details });
  }
  const surroundings = {
    profile: location.profile.value,
    workspace: lastWorkspace(location, deps.fs),
    cronNames: cronNames(path.join(location.profileHome.value, 'cron', 'jobs.json'), deps),
    cronProject,
  };
  return { surroundings, warnings };
}

/** The one of this profile, else one from before projects had profiles. */
function cronProjectOf(location: Location, deps: Deps): string | null {
  const named = readProjects(deps.fs, location.projectsFile.value).filter(({ name }) => name === CRON_PROJECT.name);
  const own = named.find(({ profile }) => profile === location.profile.value) ?? named.find(({ profile }) => !profile);
  return own?.project_id ?? null;
}

/** Names are a convenience: without them there are titles of another kind. */
function cronNames(file: string, deps: Deps): Map<string, string> {
  const names = new Map<string, string>();
  for (const job of jobsOf(file, deps)) {
    const { id, name } = (typeof job === 'object' && job !== null ? job : {}) as Record<string, unknown>;
    if (typeof id === 'string' && typeof name === 'string' && name !== '' && !names.has(id)) names.set(id, name);
  }
  return names;
}

/** `{"jobs": […]}`, or the list alone. */
function jobsOf(file: string, deps: Deps): unknown[] {
  let value: unknown;
  try {
    value = decodeJson(deps.fs.readFileSync(file, 'utf8'));
  } catch (error) {
    if (isSystemError(error) || error instanceof SyntaxError || (error as Error).name === 'JsonSyntaxError') return [];
    throw error;
  }
  const jobs = Array.isArray(value) ? value : (value as { jobs?: unknown } | null)?.jobs;
  return Array.isArray(jobs) ? (jobs as unknown[]) : [];
}

const CRON_RUN = /^cron_(.+)_\d{8}_\d{6}$/;

/** The job that a cron session was a run of, from its id; undefined where it names none. */
export function cronJobOf(id: string): string | undefined {
  const run = CRON_RUN.exec(id);
  if (run) return run[1];
  const parts = id.split('_');
  return parts[0] === 'cron' && parts.length >= 3 ? parts[1] : undefined;
}
