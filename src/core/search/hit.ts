import type { RawJson } from '../json/raw';
import { type Excerpt, excerptOf, matchesIn } from './excerpt';
import type { Pattern } from './pattern';
import { type Place, roleOf, textsOf, timeOf } from './texts';

/** Runs this, which takes so many steps at most, or ends it where it takes too long. */
export type Bounded = <T>(work: () => T, steps: number) => T;

/** What is looked for in a session, and where. */
export interface Wanted {
  pattern: Pattern;
  places: ReadonlySet<Place>;
  /** Only messages of these roles, and no titles; undefined: of any. */
  roles: ReadonlySet<string> | undefined;
  /** Characters to show on each side of a match. */
  context: number;
  /** Whether somebody wants to know how often it is there. */
  counted: boolean;
  bounded: Bounded;
}

/** A message, or a title, that holds what is looked for. */
export interface Hit {
  in: Place;
  /** Position in the transcript, from 0; undefined for a title. */
  index: number | undefined;
  role: string | undefined;
  /** Epoch seconds. */
  at: number | undefined;
  tool: string | undefined;
  excerpt: Excerpt;
  /** How many times it is there, in all texts of this place; where that is not asked for, at least once. */
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
export function hitInTitle(title: unknown, wanted: Wanted): Hit | undefined {
  if (typeof title !== 'string') return undefined;
  const found = wanted.bounded(
    () => matchesIn(title, wanted.pattern.text, wanted.counted),
    wanted.pattern.steps(title.length),
  );
  if (found === undefined) return undefined;
  return { in: 'title', ...NO_MESSAGE, excerpt: excerptOf(title, found.first, wanted.context), matches: found.count };
}

const NO_MESSAGE = { index: undefined, role: undefined, at: undefined, tool: undefined, byteOffset: undefined };

/** A message and where it stands. */
export interface Placed {
  index: number;
  byteOffset: number | undefined;
  raw: RawJson;
}

/** Messages are matched together up to so many characters: to bound the time has its price each time. */
export const BATCH = 1024 * 1024;

/** Matches messages of one session, some at a time. */
export class MessageBatch {
  /** What is to be matched, and what was found in those that needed not be decoded, in their order. */
  private items: (Placed | Hit)[] = [];
  private count = 0;
  private size = 0;
  private steps = 0;

  constructor(
    private readonly wanted: Wanted,
    /** Told how many messages were looked into. */
    private readonly looked: (messages: number) => void,
  ) {}

  /** The hits in the messages so far, at times; else undefined. */
  add(placed: Placed): Hit[] | undefined {
    this.items.push(placed);
    this.steps += this.wanted.pattern.steps(placed.raw.text.length);
    return this.counting(placed.raw.text.length);
  }

  /** The same with a message of so many characters that was looked into already. */
  addFound(hit: Hit | null, length: number): Hit[] | undefined {
    if (hit) this.items.push(hit);
    return this.counting(length);
  }

  private counting(size: number): Hit[] | undefined {
    this.count++;
    this.size += size;
    return this.size < BATCH ? undefined : this.end();
  }

  /** The hits in the messages that were not matched yet. */
  end(): Hit[] {
    const { items, wanted, steps } = this;
    if (this.count > 0) this.looked(this.count);
    this.items = [];
    this.count = 0;
    this.size = 0;
    this.steps = 0;
    if (items.every(isHit)) return items;
    return wanted.bounded(() => items.flatMap((one) => (isHit(one) ? one : hitsInMessage(one, wanted))), steps);
  }
}

const isHit = (one: Placed | Hit): one is Hit => 'in' in one;

/** The hits that a message is: at most one for each place. */
function hitsInMessage({ index, byteOffset, raw }: Placed, wanted: Wanted): Hit[] {
  const { pattern, places, roles, context, counted } = wanted;
  const message = raw.value();
  const role = roleOf(message);
  if (roles && !roles.has(role)) return [];
  const hits = new Map<Place, Hit>();
  for (const { in: place, text, tool } of textsOf(message)) {
    const found = places.has(place) ? matchesIn(text, pattern.text, counted) : undefined;
    if (found === undefined) continue;
    const known = hits.get(place);
    if (known) known.matches += found.count;
    else {
      const excerpt = excerptOf(text, found.first, context);
      hits.set(place, { in: place, index, role, at: timeOf(message), tool, byteOffset, excerpt, matches: found.count });
    }
  }
  return [...hits.values()];
}
