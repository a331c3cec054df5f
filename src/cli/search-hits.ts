import { NULL, RawJson } from '../core/json/raw';
import type { Hit } from '../core/search/hit';
import type { Found, Searched, SearchListener, SearchReport } from '../core/search/search';
import type { Context } from './context';
import type { Fleet } from './fleet';
import type { OutputValue, RawFields } from './output/document';
import { fitExcerpt } from './output/excerpt';
import { byteSize, counted } from './output/numbers';
import { truncate } from './output/table';
import { isoTime } from './output/time';
import { visibleLine } from './output/visible';
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
  const flushing =
    (show: Face): Face =>
    (found, store) => {
      show(found, store);
      context.terminal.stdout.flush();
    };
  await context.show({
    json: async (document) => {
      await document.pushed<OutputValue>(
        'hits',
        (hit, path) => document.renderer.render(hit, path),
        (push) =>
          run.through((found, store) =>
            found.hits.forEach((hit) => push(hitForOutput(found, hit, fleet.marks(store)))),
          ),
      );
      document.member('searched', { ...run.searched });
      document.member('limited', run.limited);
      fleet.show(document);
    },
    ndjson: async () => {
      const renderer = context.renderer();
      const show: Face = (found, store) =>
        found.hits.forEach((hit) => context.line(renderer.render(hitForOutput(found, hit, fleet.marks(store)), 'hit')));
      await run.through(flushing(show));
    },
    human: async () => {
      const show = context.isTerminal ? terminalFace(context, fleet, options) : pipeFace(context, fleet);
      await run.through(flushing(show));
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
      warning: (warning) => store.warn(warning),
    });
    this.stores++;
    this.limited = limited;
    for (const key of Object.keys(this.searched) as (keyof Searched)[]) this.searched[key] += searched[key];
    return { hits: this.hits - before, searched: { ...searched } };
  }
}

/** A hit as scripts get it. */
function hitForOutput(
  { session_id, title, storedIn }: Found,
  hit: Hit,
  marks: [key: string, value: RawJson][],
): OutputValue {
  return {
    session_id,
    title: title ?? NULL,
    stored_in: storedIn,
    in: hit.in,
    message_index: hit.index ?? null,
    role: hit.role ?? null,
    timestamp: hit.at === undefined ? null : RawJson.float(hit.at),
    tool_name: hit.tool ?? null,
    matches: hit.matches,
    before: hit.before,
    match: hit.match,
    after: hit.after,
    byte_offset: hit.byteOffset ?? null,
    ...Object.fromEntries(marks),
  };
}

function pipeFace(context: Context, fleet: Fleet): Face {
  return ({ session_id, hits }, store) => {
    const marks = fleet.marks(store).map(([, raw]) => visibleLine(String(raw.value())));
    for (const hit of hits) {
      const excerpt = visibleLine(hit.before + hit.match + hit.after);
      const place = [hit.index ?? '', visibleLine(hit.role ?? ''), isoTime(hit.at), hit.in];
      context.line([visibleLine(session_id), ...place, excerpt, ...marks].join('\t'));
    }
  };
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
  const excerptOf = (hit: Hit, room: number | undefined): string => {
    const whole = { before: oneLine(hit.before), match: oneLine(hit.match), after: oneLine(hit.after) };
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
