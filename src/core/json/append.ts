import { formatJson } from './format';
import { arrayItemSpans, type Span } from './document';
import type { ByteSource } from './reader';
import type { Splice } from './splice';

/** The first and the last item of an array; undefined where it is empty. Walks it once. */
export function arrayEnds(source: ByteSource, array: Span): { first: Span; last: Span } | undefined {
  let ends: { first: Span; last: Span } | undefined;
  for (const { start, end } of arrayItemSpans(source, array.start)) {
    const last = { start, end };
    ends = { first: ends?.first ?? last, last };
  }
  return ends;
}

/**
 * The splice that adds items to the end of an array of the document's top
 * level, laid out as the items that are there.
 *
 * @param items JSON texts.
 * @param read the text between two absolute offsets.
 */
export function appendSplice(
  array: Span,
  { first, last }: { first: Span; last: Span },
  items: readonly string[],
  read: (start: number, end: number) => string,
): Splice {
  const lead = read(array.start + 1, first.start);
  const text = items.map((item) => (lead.includes('\n') ? `,${lead}${formatJson(item, ITEM_DEPTH)}` : `, ${item}`));
  return { start: last.end, end: last.end, text: text.join('') };
}

/** Items of an array at the top level stand two levels deep. */
const ITEM_DEPTH = 2;

/** An array of the top level with these items. */
export function arrayText(items: readonly string[], indented: boolean): string {
  if (!indented) return `[${items.join(', ')}]`;
  return `[${items.map((item) => `\n    ${formatJson(item, ITEM_DEPTH)}`).join(',')}\n  ]`;
}
