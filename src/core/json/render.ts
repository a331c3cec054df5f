import { PathTracker } from './path-tracker';
import { isNonFiniteWord, nextToken } from './tokens';

export interface RenderOptions {
  /** Keep `NaN` and the infinities, which strict readers reject. */
  keepNonFinite?: boolean;
  /**
   * Called for each non-finite word that became null, with its path inside the
   * value (`.content[2].cost`; '' for the value itself).
   */
  onNonFinite?: (path: string, word: string) => void;
}

/**
 * Rewrites a value's own spelling for output: on one line, and with `NaN` and
 * the infinities as `null`. Nothing else changes: digits, escapes, key order
 * and duplicate keys pass through.
 */
export function renderJson(text: string, options: RenderOptions = {}): string {
  const c = text.charCodeAt(0);
  if (c === 0x7b || c === 0x5b) return NEEDS_WORK.test(text) ? renderContainer(text, options) : text;
  const scalar = c === 0x22 ? text : text.trim();
  if (options.keepNonFinite || !isNonFiniteWord(scalar)) return scalar;
  options.onNonFinite?.('', scalar);
  return 'null';
}

/** White space or a word that may be non-finite, anywhere (in a string too: then the work is done for nothing). */
const NEEDS_WORK = /\s|NaN|Infinity/;

function renderContainer(text: string, options: RenderOptions): string {
  let out = '';
  const path = new PathTracker();
  for (let token = nextToken(text, 0); token; token = nextToken(text, token.end)) {
    const word = text.slice(token.start, token.end);
    if (!options.keepNonFinite && isNonFiniteWord(word)) {
      options.onNonFinite?.(path.toString(), word);
      out += 'null';
    } else out += word;
    path.step(word);
  }
  return out;
}
