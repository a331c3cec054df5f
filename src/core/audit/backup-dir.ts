import { createHash } from 'node:crypto';
import * as path from 'node:path';

import type { Deps } from '../deps';
import { HermesctlError, ioError, isSystemError } from '../errors';
import { assertUnchanged, durableWrite, syncDirectory } from '../files/durable-write';
import { withFileAsync } from '../files/open-file';
import type { FileStamp } from '../files/stamp';
import { writeSpliced } from '../json/splice';

/** A file that is about to be replaced: the version that was looked at, and that must still be there. */
export interface Endangered {
  path: string;
  stamp: FileStamp | 'absent';
}

/** What the manifest says of a file. */
interface Kept {
  path: string;
  /** Relative to the manifest; null where there was no file. */
  backup: string | null;
  bytes: number;
  sha256: string | null;
}

const LEDGER_COPY = 'hermesctl-memory.db';

/** The memory ledger, where that is to be changed. A database is not copied as a file, but by SQLite. */
export interface EndangeredLedger {
  path: string;
  copyTo: (file: string) => Promise<void>;
}

export const MANIFEST = 'manifest.json';

/** Where the versions before a repair are kept, unless it is said: a new directory in the state directory, of this second. */
export function defaultBackupDir(stateDir: string, deps: Deps): string {
  const now = deps.clock.now();
  const stamp = new Date(now * 1000)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:]/g, '');
  const first = path.join(stateDir, `hermesctl-backup-${stamp}`);
  let dir = first;
  for (let n = 2; deps.fs.lstatSync(dir, { throwIfNoEntry: false }) !== undefined; n++) dir = `${first}-${n}`;
  return dir;
}

/**
 * Keeps a copy of each file, durably, and a manifest of them; the manifest
 * comes last, so that where it is everything is.
 *
 * @throws HermesctlError `CHANGED_ON_DISK` where a file is another version by now, `REFUSED` (the directory has something in it), `IO_ERROR`.
 */
export async function keepAll(
  dir: string,
  stateDir: string,
  files: readonly Endangered[],
  about: Record<string, unknown>,
  deps: Deps,
  ledger?: EndangeredLedger,
): Promise<void> {
  makeEmptyDir(dir, stateDir, deps);
  const kept: Kept[] = ledger ? [await keepLedger(dir, ledger, deps)] : [];
  for (const file of files) kept.push(await keep(dir, stateDir, file, deps));
  const manifest = { version: 1, made_at: deps.clock.now(), state_dir: stateDir, ...about, files: kept };
  const bytes = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
  await durableWrite({ path: path.join(dir, MANIFEST), expected: 'absent' }, (write) => write(bytes), deps);
}

async function keepLedger(dir: string, ledger: EndangeredLedger, deps: Deps): Promise<Kept> {
  const copy = path.join(dir, LEDGER_COPY);
  await ledger.copyTo(copy);
  try {
    const bytes = deps.fs.readFileSync(copy);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { path: ledger.path, backup: LEDGER_COPY, bytes: bytes.length, sha256 };
  } catch (error) {
    throw isSystemError(error) ? ioError(error, copy) : error;
  }
}

async function keep(dir: string, stateDir: string, { path: file, stamp }: Endangered, deps: Deps): Promise<Kept> {
  if (stamp === 'absent') {
    assertUnchanged(deps.fs, { path: file, expected: 'absent' });
    return { path: file, backup: null, bytes: 0, sha256: null };
  }
  const backup = path.relative(stateDir, file);
  makeDirs(dir, path.dirname(path.join(dir, backup)), stateDir, deps);
  const hash = createHash('sha256');
  const done = await withFileAsync(deps.fs, file, async ({ source }) => {
    assertUnchanged(deps.fs, { path: file, expected: stamp });
    const copy = (write: (bytes: Uint8Array) => void): void =>
      writeSpliced(source, Number(stamp.size), [], (bytes) => {
        hash.update(bytes);
        write(bytes);
      });
    await durableWrite({ path: path.join(dir, backup), expected: 'absent' }, copy, deps);
    return true;
  });
  if (!done) assertUnchanged(deps.fs, { path: file, expected: stamp });
  return { path: file, backup, bytes: Number(stamp.size), sha256: hash.digest('hex') };
}

function makeEmptyDir(dir: string, stateDir: string, deps: Deps): void {
  try {
    if (deps.fs.readdirSync(dir).length === 0) return;
  } catch (error) {
    if (!isSystemError(error) || error.code !== 'ENOENT') throw isSystemError(error) ? ioError(error, dir) : error;
    makeDirs(path.dirname(dir), dir, stateDir, deps);
    return;
  }
  throw new HermesctlError('REFUSED', `${dir} is not empty, and is to keep the versions before a repair.`, {
    hint: 'Name a directory that is empty or not there with --backup-dir.',
    details: { path: dir },
  });
}

/** Makes the directories between these two, for the owner of the store alone. */
function makeDirs(from: string, to: string, stateDir: string, deps: Deps): void {
  const { fs } = deps;
  try {
    if (fs.statSync(to, { throwIfNoEntry: false })) return;
    if (path.dirname(to) !== from && path.dirname(to) !== to) makeDirs(from, path.dirname(to), stateDir, deps);
    fs.mkdirSync(to, { mode: 0o700 });
    const { uid, gid } = fs.statSync(stateDir);
    if (deps.processes.uid === 0) fs.chownSync(to, uid, gid);
    syncDirectory(fs, path.dirname(to));
  } catch (error) {
    throw isSystemError(error) ? ioError(error, to) : error;
  }
}
