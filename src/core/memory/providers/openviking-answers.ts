import type { Answer, OpenVikingApi } from './openviking-api';
import { type CommitFailure, failed } from './provider';

/** A 404 that OpenViking means, not one of whatever else stands at that URL. */
export function isUnknownSession({ status, isEnvelope, error }: Answer): boolean {
  return status === 404 && isEnvelope && error?.code === 'NOT_FOUND';
}

/** Why a status other than success leaves the segment where it is. */
export function refusal(answer: Answer, api: OpenVikingApi): CommitFailure {
  const { status, error } = answer;
  const at = api.endpoint;
  const said = error ? `: ${error.message.replace(/\.$/, '')}.` : ` (${status}).`;
  if (isUnknownSession(answer)) {
    const message = `${at} does not know the session; --sync-messages uploads it first. Under another account or user it may be known.`;
    return failed('unknown_session', 'SESSION_NOT_FOUND', message);
  }
  switch (status) {
    case 401: {
      const why = api.hasKey ? 'rejects the key in OPENVIKING_API_KEY' : 'wants a key: set OPENVIKING_API_KEY';
      return failed('auth_failed', 'AUTH_FAILED', `${at} ${why}${said}`, true);
    }
    case 403:
      return failed('permission_denied', 'AUTH_FAILED', `${at} does not allow it${said}`);
    case 412:
      return failed('failed_precondition', 'SERVER_ERROR', `An earlier commit failed on the server${said}`);
    case 429:
      return failed('rate_limited', 'SERVER_ERROR', `${at} asks to try again ${when(answer)}${said}`, true);
    case 503:
      return failed('server_error', 'SERVER_ERROR', `${at} is not available now${said}`, true);
  }
  if (status >= 500) return failed('server_error', 'SERVER_ERROR', `${at} failed with ${status}${said}`);
  if (!answer.isEnvelope) {
    return failed('rejected', 'SERVER_ERROR', `${at} gave ${status}: is that an OpenViking server?`, true);
  }
  return failed('rejected', 'SERVER_ERROR', `${at} refused it with ${status}${said}`);
}

function when({ retryAfter }: Answer): string {
  return retryAfter === undefined ? 'later' : `in ${Math.ceil(retryAfter)} s`;
}

/** Epoch seconds, or an ISO time, in UTC where it names no zone. */
export function timeOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value !== 'string') return undefined;
  const zoned = /(Z|[+-]\d\d:?\d\d)$/i.test(value) ? value : `${value}Z`;
  const time = Date.parse(zoned.replace(' ', 'T')) / 1000;
  return Number.isNaN(time) ? undefined : time;
}
