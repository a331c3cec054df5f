import { expect, it } from 'vitest';

import { Screen } from '../../../src/cli/output/screen';
import { Sink } from '../../../src/cli/output/sink';

const ESC = '\x1b[';

function screenOf(): { screen: Screen; written: () => string } {
  let bytes = '';
  const sink = new Sink(1, (_, buffer, offset, length) => {
    bytes += Buffer.from(buffer.subarray(offset, offset + length)).toString();
    return length;
  });
  const written = (): string => {
    const all = bytes;
    bytes = '';
    return all;
  };
  return { screen: new Screen(sink), written };
}

it('writes the lines that are others, and no other', () => {
  const { screen, written } = screenOf();
  screen.show(['one', 'two', '', 'four']);
  expect(written()).toBe(
    `${ESC}?1049h${ESC}?25l${ESC}?7l${ESC}H${ESC}2J${ESC}1;1H${ESC}Kone${ESC}2;1H${ESC}Ktwo${ESC}4;1H${ESC}Kfour`,
  );
  screen.show(['one', 'two', '', 'four']);
  expect(written()).toBe('');
  screen.show(['one', 'zwei', '', 'four']);
  expect(written()).toBe(`${ESC}2;1H${ESC}Kzwei`);
  screen.show(['one']);
  expect(written()).toBe(`${ESC}2;1H${ESC}K${ESC}4;1H${ESC}K`);
});

it('writes all of them after it was told to forget, and gives the terminal back once', () => {
  const { screen, written } = screenOf();
  screen.forget();
  screen.leave();
  expect(written()).toBe('');
  screen.show(['one']);
  written();
  screen.forget();
  screen.show(['one']);
  expect(written()).toBe(`${ESC}H${ESC}2J${ESC}1;1H${ESC}Kone`);
  screen.leave();
  screen.leave();
  expect(written()).toBe(`${ESC}?7h${ESC}?25h${ESC}?1049l`);
  screen.show(['one']);
  expect(written()).toContain(`${ESC}?1049h`);
});
