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
const IS_METADATA: readonly boolean[] = WRITER_ORDER.map((key) => METADATA_FIELDS.has(key));

/**
 * The small members of one sidecar, each in the place that its key has among
 * those of the writer: of ten thousand files this is a fraction of what a `Map` for each costs.
 */
export class MetadataFields implements Fields {
  private readonly values: (RawJson | undefined)[] = NONE.slice();

  /** Whether the key at this place of the writer's order is one of these. */
  static isAt(place: number): boolean {
    return IS_METADATA[place];
  }

  get(key: string): RawJson | undefined {
    const place = PLACES.get(key);
    return place === undefined ? undefined : this.values[place];
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  set(place: number, raw: RawJson): void {
    this.values[place] = raw;
  }

  /** The same for what is met by name, which must be in {@link METADATA_FIELDS}. */
  setNamed(key: string, raw: RawJson): void {
    this.values[PLACES.get(key)!] = raw;
  }
}

const NONE: readonly undefined[] = WRITER_ORDER.map(() => undefined);

/** Members with some of them changed or added, given as JSON text. */
export function changedFields(fields: Fields, changes: ReadonlyMap<string, string>): Fields {
  const changed = new Map([...changes].map(([key, text]) => [key, new RawJson(text)]));
  const get = (key: string): RawJson | undefined => changed.get(key) ?? fields.get(key);
  return { get, has: (key) => get(key) !== undefined };
}
