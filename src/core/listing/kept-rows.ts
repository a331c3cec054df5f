import { RawJson } from '../json/raw';
import { renderJson } from '../json/render';
import { SessionRow } from '../session/row';

/** Rows as a cached answer keeps them. */
export interface KeptRows {
  /** The keys of rows, in order. Most rows have the same. */
  keys: string[][];
  rows: StoredRow[];
}

/** Which keys the row has, whether its values are spelled as they are shown, and each value as it is spelled. */
export type StoredRow = [keys: number, isPlain: 0 | 1, ...values: string[]];

export function keptRows(rows: readonly SessionRow[]): KeptRows {
  const keys: string[][] = [];
  const places = new Map<string, number>();
  const stored = rows.map((row): StoredRow => {
    const entries = [...row.entries()];
    const names = entries.map(([key]) => key);
    const name = JSON.stringify(names);
    const place = places.get(name) ?? keys.push(names) - 1;
    places.set(name, place);
    const values = entries.map(([, { text }]) => text);
    return [place, values.every((text) => renderJson(text) === text) ? 1 : 0, ...values];
  });
  return { keys, rows: stored };
}

/** A row of a cached answer: of its values only those are made that are asked for. */
export class KeptRow extends SessionRow {
  private readonly keys: readonly string[];
  private readonly values: (RawJson | undefined)[] = [];

  constructor(
    private readonly stored: StoredRow,
    keys: readonly (readonly string[])[],
  ) {
    super(NOTHING);
    this.keys = keys[stored[0]];
  }

  override has(key: string): boolean {
    return this.keys.includes(key);
  }

  override raw(key: string): RawJson | undefined {
    const place = this.keys.indexOf(key);
    return place < 0 ? undefined : this.rawAt(place);
  }

  override value(key: string): unknown {
    return this.raw(key)?.value();
  }

  override *entries(): Generator<[string, RawJson]> {
    for (const [place, key] of this.keys.entries()) yield [key, this.rawAt(place)];
  }

  override line(): string | undefined {
    if (this.stored[1] === 0) return undefined;
    let line = '{';
    for (const [place, key] of this.keys.entries()) {
      line += `${place === 0 ? '' : ','}${JSON.stringify(key)}:${this.text(place)}`;
    }
    return `${line}}`;
  }

  override with(changes: Record<string, RawJson>): SessionRow {
    return new SessionRow(new Map(this.entries())).with(changes);
  }

  private rawAt(place: number): RawJson {
    return (this.values[place] ??= new RawJson(this.text(place)));
  }

  private text(place: number): string {
    return this.stored[place + 2] as string;
  }
}

const NOTHING = new Map<string, RawJson>();
