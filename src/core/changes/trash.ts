import { createHash } from 'node:crypto';
import * as path from 'node:path';

import type { Deps } from '../deps';
import { HermesctlError, ioError, isSystemError } from '../errors';
import { durableWrite, syncDirectory } from '../files/durable-write';
import { type FileStamp, stampOf } from '../files/stamp';

/** Where deleted sessions are kept, in the state directory. */
const TRASH_DIR = '.hermesctl-trash';
const MANIFEST = 'manifest.json';
const ROWS = 'rows.ndjson';
const FILES = 'files';
const NEW_DIRECTORY_MODE = 0o700;
const MAX_NAME_BYTES = 200;

/** What a file is to its session. */
export type DoomedKind =
  'sidecar' | 'backup' | 'aside' | 'turn-journal' | 'run-journal' | 'attachment' | 'agent-transcript' | 'request-dump';

/** A file that goes with its session. */
export interface DoomedFile {
  path: string;
  kind: DoomedKind;
  bytes: number;
}

/** A directory that goes when it is empty. */
export interface DoomedDirectory {
  path: string;
  mode: number;
}

/**
 * How far a deletion came: `begun` until all is done, `deleted`, `restoring`
 * until all is back, `restored`; `void` where it was begun and nothing had been
 * removed.
 */
export type TrashState = 'begun' | 'deleted' | 'restoring' | 'restored' | 'void';

/** What an entry says of itself, written before anything is removed. */
export interface TrashManifest {
  version: 1;
  session_id: string;
  state: TrashState;
  /** Epoch seconds. */
  deleted_at: number;
  /** False for a deletion for good: then the entry only says what is still to be removed. */
  kept: boolean;
  /** Whether it was recorded as deleted only now: what it was before is what a restore brings back. */
  tombstone: boolean;
  /** The database that the rows are from. */
  database: string | null;
  /** Each file that was to be moved, and its name in `files/`. One that is not there was not moved. */
  files: (DoomedFile & { name: string })[];
  directories: DoomedDirectory[];
  /** Entries of earlier deletions of this session that were cut off, and that this one finishes. */
  continues: string[];
}

/** One deletion of one session in the trash. */
export interface TrashEntry {
  name: string;
  dir: string;
  manifest: TrashManifest;
  stamp: FileStamp;
}

export function trashRoot(stateDir: string): string {
  return path.join(stateDir, TRASH_DIR);
}

export function rowsFile({ dir }: Pick<TrashEntry, 'dir'>): string {
  return path.join(dir, ROWS);
}

export function trashedFile({ dir }: Pick<TrashEntry, 'dir'>, { name }: { name: string }): string {
  return path.join(dir, FILES, name);
}

/** Ids may be any text; a directory's name may not. */
function keyOf(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, 16);
}

/**
 * The deletions of a session that are in the trash, the newest first.
 *
 * @throws HermesctlError `STORE_DAMAGED` where an entry's manifest is broken, `IO_ERROR`.
 */
export function entriesOf(stateDir: string, id: string, deps: Deps): TrashEntry[] {
  const key = `-${keyOf(id)}-`;
  return namesInTrash(stateDir, deps)
    .filter((name) => name.includes(key))
    .reverse()
    .flatMap((name) => readEntry(stateDir, name, deps) ?? [])
    .filter(({ manifest }) => manifest.session_id === id);
}

/** The names of all entries, the oldest first. */
export function namesInTrash(stateDir: string, deps: Deps): string[] {
  const root = trashRoot(stateDir);
  try {
    return deps.fs.readdirSync(root).sort();
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return [];
    throw isSystemError(error) ? ioError(error, root) : error;
  }
}

/** An entry; undefined where it has no manifest: then nothing was ever moved into it, or it is being removed. */
export function readEntry(stateDir: string, name: string, deps: Deps): TrashEntry | undefined {
  const dir = path.join(trashRoot(stateDir), name);
  const file = path.join(dir, MANIFEST);
  try {
    const stats = deps.fs.lstatSync(file, { bigint: true });
    const manifest = JSON.parse(deps.fs.readFileSync(file, 'utf8')) as TrashManifest;
    if (manifest.version !== 1 || typeof manifest.session_id !== 'string') throw new SyntaxError('another format');
    return { name, dir, manifest, stamp: stampOf(stats) };
  } catch (error) {
    if (isSystemError(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    if (isSystemError(error)) throw ioError(error, file);
    throw new HermesctlError('STORE_DAMAGED', `${file} cannot be read: ${(error as Error).message}.`, {
      hint: 'Move the directory out of the trash; its files are those of the session.',
      details: { path: file },
      cause: error,
    });
  }
}

/**
 * Makes an entry that says what is going to be removed. The store's lock must be held.
 *
 * @throws HermesctlError `IO_ERROR`
 */
export async function beginEntry(
  stateDir: string,
  doomed: Omit<TrashManifest, 'version' | 'state' | 'deleted_at' | 'files'> & { files: DoomedFile[] },
  deps: Deps,
): Promise<TrashEntry> {
  const now = deps.clock.now();
  const stamp = new Date(now * 1000).toISOString().replaceAll(':', '-');
  const name = `${stamp}-${keyOf(doomed.session_id)}-${deps.ids.uuidHex().slice(0, 8)}`;
  const root = trashRoot(stateDir);
  const dir = path.join(root, name);
  try {
    makeDirectory(root, stateDir, deps);
    for (const one of [dir, path.join(dir, FILES)]) makeDirectory(one, stateDir, deps);
  } catch (error) {
    throw isSystemError(error) ? ioError(error, dir) : error;
  }
  const manifest: TrashManifest = {
    version: 1,
    ...doomed,
    state: 'begun',
    deleted_at: now,
    files: doomed.files.map((file, i) => ({ ...file, name: nameInTrash(file.path, i + 1) })),
  };
  return writeManifest({ name, dir, manifest }, 'absent', deps);
}

/** Numbered, so that no two are the same; the file's own name after it is for people. */
function nameInTrash(file: string, number: number): string {
  const [digits, name] = [String(number).padStart(4, '0'), path.basename(file)];
  return Buffer.byteLength(name) > MAX_NAME_BYTES ? digits : `${digits}-${name}`;
}

/** Makes a directory that only the store's owner can look into, on the disk; one that is there will do. */
function makeDirectory(dir: string, stateDir: string, deps: Deps): void {
  const { fs } = deps;
  if (fs.statSync(dir, { throwIfNoEntry: false })?.isDirectory()) return;
  fs.mkdirSync(dir, { mode: NEW_DIRECTORY_MODE });
  if (deps.processes.uid === 0) {
    const { uid, gid } = fs.statSync(stateDir);
    fs.chownSync(dir, uid, gid);
  }
  syncDirectory(fs, path.dirname(dir));
}

/** Says how far an entry came, durably. */
export async function setState(entry: TrashEntry, state: TrashState, deps: Deps): Promise<TrashEntry> {
  if (entry.manifest.state === state) return entry;
  return writeManifest({ ...entry, manifest: { ...entry.manifest, state } }, entry.stamp, deps);
}

async function writeManifest(
  entry: Omit<TrashEntry, 'stamp'>,
  expected: FileStamp | 'absent',
  deps: Deps,
): Promise<TrashEntry> {
  const bytes = Buffer.from(`${JSON.stringify(entry.manifest, null, 2)}\n`);
  const target = { path: path.join(entry.dir, MANIFEST), expected };
  return { ...entry, stamp: await durableWrite(target, (write) => write(bytes), deps) };
}

/**
 * Removes an entry and all that is in it. The manifest goes first: without it
 * there is no entry, only something to clear away.
 *
 * @throws a system error.
 */
export function removeEntry(dir: string, deps: Deps): void {
  const { fs } = deps;
  const manifest = path.join(dir, MANIFEST);
  if (fs.lstatSync(manifest, { throwIfNoEntry: false })) {
    fs.unlinkSync(manifest);
    syncDirectory(fs, dir);
  }
  removeTree(dir, deps);
  syncDirectory(fs, path.dirname(dir));
}

function removeTree(dir: string, deps: Deps): void {
  for (const name of deps.fs.readdirSync(dir)) {
    const file = path.join(dir, name);
    if (deps.fs.lstatSync(file).isDirectory()) removeTree(file, deps);
    else deps.fs.unlinkSync(file);
  }
  deps.fs.rmdirSync(dir);
}
