import { type ByteSource, JsonReader } from './reader';
import { isNonFiniteWord } from './tokens';

/** A word that JSON has not, and where it stands, as a path from the top (`.messages[3].cost`). */
export interface NonFinite {
  path: string;
  word: string;
}

/** The first `limit` such words of a document that was walked already. Memory is that of the depth. */
export function nonFiniteWords(source: ByteSource, limit: number): NonFinite[] {
  const reader = new JsonReader(source);
  const found: NonFinite[] = [];
  const path: string[] = [];
  const frames: { isObject: boolean; index: number }[] = [];
  const enter = (): boolean => {
    const kind = reader.peekKind();
    if (kind === 'object') reader.beginObject();
    else if (kind === 'array') reader.beginArray();
    else {
      const word = kind === 'number' ? reader.capture().toString('latin1') : '';
      if (kind !== 'number') reader.skipValue();
      else if (isNonFiniteWord(word)) found.push({ path: path.join(''), word });
      return false;
    }
    frames.push({ isObject: kind === 'object', index: 0 });
    return true;
  };
  enter();
  while (frames.length > 0 && found.length < limit) {
    const frame = frames[frames.length - 1];
    if (!(frame.isObject ? reader.nextMember() : reader.nextItem())) {
      frames.pop();
      path.pop();
      continue;
    }
    path.push(frame.isObject ? `.${reader.keyText()}` : `[${frame.index++}]`);
    if (!enter()) path.pop();
  }
  return found;
}
