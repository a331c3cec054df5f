/*
 * Days, weeks and months as people count them where the program runs. Keys are
 * dates that sort as text.
 */

/** Before this nobody had a session, and what claims otherwise is a broken time. */
const EARLIEST = Date.UTC(2001, 0, 1) / 1000;
const A_DAY = 86_400;

/** Whether a time, in epoch seconds, can be one at which something happened. */
export function isPlausible(seconds: number | undefined, now: number): seconds is number {
  return seconds !== undefined && seconds >= EARLIEST && seconds <= now + A_DAY;
}

/** `2026-05-03` */
export function dayOf(seconds: number): string {
  return spelled(new Date(seconds * 1000));
}

/** `2026-05` */
export function monthOf(seconds: number): string {
  return dayOf(seconds).slice(0, 7);
}

/** The Monday that the week begins with: `2026-04-27`. */
export function weekOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  return spelled(daysLater(date, -((date.getDay() + 6) % 7)));
}

/** Every week from one Monday to another, both included. */
export function weeksBetween(first: string, last: string): string[] {
  return datesBetween(first, last, 7);
}

/** So many days up to this one, it included. */
export function daysUpTo(last: string, days: number): string[] {
  return datesBetween(spelled(daysLater(read(last), 1 - days)), last, 1);
}

function datesBetween(first: string, last: string, step: number): string[] {
  const dates: string[] = [];
  for (let date = read(first); spelled(date) <= last; date = daysLater(date, step)) dates.push(spelled(date));
  return dates;
}

function read(day: string): Date {
  const [year, month, date] = day.split('-').map(Number);
  return new Date(year, month - 1, date);
}

/** By the calendar, not by hours: a day may have 23 of them. */
function daysLater(date: Date, days: number): Date {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + days);
}

function spelled(date: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
