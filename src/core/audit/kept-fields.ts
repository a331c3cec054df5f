import { RawJson } from '../json/raw';
import type { Fields } from '../session/fields';

/** The members of a session that checks ask for. Those of numbers are asked for their values alone. */
const TEXTS = [
  'workspace',
  'parent_session_id',
  'project_id',
  'pending_user_message',
  'pending_attachments',
  'pending_user_source',
  'active_stream_id',
  'is_cli_session',
  'source',
  'source_tag',
  'session_source',
  'pre_compression_snapshot',
] as const;
const NUMBERS = ['message_count', 'created_at', 'updated_at', 'pending_started_at', 'truncation_watermark'] as const;
const ID = 'session_id';

const PLACES: ReadonlyMap<string, number> = new Map([...TEXTS, ...NUMBERS, ID].map((key, place) => [key, place]));
const FIRST_NUMBER = TEXTS.length;
const ID_PLACE = FIRST_NUMBER + NUMBERS.length;

/**
 * Of one session the members that checks ask for, and no others: an audit holds
 * those of every session at once. A number is kept as such, and a session's own
 * id not at all.
 */
class KeptFields implements Fields {
  constructor(
    private readonly id: string,
    /** True stands for the session's own id. */
    private readonly values: readonly (RawJson | number | true | undefined)[],
  ) {}

  get(key: string): RawJson | undefined {
    const place = PLACES.get(key);
    if (place === undefined) throw new Error(`No check was to ask for ${key}.`);
    const value = this.values[place];
    return value === true ? RawJson.of(this.id) : typeof value === 'number' ? RawJson.of(value) : value;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }
}

/** So many values are kept once for all sessions that have them. */
const MOST_SHARED = 10_000;
const LONGEST_SHARED = 200;

/** Makes what is kept of sessions: most have the same values, each of which is one object then. */
export class FieldKeeper {
  private readonly shared = new Map<string, RawJson>();

  /** @param fields of a session that was read; nothing of it is held on to. */
  keep(id: string, fields: Fields): Fields {
    const values: (RawJson | number | true | undefined)[] = [];
    for (const [key, place] of PLACES) {
      const raw = fields.get(key);
      if (raw === undefined || raw.isCommon) values.push(raw);
      else if (place >= FIRST_NUMBER) values.push(this.number(id, place, raw));
      else values.push(this.text(raw));
    }
    return new KeptFields(id, values);
  }

  private number(id: string, place: number, raw: RawJson): RawJson | number | true {
    const value = raw.value();
    if (place === ID_PLACE && value === id) return true;
    return typeof value === 'number' && Number.isFinite(value) ? value : this.text(raw);
  }

  private text({ text }: RawJson): RawJson {
    const known = this.shared.get(text);
    if (known) return known;
    // A part of a text holds on to all of it: this is a text of its own.
    const own = new RawJson(Buffer.from(text).toString());
    if (text.length <= LONGEST_SHARED && this.shared.size < MOST_SHARED) this.shared.set(own.text, own);
    return own;
  }
}
