import type { Deps } from '../deps';
import { HermesctlError } from '../errors';
import { assertNoLink, assertUnchanged, durableWrite, type KeepOld } from '../files/durable-write';
import { withFileAsync } from '../files/open-file';
import { type FileStamp, stampOf } from '../files/stamp';
import { RawJson } from '../json/raw';
import { type CreateDefaults, type NewMembers, newSessionText } from '../session/create';
import { assertStoreId } from '../session/id';
import { assertBackupMayGo, assertNoBackup, keepBackup } from './backup';
import { assertMayChange } from './edit';
import { scanSidecar, sidecarPath } from './read';

/** A new session file, decided. */
export interface CreatePlan {
  id: string;
  path: string;
  /** The version that it replaces; absent where it is new. */
  expected: FileStamp | 'absent';
  text: string;
  messageCount: number;
}

/**
 * Plans a session file from its description. With `replace`, one that is there
 * is replaced and kept as `.json.bak`, and marked as meant where messages go.
 *
 * @throws HermesctlError `ALREADY_EXISTS`, `USAGE`, `REFUSED`, `SESSION_BUSY`, `READ_ONLY_SESSION`
 */
export function planCreate(
  sessionsDir: string,
  members: NewMembers,
  defaults: CreateDefaults,
  options: { replace: boolean; force: boolean },
  deps: Deps,
): CreatePlan {
  // Null is no id, here as for the server: one is made.
  const given = JSON.parse(members.get('session_id') ?? 'null') as string | null;
  const id = given ?? defaults.id;
  assertStoreId(id);
  const path = sidecarPath(sessionsDir, id);
  const stats = deps.fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (options.replace) assertNoLink(deps.fs, path);
  if (stats && !options.replace) {
    throw new HermesctlError('ALREADY_EXISTS', `There is a session ${id} already.`, {
      hint: 'Give another id, or --replace to replace it (its file is kept as .json.bak).',
      details: { session_id: id, path },
    });
  }
  const all = new Map(members).set('session_id', JSON.stringify(id));
  if (stats) markReplaced(sessionsDir, id, all, options, deps);
  const messages = new RawJson(all.get('messages') ?? '[]').value() as unknown[];
  return {
    id,
    path,
    expected: stats ? stampOf(stats) : 'absent',
    text: newSessionText(all, { ...defaults, id }),
    messageCount: messages.length,
  };
}

function markReplaced(
  sessionsDir: string,
  id: string,
  members: NewMembers,
  options: { force: boolean },
  deps: Deps,
): void {
  let old;
  try {
    old = scanSidecar(deps.fs, sessionsDir, id);
  } catch (error) {
    // What is damaged is kept as the backup and has no messages to compare.
    if (!(error instanceof HermesctlError) || error.code !== 'SESSION_DAMAGED') throw error;
    assertNoBackup(deps, sidecarPath(sessionsDir, id), id);
  }
  if (!old) return;
  assertMayChange(old, options);
  assertBackupMayGo(deps, old);
  const count = (new RawJson(members.get('messages') ?? '[]').value() as unknown[]).length;
  if (count < old.transcript.count && !members.has('intentional_shrink_generation')) {
    members.set('intentional_shrink_generation', JSON.stringify(deps.ids.uuidHex()));
  }
}

/**
 * Writes the planned session. The store's lock must be held.
 *
 * @throws HermesctlError `CHANGED_ON_DISK`, `REFUSED`, `IO_ERROR`
 */
export async function applyCreate(plan: CreatePlan, deps: Deps): Promise<void> {
  const bytes = Buffer.from(plan.text, 'utf8');
  const save = (keepOld?: KeepOld): Promise<FileStamp> =>
    durableWrite({ path: plan.path, expected: plan.expected }, (write) => write(bytes), deps, keepOld);
  if (plan.expected === 'absent') {
    await save();
    return;
  }
  const saved = await withFileAsync(deps.fs, plan.path, (file) => {
    // What was decided, the backup's fate too, was decided about the version looked at then.
    assertUnchanged(deps.fs, plan);
    return save((writeNow) => keepBackup(file, writeNow, deps));
  });
  if (!saved) assertUnchanged(deps.fs, plan);
}
