import { HermesctlError } from '../../core/errors';

/** An epoch time in seconds as ISO 8601 UTC (`2026-05-03T01:15:26Z`); '' where it is none. */
export function isoTime(seconds: number | undefined): string {
  if (seconds === undefined || seconds === 0) return '';
  const milliseconds = Math.trunc(seconds * 1000);
  if (!(Math.abs(milliseconds) <= LATEST)) return '';
  const second = Math.floor(milliseconds / 1000);
  const minute = Math.floor(second / 60);
  if (minute !== lastMinute) {
    lastMinute = minute;
    const day = Math.floor(second / SECONDS_A_DAY);
    const inDay = second - day * SECONDS_A_DAY;
    lastText = `${dateOf(day)}T${two(Math.floor(inDay / 3600))}:${two(Math.floor(inDay / 60) % 60)}:`;
  }
  return `${lastText}${two(second - minute * 60)}Z`;
}

/** The minute of the time that was asked for last: in a search those that follow are often of the same. */
let lastMinute: number | undefined;
let lastText = '';

/** A `Date`'s last millisecond, and how far back it goes. */
const LATEST = 8.64e15;
const SECONDS_A_DAY = 86_400;
const two = (n: number): string => (n < 10 ? `0${n}` : String(n));

/**
 * The date of a day since 1970, in ISO 8601. By arithmetic (of the Gregorian
 * calendar's 400 years, each taken from March on): the first `Date` of a
 * process looks for the time zone, which a short command feels.
 */
function dateOf(day: number): string {
  const since = day + 719_468; // from 1 March of the year 0
  const era = Math.floor(since / 146_097);
  const ofEra = since - era * 146_097;
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * ofYear + 2) / 153);
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const dayOfMonth = ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  return `${yearText(year)}-${two(month)}-${two(dayOfMonth)}`;
}

/** Beyond four digits with a sign and six. */
function yearText(year: number): string {
  if (year >= 0 && year <= 9999) return String(year).padStart(4, '0');
  return `${year < 0 ? '-' : '+'}${String(Math.abs(year)).padStart(6, '0')}`;
}

/** How long ago, for people: `3 hours ago`, `in 2 days`; '' where it is no time. */
export async function fuzzyTime(seconds: number | undefined, now: number): Promise<string> {
  const date = toDate(seconds);
  if (date === undefined) return '';
  const { formatDistanceStrict } = await import('date-fns/formatDistanceStrict');
  return formatDistanceStrict(date, new Date(now * 1000), { addSuffix: true });
}

/** The local date and time, for people: `2026-05-03 03:15`; '' where it is no time. */
export function localTime(seconds: number | undefined): string {
  const date = toDate(seconds);
  if (date === undefined) return '';
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

function toDate(seconds: number | undefined): Date | undefined {
  if (seconds === undefined || !Number.isFinite(seconds) || seconds === 0) return undefined;
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/**
 * Reads a point in time as people write it: a duration back from now (`7d`,
 * `12h`), an ISO 8601 date or time (local where it names no zone), or epoch
 * seconds. Undefined where it is none of these.
 */
export async function parseTime(text: string, now: number): Promise<number | undefined> {
  const trimmed = text.trim();
  if (/^\d{9,11}(\.\d+)?$/.test(trimmed)) return Number(trimmed);
  if (/^\d+(\.\d+)?\s*[a-z]+$/i.test(trimmed)) {
    const { default: ms } = await import('ms');
    const duration = ms(trimmed as Parameters<typeof ms>[0]) as number | undefined;
    return duration === undefined ? undefined : now - duration / 1000;
  }
  const { parseISO } = await import('date-fns/parseISO');
  const date = parseISO(trimmed);
  return Number.isNaN(date.getTime()) ? undefined : date.getTime() / 1000;
}

/**
 * Reads a length of time as people write it (`30m`, `2h`, `7d`; a bare number
 * is seconds), in seconds.
 *
 * @throws HermesctlError `USAGE`
 */
export async function durationFlag(name: string, text: string): Promise<number> {
  const { default: ms } = await import('ms');
  const trimmed = text.trim();
  const milliseconds = /^\d+$/.test(trimmed)
    ? Number(trimmed) * 1000
    : (ms((trimmed || '-') as Parameters<typeof ms>[0]) as number | undefined);
  if (milliseconds !== undefined && milliseconds >= 0) return milliseconds / 1000;
  throw new HermesctlError('USAGE', `${name} ${JSON.stringify(text)} is not a length of time.`, {
    hint: 'Say 30m, 2h, 7d, or a number of seconds.',
  });
}
