import { RawJson } from '../json/raw';
import { renderJson } from '../json/render';
import { SessionRow } from '../session/row';

/** Rows as a cached answer keeps them. */
export interface KeptRows {
  /** The keys of rows, in order. Most rows have the same. */
  keys: string[][];
  rows: StoredRow[];
}

/**
 * Which keys the row has, and its values: where they are spelled as they are
 * shown, the line of JSON that shows the row, and how long each of them is in
 * it; else each as it is spelled.
 */
export type StoredRow =
  [keys: number, line: string, ...lengths: number[]] | [keys: number, line: null, ...values: string[]];

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
    if (!values.every((text) => renderJson(text) === text)) return [place, null, ...values];
    const members = names.map((key, i) => `${JSON.stringify(key)}:${values[i]}`);
    return [place, `{${members.join(',')}}`, ...values.map(({ length }) => length)];
  });
  return { keys, rows: stored };
}

/** A row of a cached answer: of its values only those are made that are asked for. */
export class KeptRow extends SessionRow {
  private readonly keys: readonly string[];
  private readonly values: (RawJson | undefined)[] = [];
  private ends: number[] | undefined;

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
    return this.stored[1] ?? undefined;
  }

  override with(changes: Record<string, RawJson>): SessionRow {
    return new SessionRow(new Map(this.entries())).with(changes);
  }

  private rawAt(place: number): RawJson {
    return (this.values[place] ??= new RawJson(this.text(place)));
  }

  private text(place: number): string {
    const [, line, ...values] = this.stored;
    if (line === null) return values[place] as string;
    this.ends ??= endsOf(this.keys, values as number[]);
    const end = this.ends[place];
    return line.slice(end - (values[place] as number), end);
  }
}

/** Where each value ends in a line: behind a brace or a comma, its key, and a colon. */
function endsOf(keys: readonly string[], lengths: readonly number[]): number[] {
  let at = 0;
  return keys.map((key, i) => (at += JSON.stringify(key).length + 2 + lengths[i]));
}

const NOTHING = new Map<string, RawJson>();
