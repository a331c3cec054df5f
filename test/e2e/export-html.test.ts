/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import fc from 'fast-check';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CHROMIUM, launchChromium, MUST_HAVE_CHROMIUM } from '../support/chromium';
import { runInProcess } from '../support/in-process';
import { makeStore, session, temporaryDirectory, type TestStore } from '../support/store';

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** What would do something if it were let. */
const HOSTILE = [
  '<script>window.owned = 1; document.title = "owned"</script>',
  '<img src=x onerror="window.owned=1">',
  '<svg onload="window.owned=1"><script>window.owned=1</script></svg>',
  '[click](javascript:window.owned=1)',
  '[data](data:text/html,<script>window.owned=1</script>)',
  '[file](file:///etc/passwd) [relative](../../x.html) [case](JaVaScRiPt:window.owned=1)',
  '<a href="javascript:window.owned=1" id="a">a</a><iframe src="https://evil.example/"></iframe>',
  '<style>body{display:none}</style><meta http-equiv="refresh" content="0;url=https://evil.example/">',
  '</pre></details></section></article></main></body></html><script>window.owned=1</script>',
  '![tracker](https://tracker.example/p.gif) ![js](javascript:window.owned=1)',
  `![svg](data:image/svg+xml;base64,${Buffer.from('<svg onload="window.owned=1"/>').toString('base64')})`,
  '```html"><script>window.owned=1</script>\n<script>window.owned=1</script>\n```',
  '[ref]: javascript:window.owned=1\n\n[ref]',
  '[ok](https://example.org "t\\" onclick=\\"window.owned=1")',
  '<https://x.example/"onmouseover="window.owned=1>',
  '\x1b[31mred\x1b[0m \x00\x07\x08 \u202egnp.exe\u202c \u2066\u061c\ufeff',
  '&lt;script&gt;window.owned=1&lt;/script&gt; &#60;script&#62;',
  '`</code><script>window.owned=1</script>`',
  '| <script>window.owned=1</script> | b |\n| --- | --- |\n| <img src=x onerror=window.owned=1> | c |',
  'x'.repeat(1_000_000),
  '{"a": "</pre><script>window.owned=1</script>"}',
];

const attachment = (url: string): object => ({ type: 'image_url', image_url: { url } });

const oddStore = (): TestStore =>
  makeStore({
    odd000001: session('odd000001', {
      title: '<script>document.title="owned"</script> \u202etxt.exe',
      model: '"><img src=x onerror=window.owned=1>',
      workspace: '/home/<b>x</b>',
      messages: [
        ...HOSTILE.map((content, i) => ({
          role: i % 2 === 0 ? 'user' : 'assistant',
          content,
          timestamp: 1777000010 + i,
        })),
        ...HOSTILE.map((content) => ({ role: 'tool', tool_name: content.slice(0, 200), content })),
        ...HOSTILE.map((text) => ({
          role: text.slice(0, 200),
          content: [{ type: text.slice(0, 200), text: 1 }, attachment(text.slice(0, 200))],
        })),
        {
          role: 'assistant',
          content: null,
          tool_calls: HOSTILE.map((text) => ({ function: { name: text.slice(0, 200), arguments: text } })),
        },
        ...[null, 5, '<b>text</b>', ['<i>']],
      ],
    }),
    other0002: session('other0002', { title: '</a><script>window.owned=1</script>' }),
  });

const niceStore = (): TestStore =>
  makeStore({
    nice00001: session('nice00001', {
      title: 'Why does it miss?',
      messages: [
        {
          role: 'user',
          content: 'It **misses**. See https://example.org/a?b=1&c=2\n\n- one\n- two',
          timestamp: 1777000010,
        },
        {
          role: 'assistant',
          content: '```typescript\nexport const a = "b"; // c\n```\n\n| a | b |\n| - | - |\n| 1 | 2 |',
          timestamp: 1777000020,
        },
        { role: 'user', content: [{ type: 'text', text: 'look' }, attachment(`data:image/png;base64,${PIXEL}`)] },
      ],
    }),
  });

async function pageOf(store: TestStore, ...args: string[]): Promise<string> {
  const file = path.join(temporaryDirectory(), 'page.html');
  const { code } = await runInProcess(['sessions', 'export', ...args, '-f', 'html', '-q', '-o', file], store.env);
  expect(code).toBe(0);
  return file;
}

it('has the browser that these tests need, where they must not be skipped', () => {
  if (MUST_HAVE_CHROMIUM) expect(CHROMIUM).toBeDefined();
});

describe.skipIf(CHROMIUM === undefined)('the page in a browser', () => {
  let browser: Browser;
  beforeAll(async () => (browser = await launchChromium()));
  afterAll(() => browser?.close());

  /** Opens the page; everything that it asks for besides itself is in `asked`. */
  async function open(
    file: string,
    options: Parameters<Browser['newPage']>[0] = {},
  ): Promise<{ page: Page; asked: string[] }> {
    const page = await browser.newPage(options);
    const asked: string[] = [];
    const url = pathToFileURL(file).href;
    page.on('request', (request) => request.url() !== url && asked.push(request.url()));
    page.on('dialog', (dialog) => void (asked.push(dialog.message()), dialog.dismiss()));
    await page.goto(url, { waitUntil: 'load' });
    return { page, asked };
  }

  /** What in the page could do something. */
  const living = (page: Page): Promise<unknown> =>
    page.evaluate(() => ({
      owned: 'owned' in window,
      elements: [
        ...document.querySelectorAll(
          'script,iframe,object,embed,svg,form,input,video,audio,link,base,math,template,body style',
        ),
      ].map((element) => element.outerHTML),
      refresh: document.querySelectorAll('meta[http-equiv=refresh]').length,
      handlers: [...document.querySelectorAll('*')]
        .flatMap((element) => [...element.attributes].map(({ name }) => name))
        .filter((name) => name.startsWith('on')),
      protocols: [
        ...new Set([...document.querySelectorAll('a[href]')].map((link) => (link as HTMLAnchorElement).protocol)),
      ].filter((protocol) => !['https:', 'http:', 'mailto:', 'file:'].includes(protocol)),
      files: [...document.querySelectorAll('a[href]')]
        .map((link) => link.getAttribute('href')!)
        .filter((href) => !/^(#|https?:|mailto:)/.test(href)),
      sources: [...document.querySelectorAll('[src],[srcset],[background],[poster]')]
        .map((element) => (element.getAttribute('src') ?? 'other').slice(0, 22))
        .filter((src) => !/^data:image\/(png|jpeg|gif|webp|avif)/.test(src)),
      unclosed: document.querySelectorAll('main > article > section.m').length,
    }));

  const INERT = { owned: false, elements: [], refresh: 0, handlers: [], protocols: [], files: [], sources: [] };

  it('does nothing, whatever the sessions say', async () => {
    const store = oddStore();
    for (const flags of [[], ['--include-tools', '--embed']]) {
      const { page, asked } = await open(await pageOf(store, '--all', ...flags));
      expect(await living(page)).toMatchObject(INERT);
      expect(asked).toEqual([]);
      expect(await page.title()).toBe('2 sessions');
      expect(await page.locator('h1').first().textContent()).toBe(
        '<script>document.title="owned"</script> \\u202etxt.exe',
      );
      const text = (await page.locator('main').textContent())!;
      expect(text).toContain('x'.repeat(1_000_000));
      expect(text).toContain('<script>window.owned = 1; document.title = "owned"</script>');
      expect(text).toContain('\\x1b[31mred\\x1b[0m \\x00\\x07\\x08 \\u202egnp.exe\\u202c');
      expect(text).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
      // What is folded opens; what is far down is reached; and still nothing happens.
      await page.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = true)));
      await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight));
      await page.locator('nav a').first().click();
      expect(await living(page)).toMatchObject(INERT);
      expect(asked).toEqual([]);
      await page.close();
    }
  });

  it('does nothing, however the pieces are put together', async () => {
    const pieces = fc.constantFrom(
      ...HOSTILE.filter(({ length }) => length < 1000),
      '`',
      '```',
      '\n',
      '\n\n',
      '[',
      ']',
      '](',
      '"',
      "'",
      '<',
      '>',
      '|',
      '- ',
      '> ',
      '![',
      '\\',
      '&',
      '<!--',
      '<![CDATA[',
    );
    const contents = fc.array(
      fc.array(pieces, { maxLength: 6 }).map((some) => some.join('')),
      { minLength: 60, maxLength: 60 },
    );
    await fc.assert(
      fc.asyncProperty(contents, async (messages) => {
        const store = makeStore({
          odd000001: session('odd000001', { messages: messages.map((content) => ({ role: 'user', content })) }),
        });
        const { page, asked } = await open(await pageOf(store, 'odd000001'));
        expect(await living(page)).toEqual({ ...INERT, unclosed: messages.length });
        expect(asked).toEqual([]);
        await page.close();
      }),
      { numRuns: 4, endOnFailure: true },
    );
  });

  it('would let nothing be done in it', async () => {
    const { page } = await open(await pageOf(niceStore(), 'nice00001'));
    const refused = (kind: string): Promise<string> =>
      page.evaluate(
        (tag) =>
          new Promise<string>((resolve) => {
            document.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective), {
              once: true,
            });
            const element = document.createElement(tag);
            if (tag === 'img') element.setAttribute('src', 'https://tracker.example/p.gif');
            else element.textContent = tag === 'style' ? 'body{display:none}' : 'window.owned=1';
            document.body.append(element);
          }),
        kind,
      );
    expect([await refused('script'), await refused('img'), await refused('style')]).toEqual([
      'script-src-elem',
      'img-src',
      'style-src-elem',
    ]);
    expect(await page.evaluate(() => 'owned' in window)).toBe(false);
    await page.close();
  });

  it('is readable in light and dark, wide and narrow, with pictures where they are wanted', async () => {
    const store = niceStore();
    const file = await pageOf(store, 'nice00001');
    const { page } = await open(file, { viewport: { width: 380, height: 700 }, colorScheme: 'light' });
    const look = (): Promise<{ back: string; text: string; keyword: string; overflow: number }> =>
      page.evaluate(() => ({
        back: getComputedStyle(document.body).backgroundColor,
        text: getComputedStyle(document.body).color,
        keyword: getComputedStyle(document.querySelector('.hljs-keyword')!).color,
        overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      }));
    const light = await look();
    await page.emulateMedia({ colorScheme: 'dark' });
    const dark = await look();
    for (const { back, text, keyword, overflow } of [light, dark]) {
      expect(overflow).toBe(0);
      expect(contrast(back, text)).toBeGreaterThan(7);
      expect(contrast(back, keyword)).toBeGreaterThan(4.5);
    }
    expect(luminance(light.back)).toBeGreaterThan(luminance(dark.back));
    expect(await page.title()).toBe('Why does it miss?');
    expect(await page.locator('table td').first().textContent()).toBe('1');
    expect(await page.locator('a[href^="https:"]').getAttribute('href')).toBe('https://example.org/a?b=1&c=2');
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.locator('.f').textContent()).toBe('image_url (PNG, 1 KB)');
    await page.close();
    const embedded = await open(await pageOf(store, 'nice00001', '--embed'));
    expect(await embedded.page.locator('img').evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(1);
    await embedded.page.close();
  });
});

it('embeds a file that was attached only from where attachments are', async () => {
  const store = niceStore();
  const dir = path.join(store.stateDir, 'attachments', 'nice00001');
  fs.mkdirSync(dir, { recursive: true });
  const picture = Buffer.from(PIXEL, 'base64');
  fs.writeFileSync(path.join(dir, 'in.png'), picture);
  fs.writeFileSync(path.join(dir, 'text.png'), 'no picture');
  fs.writeFileSync(path.join(store.root, 'out.png'), picture);
  fs.symlinkSync(path.join(store.root, 'out.png'), path.join(dir, 'link.png'));
  const attachments = ['in.png', 'text.png', 'link.png', '../../../out.png', 'none.png'].map((name) => ({
    name,
    path: path.join(dir, name),
  }));
  fs.writeFileSync(
    path.join(store.sessionsDir, 'nice00001.json'),
    JSON.stringify(session('nice00001', { messages: [{ role: 'user', content: 'x', attachments }] })),
  );
  const images = async (...flags: string[]): Promise<number> =>
    fs.readFileSync(await pageOf(store, 'nice00001', ...flags), 'utf8').split('<img ').length - 1;
  expect([await images(), await images('--embed')]).toEqual([0, 1]);
});

/** Relative luminance of a colour as the browser spells it (`rgb(1, 2, 3)`), by WCAG. */
function luminance(color: string): number {
  const [r, g, b] = color.match(/[\d.]+/g)!.map((value) => {
    const part = Number(value) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}
