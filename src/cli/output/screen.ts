import { type Sink } from './sink';

const ESC = '\x1b[';
/** The other screen, without a cursor and without wrapping what is too long; and back. */
const ENTER = `${ESC}?1049h${ESC}?25l${ESC}?7l${ESC}H${ESC}2J`;
const LEAVE = `${ESC}?7h${ESC}?25h${ESC}?1049l`;

/**
 * The whole terminal as lines, of which only those are written that are others
 * than before. It is the terminal's other screen: what was there comes back.
 */
export class Screen {
  private shown: string[] = [];
  private isEntered = false;

  constructor(private readonly out: Sink) {}

  /** Shows these lines from the top on, and nothing below them. */
  show(lines: readonly string[]): void {
    if (!this.isEntered) {
      this.out.write(ENTER);
      this.isEntered = true;
      this.shown = [];
    }
    for (let i = 0; i < Math.max(lines.length, this.shown.length); i++) {
      const line = lines[i] ?? '';
      // Emptied first: behind a line that fills the terminal the cursor stands on its last character still.
      if (line !== (this.shown[i] ?? '')) this.out.write(`${ESC}${i + 1};1H${ESC}K${line}`);
    }
    this.shown = [...lines];
    this.out.flush();
  }

  /** The terminal has another size, or something else wrote there: the next lines are all written. */
  forget(): void {
    if (!this.isEntered) return;
    this.out.write(`${ESC}H${ESC}2J`);
    this.shown = [];
  }

  /** Gives the terminal back as it was. */
  leave(): void {
    if (!this.isEntered) return;
    this.isEntered = false;
    this.out.write(LEAVE);
    this.out.flush();
  }
}
