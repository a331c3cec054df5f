import { closeSync, constants, fstatSync, openSync } from 'node:fs';

import { isSystemError } from '../core/errors';

/**
 * Whether anybody still reads what is written to this descriptor. Only of a
 * pipe can that be told without writing, and only on Linux: opening it for
 * writing without waiting fails where it has no reader. Else it is taken to
 * have one.
 */
export function hasReader(fd: number): boolean {
  if (process.platform !== 'linux') return true;
  try {
    if (!fstatSync(fd).isFIFO()) return true;
    closeSync(openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch (error) {
    if (isSystemError(error)) return error.code !== 'ENXIO';
    throw error;
  }
}
