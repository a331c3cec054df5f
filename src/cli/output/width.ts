import stringWidth from 'string-width';

const segmenter = new Intl.Segmenter();

/**
 * How many places a text takes on a terminal. Characters as people see them
 * are measured one by one: marks and joiners take none, and what is joined to
 * one emoji takes the two places of one.
 */
export function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += segmentWidth(segment);
  return width;
}

/** Drawn as one picture, however many it is joined of. */
const PICTURE = /\p{Extended_Pictographic}|\p{Regional_Indicator}/u;
const TAKES_NO_PLACE = /[\p{Mn}\p{Me}\p{Cf}]/gu;

function segmentWidth(segment: string): number {
  if (segment.includes('\ufe0f')) return 2; // asks for the emoji's picture
  const width = stringWidth(segment.normalize('NFC').replace(TAKES_NO_PLACE, ''));
  return PICTURE.test(segment) ? Math.min(2, width) : width;
}
