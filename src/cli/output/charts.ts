import { escapeHtml } from './html';

/** A column of a plot. */
export interface Column {
  label: string;
  value: number;
  /** Shown where somebody points at it. */
  tip: string;
}

const WIDTH = 900;
const HEIGHT = 220;
const LEFT = 56;
const BOTTOM = 24;
const TOP = 10;
const LINES = 4;
const LABEL_WIDTH = 90;

/** A plot of columns from nought, as SVG; `spelled` names the values at its side. */
export function columnChart(columns: readonly Column[], spelled: (value: number) => string): string {
  const most = niceTop(Math.max(...columns.map(({ value }) => value)));
  const [plotWidth, plotHeight] = [WIDTH - LEFT, HEIGHT - TOP - BOTTOM];
  const step = plotWidth / Math.max(columns.length, 8);
  const gap = step > 4 ? Math.min(6, step * 0.2) : 0;
  const yOf = (value: number): number => TOP + plotHeight * (1 - value / most);
  const lines = Array.from({ length: LINES + 1 }, (_, i) => {
    const value = (most / LINES) * i;
    const y = yOf(value).toFixed(1);
    return `<line x1="${LEFT}" x2="${WIDTH}" y1="${y}" y2="${y}"/><text x="${LEFT - 6}" y="${(yOf(value) + 4).toFixed(1)}" text-anchor="end">${escapeHtml(spelled(value))}</text>`;
  });
  const everyNth = Math.ceil(LABEL_WIDTH / step);
  const bars = columns.map(({ label, value, tip }, i) => {
    const x = LEFT + i * step;
    const height = value > 0 ? Math.max(1, TOP + plotHeight - yOf(value)) : 0;
    const rect = `<rect class="bar" x="${(x + gap / 2).toFixed(1)}" y="${(TOP + plotHeight - height).toFixed(1)}" width="${Math.max(0.5, step - gap).toFixed(1)}" height="${height.toFixed(1)}"><title>${escapeHtml(tip)}</title></rect>`;
    if (i % everyNth !== 0 || x + LABEL_WIDTH > WIDTH + LABEL_WIDTH / 4) return rect;
    return `${rect}<text x="${x.toFixed(1)}" y="${HEIGHT - 6}">${escapeHtml(label)}</text>`;
  });
  const plot = `<svg class="plot" role="img" viewBox="0 0 ${WIDTH} ${HEIGHT}">${lines.join('')}${bars.join('')}</svg>`;
  return `<div class="scroll">${plot}</div>`;
}

/** The least number of the kind 1, 2, 4, 8, 10, 20 … that is not below this one: its quarters are easy to read. */
function niceTop(value: number): number {
  if (!(value > 0)) return LINES;
  const power = 10 ** Math.floor(Math.log10(value));
  const top = [1, 2, 4, 8, 10].map((factor) => factor * power).find((candidate) => candidate >= value)!;
  // Of things that are counted there are no quarters.
  return Number.isInteger(value) ? Math.max(LINES, top) : top;
}

/** Parts of a whole as one bar, with a legend. */
export function stackedBar(
  parts: readonly { label: string; value: number }[],
  spelled: (value: number) => string,
): string {
  const whole = parts.reduce((sum, { value }) => sum + value, 0);
  if (whole === 0) return '';
  let x = 0;
  const bars: string[] = [];
  const legend: string[] = [];
  for (const [i, { label, value }] of parts.entries()) {
    if (value === 0) continue;
    const width = (value / whole) * WIDTH;
    bars.push(
      `<rect class="p${i}" x="${x.toFixed(1)}" width="${width.toFixed(1)}" height="18"><title>${escapeHtml(`${label}: ${spelled(value)}`)}</title></rect>`,
    );
    legend.push(
      `<li><svg viewBox="0 0 1 1" aria-hidden="true"><rect class="p${i}" width="1" height="1"/></svg>${escapeHtml(`${label} ${spelled(value)}`)}</li>`,
    );
    x += width;
  }
  return `<svg class="stack" role="img" viewBox="0 0 ${WIDTH} 18" preserveAspectRatio="none">${bars.join('')}</svg><ul class="legend">${legend.join('')}</ul>`;
}
