/** A whole number with its thousands set apart: `1,204`. Without Intl, which takes longer to load than most commands. */
export function grouped(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** A size for people, in powers of a thousand: `950 B`, `12.3 kB`, `311 MB`. */
export function byteSize(bytes: number): string {
  let unit = 0;
  let size = bytes;
  while (size >= 999.5 && unit < UNITS.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${unit === 0 || size >= 99.95 ? Math.round(size) : size.toFixed(1)} ${UNITS[unit]}`;
}

/** A number with its noun, in the plural unless it is one: `1 hit`, `1,204 sessions`. */
export function counted(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;
}
