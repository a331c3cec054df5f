import { FIRST_RECORD, MEMBER_RECORD, UNKNOWN_KEY } from '../json/kernel';
import { RawJson } from '../json/raw';
import { WRITER_ORDER } from './writer';

/** Members of a sidecar by their keys. */
export type Fields = Pick<ReadonlyMap<string, RawJson>, 'get' | 'has'>;

/** The top-level keys that can be large and that no row needs. */
const LARGE: ReadonlySet<string> = new Set([
  'anchor_scene_index',
  'messages',
  'tool_calls',
  'anchor_activity_scenes',
  'context_messages',
]);

/**
 * The top-level keys of a sidecar that are small and that a row, a status or a
 * usage needs. Reading a session keeps these and steps over the rest.
 */
export const METADATA_FIELDS: ReadonlySet<string> = new Set(WRITER_ORDER.filter((key) => !LARGE.has(key)));

/** The keys at which a metadata-only read stops: what follows them is large. */
export const METADATA_STOPS: ReadonlySet<string> = new Set(['messages', 'anchor_activity_scenes']);

/** What a prefix must hold to be used as it is; a file without them is read in full. */
export const METADATA_NEEDED = ['session_id', 'title', 'created_at', 'updated_at'] as const;

const PLACES: ReadonlyMap<string, number> = new Map(WRITER_ORDER.map((key, place) => [key, place]));
/** By a key's place; 0 for those that are none of the writer's. */
const IS_METADATA = new Uint8Array(UNKNOWN_KEY + 1);
for (const [key, place] of PLACES) if (!LARGE.has(key)) IS_METADATA[place] = 1;

/**
 * The small members of one sidecar, each in the place that its key has among
 * those of the writer: of ten thousand files this is a fraction of what a `Map`
 * for each costs. Most are cut out of the text that they are in when somebody
 * asks for them.
 */
export class MetadataFields implements Fields {
  /** Whether all that is spelled here is known to be ASCII without escapes, and so what it stands for. */
  isPlain = true;
  /** A number is a place in the text: where it begins, and its length in the lower half. */
  private readonly values: (RawJson | number | undefined)[] = NONE.slice();
  private text: string | undefined;

  get(key: string): RawJson | undefined {
    const place = PLACES.get(key);
    return place === undefined ? undefined : this.at(place);
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  /** The member whose key is at this place of the writer's order. */
  at(place: number): RawJson | undefined {
    const value = this.values[place];
    if (typeof value !== 'number') return value;
    const start = value >>> HALF;
    return (this.values[place] = new RawJson(this.text!.slice(start, start + (value & LOWER_HALF))));
  }

  /** Whether the member at this place is missing, or one of the values that are spelled most. */
  isFixed(place: number): boolean {
    return isFixed(this.values[place]);
  }

  /** Whether the same members are missing, and the same have the same one of the values that are spelled most. */
  isLike(other: MetadataFields): boolean {
    const { values } = this;
    const others = other.values;
    for (let place = 0; place < values.length; place++) {
      const value = values[place];
      if (value !== others[place] && (isFixed(value) || isFixed(others[place]))) return false;
    }
    return true;
  }

  /** Sets what is met by name, which must be in {@link METADATA_FIELDS}. */
  setNamed(key: string, raw: RawJson): void {
    this.isPlain = false;
    this.values[PLACES.get(key)!] = raw;
  }

  /**
   * Sets those among the members that were walked over at once whose keys
   * belong here. Where all of them together are ASCII, as they mostly are, one
   * text of them is made, in which their places are those of their bytes.
   */
  setTaken(window: Buffer, records: Int32Array, taken: number): void {
    const { values } = this;
    const last = FIRST_RECORD + taken * MEMBER_RECORD;
    let low = -1;
    let high = 0;
    for (let at = FIRST_RECORD; at < last; at += MEMBER_RECORD) {
      if (IS_METADATA[records[at + 4] & 0xff] === 0) continue;
      if (low < 0) low = records[at];
      high = records[at + 3];
    }
    if (low < 0) return;
    const isOneText = this.takeText(window, low, high);
    for (let at = FIRST_RECORD; at < last; at += MEMBER_RECORD) {
      const what = records[at + 4];
      const place = what & 0xff;
      if (IS_METADATA[place] === 0) continue;
      const start = records[at + 2];
      const length = records[at + 3] - start;
      const common = RawJson.common(what >>> 8, length);
      if (common) values[place] = common;
      else if (isOneText) values[place] = ((start - low) << HALF) | length;
      else values[place] = new RawJson(window.toString('utf8', start, start + length));
    }
  }

  private takeText(window: Buffer, low: number, high: number): boolean {
    if (this.text === undefined && high - low <= LARGEST_TEXT) {
      const text = window.toString('utf8', low, high);
      if (text.length === high - low) {
        this.text = text;
        if (text.includes('\\')) this.isPlain = false;
        return true;
      }
    }
    this.isPlain = false;
    return false;
  }
}

function isFixed(value: RawJson | number | undefined): boolean {
  return value === undefined || (typeof value !== 'number' && value.isCommon);
}

const HALF = 15;
const LOWER_HALF = 0x7fff;
const LARGEST_TEXT = 16 * 1024;

const NONE: readonly undefined[] = WRITER_ORDER.map(() => undefined);

/** Members with some of them changed or added, given as JSON text. */
export function changedFields(fields: Fields, changes: ReadonlyMap<string, string>): Fields {
  const changed = new Map([...changes].map(([key, text]) => [key, new RawJson(text)]));
  const get = (key: string): RawJson | undefined => changed.get(key) ?? fields.get(key);
  return { get, has: (key) => get(key) !== undefined };
}
