import type { Deps } from '../deps';
import type { OpenFile } from '../files/open-file';
import { strip, truthy } from '../json/python';
import { DEFAULT_TITLE } from '../session/text';
import { floatText } from '../session/writer';
import { assertMayChange, editMembers, type SidecarEdit } from './edit';
import type { ScannedSidecar } from './read';

/** A change of a session's metadata, as the server's own endpoints make it. */
export type MetadataChange = { title: string } | { pinned: boolean } | { archived: boolean };

const TITLE_LENGTH = 80;
/** Titles that the server may replace by a better one of its own. */
const AUTOMATIC_TITLES = new Set(['untitled', 'new chat']);

/** A title as the server stores it: trimmed, at most 80 characters, `Untitled` where nothing is left. */
export function storedTitle(title: string): string {
  return [...strip(title)].slice(0, TITLE_LENGTH).join('') || DEFAULT_TITLE;
}

const isManual = (title: string): boolean => !AUTOMATIC_TITLES.has(strip(title).toLowerCase());

/** The members that a change gives new values, as JSON text. Archiving is no activity: it leaves `updated_at` alone. */
function changesOf(change: MetadataChange, now: number): Map<string, string> {
  if ('archived' in change) return new Map([['archived', String(change.archived)]]);
  const touched: [string, string] = ['updated_at', floatText(now)];
  if ('pinned' in change) return new Map([['pinned', String(change.pinned)], touched]);
  const title = storedTitle(change.title);
  return new Map([
    ['title', JSON.stringify(title)],
    ['manual_title', String(isManual(title))],
    ['llm_title_generated', 'false'],
    touched,
  ]);
}

/** Whether the session says already what the change would make it say. */
function isDone(sidecar: ScannedSidecar, change: MetadataChange): boolean {
  const at = (key: string): unknown => sidecar.fields.get(key)?.value();
  if ('title' in change) {
    const title = storedTitle(change.title);
    return (
      at('title') === title && (at('manual_title') ?? false) === isManual(title) && !truthy(at('llm_title_generated'))
    );
  }
  const [key, wanted] = Object.entries(change)[0];
  return (at(key) ?? false) === wanted;
}

/**
 * Plans a change of metadata; undefined where there is nothing to do.
 *
 * @throws HermesctlError `READ_ONLY_SESSION` (a read-only session can be pinned and archived, not renamed), `SESSION_BUSY`.
 */
export function planMetadataEdit(
  file: OpenFile,
  sidecar: ScannedSidecar,
  change: MetadataChange,
  force: boolean,
  deps: Deps,
): SidecarEdit | undefined {
  assertMayChange(sidecar, { force, readOnlyToo: !('title' in change) });
  if (isDone(sidecar, change)) return undefined;
  return {
    id: sidecar.id,
    path: sidecar.path,
    stamp: sidecar.stamp,
    splices: editMembers(file, sidecar, changesOf(change, deps.clock.now())),
    backup: false,
  };
}
