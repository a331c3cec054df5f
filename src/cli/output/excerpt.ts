import type { Excerpt } from '../../core/search/excerpt';
import { truncate } from './table';
import { displayWidth } from './width';

const ELLIPSIS = '…';

/**
 * Cuts what stands around a match so that all fits a line of this many places.
 * Texts are on one line already. What is cut ends with an ellipsis.
 */
export function fitExcerpt({ before, match, after }: Excerpt, width: number): Excerpt {
  const found = truncate(match, width);
  const room = Math.max(0, width - displayWidth(found));
  const half = Math.floor(room / 2);
  const [left, right] = [displayWidth(before), displayWidth(after)];
  // What one side does not need is the other's.
  const forLeft = right < room - half ? room - right : half;
  const start = left <= forLeft ? before : fromEnd(before, forLeft);
  const end = truncate(after, room - displayWidth(start));
  return { before: start, match: found, after: end === ELLIPSIS ? '' : end };
}

/** The end of a text, an ellipsis before it. */
function fromEnd(text: string, width: number): string {
  if (width < 2) return '';
  let out = '';
  let used = 0;
  for (const { segment } of [...new Intl.Segmenter().segment(text)].reverse()) {
    const more = displayWidth(segment);
    if (used + more > width - 1) break;
    out = segment + out;
    used += more;
  }
  return `${ELLIPSIS}${out}`;
}
