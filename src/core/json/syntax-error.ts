/**
 * The one error that reading a JSON document throws: where it breaks (absolute
 * byte offset) and what is wrong there.
 */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError';

  constructor(
    readonly offset: number,
    readonly reason: string,
    /** `utf8`: the bytes are no text at all; `json`: text, but not JSON. */
    readonly kind: 'json' | 'utf8' = 'json',
  ) {
    super(`${reason} (byte ${offset})`);
  }
}
