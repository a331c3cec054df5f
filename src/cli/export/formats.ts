import type { ExportOptions, Format, FormatName } from './format';

/** The format of this name. Loaded when it is asked for: a page needs libraries that a line of JSON does not. */
export async function formatOf(name: FormatName, options: ExportOptions): Promise<Format> {
  switch (name) {
    case 'markdown':
      return new (await import('./markdown.js')).MarkdownFormat(options);
    case 'html':
      return new (await import('./html.js')).HtmlFormat(options);
    default:
      return new (await import('./json.js')).JsonFormat(name, options);
  }
}
