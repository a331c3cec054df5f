import { spawnSync } from 'node:child_process';

import { type Browser, chromium } from 'playwright-core';

/** Where Debian's and others' packages put it. */
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The browser that is installed here; undefined where there is none. None is ever downloaded. */
export const CHROMIUM = PLACES.find((place) => spawnSync(place, ['--version'], { stdio: 'ignore' }).status === 0);

/** Whether a test that needs the browser must not be skipped: `.ci/run` installs it and says so. */
export const MUST_HAVE_CHROMIUM = process.env['HERMESCTL_REQUIRE_CHROMIUM'] === '1';

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM ?? 'no chromium is installed',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
