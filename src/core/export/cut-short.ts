/**
 * Thrown where there is no use in going on to the next session: the output
 * cannot be written, or half of a session was put out. The cause is what is to
 * be told.
 */
export class CutShort extends Error {
  override readonly name = 'CutShort';

  constructor(override readonly cause: unknown) {
    super('The export was cut short.');
  }
}
