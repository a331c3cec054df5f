import type { BigIntStats } from 'node:fs';

/** The version of a file: any change by another writer changes one of these. Times in nanoseconds. */
export interface FileStamp {
  dev: bigint;
  ino: bigint;
  size: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
}

export function stampOf(stats: BigIntStats): FileStamp {
  const { dev, ino, size, mtimeNs, ctimeNs } = stats;
  return { dev, ino, size, mtimeNs, ctimeNs };
}

export function sameStamp(a: FileStamp, b: FileStamp): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;
}

/** A version as a text, to be kept and compared. */
export function spellStamp({ dev, ino, size, mtimeNs, ctimeNs }: FileStamp): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

const SECOND = 1_000_000_000n;
/** A kernel's clock for files ticks no slower than this. */
const TICK = SECOND / 10n;
/** Of file systems that keep whole seconds, or every second one. */
const COARSE_TICK = 2n * SECOND;

/** In seconds; more than any tick. */
const LONG_AGO = 10;

/**
 * Whether a change after `since` (epoch seconds) would show in the file's
 * times: two changes within a tick of the clock look like one.
 */
export function isSettled({ mtimeNs, ctimeNs }: Pick<FileStamp, 'mtimeNs' | 'ctimeNs'>, since: number): boolean {
  const latest = mtimeNs > ctimeNs ? mtimeNs : ctimeNs;
  // Long ago, as nearly all are: that is told without exact arithmetic.
  if (Number(latest) < (since - LONG_AGO) * 1e9) return true;
  const tick = latest % SECOND === 0n ? COARSE_TICK : TICK;
  return latest + tick < BigInt(Math.floor(since * 1e6)) * 1000n;
}
