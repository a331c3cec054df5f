import { HermesctlError, ioError, isSystemError } from '../errors';
import type { FileSystem } from '../files/file-system';
import { decodeJson } from '../json/decode';

/** A project of the store, as `projects.json` records it. */
export interface Project {
  project_id: string;
  name: string;
  profile?: string | null;
}

/**
 * The store's projects; none where there is no `projects.json`.
 *
 * @throws HermesctlError `STORE_DAMAGED` where the file is broken (it is never taken for an empty list), `IO_ERROR`.
 */
export function readProjects(fs: FileSystem, projectsFile: string): Project[] {
  let text: string;
  try {
    text = fs.readFileSync(projectsFile, 'utf8');
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return [];
    throw isSystemError(error) ? ioError(error, projectsFile) : error;
  }
  let value: unknown;
  try {
    value = decodeJson(text);
  } catch (error) {
    throw broken(projectsFile, 'is not JSON', error);
  }
  if (!Array.isArray(value)) throw broken(projectsFile, 'is not a list');
  return value.filter(isProject);
}

function isProject(value: unknown): value is Project {
  const { project_id: id, name } = (value ?? {}) as Record<string, unknown>;
  return typeof id === 'string' && typeof name === 'string';
}

function broken(path: string, what: string, cause?: unknown): HermesctlError {
  return new HermesctlError('STORE_DAMAGED', `${path} ${what}.`, {
    hint: 'Mend it or move it aside; the server overwrites a broken one with an almost empty list.',
    details: { path },
    cause,
  });
}
