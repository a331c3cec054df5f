import { DEFAULT_TITLE } from '../../core/session/text';
import { CutShort } from '../../core/export/cut-short';
import { isoTime } from '../output/time';
import { visibleLine } from '../output/visible';
import { messageMarkdown } from '../transcript';
import type { ExportItem, ExportOptions, Format } from './format';
import type { Out } from './out';
import { headOf, leftOutNote, withReadable } from './readable';

/** Sessions in Markdown, one behind the other. */
export class MarkdownFormat implements Format {
  readonly extension = 'md';
  private count = 0;

  constructor(private readonly options: ExportOptions) {}

  begin(): void {
    this.count = 0;
  }

  async add(out: Out, item: ExportItem): Promise<void> {
    await withReadable(item, this.options, async ({ row, messages, leftOut }) => {
      const title = visibleLine(String(row.value('title') ?? DEFAULT_TITLE)) || DEFAULT_TITLE;
      const head = headOf(row, isoTime).map(([name, value]) => `- ${name}: ${visibleLine(value)}\n`);
      try {
        out.write(`${this.count === 0 ? '' : '---\n\n'}# ${title}\n\n${head.join('')}\n`);
        for await (const message of messages) out.write(messageMarkdown(message));
        const note = leftOutNote(leftOut());
        if (note !== undefined) out.write(`*${note}*\n\n`);
      } catch (error) {
        throw error instanceof CutShort ? error : new CutShort(error);
      }
      this.count++;
    });
  }

  end(): void {
    // The last session's end is the file's.
  }
}
