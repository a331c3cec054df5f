import type { Clock, Progress } from '../core/deps';
import type { Terminal } from './output/terminal';

const FIRST_AFTER = 0.5;
const EVERY = 0.1;
const CLEAR_LINE = '\r\x1b[K';

/**
 * A line on standard error that tells how far long work has come: from half a
 * second on, ten times a second, wiped when the work is over; where standard
 * error is a terminal.
 */
export class ProgressLine {
  private readonly began: number;
  private shownAt = 0;
  private shown = false;

  constructor(
    private readonly terminal: Pick<Terminal, 'stderr' | 'stderrIsTerminal'>,
    private readonly clock: Clock,
    /** What is being done. */
    public label: string,
  ) {
    this.began = clock.now();
  }

  readonly update: Progress = (done, total) => {
    const now = this.clock.now();
    if (now - this.began < FIRST_AFTER || now - this.shownAt < EVERY) return;
    this.shownAt = now;
    if (!this.terminal.stderrIsTerminal) return;
    this.shown = true;
    this.write(`${CLEAR_LINE}${this.label} ${done} of ${total}`);
  };

  clear(): void {
    if (!this.shown) return;
    this.shown = false;
    this.write(CLEAR_LINE);
  }

  private write(text: string): void {
    this.terminal.stderr.write(text);
    this.terminal.stderr.flush();
  }
}
