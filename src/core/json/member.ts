import { RawJson } from './raw';
import { bytesSource, JsonReader } from './reader';

/** A member of an object, as it is spelled; the last one of duplicates. Undefined where there is none. */
export function memberOf(object: RawJson, key: string): RawJson | undefined {
  const reader = new JsonReader(bytesSource(Buffer.from(object.text, 'utf8')));
  if (reader.peekKind() !== 'object') return undefined;
  let found: RawJson | undefined;
  reader.beginObject();
  while (reader.nextMember()) {
    if (reader.keyIs(key)) found = RawJson.fromBytes(reader.capture());
    else reader.skipValue();
  }
  return found;
}
