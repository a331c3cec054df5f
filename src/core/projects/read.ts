import { HermesctlError } from '../errors';
import type { FileSystem } from '../files/file-system';
import { withFile } from '../files/open-file';
import type { FileStamp } from '../files/stamp';
import type { MemberSpan, Span } from '../json/document';
import { RawJson } from '../json/raw';
import { type ByteSource, JsonReader } from '../json/reader';
import { JsonSyntaxError } from '../json/syntax-error';

/** A project of the store, as `projects.json` records it. */
export interface Project {
  project_id: string;
  name: string;
  profile?: string | null;
}

/** One entry of `projects.json`: where it stands, and its members as they are spelled. */
export interface ProjectEntry extends Span {
  members: (MemberSpan & { raw: RawJson })[];
}

/** `projects.json` as it stands: every entry, projects or not. */
export interface ProjectsFile {
  stamp: FileStamp;
  source: ByteSource;
  entries: ProjectEntry[];
  /** Offset of the bracket that closes the list. */
  end: number;
}

/**
 * The store's projects; none where there is no `projects.json`.
 *
 * @throws HermesctlError `STORE_DAMAGED` where the file is broken (it is never taken for an empty list), `IO_ERROR`.
 */
export function readProjects(fs: FileSystem, projectsFile: string): Project[] {
  const projects = withProjects(fs, projectsFile, ({ entries }) => entries.map(projectOf));
  return (projects ?? []).filter((project): project is Project => project !== undefined);
}

/** All members of the projects as they are spelled, the last of duplicates; without what is no project. Throws as {@link readProjects}. */
export function readProjectRecords(fs: FileSystem, projectsFile: string): ReadonlyMap<string, RawJson>[] {
  const records = withProjects(fs, projectsFile, ({ entries }) =>
    entries
      .filter((entry) => projectOf(entry))
      .map(({ members }) => new Map(members.map(({ key, raw }) => [key, raw]))),
  );
  return records ?? [];
}

/**
 * Hands over `projects.json`, open, with every entry located; undefined where
 * there is none. Throws as {@link readProjects}.
 */
export function withProjects<T>(fs: FileSystem, projectsFile: string, use: (file: ProjectsFile) => T): T | undefined {
  return withFile(fs, projectsFile, ({ source, stamp }) => {
    let found: Pick<ProjectsFile, 'entries' | 'end'>;
    try {
      found = locateEntries(source);
    } catch (error) {
      if (!(error instanceof JsonSyntaxError)) throw error;
      throw broken(projectsFile, error);
    }
    return use({ stamp, source, ...found });
  });
}

function locateEntries(source: ByteSource): Pick<ProjectsFile, 'entries' | 'end'> {
  const reader = new JsonReader(source);
  if (reader.peekKind() !== 'array') throw new JsonSyntaxError(reader.offset, 'not a list');
  // The server cannot read it then, and takes it for empty.
  if (reader.hasBom) throw new JsonSyntaxError(0, 'a byte-order mark');
  const entries: ProjectEntry[] = [];
  reader.beginArray();
  while (reader.nextItem()) {
    if (reader.peekKind() === 'object') entries.push(readEntry(reader));
    else reader.skipValue();
  }
  const end = reader.offset - 1;
  reader.finish();
  return { entries, end };
}

function readEntry(reader: JsonReader): ProjectEntry {
  const members: ProjectEntry['members'] = [];
  const start = reader.offset;
  reader.beginObject();
  while (reader.nextMember()) {
    const { keyStart, keyEnd } = reader;
    const key = reader.keyText();
    const kind = reader.peekKind();
    const at = reader.offset;
    const raw = RawJson.fromBytes(reader.capture());
    members.push({ key, keyStart, keyEnd, kind, start: at, end: reader.offset, raw });
  }
  return { start, end: reader.offset, members };
}

/** The project that an entry is; undefined where it has no id or no name. */
export function projectOf({ members }: ProjectEntry): Project | undefined {
  const at = (key: string): unknown => members.findLast((member) => member.key === key)?.raw.value();
  const [id, name, profile] = [at('project_id'), at('name'), at('profile')];
  if (typeof id !== 'string' || typeof name !== 'string') return undefined;
  return { project_id: id, name, ...(typeof profile === 'string' ? { profile } : {}) };
}

function broken(path: string, { offset, reason }: JsonSyntaxError): HermesctlError {
  return new HermesctlError('STORE_DAMAGED', `${path} is not a list of projects (byte ${offset}: ${reason}).`, {
    hint: 'Mend it or move it aside; the server overwrites a broken one with an almost empty list.',
    details: { path, offset, reason },
  });
}
