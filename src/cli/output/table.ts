import type { Terminal } from './terminal';

/** A column of a table; the last flexible one gives way when the terminal is narrow. */
export interface Column {
  header: string;
  align?: 'left' | 'right';
  /** May be cut to fit the width. */
  flexible?: boolean;
}

/** Above this many rows cli-table3's cost, which grows faster than the rows, is felt. */
const TABLE_ROWS = 200;
const GAP = 2;
const MIN_FLEXIBLE = 12;

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
  const { default: stringWidth } = await import('string-width');
  const widths = fitWidths(columns, rows, terminal.columns, stringWidth, header);
  const cut = (text: string, column: number): string => truncate(text, widths[column], stringWidth);
  const cells = rows.map((row, r) => row.map((cell, c) => paint(cut(cell, c), r, c)));
  const heads = columns.map(({ header: head }, c) => paint(cut(head, c), -1, c));
  return rows.length <= TABLE_ROWS
    ? withCliTable(columns, header ? heads : [], cells, widths)
    : columnsByHand(columns, header ? [heads, ...cells] : cells, widths, stringWidth);
}

type Width = (text: string) => number;

function fitWidths(
  columns: readonly Column[],
  rows: readonly string[][],
  available: number,
  width: Width,
  header: boolean,
): number[] {
  const widths = columns.map(({ header: head }, c) =>
    rows.reduce((widest, row) => Math.max(widest, width(row[c])), header ? width(head) : 1),
  );
  let excess = widths.reduce((sum, w) => sum + w + GAP, -GAP) - available;
  for (const c of columns.keys()) {
    if (excess <= 0) break;
    if (!columns[c].flexible) continue;
    const narrower = Math.max(Math.min(MIN_FLEXIBLE, widths[c]), widths[c] - excess);
    excess -= widths[c] - narrower;
    widths[c] = narrower;
  }
  return widths;
}

/** Cuts a text to a display width, with an ellipsis, between characters as people see them. */
function truncate(text: string, limit: number, width: Width): string {
  if (width(text) <= limit) return text;
  let out = '';
  let used = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    const w = width(segment);
    if (used + w > limit - 1) break;
    out += segment;
    used += w;
  }
  return `${out}…`;
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

function columnsByHand(columns: readonly Column[], rows: string[][], widths: number[], width: Width): string {
  return trimLines(
    rows
      .map((row) =>
        row
          .map((cell, c) => {
            const space = ' '.repeat(Math.max(0, widths[c] - width(cell)));
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
