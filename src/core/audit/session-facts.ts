import type { Deps } from '../deps';
import { HermesctlError } from '../errors';
import { type OpenFile, withFileAsync } from '../files/open-file';
import { type FileStamp, stampOf } from '../files/stamp';
import { findHazards, type Hazard } from '../json/hazards';
import type { Window } from '../json/window';
import type { Fields } from '../session/fields';
import { contentText } from '../session/text';
import { memberOf } from '../json/member';
import { strip } from '../json/python';
import { messagesOf } from '../sidecar/messages';
import { scanOpenSidecar, type ScannedSidecar, sidecarPath } from '../sidecar/read';
import type { TranscriptFacts } from '../session/transcript';

/** What an audit knows of one session file that can be read. */
export interface SessionFacts {
  id: string;
  path: string;
  stamp: FileStamp;
  fields: Fields;
  transcript: TranscriptFacts;
  hasBom: boolean;
  hazards: Hazard[];
}

/** A session file, read or not. */
export type SessionReading =
  | { state: 'good'; isLink: boolean; mode: number; facts: SessionFacts }
  /** `isDangling`: a link to no file; to all but an audit there is none of this name. */
  | { state: 'bad'; isLink: boolean; isDangling: boolean; mode: number; stamp: FileStamp; error: HermesctlError };

/**
 * Reads one session for an audit: all of it, keeping its metadata. Undefined
 * where the file is gone.
 *
 * @param also is called while the file is open.
 */
export async function readSession(
  sessionsDir: string,
  id: string,
  deps: Deps,
  also: (file: OpenFile, sidecar: ScannedSidecar) => void,
  window?: Window,
): Promise<SessionReading | undefined> {
  const path = sidecarPath(sessionsDir, id);
  const stats = deps.fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const entry = { isLink: stats.isSymbolicLink(), mode: Number(stats.mode) & 0o777 };
  try {
    const facts = await withFileAsync(deps.fs, path, async (file) => {
      const sidecar = scanOpenSidecar(file, id, window);
      also(file, sidecar);
      const pause = deps.breathe();
      if (pause) await pause;
      return factsOf(file, sidecar);
    });
    if (facts) return { state: 'good', ...entry, facts };
    if (!entry.isLink) return undefined;
    return { state: 'bad', ...entry, isDangling: true, stamp: stampOf(stats), error: dangling(path) };
  } catch (error) {
    if (!(error instanceof HermesctlError)) throw error;
    return { state: 'bad', ...entry, isDangling: false, stamp: stampOf(stats), error };
  }
}

function dangling(path: string): HermesctlError {
  return new HermesctlError('IO_ERROR', `${path} is a symbolic link to a file that is not there.`, {
    details: { path },
  });
}

function factsOf(file: OpenFile, sidecar: ScannedSidecar): SessionFacts {
  const { id, path, stamp, fields, transcript, hasBom, mayHaveHazards } = sidecar;
  const hazards = mayHaveHazards ? findHazards(file.source, Number(stamp.size)) : [];
  return { id, path, stamp, fields, transcript, hasBom, hazards };
}

/** The texts of all messages of the user, trimmed. */
export function userTexts(file: OpenFile, sidecar: ScannedSidecar): Set<string> {
  const texts = new Set<string>();
  for (const { raw } of messagesOf(file, sidecar, { role: 'user' }))
    texts.add(strip(contentText(memberOf(raw, 'content'))));
  return texts;
}
