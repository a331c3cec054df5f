import { isSystemError } from '../errors';
import type { FileSystem } from '../files/file-system';
import type { Location, Resolved } from './location';

/** One resolved location, for showing. */
export interface DescribedPath extends Resolved {
  name: string;
  /** Whether it is there; null for what is no path. */
  exists: boolean | null;
}

/** What is to be shown where everything is must not fail over a place that cannot be looked at. */
function isThere(file: string, fs: FileSystem): boolean {
  try {
    return fs.statSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
}

/** All locations under the names that `hermesctl paths` gives them. Looks, and creates nothing. */
export function describeLocation(location: Location, fs: FileSystem): DescribedPath[] {
  const path = (name: string, resolved: Resolved): DescribedPath => ({
    name,
    ...resolved,
    exists: isThere(resolved.value, fs),
  });
  const text = (name: string, resolved: Resolved): DescribedPath => ({ name, ...resolved, exists: null });
  return [
    path('state_dir', location.stateDir),
    path('sessions_dir', location.sessionsDir),
    path('index_file', location.indexFile),
    path('projects_file', location.projectsFile),
    path('settings_file', location.settingsFile),
    path('attachments_dir', location.attachmentsDir),
    path('base_home', location.baseHome),
    text('profile', location.profile),
    path('profile_home', location.profileHome),
    path('agent_database', location.agentDatabase),
    path('default_workspace', location.defaultWorkspace),
    text('default_model', location.defaultModel),
    path('cache_dir', location.cacheDir),
  ];
}
