import type { Programs } from '../../src/core/deps';
import { type Http, HttpFailure } from '../../src/core/http';

/** For what must not talk to anybody: nothing is there. */
export const NO_NETWORK: Http = {
  request: ({ url }) => Promise.reject(new HttpFailure('unreachable', false, `${new URL(url).host}: no network here`)),
};

export const NO_PROGRAMS: Programs = {
  run: ([name]) => Promise.reject(new Error(`${name}: no programs here`)),
};
