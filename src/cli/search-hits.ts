import { NULL, pythonFloat, RawJson } from '../core/json/raw';
import { type Excerpt, SpelledExcerpt } from '../core/search/excerpt';
import type { Hit } from '../core/search/hit';
import type { Found, Searched, SearchListener, SearchReport } from '../core/search/search';
import type { Context } from './context';
import type { Fleet } from './fleet';
import { type OutputValue, type RawFields, Renderer } from './output/document';
import { fitExcerpt } from './output/excerpt';
import type { Sink } from './output/sink';
import { byteSize, counted } from './output/numbers';
import { truncate } from './output/table';
import { isoTime } from './output/time';
import { putVisible, visibleLine } from './output/visible';
import { displayWidth } from './output/width';

/** Characters on each side of a match, where none are asked for. */
const CONTEXT = 60;
/** For a terminal, which shows what fits a line; no line is longer. */
const TERMINAL_CONTEXT = 240;

/** How many characters of context to look up: those asked for, or what the face can show. */
export function contextFor(context: Context, asked: number | undefined): number {
  return asked ?? (context.face === 'human' && context.isTerminal ? TERMINAL_CONTEXT : CONTEXT);
}

export interface SearchFaceOptions {
  /** At most so many hits; 0: all. */
  limit: number;
  /** Characters of context that were asked for; undefined: what fits. */
  context: number | undefined;
  /** Marks in the text behind the first match what matches too; undefined: the first match alone. */
  others: RegExp | undefined;
}

/** Searches one store for at most so many hits (0: all), and hands them over as they are found. */
export type StoreSearch = (store: Context, limit: number, on: SearchListener) => Promise<SearchReport>;

/** Takes what was found, and the store that it was found in. */
type Face = (found: Found, store: Context) => void;

/**
 * Runs a search, in one store after another, and shows its hits as they are
 * found, in the face that was asked for; then how much was read.
 */
export async function showSearch(
  context: Context,
  fleet: Fleet,
  search: StoreSearch,
  options: SearchFaceOptions,
): Promise<void> {
  const run = new FleetSearch(context, fleet, search, options.limit);
  await context.show({
    json: async (document) => {
      await document.pushed<FoundHit>(
        'hits',
        (hit, path, out) => hit.put(document.renderer, path, out),
        (push) => run.through((found, store) => hitsOf(found, fleet.marks(store), push)),
      );
      document.member('searched', { ...run.searched });
      document.member('limited', run.limited);
      fleet.show(document);
    },
    ndjson: async () => {
      const renderer = context.renderer();
      const { stdout } = context.terminal;
      const put = (hit: FoundHit): void => {
        hit.put(renderer, 'hit', stdout);
        stdout.put('\n');
      };
      await run.through((found, store) => hitsOf(found, fleet.marks(store), put));
    },
    human: async () => {
      const show = context.isTerminal ? terminalFace(context, fleet, options) : pipeFace(context, fleet);
      await run.through(show);
      noteReport(context, fleet, run);
    },
  });
}

/** One search through several stores: the limit and the sums are over all of them. */
class FleetSearch {
  readonly searched: Searched = { sessions: 0, files: 0, bytes: 0, messages: 0, skipped: 0 };
  limited = false;
  hits = 0;
  /** Sessions with hits, and stores that were searched. */
  sessions = 0;
  stores = 0;

  constructor(
    private readonly context: Context,
    private readonly fleet: Fleet,
    private readonly search: StoreSearch,
    private readonly limit: number,
  ) {}

  async through(show: Face): Promise<void> {
    for await (const { store, value } of await this.fleet.each((one) => this.in(one, show))) {
      this.fleet.note(store, value);
    }
  }

  /** Searches one store. Where the limit was reached before, that it is there is all that is known of it. */
  private async in(store: Context, show: Face): Promise<RawFields> {
    if (this.limited) return { hits: 0, searched: null };
    const sessions = new Set<string>();
    const before = this.hits;
    const { searched, limited } = await this.search(store, this.limit === 0 ? 0 : this.limit - before, {
      found: (found) => {
        this.hits += found.hits.length;
        if (!sessions.has(found.session_id)) this.sessions++;
        sessions.add(found.session_id);
        this.context.clearProgress();
        show(found, store);
      },
      warning: (warning) => {
        this.context.terminal.stdout.flush();
        store.warn(warning);
      },
      pausing: () => this.context.terminal.stdout.flush(),
    });
    this.stores++;
    this.limited = limited;
    for (const key of Object.keys(this.searched) as (keyof Searched)[]) this.searched[key] += searched[key];
    return { hits: this.hits - before, searched: { ...searched } };
  }
}

type Marks = readonly [key: string, value: RawJson][];

/** The hits of a session for scripts. What is the same for all of them is spelled once. */
function hitsOf(found: Found, marks: Marks, use: (hit: FoundHit) => void): void {
  const { session_id, title = NULL, storedIn: stored_in } = found;
  // A title that is no string may be something of which each hit warns.
  const isPlain = title === NULL || title.text.startsWith('"');
  const beginning = { session_id, title, stored_in };
  const spelled = isPlain ? SPELLER.render({ ...beginning }, '').slice(0, -1) : undefined;
  const end = marks.map(([key, value]) => `,${JSON.stringify(key)}:${value.text}`).join('');
  for (const hit of found.hits) use(new FoundHit(beginning, spelled, hit, marks, end));
}

/** Of values of which it has no warning. */
const SPELLER = new Renderer(() => undefined);

/** A hit as scripts get it. */
class FoundHit {
  constructor(
    private readonly beginning: RawFields,
    private readonly spelled: string | undefined,
    private readonly hit: Hit,
    private readonly marks: Marks,
    private readonly end: string,
  ) {}

  put(renderer: Renderer, path: string, out: Sink): void {
    const { excerpt } = this.hit;
    if (this.spelled !== undefined && excerpt instanceof SpelledExcerpt) this.putSpelled(this.spelled, excerpt, out);
    else out.put(renderer.render(this.value(), path));
  }

  /** Of an excerpt in the spelling that it would get the bytes are copied. */
  private putSpelled(beginning: string, { json, from, start, end, to }: SpelledExcerpt, out: Sink): void {
    const { in: place, index, role, at, tool, matches, byteOffset } = this.hit;
    out.put(beginning);
    out.put(`,"in":"${place}","message_index":${index ?? null},"role":${JSON.stringify(role ?? null)}`);
    out.put(`,"timestamp":${at === undefined ? 'null' : pythonFloat(at)},"tool_name":${JSON.stringify(tool ?? null)}`);
    out.put(`,"matches":${matches},"before":"`);
    out.putBytes(json, from, start);
    out.put('","match":"');
    out.putBytes(json, start, end);
    out.put('","after":"');
    out.putBytes(json, end, to);
    out.put(`","byte_offset":${byteOffset ?? null}`);
    out.put(this.end);
    out.put('}');
  }

  private value(): OutputValue {
    const { in: place, index, role, at, tool, matches, excerpt, byteOffset } = this.hit;
    return {
      ...this.beginning,
      in: place,
      message_index: index ?? null,
      role: role ?? null,
      timestamp: at === undefined ? null : RawJson.float(at),
      tool_name: tool ?? null,
      matches,
      before: excerpt.before,
      match: excerpt.match,
      after: excerpt.after,
      byte_offset: byteOffset ?? null,
      ...Object.fromEntries(this.marks),
    };
  }
}

function pipeFace(context: Context, fleet: Fleet): Face {
  const out = context.terminal.stdout;
  const line = (id: string, { index, role, at, in: place, excerpt }: Hit, end: string): void => {
    const who = role === undefined ? '' : visibleLine(role);
    for (const cell of [id, String(index ?? ''), who, isoTime(at), place]) {
      out.put(cell);
      out.put('\t');
    }
    putExcerpt(excerpt, out);
    out.put(end);
  };
  return ({ session_id, hits }, store) => {
    const id = visibleLine(session_id);
    const marks = fleet.marks(store).map(([, raw]) => `\t${visibleLine(String(raw.value()))}`);
    const end = `${marks.join('')}\n`;
    for (const hit of hits) line(id, hit, end);
  };
}

/** An excerpt on one line. */
function putExcerpt(excerpt: Excerpt, out: Sink): void {
  if (excerpt instanceof SpelledExcerpt) {
    const { json, from, to } = excerpt;
    const end = putVisible(json, from, to, out.room(to - from), out.end);
    if (end >= 0) {
      out.end = end;
      return;
    }
  }
  out.put(visibleLine(excerpt.before + excerpt.match + excerpt.after));
}

/** Narrower terminals show what was found below where it was found. */
const WIDE_ENOUGH = 60;
const INDEX_WIDTH = 5;
const ROLE_WIDTH = 9;

function terminalFace(context: Context, fleet: Fleet, { context: asked, others }: SearchFaceOptions): Face {
  const { bold, dim, cyan, red } = context.colors;
  const { columns } = context.terminal;
  const marked = (text: string): string => (text === '' ? '' : bold(red(text)));
  let last: string | undefined;
  let lastStore: Context | undefined;

  /** Of many stores, which the sessions below are of. */
  const storeHeading = (store: Context): void => {
    if (lastStore !== undefined) context.line();
    lastStore = store;
    last = undefined;
    if (fleet.isMany) context.line(cyan(visibleLine(store.location.stateDir.value)));
  };
  /** The title, with what was found in it marked there. */
  const heading = ({ session_id, title, hits: [first] }: Found): void => {
    if (last !== undefined) context.line();
    last = session_id;
    const id = visibleLine(session_id);
    const room = Math.max(12, columns - displayWidth(id) - 2);
    const value = title?.value();
    const text = typeof value === 'string' ? bold(truncate(oneLine(value), room)) : '';
    const shown = first.in === 'title' ? excerptOf(first, room) : text;
    context.line(shown === '' ? bold(id) : `${shown}  ${dim(id)}`);
  };
  const excerptOf = ({ excerpt }: Hit, room: number | undefined): string => {
    const whole = { before: oneLine(excerpt.before), match: oneLine(excerpt.match), after: oneLine(excerpt.after) };
    const { before, match, after } = room === undefined ? whole : fitExcerpt(whole, room);
    return `${before}${marked(match)}${others ? after.replace(others, marked) : after}`;
  };
  const line = (hit: Hit): void => {
    const isWide = columns >= WIDE_ENOUGH && asked === undefined;
    const who = visibleLine(hit.role ?? '');
    const index = String(hit.index ?? '');
    const label = isWide
      ? `${index.padStart(INDEX_WIDTH)} ${truncate(who, ROLE_WIDTH).padEnd(ROLE_WIDTH)} `
      : `  ${index} ${who}`;
    const notes = [
      ...(hit.in === 'reasoning' ? ['reasoning'] : []),
      ...(hit.tool === undefined ? [] : [oneLine(hit.tool)]),
      ...(hit.matches > 1 ? [`×${hit.matches}`] : []),
    ].join(' ');
    const lead = notes === '' ? '' : `${truncate(notes, 24)}${isWide ? ' ' : ''}`;
    const room = isWide ? columns - displayWidth(label) - displayWidth(lead) : columns - 4;
    const excerpt = excerptOf(hit, asked === undefined ? room : undefined);
    if (isWide) context.line(`${cyan(label)}${dim(lead)}${excerpt}`);
    else context.line(`${cyan(label)}${lead === '' ? '' : ` ${dim(lead)}`}\n    ${excerpt}`);
  };
  return (found, store) => {
    if (store !== lastStore) storeHeading(store);
    if (found.session_id !== last) heading(found);
    found.hits.filter((hit) => hit.in !== 'title').forEach(line);
    context.terminal.stdout.flush();
  };
}

/** For a line: runs of white space as one space, the rest made visible. */
function oneLine(text: string): string {
  return visibleLine(text.replace(/\s+/g, ' '));
}

function noteReport(context: Context, fleet: Fleet, { hits, sessions, stores, searched, limited }: FleetSearch): void {
  const found = hits === 0 ? 'Nothing found' : `${counted(hits, 'hit')} in ${counted(sessions, 'session')}`;
  const skipped = searched.skipped === 0 ? '' : `, ${searched.skipped} skipped`;
  const where = fleet.isMany ? ` of ${counted(stores, 'store')}` : '';
  context.note(
    `${found}; searched ${counted(searched.sessions, 'session')}${where} (${byteSize(searched.bytes)} of files${skipped}).`,
  );
  if (limited) context.note('Stopped at --limit: there may be more; --limit 0 shows all.');
}
