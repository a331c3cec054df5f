import fs from 'node:fs';
import path from 'node:path';

import { expect, it, onTestFinished } from 'vitest';

import { FileWakeUp } from '../../src/cli/wake-up';
import { temporaryDirectory } from '../support/store';

function listening(files: string[], watch?: typeof fs.watch): FileWakeUp {
  const wakeUp = new FileWakeUp(watch);
  onTestFinished(() => wakeUp.close());
  wakeUp.listen(files);
  return wakeUp;
}

const heard = (signal: AbortSignal): Promise<boolean> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(true);
    signal.addEventListener('abort', () => resolve(true));
    setTimeout(() => resolve(false), 5000);
  });

it('hears of the files that are meant, also before it is asked', async () => {
  const place = temporaryDirectory();
  const sessions = path.join(place, 'sessions');
  fs.mkdirSync(sessions);
  const wakeUp = listening([sessions, path.join(sessions, '_index.json'), path.join(place, 'settings.json')]);
  for (const file of ['sessions/a.json', 'sessions/_index.json', 'settings.json']) {
    const signal = wakeUp.next();
    expect(signal.aborted).toBe(false);
    fs.writeFileSync(path.join(place, file), '{}');
    expect(await heard(signal), file).toBe(true);
    // What the same write still tells.
    await new Promise((resolve) => setTimeout(resolve, 50));
    wakeUp.next();
  }
  const signal = wakeUp.next();
  fs.writeFileSync(path.join(place, 'something.log'), '');
  fs.writeFileSync(path.join(sessions, 'a.json.tmp.1.2'), '');
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(signal.aborted).toBe(false);
});

it('follows a directory that is replaced, and one that comes later', async () => {
  const place = temporaryDirectory();
  const sessions = path.join(place, 'sessions');
  const files = [path.join(sessions, '_index.json')];
  const wakeUp = listening(files);
  for (const round of [1, 2]) {
    fs.rmSync(sessions, { recursive: true, force: true });
    fs.mkdirSync(sessions);
    wakeUp.listen(files);
    wakeUp.wake();
    expect(wakeUp.next().aborted).toBe(false);
    const signal = wakeUp.next();
    fs.writeFileSync(files[0], String(round));
    expect(await heard(signal), `round ${round}`).toBe(true);
  }
});

it('is deaf without a word where there is nothing to listen with', () => {
  const wakeUp = listening([path.join(temporaryDirectory(), 'x')], () => {
    throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
  });
  expect(wakeUp.next().aborted).toBe(false);
  wakeUp.wake();
  expect(wakeUp.next().aborted).toBe(false);
});
