/** Names of members that are met over and over. Plain ASCII. */
export class KnownKeys {
  readonly places: ReadonlyMap<string, number>;

  constructor(readonly names: readonly string[]) {
    this.places = new Map(names.map((name, i) => [name, i]));
  }
}

/**
 * Follows the keys of one document and knows them again by their bytes, so
 * that of a million keys no text is made. Files of one writer have them in one
 * order: the one after the last is looked at first.
 */
export class KeyCursor {
  private next = 0;

  constructor(private readonly keys: KnownKeys) {}

  /** The key between these places, which has no escapes, without its quotes: its place among the names, or its text where it is none of them. */
  at(window: Buffer, start: number, end: number): number | string {
    const { names, places } = this.keys;
    let place = this.next;
    if (!spells(names[place], window, start, end)) {
      const text = window.toString('utf8', start, end);
      const known = places.get(text);
      if (known === undefined) return text;
      place = known;
    }
    this.next = place + 1 < names.length ? place + 1 : 0;
    return place;
  }
}

function spells(name: string, window: Buffer, start: number, end: number): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (window[start + i] !== name.charCodeAt(i)) return false;
  return true;
}
