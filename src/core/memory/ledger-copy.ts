import * as path from 'node:path';

import type { Deps } from '../deps';
import { HermesctlError, ioError, isSystemError } from '../errors';
import { type FileStamp, sameStamp, stampOf } from '../files/stamp';

const SUFFIXES = ['', '-journal'] as const;
const TRIES = 5;

/**
 * Copies a database and its rollback journal into a directory of their own,
 * both of one moment: another process may undo or write meanwhile. No SQLite
 * handle of this process may be open on it.
 *
 * @throws HermesctlError `IO_ERROR`, `LOCKED` where it does not come to rest.
 */
export function copyWithJournal(file: string, { fs, temporaryRoot }: Deps): { copy: string; remove: () => void } {
  let dir: string | undefined;
  const remove = (): void => {
    if (dir !== undefined) fs.rmSync(dir, { recursive: true, force: true });
  };
  try {
    dir = fs.mkdtempSync(path.join(temporaryRoot, 'hermesctl-'));
    const copy = path.join(dir, 'ledger.db');
    for (let i = 0; i < TRIES; i++) {
      const before = SUFFIXES.map((suffix) => stampAt(`${file}${suffix}`, fs));
      SUFFIXES.forEach((suffix, at) => {
        fs.rmSync(`${copy}${suffix}`, { force: true });
        if (before[at]) fs.copyFileSync(`${file}${suffix}`, `${copy}${suffix}`);
      });
      if (SUFFIXES.every((suffix, at) => same(before[at], stampAt(`${file}${suffix}`, fs)))) return { copy, remove };
    }
  } catch (error) {
    remove();
    throw isSystemError(error) ? ioError(error) : error;
  }
  remove();
  throw new HermesctlError('LOCKED', `The ledger ${file} is being written all the time.`, { details: { path: file } });
}

function stampAt(file: string, fs: Deps['fs']): FileStamp | undefined {
  const stats = fs.statSync(file, { bigint: true, throwIfNoEntry: false });
  return stats && stampOf(stats);
}

function same(a: FileStamp | undefined, b: FileStamp | undefined): boolean {
  return a && b ? sameStamp(a, b) : a === b;
}
