import { HermesctlError } from '../errors';
import { formatJson, isTooDeep } from '../json/format';
import { NULL, type RawJson } from '../json/raw';
import { MetadataFields } from '../session/fields';
import {
  isOfOwnMember,
  placeInFile,
  ROW_KEYS,
  RowContext,
  type RowDefaults,
  type RowSource,
  rowValue,
} from '../session/row';
import type { TextStore } from './text-store';

/** A row's values stand two levels deep: the list, the row. */
const VALUE_DEPTH = 2;

/** What goes before the value of each key, by its place among the keys. */
const KEY_TEXTS: readonly string[] = ROW_KEYS.map((key, i) => `${i === 0 ? '{' : ','}\n    ${JSON.stringify(key)}: `);
const UPDATED_AT = ROW_KEYS.indexOf('updated_at');

/**
 * The compact row of a session as the server lays it out in the index, and what it is sorted by.
 *
 * @param texts where the text is kept.
 * @throws HermesctlError `SESSION_DAMAGED` for what is nested more deeply than the server can read.
 */
export function compactRowText(
  source: RowSource,
  defaults: RowDefaults,
  texts: TextStore,
): { text: Buffer; updatedAt: RawJson } {
  const context = new RowContext(source, defaults);
  const { fields } = source;
  const layout = fields instanceof MetadataFields ? (layoutLike(fields, context) ?? PLAIN) : PLAIN;
  let text = '';
  for (const { before, place } of layout.values) {
    const raw = rowValue(place, context);
    text += before;
    if (raw !== undefined) text += KEY_TEXTS[place] + valueText(raw.text, source, place);
  }
  const isAscii = fields instanceof MetadataFields && fields.isPlain && areAscii(defaults);
  return {
    text: texts.keep(`${text}${layout.after}\n  }`, isAscii),
    updatedAt: rowValue(UPDATED_AT, context) ?? NULL,
  };
}

/** What rows have in common: the values to be asked for, and the text between them. */
interface Layout {
  /** The members of a session with such a row. */
  fields: MetadataFields | undefined;
  values: { before: string; place: number }[];
  after: string;
}

/** Of each value it is asked. */
const PLAIN: Layout = { fields: undefined, values: ROW_KEYS.map((_, place) => ({ before: '', place })), after: '' };

/**
 * The layout of the row of a session with such members: most of some sixty
 * values are `null`, `false` or empty in all sessions of a store, and to spell
 * these anew for each takes longer than to look whether they are the same.
 * Undefined where there are too many kinds of sessions.
 */
function layoutLike(fields: MetadataFields, context: RowContext): Layout | undefined {
  if (lastLayout?.fields && fields.isLike(lastLayout.fields)) return lastLayout;
  let found = layouts.find((layout) => fields.isLike(layout.fields!));
  if (!found && layouts.length < MOST_LAYOUTS) {
    found = layoutOf(fields, context);
    layouts.push(found);
  }
  if (found) lastLayout = found;
  return found;
}

const MOST_LAYOUTS = 16;
const layouts: Layout[] = [];
let lastLayout: Layout | undefined;

function layoutOf(fields: MetadataFields, context: RowContext): Layout {
  const values: Layout['values'] = [];
  let before = '';
  for (let place = 0; place < ROW_KEYS.length; place++) {
    const at = placeInFile(place);
    if (isOfOwnMember(place) && (at < 0 || fields.isFixed(at))) {
      const raw = rowValue(place, context);
      if (raw !== undefined) before += KEY_TEXTS[place] + raw.text;
    } else {
      values.push({ before, place });
      before = '';
    }
  }
  return { fields, values, after: before };
}

function areAscii(defaults: RowDefaults): boolean {
  if (defaults !== lastDefaults) {
    lastDefaults = defaults;
    lastAreAscii = Object.values(defaults).every((value: string) => /^[\x20-\x7e]*$/.test(value));
  }
  return lastAreAscii;
}

/** Those that were asked for last: mostly they are the same ones ten thousand times. */
let lastDefaults: RowDefaults | undefined;
let lastAreAscii = false;

/** Most values are spelled in the one way in which they are written. */
function valueText(text: string, source: RowSource, place: number): string {
  switch (text.charCodeAt(0)) {
    case QUOTE:
      return text.includes('\\') ? formatJson(text) : text;
    case OPEN_OBJECT:
    case OPEN_ARRAY:
      if (text.length === 2) return text;
      if (isTooDeep(text)) throw tooDeep(source, ROW_KEYS[place]);
      return formatJson(text, VALUE_DEPTH);
    default:
      return text;
  }
}

/** In the index it would keep the server from reading any row of it. */
function tooDeep({ id }: RowSource, key: string): HermesctlError {
  return new HermesctlError('SESSION_DAMAGED', `Session ${id} nests \`${key}\` too deeply for the server to read it.`, {
    details: { session_id: id, kind: 'too-deep' },
  });
}

const QUOTE = 0x22;
const OPEN_OBJECT = 0x7b;
const OPEN_ARRAY = 0x5b;
