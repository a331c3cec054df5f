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
import type { FieldKeeper } from './kept-fields';

/** What an audit knows of one session file that can be read. */
export interface SessionFacts {
  id: string;
  readonly path: string;
  stamp: FileStamp;
  /** Those that checks ask for. */
  fields: Fields;
  transcript: TranscriptFacts;
  hasBom: boolean;
  hazards: readonly Hazard[];
}

/** A session file, read or not. */
export type SessionReading =
  | { state: 'good'; isLink: boolean; mode: number; facts: SessionFacts }
  /** `isDangling`: a link to no file; to all but an audit there is none of this name. */
  | { state: 'bad'; isLink: boolean; isDangling: boolean; mode: number; stamp: FileStamp; error: HermesctlError };

/**
 * Reads one session for an audit: all of it, keeping what checks ask for.
 * Undefined where the file is gone.
 *
 * @param also is called while the file is open.
 */
export async function readSession(
  sessionsDir: string,
  id: string,
  deps: Deps,
  also: (file: OpenFile, sidecar: ScannedSidecar) => void,
  keeper: FieldKeeper,
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
      return new Facts(file, sidecar, sessionsDir, keeper);
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

/** A class, so that a hundred thousand of them are of one shape; a path is made when it is asked for. */
class Facts implements SessionFacts {
  readonly id: string;
  readonly stamp: FileStamp;
  readonly fields: Fields;
  readonly transcript: TranscriptFacts;
  readonly hasBom: boolean;
  readonly hazards: readonly Hazard[];

  constructor(
    { source }: OpenFile,
    sidecar: ScannedSidecar,
    private readonly sessionsDir: string,
    keeper: FieldKeeper,
  ) {
    const { id, fields, stamp, transcript, hasBom, mayHaveHazards } = sidecar;
    this.id = id;
    this.stamp = stamp;
    this.fields = keeper.keep(id, fields);
    this.transcript = transcript;
    this.hasBom = hasBom;
    this.hazards = mayHaveHazards ? findHazards(source, Number(stamp.size)) : NO_HAZARDS;
  }

  get path(): string {
    return sidecarPath(this.sessionsDir, this.id);
  }
}

const NO_HAZARDS: readonly Hazard[] = [];

/** The texts of all messages of the user, trimmed. */
export function userTexts(file: OpenFile, sidecar: ScannedSidecar): Set<string> {
  const texts = new Set<string>();
  for (const { raw } of messagesOf(file, sidecar, { role: 'user' }))
    texts.add(strip(contentText(memberOf(raw, 'content'))));
  return texts;
}
