import { formatJson } from '../json/format';
import { NULL, type RawJson } from '../json/raw';
import { eachRowMember, ROW_KEYS, type RowDefaults, type RowSource } from '../session/row';

/** A row's values stand two levels deep: the list, the row. */
const VALUE_DEPTH = 2;

/** What goes before the value of each key. */
const KEY_TEXTS: ReadonlyMap<string, string> = new Map(
  ROW_KEYS.map((key, i) => [key, `${i === 0 ? '{' : ','}\n    ${JSON.stringify(key)}: `]),
);

/** The compact row of a session as the server lays it out in the index, and what it is sorted by. */
export function compactRowText(source: RowSource, defaults: RowDefaults): { text: string; updatedAt: RawJson } {
  let text = '';
  let updatedAt = NULL;
  eachRowMember(source, defaults, (key, raw) => {
    text += KEY_TEXTS.get(key)! + valueText(raw.text);
    if (key === 'updated_at') updatedAt = raw;
  });
  return { text: `${text}\n  }`, updatedAt };
}

/** Most values are spelled in the one way in which they are written. */
function valueText(text: string): string {
  switch (text.charCodeAt(0)) {
    case QUOTE:
      return text.includes('\\') ? formatJson(text) : text;
    case OPEN_OBJECT:
    case OPEN_ARRAY:
      return text.length === 2 ? text : formatJson(text, VALUE_DEPTH);
    default:
      return text;
  }
}

const QUOTE = 0x22;
const OPEN_OBJECT = 0x7b;
const OPEN_ARRAY = 0x5b;
