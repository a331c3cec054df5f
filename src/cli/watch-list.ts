import { fstatSync } from 'node:fs';

import type { Progress } from '../core/deps';
import { HermesctlError, type Warning } from '../core/errors';
import type { ListQuery } from '../core/listing/list';
import { type RowChange, rowChanges } from '../core/listing/row-changes';
import { type WatchedAnswer, watchSessions } from '../core/listing/watch';
import type { SessionRow } from '../core/session/row';
import type { Context } from './context';
import { LiveList } from './live-list';
import { Renderer } from './output/document';
import { OutputClosed } from './output/sink';
import { durationFlag } from './output/time';
import { chosenColumns, shownEntries } from './session-rows';
import { FileWakeUp } from './wake-up';

export interface WatchFlags {
  columns?: string | undefined;
  interval?: string | undefined;
  'no-header'?: boolean;
}

/** What shows the answers of a running list, one after the other. */
interface WatchFace {
  show(answer: WatchedAnswer): Promise<void> | void;
  close(): void;
}

/** Whether `--watch` draws a table here: for a person at a terminal that can move its cursor. Else it tells events. */
export function isLive({ isTerminal, face, environment }: Context): boolean {
  return isTerminal && face === 'human' && environment.variables['TERM'] !== 'dumb';
}

/**
 * Shows a list and keeps it up to date until somebody ends it: on a terminal as
 * a table, else as one JSON event a line.
 *
 * @throws HermesctlError `USAGE`, and what a list throws; OutputClosed where the terminal or the reader is gone.
 */
export async function watchList(
  context: Context,
  query: ListQuery,
  flags: WatchFlags,
  defaultColumns: readonly string[],
): Promise<void> {
  if (context.face === 'json')
    throw new HermesctlError('USAGE', '--json prints one document, and with --watch it would have no end.', {
      hint: 'With --ndjson every change is a line of JSON.',
    });
  const interval = await intervalOf(flags.interval);
  const { deps, location, defaults } = context;
  const wakeUp = new FileWakeUp();
  const ended = new AbortController();
  const end = (): void => {
    ended.abort(new OutputClosed());
    wakeUp.wake();
  };
  process.on('SIGHUP', end);
  const face = isLive(context)
    ? new LiveList(context, { flags, defaultColumns, end, wake: () => wakeUp.wake() })
    : new EventLines(context, flags.columns);
  try {
    let isBegun = false;
    // How far the first look has come is shown as for any list; later ones are not worth a word.
    const progress: Progress = (done, total) => (isBegun ? undefined : deps.progress(done, total));
    const options = { interval, wakeUp, ended: ended.signal };
    for await (const answer of watchSessions(location, query, defaults, options, { ...deps, progress })) {
      if (!isBegun) context.endProgress();
      isBegun = true;
      await face.show(answer);
    }
  } catch (error) {
    throw isHangUp(error) ? new OutputClosed() : error;
  } finally {
    process.removeListener('SIGHUP', end);
    wakeUp.close();
    face.close();
  }
}

const LEAST_INTERVAL = 0.05;
const GREATEST_INTERVAL = 24 * 3600;
const DEFAULT_INTERVAL = 1;

/** @throws HermesctlError `USAGE` */
async function intervalOf(text: string | undefined): Promise<number> {
  if (text === undefined) return DEFAULT_INTERVAL;
  const seconds = /^\d+\.\d+$/.test(text) ? Number(text) : await durationFlag('--interval', text);
  if (seconds >= LEAST_INTERVAL && seconds <= GREATEST_INTERVAL) return seconds;
  throw new HermesctlError('USAGE', `--interval ${JSON.stringify(text)} is none to look at a store at.`, {
    hint: `It may be from ${LEAST_INTERVAL} seconds to a day.`,
  });
}

/** A terminal that is gone answers a write with EIO. */
function isHangUp(error: unknown): boolean {
  return error instanceof HermesctlError && (error.cause as { code?: unknown } | undefined)?.code === 'EIO';
}

/** After so long a silence a word: only by writing can it be told that nobody reads any more. */
const ALIVE_SECONDS = 10;

/** Whether what is written to this descriptor has a reader, who may go away. */
function isRead(fd: number): boolean {
  const stats = fstatSync(fd);
  return stats.isFIFO() || stats.isSocket();
}

/** One JSON event a line on standard output; warnings, as with `--ndjson`, on standard error. */
class EventLines implements WatchFace {
  private readonly renderer: Renderer;
  private rows: readonly SessionRow[] | undefined;
  private columns: string[] | undefined;
  private isStale = false;
  private warned = new Set<string>();
  private saidAt = 0;
  private readonly hasReader = isRead(1);

  constructor(
    private readonly context: Context,
    private readonly given: string | undefined,
  ) {
    this.renderer = new Renderer((warning) => this.warn(warning));
  }

  show({ rows, total, warnings, stale }: WatchedAnswer): void {
    const isFirst = this.rows === undefined;
    if (isFirst) this.columns = chosenColumns(this.given, rows);
    for (const change of rowChanges(this.rows ?? [], rows, this.columns)) this.tell(change);
    this.rows = rows;
    if (stale && !this.isStale) this.line('stale', { warning: JSON.stringify(stale) });
    else if (!stale && (isFirst || this.isStale)) this.line('ready', { total: String(total) });
    this.isStale = stale !== undefined;
    this.warnOfNews(warnings);
    if (this.hasReader && this.context.deps.clock.now() - this.saidAt >= ALIVE_SECONDS) this.line('alive', {});
    const { stdout, stderr } = this.context.terminal;
    stdout.flush();
    stderr.flush();
  }

  private tell({ kind, id, row, keys }: RowChange): void {
    const session = this.renderer.entries(shownEntries(row, this.columns), 'session');
    this.line(kind, { session_id: JSON.stringify(id), ...(keys && { keys: JSON.stringify(keys) }), session });
  }

  private line(event: string, members: Record<string, string>): void {
    this.saidAt = this.context.deps.clock.now();
    const all = Object.entries({ event: JSON.stringify(event), at: this.saidAt.toFixed(3), ...members });
    this.context.line(`{${all.map(([key, json]) => `"${key}":${json}`).join(',')}}`);
  }

  /** Each warning when it comes up, not at each look for as long as it stands. */
  private warnOfNews(warnings: readonly Warning[]): void {
    const standing = new Map(warnings.map((warning) => [JSON.stringify(warning), warning]));
    for (const [text, warning] of standing) if (!this.warned.has(text)) this.warn(warning);
    this.warned = new Set(standing.keys());
  }

  private warn(warning: Warning): void {
    this.context.terminal.stderr.write(`${JSON.stringify({ warning })}\n`);
  }

  close(): void {
    // What was said is written; standard output is the caller's.
  }
}
