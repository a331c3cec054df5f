import type { FileSystem } from '../files/file-system';
import { withFile } from '../files/open-file';
import { RawJson } from '../json/raw';
import { JsonReader } from '../json/reader';
import { JsonSyntaxError } from '../json/syntax-error';
import { SessionRow } from '../session/row';

/** What became of reading `_index.json`. */
export type IndexReading =
  | { state: 'good'; rows: SessionRow[] }
  | { state: 'missing' }
  /** Not JSON, not a list, or an entry that is no row: nothing of it is used. */
  | { state: 'broken'; reason: string; offset: number };

/**
 * Reads the index: its rows in order, every key of theirs as it is spelled.
 * The index is derived data, so a broken one is no error but a state.
 *
 * @throws HermesctlError `IO_ERROR` where it is there and cannot be read.
 */
export function readIndex(fs: FileSystem, indexFile: string): IndexReading {
  const reading = withFile(fs, indexFile, (file): IndexReading => {
    try {
      const reader = new JsonReader(file.source);
      const rows: SessionRow[] = [];
      if (reader.peekKind() !== 'array') return { state: 'broken', reason: 'it is not a list', offset: reader.offset };
      reader.beginArray();
      while (reader.nextItem()) {
        if (reader.peekKind() !== 'object') {
          return { state: 'broken', reason: 'an entry is not an object', offset: reader.offset };
        }
        rows.push(readRow(reader));
      }
      reader.finish();
      return { state: 'good', rows };
    } catch (error) {
      if (error instanceof JsonSyntaxError) return { state: 'broken', reason: error.reason, offset: error.offset };
      throw error;
    }
  });
  return reading ?? { state: 'missing' };
}

function readRow(reader: JsonReader): SessionRow {
  const fields = new Map<string, RawJson>();
  reader.beginObject();
  while (reader.nextMember()) {
    const key = reader.keyText();
    fields.set(key, RawJson.fromBytes(reader.capture()));
  }
  return new SessionRow(fields);
}

/** The message count that the index records for a session; undefined where it knows none. */
export function indexedMessageCount(reading: IndexReading, id: string): RawJson | undefined {
  return reading.state === 'good' ? reading.rows.find((row) => row.id === id)?.raw('message_count') : undefined;
}
