import { stripVTControlCharacters } from 'node:util';

import type { Terminal } from './terminal';
import { displayWidth } from './width';

/** A column of a table. */
export interface Column {
  header: string;
  align?: 'left' | 'right';
  /** May be cut to fit the width: the rightmost one first. `last`: only where there would be no table without it. */
  flexible?: boolean | 'last';
  /** Runs over the edge of a narrow terminal rather than being cut or left out; for the last column. */
  wraps?: boolean;
}

/** Above this many rows cli-table3's cost, which grows faster than the rows, is felt. */
const TABLE_ROWS = 200;
const GAP = 2;
const MIN_FLEXIBLE = 12;
/** A table of fewer columns tells nothing; before that, ids are cut too. */
const MIN_COLUMNS = 3;

/**
 * How many of these columns a terminal has room for, from the left: a table
 * that is broken at the edge cannot be read. At least one.
 */
export function columnsThatFit(
  columns: readonly Column[],
  rows: readonly string[][],
  terminal: Pick<Terminal, 'columns'>,
  header = true,
): number {
  const widths = naturalWidths(columns, rows, header);
  const fit = (cuts: (column: Column) => boolean): number => {
    let used = -GAP;
    const beyond = widths.findIndex((width, c) => {
      used += GAP + (columns[c].wraps ? 1 : cuts(columns[c]) ? Math.min(MIN_FLEXIBLE, width) : width);
      return used > terminal.columns;
    });
    return beyond < 0 ? columns.length : Math.max(1, beyond);
  };
  const whole = fit(({ flexible }) => flexible === true);
  return whole >= Math.min(MIN_COLUMNS, columns.length) ? whole : fit(({ flexible = false }) => flexible !== false);
}

/**
 * Lays rows out for a person: padded columns that fit the terminal, by display
 * width (CJK and emoji take two places). Cells are plain text on one line;
 * `paint` may colour a cell after it was cut and padded to size.
 */
export async function renderTable(
  columns: readonly Column[],
  rows: readonly string[][],
  terminal: Pick<Terminal, 'columns'>,
  paint: (text: string, row: number, column: number) => string = (text) => text,
  header = true,
): Promise<string> {
  const widths = fitWidths(columns, rows, terminal.columns, header);
  const cut = rows.map((row) => row.map((cell, c) => truncate(cell, widths[c])));
  const cells = cut.map((row, r) => row.map((cell, c) => paint(cell, r, c)));
  const heads = columns.map(({ header: head }, c) => paint(truncate(head, widths[c]), -1, c));
  return rows.length <= TABLE_ROWS && (await cliTableAgrees(cut))
    ? withCliTable(columns, header ? heads : [], cells, widths)
    : columnsByHand(columns, header ? [heads, ...cells] : cells, widths);
}

function naturalWidths(columns: readonly Column[], rows: readonly string[][], header: boolean): number[] {
  return columns.map(({ header: head }, c) =>
    rows.reduce((widest, row) => Math.max(widest, displayWidth(row[c])), header ? displayWidth(head) : 1),
  );
}

function fitWidths(
  columns: readonly Column[],
  rows: readonly string[][],
  available: number,
  header: boolean,
): number[] {
  const widths = naturalWidths(columns, rows, header);
  let excess = widths.reduce((sum, width) => sum + width + GAP, -GAP) - available;
  for (const kind of [true, 'last']) {
    for (let c = columns.length - 1; c >= 0 && excess > 0; c--) {
      if (columns[c].flexible !== kind) continue;
      const narrower = Math.max(Math.min(MIN_FLEXIBLE, widths[c]), widths[c] - excess);
      excess -= widths[c] - narrower;
      widths[c] = narrower;
    }
  }
  return widths;
}

/** Cuts a text to a display width, with an ellipsis, between characters as people see them. */
export function truncate(text: string, limit: number): string {
  if (displayWidth(text) <= limit) return text;
  let out = '';
  let used = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    const width = displayWidth(segment);
    if (used + width > limit - 1) break;
    out += segment;
    used += width;
  }
  return `${out}…`;
}

/** cli-table3 measures with string-width 4, which counts the marks of Indic, Thai or Hebrew script as characters. */
async function cliTableAgrees(cells: readonly string[][]): Promise<boolean> {
  const { default: stringWidth } = await import('string-width');
  return cells.every((row) => row.every((cell) => stringWidth(cell) === displayWidth(cell)));
}

async function withCliTable(
  columns: readonly Column[],
  heads: string[],
  cells: string[][],
  widths: number[],
): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const none = Object.fromEntries(
    ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right', 'left']
      .concat(['left-mid', 'mid', 'mid-mid', 'right', 'right-mid'])
      .map((name) => [name, '']),
  );
  const table = new Table({
    head: heads,
    chars: { ...none, middle: ' '.repeat(GAP) },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
    colAligns: columns.map(({ align }) => align ?? 'left'),
    colWidths: widths,
  });
  table.push(...cells);
  return trimLines(table.toString());
}

function columnsByHand(columns: readonly Column[], rows: string[][], widths: number[]): string {
  return trimLines(
    rows
      .map((row) =>
        row
          .map((cell, c) => {
            const space = ' '.repeat(Math.max(0, widths[c] - displayWidth(stripVTControlCharacters(cell))));
            return columns[c].align === 'right' ? space + cell : cell + space;
          })
          .join(' '.repeat(GAP)),
      )
      .join('\n'),
  );
}

function trimLines(text: string): string {
  return text.replace(/[ ]+$/gm, '');
}
