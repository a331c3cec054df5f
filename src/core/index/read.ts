import type { FileSystem } from '../files/file-system';
import { changedWhileRead, type OpenFile, readSpan, withFile, withFileAsync } from '../files/open-file';
import { RawJson } from '../json/raw';
import { bytesSource, JsonReader } from '../json/reader';
import { JsonSyntaxError } from '../json/syntax-error';
import { SessionRow } from '../session/row';
import { scanRows } from './scan';

/** What became of reading `_index.json`. */
export type IndexReading =
  | { state: 'good'; rows: Iterable<SessionRow> }
  | { state: 'missing' }
  /** Not JSON, not a list, or an entry that is no row: nothing of it is used. */
  | { state: 'broken'; reason: string; offset: number };

/** Keys whose values are kept while the index is passed over: what rows are filtered and sorted by. The id comes first. */
const AT_HAND = [
  'session_id',
  'title',
  'model',
  'message_count',
  'created_at',
  'updated_at',
  'last_message_at',
  'pinned',
  'archived',
  'project_id',
  'profile',
  'input_tokens',
  'output_tokens',
  'estimated_cost',
  'worktree_path',
  'active_stream_id',
  'pending_user_message',
  'source_tag',
  'source',
  'raw_source',
  'session_source',
] as const;

const COLUMN: ReadonlyMap<string, number> = new Map(AT_HAND.map((key, column) => [key, column]));

/**
 * Reads the index and hands its rows over, in order. Of each only what lists
 * filter and sort by is in memory; all else is read when it is asked for, so
 * that an index of any length can be looked through. The index is derived data,
 * so a broken one is no error but a state.
 *
 * @param use may have the rows as long as it runs; of those that it gives back it gives `whole()`.
 * @throws HermesctlError `IO_ERROR` where it is there and cannot be read.
 */
export async function withIndex<T>(
  fs: FileSystem,
  indexFile: string,
  use: (index: IndexReading) => Promise<T>,
): Promise<T> {
  const used = await withFileAsync(fs, indexFile, async (file) => ({ result: await use(readOpenIndex(file)) }));
  return used ? used.result : use({ state: 'missing' });
}

function readOpenIndex(file: OpenFile): IndexReading {
  const table = new RowTable(file);
  const isPlain = scanRows(file.source, AT_HAND, (row) => {
    table.starts.push(row.start);
    table.ends.push(row.end);
    for (let column = 0; column < AT_HAND.length; column++) table.columns[column].push(row.value(column));
  });
  return isPlain ? { state: 'good', rows: table } : readSlowly(file);
}

/** The index by the reader that takes any document and knows what is wrong with one. */
function readSlowly(file: OpenFile): IndexReading {
  try {
    const reader = new JsonReader(file.source);
    const rows: SessionRow[] = [];
    if (reader.peekKind() !== 'array') return { state: 'broken', reason: 'it is not a list', offset: reader.offset };
    reader.beginArray();
    while (reader.nextItem()) {
      if (reader.peekKind() !== 'object') {
        return { state: 'broken', reason: 'an entry is not an object', offset: reader.offset };
      }
      rows.push(new SessionRow(readMembers(reader)));
    }
    reader.finish();
    return { state: 'good', rows };
  } catch (error) {
    if (error instanceof JsonSyntaxError) return { state: 'broken', reason: error.reason, offset: error.offset };
    throw error;
  }
}

/** The row that these bytes spell; undefined where they spell none. */
export function rowOf(text: Buffer): SessionRow | undefined {
  try {
    const reader = new JsonReader(bytesSource(text), { chunkSize: text.length + 1 });
    return reader.peekKind() === 'object' ? new SessionRow(readMembers(reader)) : undefined;
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
}

function readMembers(reader: JsonReader): Map<string, RawJson> {
  const fields = new Map<string, RawJson>();
  reader.beginObject();
  while (reader.nextMember()) {
    const key = reader.keyText();
    fields.set(key, RawJson.fromBytes(reader.capture()));
  }
  return fields;
}

/** What is in memory of the rows of an open index: where each stands, and the columns at hand. */
class RowTable {
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  readonly columns: unknown[][] = AT_HAND.map(() => []);

  constructor(private readonly file: OpenFile) {}

  *[Symbol.iterator](): Generator<SessionRow> {
    for (let i = 0; i < this.starts.length; i++) yield new IndexRow(this, i);
  }

  read(i: number): SessionRow {
    const row = rowOf(readSpan(this.file, this.starts[i], this.ends[i]));
    if (row === undefined) throw changedWhileRead(this.file.path);
    return row;
  }
}

const UNCHANGED: Readonly<Record<string, RawJson>> = {};
const NOTHING = new Map<string, RawJson>();

/** A row of which only the columns at hand are in memory, and what was changed of it. */
class IndexRow extends SessionRow {
  private loaded: SessionRow | undefined;

  constructor(
    private readonly table: RowTable,
    private readonly place: number,
    private readonly changes: Readonly<Record<string, RawJson>> = UNCHANGED,
  ) {
    super(NOTHING);
  }

  override has(key: string): boolean {
    return this.value(key) !== undefined;
  }

  override value(key: string): unknown {
    if (Object.hasOwn(this.changes, key)) return this.changes[key].value();
    const column = COLUMN.get(key);
    return column === undefined ? this.whole().value(key) : this.table.columns[column][this.place];
  }

  override raw(key: string): RawJson | undefined {
    return this.whole().raw(key);
  }

  override entries(): IterableIterator<[string, RawJson]> {
    return this.whole().entries();
  }

  override with(changes: Record<string, RawJson>): SessionRow {
    return new IndexRow(this.table, this.place, this.changes === UNCHANGED ? changes : { ...this.changes, ...changes });
  }

  override whole(): SessionRow {
    return (this.loaded ??= this.table.read(this.place).with(this.changes));
  }
}

/** The message count that the index records for a session; undefined where it knows none. Throws as {@link withIndex}. */
export function indexedMessageCount(fs: FileSystem, indexFile: string, id: string): RawJson | undefined {
  return withFile(fs, indexFile, (file) => {
    const index = readOpenIndex(file);
    if (index.state === 'good') for (const row of index.rows) if (row.id === id) return row.raw('message_count');
    return undefined;
  });
}
