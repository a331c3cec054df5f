import * as path from 'node:path';

import type { Deps } from '../deps';
import { isSystemError, type Warning } from '../errors';

/** What the agent leaves for a session that it has told its provider of and not committed (reference: hermes-agent §4). */
export interface PendingMarker {
  sessionId: string;
  /** The run of the agent that owns it. */
  ownerRunId: string | null;
  profile: string;
  path: string;
  /** When it was written, in epoch seconds. */
  at: number;
}

/** The agent's markers of some profiles, and what is wrong with those that cannot be read. Nothing is removed: the agent does that. */
export function pendingMarkers(
  homes: ReadonlyMap<string, string>,
  { fs }: Pick<Deps, 'fs'>,
): { markers: PendingMarker[]; warnings: Warning[] } {
  const markers: PendingMarker[] = [];
  const warnings: Warning[] = [];
  for (const [profile, home] of homes) {
    const dir = path.join(home, 'openviking', 'pending_sessions');
    for (const name of namesIn(dir, fs)) {
      const file = path.join(dir, name);
      const marker = readMarker(file, profile, fs);
      if (marker) markers.push(marker);
      else
        warnings.push({ code: 'MARKER_UNREADABLE', message: `${file} is no marker of a pending session.`, path: file });
    }
  }
  return { markers, warnings };
}

function namesIn(dir: string, fs: Deps['fs']): string[] {
  try {
    return fs
      .readdirSync(dir)
      .filter((name) => name.endsWith('.json'))
      .sort();
  } catch (error) {
    if (isSystemError(error)) return []; // most agents have none
    throw error;
  }
}

function readMarker(file: string, profile: string, fs: Deps['fs']): PendingMarker | undefined {
  try {
    const fields: unknown = JSON.parse(fs.readFileSync(file, 'utf8'));
    if (typeof fields !== 'object' || fields === null) return undefined;
    const { session_id: sessionId, owner_run_id: owner } = fields as Record<string, unknown>;
    if (typeof sessionId !== 'string' || sessionId === '') return undefined;
    const ownerRunId = typeof owner === 'string' ? owner : null;
    return { sessionId, ownerRunId, profile, path: file, at: fs.statSync(file).mtimeMs / 1000 };
  } catch {
    return undefined;
  }
}
