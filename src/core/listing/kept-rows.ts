import { RawJson } from '../json/raw';
import { renderJson } from '../json/render';
import { SessionRow } from '../session/row';

/** Rows as a cached answer keeps them: what there is to know of them, and the lines of JSON that show them. */
export interface KeptRows {
  /** The keys of rows, in order. Most rows have the same. */
  keys: string[][];
  rows: StoredRow[];
}

/**
 * Which keys the row has, and its values: where they are spelled as they are
 * shown, the bytes of its line and of each of them in it; else each as it is
 * spelled.
 */
export type StoredRow =
  [keys: number, line: number, ...lengths: number[]] | [keys: number, line: null, ...values: string[]];

/** Between the lines of rows, so that they are the items of an array as they stand. */
const BETWEEN = ',\n';

export function keptRows(rows: readonly SessionRow[]): { kept: KeptRows; lines: string } {
  const keys: string[][] = [];
  const places = new Map<string, number>();
  const lines: string[] = [];
  const stored = rows.map((row): StoredRow => {
    const entries = [...row.entries()];
    const names = entries.map(([key]) => key);
    const name = JSON.stringify(names);
    const place = places.get(name) ?? keys.push(names) - 1;
    places.set(name, place);
    const values = entries.map(([, { text }]) => text);
    if (!values.every((text) => renderJson(text) === text)) return [place, null, ...values];
    const line = `{${names.map((key, i) => `${JSON.stringify(key)}:${values[i]}`).join(',')}}`;
    lines.push(line);
    return [place, Buffer.byteLength(line), ...values.map((text) => Buffer.byteLength(text))];
  });
  return { kept: { keys, rows: stored }, lines: lines.join(BETWEEN) };
}

/** The rows again, and all of them as the items of a JSON array where they stand so; undefined where bytes are missing. */
export function rowsOf(
  { keys, rows }: KeptRows,
  lines: Buffer,
): { rows: SessionRow[]; items: Buffer | undefined } | undefined {
  const sets = keys.map((names) => new KeySet(names));
  let at = 0;
  const made = rows.map((stored) => {
    const start = at;
    if (stored[1] !== null) at += stored[1] + BETWEEN.length;
    return new KeptRow(sets[stored[0]], stored, lines, start);
  });
  const end = Math.max(0, at - BETWEEN.length);
  if (end !== lines.length) return undefined;
  return { rows: made, items: rows.every(([, line]) => line !== null) ? lines : undefined };
}

/** The keys of a row in their order, each with its place, and how many bytes there are before its value. */
class KeySet {
  private places: Map<string, number> | undefined;
  private leads: number[] | undefined;

  constructor(readonly names: readonly string[]) {}

  placeOf(key: string): number | undefined {
    this.places ??= new Map(this.names.map((name, i) => [name, i]));
    return this.places.get(key);
  }

  /** A brace or a comma, the key, and a colon. */
  leadOf(place: number): number {
    this.leads ??= this.names.map((name) => Buffer.byteLength(JSON.stringify(name)) + 2);
    return this.leads[place];
  }
}

/** A row of a cached answer: of its values only those are made that are asked for. */
class KeptRow extends SessionRow {
  private values: (RawJson | undefined)[] | undefined;
  private ends: number[] | undefined;

  constructor(
    private readonly keys: KeySet,
    private readonly stored: StoredRow,
    private readonly lines: Buffer,
    private readonly start: number,
  ) {
    super(NOTHING);
  }

  override has(key: string): boolean {
    return this.keys.placeOf(key) !== undefined;
  }

  override raw(key: string): RawJson | undefined {
    const place = this.keys.placeOf(key);
    return place === undefined ? undefined : this.rawAt(place);
  }

  override value(key: string): unknown {
    return this.raw(key)?.value();
  }

  override *entries(): Generator<[string, RawJson]> {
    for (const [place, key] of this.keys.names.entries()) yield [key, this.rawAt(place)];
  }

  override line(): string | undefined {
    const { start, stored } = this;
    return stored[1] === null ? undefined : this.lines.toString('utf8', start, start + stored[1]);
  }

  override with(changes: Record<string, RawJson>): SessionRow {
    return new SessionRow(new Map(this.entries())).with(changes);
  }

  private rawAt(place: number): RawJson {
    this.values ??= [];
    return (this.values[place] ??= new RawJson(this.text(place)));
  }

  private text(place: number): string {
    const value = this.stored[place + 2];
    if (typeof value === 'string') return value;
    this.ends ??= this.endsOfValues();
    const end = this.ends[place];
    return this.lines.toString('utf8', end - value!, end);
  }

  private endsOfValues(): number[] {
    let at = this.start;
    return this.keys.names.map((_, place) => (at += this.keys.leadOf(place) + (this.stored[place + 2] as number)));
  }
}

const NOTHING = new Map<string, RawJson>();
