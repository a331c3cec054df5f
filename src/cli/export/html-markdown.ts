import hljs from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import c from 'highlight.js/lib/languages/c';
import cpp from 'highlight.js/lib/languages/cpp';
import csharp from 'highlight.js/lib/languages/csharp';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import dockerfile from 'highlight.js/lib/languages/dockerfile';
import go from 'highlight.js/lib/languages/go';
import ini from 'highlight.js/lib/languages/ini';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import markdown from 'highlight.js/lib/languages/markdown';
import php from 'highlight.js/lib/languages/php';
import powershell from 'highlight.js/lib/languages/powershell';
import python from 'highlight.js/lib/languages/python';
import ruby from 'highlight.js/lib/languages/ruby';
import rust from 'highlight.js/lib/languages/rust';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';
import MarkdownIt from 'markdown-it';

import { pictureInUrl } from '../../core/export/picture';

const LANGUAGES = {
  ...{ bash, c, cpp, csharp, css, diff, dockerfile, go, ini, java, javascript, json, markdown, php, powershell },
  ...{ python, ruby, rust, sql, typescript, xml, yaml },
};
for (const [name, language] of Object.entries(LANGUAGES)) hljs.registerLanguage(name, language);

/** Above this many characters code is not coloured, and text not taken as Markdown: it would take too long. */
const MAX_CODE = 50_000;
const MAX_MARKDOWN = 200_000;

/** The addresses that a link may lead to. */
const LINK = /^(?:https?:\/\/|mailto:)/i;

/** Makes HTML of what people and models wrote. Nothing that it makes can do anything but be read and lead elsewhere. */
export class PageText {
  private readonly markdown: MarkdownIt;

  /** @param embed pictures that an address itself holds as pictures, and not in words. */
  constructor(private readonly embed: boolean) {
    const markdown = new MarkdownIt({
      html: false,
      linkify: true,
      breaks: true,
      highlight: (code, language) => this.coloured(code, language) ?? '',
    });
    markdown.validateLink = (url) => LINK.test(url) || pictureInUrl(url) !== undefined;
    markdown.renderer.rules.link_open = (tokens, i, options, _env, self) => {
      const token = tokens[i];
      if (!LINK.test(token.attrGet('href') ?? '')) return '<a>'; // a picture's own bytes are no place to go
      token.attrSet('rel', 'noopener noreferrer nofollow');
      return self.renderToken(tokens, i, options);
    };
    markdown.renderer.rules.image = (tokens, i) => {
      const { content } = tokens[i];
      return this.picture(tokens[i].attrGet('src') ?? '', content);
    };
    markdown.renderer.rules.table_open = () => '<div class="t"><table>\n';
    markdown.renderer.rules.table_close = () => '</table></div>\n';
    this.markdown = markdown;
  }

  escaped(text: string): string {
    return this.markdown.utils.escapeHtml(text);
  }

  /** Markdown, in which HTML is text; as it is where it is too long for that. */
  text(text: string): string {
    return text.length > MAX_MARKDOWN ? this.plain(text) : this.markdown.render(text);
  }

  /** Text as it is laid out. */
  plain(text: string): string {
    return `<pre class="x">${this.escaped(text)}</pre>\n`;
  }

  /** Code, coloured where its language is known. */
  code(text: string, language: string): string {
    return `<pre class="x"><code>${this.coloured(text, language) ?? this.escaped(text)}</code></pre>\n`;
  }

  /** A picture: itself where it is to be embedded and the address holds it, else a link or words. */
  picture(url: string, label: string): string {
    const words = this.escaped(label === '' ? 'picture' : label);
    const held = pictureInUrl(url);
    if (held && this.embed) return `<img src="${this.escaped(held.url)}" alt="${words}" loading="lazy">`;
    if (held) return `<span class="f">${words} (${held.type.toUpperCase()}, ${Math.ceil(held.size / 1024)} KB)</span>`;
    if (LINK.test(url))
      return `<a class="f" href="${this.escaped(url)}" rel="noopener noreferrer nofollow">${words}</a>`;
    return `<span class="f">${words}</span>`;
  }

  private coloured(code: string, language: string): string | undefined {
    if (code.length > MAX_CODE || language === '' || !hljs.getLanguage(language)) return undefined;
    return hljs.highlight(code, { language, ignoreIllegals: true }).value;
  }
}
