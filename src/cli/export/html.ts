import { createHash } from 'node:crypto';

import { CutShort } from '../../core/export/cut-short';
import { attachedPicture } from '../../core/export/picture';
import { HermesctlError } from '../../core/errors';
import { formatJson } from '../../core/json/format';
import { isWellFormed } from '../../core/json/well-formed';
import { readMetadataRow } from '../../core/listing/details';
import type { MessagePart, ReadableMessage } from '../../core/session/parts';
import { DEFAULT_TITLE } from '../../core/session/text';
import { isoTime } from '../output/time';
import { visibleLine, visibleText } from '../output/visible';
import type { ExportItem, ExportOptions, Format } from './format';
import { PageText } from './html-markdown';
import { STYLE } from './html-style';
import type { Out } from './out';
import { headOf, leftOutNote, withReadable } from './readable';

/** So many sessions a page lists at its beginning. */
const LISTED = 1000;
const SUMMARY_LENGTH = 120;

/**
 * Sessions as one page that needs nothing else: no script, no font, nothing
 * fetched, and a policy in it that lets nothing be. What the store says is
 * text.
 */
export class HtmlFormat implements Format {
  readonly extension = 'html';
  private readonly page: PageText;

  constructor(private readonly options: ExportOptions) {
    this.page = new PageText(options.embed);
  }

  begin(out: Out, items: readonly ExportItem[]): void {
    const title = items.length === 1 ? this.titleOf(items[0]) : `${items.length} sessions`;
    const style = createHash('sha256').update(STYLE).digest('base64');
    const policy = `default-src 'none'; style-src 'sha256-${style}'; img-src data:; base-uri 'none'; form-action 'none'`;
    out.write(
      `<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="${policy}">\n` +
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="referrer" content="no-referrer">\n' +
        `<meta name="robots" content="noindex">\n<title>${this.line(title)}</title>\n<style>${STYLE}</style>\n</head>\n<body>\n<main>\n`,
    );
    if (items.length > 1 && items.length <= LISTED) {
      const entries = items.map(
        (item) => `<li><a href="#${anchor(item.id)}">${this.line(this.titleOf(item))}</a></li>\n`,
      );
      out.write(`<nav>\n<h2>Sessions</h2>\n<ol>\n${entries.join('')}</ol>\n</nav>\n`);
    }
  }

  async add(out: Out, item: ExportItem): Promise<void> {
    await withReadable(item, this.options, async ({ row, messages, leftOut }) => {
      const title = String(row.value('title') ?? DEFAULT_TITLE) || DEFAULT_TITLE;
      const head = headOf(row, spoken).map(
        ([name, value]) => `<dt>${name}</dt><dd dir="auto">${this.line(value)}</dd>\n`,
      );
      try {
        out.write(
          `<article id="${anchor(item.id)}">\n<h1 dir="auto">${this.line(title)}</h1>\n<dl>\n${head.join('')}</dl>\n`,
        );
        for await (const message of messages) out.write(this.message(item, message));
        const note = leftOutNote(leftOut());
        if (note !== undefined) out.write(`<p class="n">${note}</p>\n`);
        out.write('</article>\n');
      } catch (error) {
        throw error instanceof CutShort ? error : new CutShort(error);
      }
    });
  }

  end(out: Out): void {
    out.write('<footer>Exported by hermesctl.</footer>\n</main>\n</body>\n</html>\n');
  }

  private message(item: ExportItem, message: ReadableMessage): string {
    const { role, at, marks, index, toolName } = message;
    const id = `${anchor(item.id)}-${index + 1}`;
    const kind = KINDS.has(role) ? role : 'other';
    const time = isoTime(at);
    const when =
      time === ''
        ? `<a href="#${id}">#${index + 1}</a>`
        : `<a href="#${id}"><time datetime="${time}">${spoken(at)}</time></a>`;
    const tool = toolName === undefined ? '' : `<i>${this.line(toolName)}</i>`;
    const tags = marks.map((mark) => `<em>${mark}</em>`).join('');
    const body = message.parts.map((part) => this.part(item, part, role === 'tool')).join('');
    return `<section class="m ${kind}" id="${id}">\n<div class="w"><b>${this.line(role)}</b>${tool}${when}${tags}</div>\n<div class="b" dir="auto">\n${body}</div>\n</section>\n`;
  }

  private part(item: ExportItem, part: MessagePart, isResult: boolean): string {
    switch (part.kind) {
      case 'text':
        return isResult ? this.folded('', part.text) : this.page.text(visibleText(part.text));
      case 'attachment':
        return `<p>${this.attachment(item, part)}</p>\n`;
      case 'tool-call':
        return this.folded(part.name, part.input);
    }
  }

  private attachment(item: ExportItem, { label, url, path }: MessagePart & { kind: 'attachment' }): string {
    const { embed, context } = this.options;
    const words = visibleLine(label);
    const attached =
      embed && path !== undefined && item.in === 'store'
        ? attachedPicture(context.location, item.id, path, context.deps)
        : undefined;
    return this.page.picture(attached?.url ?? url ?? '', words);
  }

  /** What a tool was asked or answered: its first line, and all of it for who opens it. */
  private folded(name: string, text: string): string {
    const shown = visibleText(
      text.length < FORMATTED && /^\s*[[{]/.test(text) && isWellFormed(text) ? formatJson(text) : text,
    );
    const isJson = shown !== '' && /^[[{]/.test(shown);
    const first = [
      ...visibleLine(
        text
          .trimStart()
          .slice(0, SUMMARY_LENGTH * 4)
          .split('\n')[0],
      ),
    ]
      .slice(0, SUMMARY_LENGTH)
      .join('');
    const bold = name === '' ? '' : `<b>${this.line(name)}</b> `;
    const body = isJson ? this.page.code(shown, 'json') : this.page.plain(shown);
    return `<details><summary>${bold}${this.page.escaped(first)}</summary>\n${body}</details>\n`;
  }

  /** Text of one line, in which nothing is hidden. */
  private line(text: string): string {
    return this.page.escaped(visibleLine(text));
  }

  /** For the list at the page's beginning: read from the beginning of the file only. */
  private titleOf(item: ExportItem): string {
    const { context, redactor } = this.options;
    let title = item.id;
    try {
      if (item.in === 'store')
        title = String(
          readMetadataRow(context.location, context.defaults, context.deps, item.id).value.value('title') || item.id,
        );
    } catch (error) {
      if (!(error instanceof HermesctlError)) throw error; // adding it says what is wrong
    }
    return redactor ? redactor.text(title) : title;
  }
}

/** Longer JSON is shown as it is. */
const FORMATTED = 50_000;
const KINDS: ReadonlySet<string> = new Set(['user', 'assistant', 'tool', 'system']);

/** A session's place in the page. */
function anchor(id: string): string {
  return `s-${id.replace(/[^0-9A-Za-z_-]/g, (char) => `.${char.codePointAt(0)!.toString(16)}`)}`;
}

/** A time for people, the same wherever the page is read. */
function spoken(seconds: number | undefined): string {
  return isoTime(seconds)
    .replace('T', ' ')
    .replace(/:\d\dZ$/, ' UTC');
}
