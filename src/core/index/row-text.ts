import { formatJson } from '../json/format';
import { ROW_KEYS, type SessionRow } from '../session/row';

/** A row's values stand two levels deep: the list, the row. */
const VALUE_DEPTH = 2;

const keyText = (key: string): string => `\n    ${JSON.stringify(key)}: `;
const KEY_TEXTS: ReadonlyMap<string, string> = new Map(ROW_KEYS.map((key) => [key, keyText(key)]));

/** A row as the server lays it out in the index. */
export function rowText(row: SessionRow): string {
  let text = '';
  for (const [key, raw] of row.entries()) {
    text += `${text === '' ? '{' : ','}${KEY_TEXTS.get(key) ?? keyText(key)}${valueText(raw.text)}`;
  }
  return text === '' ? '{}' : `${text}\n  }`;
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
