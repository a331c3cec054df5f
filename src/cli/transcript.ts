import type { MessagePart, ReadableMessage } from '../core/session/parts';
import type { Context } from './context';
import { isoTime, localTime } from './output/time';
import { visibleLine, visibleText } from './output/visible';

export interface TranscriptOptions {
  /** Show tool calls and their results in full, not folded to a line. */
  tools: boolean;
}

const FOLDED_LENGTH = 100;

const ROLE_COLORS = { user: 'cyan', assistant: 'green', tool: 'yellow', system: 'magenta' } as const;

/** One message for a person: who and when on a line, then what was said, as it was laid out. */
export function messageText(context: Context, message: ReadableMessage, options: TranscriptOptions): string {
  const { colors } = context;
  const color = colors[ROLE_COLORS[message.role as keyof typeof ROLE_COLORS] ?? 'white'];
  const who = message.toolName === undefined ? message.role : `${message.role} ${message.toolName}`;
  const when = context.isTerminal ? localTime(message.at) : isoTime(message.at);
  const marks = message.marks.map((mark) => ` [${mark}]`).join('');
  const head = `${colors.bold(color(visibleLine(who)))}${when === '' ? '' : ` ${colors.dim(when)}`}${colors.red(marks)}`;
  const folded = message.role === 'tool' && !options.tools;
  const body = message.parts.map((part) => partText(context, part, folded, options)).filter((text) => text !== '');
  return [head, ...body, ''].join('\n');
}

function partText(context: Context, part: MessagePart, folded: boolean, options: TranscriptOptions): string {
  const { dim } = context.colors;
  switch (part.kind) {
    case 'text':
      return folded ? dim(fold(part.text)) : visibleText(part.text).replace(/\n+$/, '');
    case 'attachment':
      return dim(`[${visibleLine(part.label)}]`);
    case 'tool-call':
      return options.tools
        ? `${dim('→')} ${visibleLine(part.name)}\n${visibleText(part.input)}`
        : dim(`→ ${visibleLine(part.name)} ${fold(part.input)}`.trimEnd());
  }
}

/** The first line, and how much more there is. */
function fold(text: string): string {
  const lines = text.replace(/\s+$/, '').split('\n');
  const first = [...visibleLine(lines[0])];
  const cut = first.length > FOLDED_LENGTH ? `${first.slice(0, FOLDED_LENGTH).join('')}…` : first.join('');
  const more = lines.length - 1;
  return more > 0 ? `${cut} (+${more} ${more === 1 ? 'line' : 'lines'})` : cut;
}

/** One message in Markdown. Tool results and calls are code blocks, with a fence that they cannot close. */
export function messageMarkdown(message: ReadableMessage): string {
  const who = message.toolName === undefined ? message.role : `${message.role}: ${message.toolName}`;
  const when = isoTime(message.at);
  const marks = message.marks.map((mark) => ` (${mark})`).join('');
  const body = message.parts.map((part) => {
    switch (part.kind) {
      case 'text':
        return message.role === 'tool' ? codeBlock(part.text) : closed(visibleText(part.text));
      case 'attachment':
        return `*[${visibleLine(part.label)}]*`;
      case 'tool-call':
        return `Calls \`${visibleLine(part.name).replaceAll('`', "'")}\`:\n\n${codeBlock(part.input)}`;
    }
  });
  return [`## ${visibleLine(who)}${when === '' ? '' : ` — ${when}`}${marks}`, ...body, ''].join('\n\n');
}

/** Markdown without a code block that is left open, as where an answer was cut off: it would take in all that follows. */
function closed(text: string): string {
  let fence: string | undefined;
  for (const line of text.split('\n')) {
    if (fence === undefined) fence = /^(?:`{3,}(?=[^`]*$)|~{3,})/.exec(line)?.[0];
    else if (/^ {0,3}(`{3,}|~{3,})[ \t]*$/.exec(line)?.[1].startsWith(fence) === true) fence = undefined;
  }
  return fence === undefined ? text : `${text}\n${fence}`;
}

function codeBlock(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${visibleText(text)}\n${fence}`;
}
