import { NULL, RawJson } from '../core/json/raw';
import type { Hit } from '../core/search/hit';
import type { Found, SearchListener, SearchReport } from '../core/search/search';
import type { Context } from './context';
import type { OutputValue } from './output/document';
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
  /** Characters of context that were asked for; undefined: what fits. */
  context: number | undefined;
  /** Marks in the text behind the first match what matches too; undefined: the first match alone. */
  others: RegExp | undefined;
}

/**
 * Runs a search and shows its hits as they are found, in the face that was
 * asked for; then how much was read.
 */
export async function showSearch(
  context: Context,
  search: (on: SearchListener) => Promise<SearchReport>,
  options: SearchFaceOptions,
): Promise<void> {
  const sessions = new Set<string>();
  let hits = 0;
  const run = (show: (found: Found) => void): Promise<SearchReport> =>
    search({
      found: (found) => {
        hits += found.hits.length;
        sessions.add(found.session_id);
        context.clearProgress();
        show(found);
      },
      warning: (warning) => context.warn(warning),
    });
  const flushing = (show: (found: Found) => void) => (found: Found) => {
    show(found);
    context.terminal.stdout.flush();
  };
  await context.show({
    json: async (document) => {
      let report: SearchReport | undefined;
      await document.pushed<OutputValue>(
        'hits',
        (hit, path) => document.renderer.render(hit, path),
        async (push) => {
          report = await run((found) => found.hits.forEach((hit) => push(hitForOutput(found, hit))));
        },
      );
      if (report === undefined) return;
      document.member('searched', { ...report.searched });
      document.member('limited', report.limited);
    },
    ndjson: async () => {
      const renderer = context.renderer();
      const show = (found: Found): void =>
        found.hits.forEach((hit) => context.line(renderer.render(hitForOutput(found, hit), 'hit')));
      await run(flushing(show));
    },
    human: async () => {
      const show = context.isTerminal ? terminalFace(context, options) : pipeFace(context);
      const report = await run(flushing(show));
      noteReport(context, hits, sessions.size, report);
    },
  });
}

/** A hit as scripts get it. */
function hitForOutput({ session_id, title, storedIn }: Found, hit: Hit): OutputValue {
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
  };
}

function pipeFace(context: Context): (found: Found) => void {
  return ({ session_id, hits }) => {
    for (const hit of hits) {
      const excerpt = visibleLine(hit.before + hit.match + hit.after);
      const place = [hit.index ?? '', visibleLine(hit.role ?? ''), isoTime(hit.at), hit.in];
      context.line([visibleLine(session_id), ...place, excerpt].join('\t'));
    }
  };
}

/** Narrower terminals show what was found below where it was found. */
const WIDE_ENOUGH = 60;
const INDEX_WIDTH = 5;
const ROLE_WIDTH = 9;

function terminalFace(context: Context, { context: asked, others }: SearchFaceOptions): (found: Found) => void {
  const { bold, dim, cyan, red } = context.colors;
  const { columns } = context.terminal;
  const marked = (text: string): string => (text === '' ? '' : bold(red(text)));
  let last: string | undefined;

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
  return (found) => {
    if (found.session_id !== last) heading(found);
    found.hits.filter((hit) => hit.in !== 'title').forEach(line);
  };
}

/** For a line: runs of white space as one space, the rest made visible. */
function oneLine(text: string): string {
  return visibleLine(text.replace(/\s+/g, ' '));
}

function noteReport(context: Context, hits: number, sessions: number, { searched, limited }: SearchReport): void {
  const found = hits === 0 ? 'Nothing found' : `${counted(hits, 'hit')} in ${counted(sessions, 'session')}`;
  const skipped = searched.skipped === 0 ? '' : `, ${searched.skipped} skipped`;
  context.note(
    `${found}; searched ${counted(searched.sessions, 'session')} (${byteSize(searched.bytes)} of files${skipped}).`,
  );
  if (limited) context.note('Stopped at --limit: there may be more; --limit 0 shows all.');
}
