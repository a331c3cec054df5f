import type { Redactor } from '../../core/export/redact';
import type { Location } from '../../core/location/location';
import type { Context } from '../context';
import type { Out } from './out';

export const FORMATS = ['ndjson', 'json', 'markdown', 'html', 'jsonl-agent'] as const;
export type FormatName = (typeof FORMATS)[number];

/** A session that is to be exported, and where it is. */
export type ExportItem = { id: string; in: 'store' } | { id: string; in: 'agent'; place: Location };

export interface ExportOptions {
  context: Context;
  redactor: Redactor | undefined;
  /** Keep `NaN` and the infinities. */
  raw: boolean;
  /** Tool calls and results too, where a format may leave them out. */
  tools: boolean;
  /** Pictures in the page, and not as links. */
  embed: boolean;
}

/** One way of spelling sessions. A file of it is what `begin`, `add` for each session, and `end` write. */
export interface Format {
  /** Of a file with one session. */
  extension: string;
  begin: (out: Out, items: readonly ExportItem[]) => void | Promise<void>;
  /**
   * Writes one session.
   *
   * @throws HermesctlError where it cannot be read: nothing was written of it then. CutShort where something was.
   */
  add: (out: Out, item: ExportItem) => Promise<void>;
  /** @param isWhole whether the output is a file of this format, and not part of a document that somebody else ends. */
  end: (out: Out, isWhole: boolean) => void;
}
