import type { Deps } from '../deps';
import { HermesctlError } from '../errors';
import { durableWrite, assertUnchanged } from '../files/durable-write';
import { type OpenFile, withFileAsync } from '../files/open-file';
import { type FileStamp, sameStamp } from '../files/stamp';
import { memberSplices, type Splice, writeSpliced } from '../json/splice';
import { truthy } from '../json/python';
import { WRITER_ORDER } from '../session/writer';
import { keepBackup } from './backup';
import type { ScannedSidecar } from './read';

/**
 * A change to one session file, decided and not yet done: the same object for
 * a dry run and a real one. All bytes outside the splices stay as they are.
 */
export interface SidecarEdit {
  id: string;
  path: string;
  /** The version that was read, and that must still be there. */
  stamp: FileStamp;
  splices: Splice[];
  /** Whether the previous bytes are kept as `.json.bak` first: always where messages go. */
  backup: boolean;
}

/** The splices that give top-level members of this sidecar new values (JSON text), inserting what is missing. */
export function editMembers(file: OpenFile, sidecar: ScannedSidecar, changes: ReadonlyMap<string, string>): Splice[] {
  const read = (start: number, end: number): string => {
    const bytes = Buffer.allocUnsafe(end - start);
    let filled = 0;
    while (filled < bytes.length) {
      const n = file.source.read(bytes, filled, bytes.length - filled, start + filled);
      if (n === 0) break;
      filled += n;
    }
    return bytes.toString('utf8', 0, filled);
  };
  return memberSplices(sidecar.members, changes, WRITER_ORDER, read);
}

/**
 * Makes the change by {@link durableWrite}, keeping the backup where one is due. The store's lock must be held.
 *
 * @returns the stamp of the new version.
 * @throws HermesctlError `CHANGED_ON_DISK`, `REFUSED`, `IO_ERROR`; the session is then the version it was.
 */
export async function applyEdit(edit: SidecarEdit, deps: Deps): Promise<FileStamp> {
  const written = await withFileAsync(deps.fs, edit.path, async (file) => {
    if (!sameStamp(file.stamp, edit.stamp)) assertUnchanged(deps.fs, { path: edit.path, expected: edit.stamp });
    const size = Number(file.stamp.size);
    return durableWrite(
      { path: edit.path, expected: edit.stamp },
      (write) => writeSpliced(file.source, size, edit.splices, write),
      deps,
      edit.backup ? (writeNow) => keepBackup(file, writeNow, deps) : undefined,
    );
  });
  if (written) return written;
  throw new HermesctlError('CHANGED_ON_DISK', `${edit.path} was removed by another program meanwhile.`, {
    details: { path: edit.path },
  });
}

/**
 * Refuses a session that must not be changed now.
 *
 * @throws HermesctlError `READ_ONLY_SESSION`; `SESSION_BUSY` where a stream or a pending turn is recorded and `force` is not set.
 */
export function assertMayChange(
  sidecar: ScannedSidecar,
  { force, readOnlyToo = false }: { force: boolean; readOnlyToo?: boolean },
): void {
  const at = (key: string): unknown => sidecar.fields.get(key)?.value();
  if (!readOnlyToo && truthy(at('read_only'))) {
    throw new HermesctlError('READ_ONLY_SESSION', `Session ${sidecar.id} is read-only.`, {
      hint: 'It is a view of a session that another program owns; change it there.',
      details: { session_id: sidecar.id },
    });
  }
  if (force) return;
  const owner = truthy(at('active_stream_id'))
    ? 'records a running stream'
    : truthy(at('pending_user_message'))
      ? 'has a turn that is still pending'
      : undefined;
  if (owner === undefined) return;
  throw new HermesctlError('SESSION_BUSY', `Session ${sidecar.id} ${owner}.`, {
    hint: 'Let it end. If the server is gone and nothing runs, --force changes the session all the same.',
    details: { session_id: sidecar.id, active_stream_id: at('active_stream_id') ?? null },
  });
}
