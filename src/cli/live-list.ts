import type { WatchedAnswer } from '../core/listing/watch';
import { isRunning } from '../core/listing/running';
import type { Context } from './context';
import { listenForKeys } from './keyboard';
import { Screen } from './output/screen';
import { truncate } from './output/table';
import { visibleLine } from './output/visible';
import { tableLines } from './result-fields';
import { asRecord, chosenColumns, FLEXIBLE } from './session-rows';

export interface LiveOptions {
  flags: { columns?: string | undefined; 'no-header'?: boolean };
  defaultColumns: readonly string[];
  /** Ends the watch. */
  end: () => void;
  /** Looks at the store at once. */
  wake: () => void;
}

const CTRL_L = '\f';
const CTRL_Z = '\x1a';

/**
 * A list on the whole terminal that follows its answers. Drawn anew from the
 * last answer where the size changes, and when the process was stopped and goes
 * on. q ends it, Ctrl-L draws everything anew, Enter looks at once.
 */
export class LiveList {
  private readonly screen: Screen;
  private stopKeys: () => void;
  private columns: readonly string[] | undefined;
  private answer: WatchedAnswer | undefined;
  private changedAt = 0;
  /** Drawing takes its turns: a resize may come in the midst of one. */
  private drawing: Promise<void> = Promise.resolve();
  private failure: unknown;

  constructor(
    private readonly context: Context,
    private readonly options: LiveOptions,
  ) {
    this.screen = new Screen(context.terminal.stdout);
    this.stopKeys = this.listenForKeys();
    process.stdout.on('resize', this.redraw);
    process.on('SIGTSTP', this.suspend);
    process.on('SIGCONT', this.resume);
  }

  async show(answer: WatchedAnswer): Promise<void> {
    this.columns ??= chosenColumns(this.options.flags.columns, answer.rows) ?? this.options.defaultColumns;
    if (answer !== this.answer) this.changedAt = this.context.deps.clock.now();
    this.answer = answer;
    this.draw();
    await this.drawing;
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- as it was thrown
    if (this.failure !== undefined) throw this.failure;
  }

  close(): void {
    process.stdout.removeListener('resize', this.redraw);
    process.removeListener('SIGTSTP', this.suspend);
    process.removeListener('SIGCONT', this.resume);
    this.stopKeys();
    try {
      this.screen.leave();
    } catch {
      // The terminal is gone, and nobody looks at it.
    }
  }

  private listenForKeys(): () => void {
    return listenForKeys((key) => this.onKey(key), this.context.terminal);
  }

  private onKey(key: string): void {
    if (key === 'q' || key === 'Q') this.options.end();
    else if (key === CTRL_L) this.redraw();
    else if (key === CTRL_Z) this.suspend();
    else if (key === '\r' || key === '\n') this.options.wake();
  }

  private readonly redraw = (): void => {
    this.draw(true);
  };

  /** Gives the terminal to the shell, as Ctrl-Z does; SIGCONT takes it back. */
  private readonly suspend = (): void => {
    this.stopKeys();
    this.screen.leave();
    process.kill(process.pid, 'SIGSTOP');
  };

  private readonly resume = (): void => {
    this.stopKeys();
    this.stopKeys = this.listenForKeys();
    this.redraw();
  };

  private draw(all = false): void {
    const draw = async (): Promise<void> => {
      if (this.answer === undefined || this.columns === undefined) return;
      const lines = await this.lines(this.answer, this.columns);
      if (all) this.screen.forget();
      this.screen.show(lines);
    };
    this.drawing = this.drawing.then(draw).catch((error: unknown) => {
      this.failure ??= error;
      this.options.wake();
    });
  }

  /** As many lines as the terminal has: the table, and at the bottom how things stand. */
  private async lines(answer: WatchedAnswer, columns: readonly string[]): Promise<string[]> {
    const { context } = this;
    const height = process.stdout.rows || 24;
    const header = !this.options.flags['no-header'];
    const room = Math.max(0, height - 1 - (header ? 1 : 0));
    const shown = answer.rows.slice(0, room);
    const table =
      shown.length === 0
        ? []
        : (
            await tableLines(
              context,
              columns,
              shown.map((row) => asRecord(row, columns)),
              FLEXIBLE,
              header,
            )
          ).lines;
    const blank = Array<string>(Math.max(0, height - 1 - table.length)).fill('');
    const status = truncate(visibleLine(this.status(answer, shown.length)), context.terminal.columns);
    return [...table, ...blank, context.colors.dim(status)];
  }

  private status({ rows, total, warnings, stale }: WatchedAnswer, shown: number): string {
    if (stale) return `Not up to date: ${stale.message}`;
    const counts = shown < total ? `${shown} of ${total.toLocaleString('en-US')}` : String(total);
    const running = rows.filter(isRunning).length;
    const [warning] = warnings;
    return [
      `${counts} session${total === 1 ? '' : 's'}`,
      ...(running > 0 ? [`${running} running`] : []),
      `as of ${timeOfDay(this.changedAt)}`,
      ...(warning
        ? [`${warnings.length === 1 ? 'a warning' : `${warnings.length} warnings`}: ${warning.message}`]
        : []),
    ].join(' · ');
  }
}

function timeOfDay(seconds: number): string {
  const date = new Date(seconds * 1000);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) => String(n).padStart(2, '0')).join(':');
}
