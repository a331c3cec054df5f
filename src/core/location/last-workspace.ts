import * as path from 'node:path';

import type { FileSystem } from '../files/file-system';
import { DEFAULT_PROFILE, type Location } from './location';

/**
 * The workspace that a new session gets (reference: webui-store §1.2): the
 * profile's last one, else the store's last one, else the default. Only one
 * that is a directory counts. Creates nothing, unlike the server.
 */
export function lastWorkspace(location: Location, fs: FileSystem): string {
  const inStore = path.join(location.stateDir.value, 'last_workspace.txt');
  const inProfile = path.join(location.profileHome.value, 'webui_state', 'last_workspace.txt');
  const files = location.profile.value === DEFAULT_PROFILE ? [inStore] : [inProfile, inStore];
  for (const file of files) {
    const workspace = readPath(file, fs);
    if (workspace !== undefined) return workspace;
  }
  return location.defaultWorkspace.value;
}

function readPath(file: string, fs: FileSystem): string | undefined {
  try {
    const workspace = fs.readFileSync(file, 'utf8').trim();
    return workspace !== '' && fs.statSync(workspace).isDirectory() ? workspace : undefined;
  } catch {
    return undefined; // a remembered convenience: without it there is the default
  }
}
