/** A value that somebody wants to have as a text, and that is longer than any text of JavaScript. */
export class ValueTooLong extends Error {
  constructor() {
    super('a value is too long for a text');
  }
}

/** Whether this was thrown because a value was too long for a text: told before all of it was read, or by Node.js. */
export function isTooLong(error: unknown): boolean {
  return (
    error instanceof ValueTooLong || (error instanceof Error && 'code' in error && error.code === 'ERR_STRING_TOO_LONG')
  );
}
