import type { RawJson } from '../json/raw';
import { type Excerpt, matchesIn } from './excerpt';
import { type Place, roleOf, textsOf, timeOf } from './texts';

/** Runs this, or ends it where it takes too long. */
export type Bounded = <T>(work: () => T) => T;

/** What is looked for in a session, and where. */
export interface Wanted {
  expression: RegExp;
  places: ReadonlySet<Place>;
  /** Only messages of these roles, and no titles; undefined: of any. */
  roles: ReadonlySet<string> | undefined;
  /** Characters to show on each side of a match. */
  context: number;
  bounded: Bounded;
}

/** A message, or a title, that holds what is looked for. */
export interface Hit extends Excerpt {
  in: Place;
  /** Position in the transcript, from 0; undefined for a title. */
  index: number | undefined;
  role: string | undefined;
  /** Epoch seconds. */
  at: number | undefined;
  tool: string | undefined;
  /** How many times it is there, in all texts of this place. */
  matches: number;
  /** Where in the session's file the message begins; undefined for a title, and where there is no file. */
  byteOffset: number | undefined;
}

export function wantsTitles({ places, roles }: Wanted): boolean {
  return places.has('title') && roles === undefined;
}

export function wantsMessages({ places }: Wanted): boolean {
  return places.has('content') || places.has('tools') || places.has('reasoning');
}

/** The hit that a title is, if it is one. */
export function hitInTitle(title: unknown, { expression, context, bounded }: Wanted): Hit | undefined {
  if (typeof title !== 'string') return undefined;
  const found = bounded(() => matchesIn(title, expression, context));
  return found && { in: 'title', ...NO_MESSAGE, ...found.excerpt, matches: found.count };
}

const NO_MESSAGE = { index: undefined, role: undefined, at: undefined, tool: undefined, byteOffset: undefined };

/** A message and where it stands. */
export interface Placed {
  index: number;
  byteOffset: number | undefined;
  raw: RawJson;
}

/** Messages are matched together up to so many characters: to bound the time has its price each time. */
const BATCH = 1024 * 1024;

/** Matches messages of one session, some at a time. */
export class MessageBatch {
  private placed: Placed[] = [];
  private size = 0;

  constructor(
    private readonly wanted: Wanted,
    /** Told how many messages were decoded. */
    private readonly decoded: (messages: number) => void,
  ) {}

  /** The hits in the messages so far, at times; else undefined. */
  add(placed: Placed): Hit[] | undefined {
    this.placed.push(placed);
    this.size += placed.raw.text.length;
    return this.size < BATCH ? undefined : this.end();
  }

  /** The hits in the messages that were not matched yet. */
  end(): Hit[] {
    const { placed, wanted } = this;
    this.placed = [];
    this.size = 0;
    if (placed.length === 0) return [];
    this.decoded(placed.length);
    return wanted.bounded(() => placed.flatMap((one) => hitsInMessage(one, wanted)));
  }
}

/** The hits that a message is: at most one for each place. */
function hitsInMessage({ index, byteOffset, raw }: Placed, { expression, places, roles, context }: Wanted): Hit[] {
  const message = raw.value();
  const role = roleOf(message);
  if (roles && !roles.has(role)) return [];
  const hits = new Map<Place, Hit>();
  for (const { in: place, text, tool } of textsOf(message)) {
    const found = places.has(place) ? matchesIn(text, expression, context) : undefined;
    if (found === undefined) continue;
    const known = hits.get(place);
    if (known) known.matches += found.count;
    else {
      const { excerpt, count: matches } = found;
      hits.set(place, { in: place, index, role, at: timeOf(message), tool, byteOffset, ...excerpt, matches });
    }
  }
  return [...hits.values()];
}
