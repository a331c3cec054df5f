import { type Http, HttpFailure } from '../../src/core/http';

/** For what must not talk to anybody: nothing is there. */
export const NO_NETWORK: Http = {
  request: ({ url }) => Promise.reject(new HttpFailure('unreachable', false, `${new URL(url).host}: no network here`)),
};
