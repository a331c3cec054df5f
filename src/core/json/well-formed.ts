import { bytesSource, JsonReader } from './reader';
import { JsonSyntaxError } from './syntax-error';

/** Whether a text is one JSON value in Python's dialect. */
export function isWellFormed(text: string): boolean {
  try {
    const reader = new JsonReader(bytesSource(Buffer.from(text, 'utf8')));
    reader.skipValue();
    reader.finish();
    return true;
  } catch (error) {
    if (error instanceof JsonSyntaxError) return false;
    throw error;
  }
}
