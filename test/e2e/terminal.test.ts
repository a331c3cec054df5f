import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { makeDemoStore } from '../../scripts/demo-store.mjs';
import { displayWidth } from '../../src/cli/output/width';
import { bareEnvironment, BIN, ROOT } from '../support/cli';
import { runInProcess } from '../support/in-process';
import { hasProgram } from '../support/spawn';
import { makeStore, session } from '../support/store';

/*
 * What a person sees, on a terminal that is real enough: tmux. The screens are
 * kept in test/fixtures/screens, to be looked at when they change (`npx vitest
 * run test/e2e/terminal.test.ts -u` writes them anew).
 */

interface Screen {
  args: string[];
  /** For a command that does not end by itself: what it shows when there is something to see. */
  until?: RegExp;
  /** Shows days and weeks: asks a store whose sessions are of one day of 2026. */
  dated?: boolean;
}

/** The screens that are kept, by the name of their files. */
const SCREENS: Record<string, Screen> = {
  list: { args: ['sessions', 'list'] },
  'list-agent': { args: ['sessions', 'list', '--agent'] },
  'list-all': { args: ['sessions', 'list', '--all', '--agent', '--sort', 'title', '--no-header'] },
  show: { args: ['show', '0821'] },
  'show-metadata': { args: ['show', 'c3d2', '--metadata'] },
  status: { args: ['status', 'c3d2'] },
  usage: { args: ['usage'] },
  lineage: { args: ['sessions', 'lineage', '20260501_094500_77b0d2'] },
  doctor: { args: ['doctor'] },
  stats: { args: ['stats'], dated: true },
  search: { args: ['sessions', 'search', 'parser'] },
  watch: { args: ['sessions', 'list', '--watch'], until: /Fix the[^]*旅行/ },
  error: { args: ['show', 'feedfacecafe'] },
};

const WIDTHS = [80, 40];
/** Some twenty seconds. */
const MAX_LOOKS = 400;
const SCREENS_DIR = path.join(ROOT, 'test', 'fixtures', 'screens');

describe.runIf(hasProgram('tmux'))('on a terminal', () => {
  // Its length decides where lines break, and is always the same.
  const place = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'hermes-'));
  const socket = path.join(place, 'tmux');
  const env = {
    HOME: place,
    HERMES_HOME: path.join(place, 'hermes'),
    HERMES_WEBUI_STATE_DIR: path.join(place, 'webui'),
    LANG: 'C.UTF-8',
  };
  const tmux = (...args: string[]): string => {
    const options = { encoding: 'utf8', env: bareEnvironment(env) } as const;
    const { status, stdout, stderr } = spawnSync('tmux', ['-u', '-S', socket, '-f', '/dev/null', ...args], options);
    expect({ args, status, stderr }).toMatchObject({ status: 0 });
    return stdout;
  };
  const screen = (name: string): string => tmux('capture-pane', '-p', '-S', '-', '-t', name);

  /** Begins a program in a terminal of its own. */
  const begin = (name: string, width: number, command: string): void => {
    tmux('new-session', '-d', '-s', name, '-x', String(width), '-y', '50', command);
  };
  const seen = async (name: string, until: RegExp): Promise<string> => {
    for (let looks = 0; ; looks++) {
      const text = screen(name);
      if (until.test(text)) return text;
      if (looks > MAX_LOOKS) throw new Error(`${name} never shows ${until.source}:\n${text}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };

  beforeAll(() => {
    makeDemoStore(place);
    makeDemoStore(path.join(place, 'may'), Date.UTC(2026, 4, 6, 12) / 1000);
    begin('first', 80, 'cat'); // keeps the server alive between the others
  });
  afterAll(() => {
    spawnSync('tmux', ['-S', socket, 'kill-server']);
    fs.rmSync(place, { recursive: true, force: true });
  });

  /** The same on every machine and day: the place's name, dates and times, letter for letter as long. */
  const settled = (text: string): string => {
    const home = [...place].map((char) => char.replace(/[^\w/]/, '\\$&'));
    const time = [...'20dd-dd-dd dd:dd'].map((char) => char.replace('d', '\\d'));
    const named = overwritten(text, home, '/home/ada'.padEnd(place.length, 'x'));
    return overwritten(named, time, '2026-05-01 12:00')
      .replace(/as of \d\d:\d\d:\d\d/, 'as of 12:00:00')
      .replace(/ +$/gm, '');
  };

  /** Letter by letter: what is found may be broken over two lines. */
  const overwritten = (text: string, pattern: string[], by: string): string =>
    text.replace(new RegExp(pattern.join('\\n?'), 'g'), (found) => {
      let i = 0;
      return found.replace(/[^\n]/g, () => by[i++]);
    });

  it.each(Object.entries(SCREENS).flatMap(([name, shown]) => WIDTHS.map((width) => ({ name, width, ...shown }))))(
    'shows $name at $width columns',
    async ({ name, width, args, until, dated }) => {
      const id = `${name}-${width}`;
      const where = dated
        ? ['--hermes-home', path.join(place, 'may', 'hermes'), '--state-dir', path.join(place, 'may', 'webui')]
        : [];
      const line = [process.execPath, BIN, ...args, ...where].map((word) => `'${word}'`).join(' ');
      begin(id, width, `${line}; echo "[exit $?]"; exec cat`);
      const text = settled(await seen(id, until ?? /^\[exit \d+\]$/m));
      for (const row of text.split('\n')) expect(displayWidth(row)).toBeLessThanOrEqual(width);
      await expect(text.trimEnd() + '\n').toMatchFileSnapshot(path.join(SCREENS_DIR, `${id}.txt`));
      tmux('kill-session', '-t', id);
    },
  );

  it('measures titles as the terminal does', async () => {
    const titles = ['plain', '旅行計画', '한국어 제목', '🗾🍵', 'é', 'שלום עולם', 'مرحبا', 'ＦＵＬＬ', 'ﬀ', '½…—'];
    for (const [i, title] of titles.entries()) {
      const name = `width-${i}`;
      const file = path.join(place, name);
      fs.writeFileSync(file, title);
      begin(name, 80, `cat '${file}'; exec sleep 60`);
      await seen(name, /\S/);
      const [x] = tmux('display-message', '-p', '-t', name, '#{cursor_x}').split('\n');
      expect([title, Number(x)]).toEqual([title, displayWidth(title)]);
      tmux('kill-session', '-t', name);
    }
  });
});

it('remembers no choice of columns, order or header', async () => {
  const store = makeStore({ aaaa00000001: session('aaaa00000001'), bbbb00000002: session('bbbb00000002') });
  const plain = await runInProcess(['sessions', 'list'], store.env);
  const chosen = await runInProcess(
    ['sessions', 'list', '--columns', 'title', '--sort', 'title', '--reverse', '--no-header'],
    store.env,
  );
  expect(chosen.stdout).not.toBe(plain.stdout);
  expect(await runInProcess(['sessions', 'list'], store.env)).toEqual(plain);
});
