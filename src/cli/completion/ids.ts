import { withAgentDatabase } from '../../core/agent-db/open';
import { namesInTrash, readEntry } from '../../core/changes/trash';
import { HermesctlError } from '../../core/errors';
import type { FileSystem } from '../../core/files/file-system';
import { sessionIds } from '../../core/sidecar/directory';
import { readSidecarMetadata, sidecarPath } from '../../core/sidecar/read';
import type { Context } from '../context';
import { visibleLine } from '../output/visible';
import type { IdSource } from './table';

export interface IdToOffer {
  id: string;
  title: string;
}

/** So many get their title; beyond that nobody reads a menu. */
const MAX_TITLES = 100;
const TITLE_LENGTH = 60;

/** Ids that mean themselves in every shell. Others exist in agents' databases, and are typed by hand. */
const PLAIN = /^[\w.@%+,-]+$/;

/**
 * The ids that begin so, the newest first. For sessions: those of the store,
 * and only where none begins so those of the agent's database, as commands look
 * for them. What cannot be read has none: a person pressing Tab wants no error.
 */
export async function idsToOffer(
  context: Context,
  of: IdSource,
  prefix: string,
  titles: boolean,
): Promise<IdToOffer[]> {
  const begins = ({ id }: IdToOffer): boolean => id.startsWith(prefix) && PLAIN.test(id);
  if (of === 'trash') return orNone(() => trashed(context).filter(begins));
  const stored = of === 'agent' ? [] : await orNone(() => inStore(context, prefix, titles));
  return stored.length > 0 ? stored : await orNone(async () => (await inDatabase(context)).filter(begins));
}

async function orNone(look: () => IdToOffer[] | Promise<IdToOffer[]>): Promise<IdToOffer[]> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof HermesctlError && error.exit < 128 && error.code !== 'UNEXPECTED') return [];
    throw error;
  }
}

function inStore({ deps, location }: Context, prefix: string, titles: boolean): IdToOffer[] {
  const dir = location.sessionsDir.value;
  const found = sessionIds(deps.fs, location)
    .filter((id) => id.startsWith(prefix))
    .map((id) => ({
      id,
      changed: deps.fs.lstatSync(sidecarPath(dir, id), { throwIfNoEntry: false })?.mtimeMs ?? 0,
    }))
    .sort((a, b) => b.changed - a.changed);
  return found.map(({ id }, i) => ({ id, title: titles && i < MAX_TITLES ? titleOf(deps.fs, dir, id) : '' }));
}

function titleOf(fs: FileSystem, dir: string, id: string): string {
  try {
    return shortened(readSidecarMetadata(fs, dir, id)?.fields.get('title')?.value());
  } catch (error) {
    if (error instanceof HermesctlError) return 'damaged';
    throw error;
  }
}

function shortened(title: unknown): string {
  const characters = typeof title === 'string' ? [...visibleLine(title)] : [];
  return characters.length > TITLE_LENGTH ? `${characters.slice(0, TITLE_LENGTH - 1).join('')}…` : characters.join('');
}

async function inDatabase({ deps, location }: Context): Promise<IdToOffer[]> {
  return withAgentDatabase(location.agentDatabase.value, deps, async (database) => {
    const columns = await database.columns('sessions');
    const title = columns.has('title') ? 'title' : 'NULL';
    const order = columns.has('started_at') ? 'started_at DESC' : 'id';
    const rows = await database.all(`SELECT id, ${title} AS title FROM sessions ORDER BY ${order} LIMIT 10000`);
    return rows.map((row) => ({ id: String(row['id']), title: shortened(row['title']) }));
  });
}

function trashed({ deps, location }: Context): IdToOffer[] {
  const { value: stateDir } = location.stateDir;
  const names = namesInTrash(stateDir, deps).reverse();
  const entries = names.flatMap((name) => readEntry(stateDir, name, deps) ?? []);
  const ids = new Set(entries.map(({ manifest }) => manifest.session_id));
  return [...ids].map((id) => ({ id, title: 'in the trash' }));
}
