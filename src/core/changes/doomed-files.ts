import * as path from 'node:path';

import type { Deps } from '../deps';
import { HermesctlError, ioError, isSystemError, type Warning } from '../errors';
import { assertNoLink } from '../files/durable-write';
import type { Location } from '../location/location';
import { backupPath } from '../sidecar/backup';
import { sessionIds } from '../sidecar/directory';
import { sidecarPath } from '../sidecar/read';
import { asidePath } from '../sidecar/restore';
import type { DoomedDirectory, DoomedFile, DoomedKind } from './trash';

/** The files of a session, and the directories that are only its own. */
export interface DoomedTree {
  files: DoomedFile[];
  directories: DoomedDirectory[];
  warnings: Warning[];
}

const ATTACHMENT_NAME_LENGTH = 120;

/**
 * A session's files in the store (reference: webui-store §2.2, §12), in the
 * order in which they go: the backup before the session itself, so that there
 * is never a backup without a session.
 *
 * @throws HermesctlError `REFUSED` (a link, something that is no file), `IO_ERROR`
 */
export function doomedInStore(location: Location, id: string, deps: Deps): DoomedTree {
  const sessionsDir = location.sessionsDir.value;
  const sidecar = sidecarPath(sessionsDir, id);
  assertNoLink(deps.fs, sidecar);
  const journals = path.join(sessionsDir, '_turn_journal');
  const shards = namesIn(journals, deps).filter(
    (name) => name === `${id}.jsonl` || (name.startsWith(`${id}~`) && name.endsWith('.jsonl')),
  );
  const attachments = attachmentsOf(location, id, deps);
  const runs = treeOf(path.join(sessionsDir, '_run_journal', id), 'run-journal', deps);
  return {
    files: [
      ...fileOf(asidePath(sidecar), 'aside', deps),
      ...fileOf(backupPath(sidecar), 'backup', deps),
      ...fileOf(sidecar, 'sidecar', deps),
      ...shards.sort().flatMap((name) => fileOf(path.join(journals, name), 'turn-journal', deps)),
      ...runs.files,
      ...attachments.files,
    ],
    directories: [...runs.directories, ...attachments.directories],
    warnings: attachments.warnings,
  };
}

/** Attachments stand under the first 120 characters of the id: two long ids may share them, and then they stay. */
function attachmentsOf(location: Location, id: string, deps: Deps): DoomedTree {
  const dir = path.join(location.attachmentsDir.value, id.slice(0, ATTACHMENT_NAME_LENGTH));
  const isShared =
    id.length > ATTACHMENT_NAME_LENGTH &&
    sessionIds(deps.fs, location).some((other) => other !== id && other.startsWith(path.basename(dir)));
  if (!isShared) return { ...treeOf(dir, 'attachment', deps), warnings: [] };
  const message = `The attachments in ${dir} may be another session's too, and stay.`;
  return { files: [], directories: [], warnings: [{ code: 'ATTACHMENTS_KEPT', message, session_id: id, path: dir }] };
}

/** What may be a part of a file's name. Ids of the agent may be any text. */
const SAFE_ID = /^[0-9A-Za-z_-]+$/;

/**
 * The files that the agent keeps of its sessions beside the database: those
 * that its own delete removes, and the snapshots `session_<id>.json`.
 *
 * @param others ids of sessions that stay and begin like one of these, followed by `_`: their dumps are theirs.
 * @throws HermesctlError `IO_ERROR`
 */
export function doomedInHome(
  home: string,
  ids: readonly string[],
  others: readonly string[],
  location: Location,
  deps: Deps,
): DoomedFile[] {
  const dir = path.join(home, 'sessions');
  const names = namesIn(dir, deps);
  // Where somebody made them one directory, what looks like a transcript is a session's file.
  const isStore = realPath(dir, deps) === realPath(location.sessionsDir.value, deps);
  if (isStore) return [];
  return ids
    .filter((id) => SAFE_ID.test(id))
    .flatMap((id) => [
      ...[`${id}.json`, `${id}.jsonl`, `session_${id}.json`]
        .filter((name) => names.includes(name))
        .flatMap((name) => fileOf(path.join(dir, name), 'agent-transcript', deps)),
      ...names
        .filter((name) => isDumpOf(name, id, others))
        .sort()
        .flatMap((name) => fileOf(path.join(dir, name), 'request-dump', deps)),
    ]);
}

function isDumpOf(name: string, id: string, others: readonly string[]): boolean {
  const isOf = (one: string): boolean => name.startsWith(`request_dump_${one}_`);
  return name.endsWith('.json') && isOf(id) && !others.some((other) => other.startsWith(`${id}_`) && isOf(other));
}

function fileOf(file: string, kind: DoomedKind, deps: Deps): DoomedFile[] {
  const stats = deps.fs.lstatSync(file, { throwIfNoEntry: false });
  if (!stats) return [];
  if (!stats.isFile() && !stats.isSymbolicLink()) {
    throw new HermesctlError('REFUSED', `${file} is not a regular file.`, {
      hint: 'Look at what it is, and move it away first.',
      details: { path: file },
    });
  }
  return [{ path: file, kind, bytes: stats.size }];
}

/** All files below a directory, and the directories themselves, the deepest first. A link is a file: nothing behind it is looked at. */
function treeOf(dir: string, kind: DoomedKind, deps: Deps): Omit<DoomedTree, 'warnings'> {
  const stats = deps.fs.lstatSync(dir, { throwIfNoEntry: false });
  if (!stats?.isDirectory()) return { files: fileOf(dir, kind, deps), directories: [] };
  const parts = namesIn(dir, deps)
    .sort()
    .map((name) => treeOf(path.join(dir, name), kind, deps));
  return {
    files: parts.flatMap(({ files }) => files),
    directories: [...parts.flatMap(({ directories }) => directories), { path: dir, mode: stats.mode & 0o7777 }],
  };
}

function namesIn(dir: string, deps: Deps): string[] {
  try {
    return deps.fs.readdirSync(dir);
  } catch (error) {
    if (isSystemError(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return [];
    throw isSystemError(error) ? ioError(error, dir) : error;
  }
}

function realPath(file: string, deps: Deps): string {
  try {
    return deps.fs.realpathSync(file);
  } catch {
    return file;
  }
}
