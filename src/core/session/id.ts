import { HermesctlError } from '../errors';

const STORE_ID = /^[0-9A-Za-z][0-9A-Za-z_-]{0,199}$/;

/** Whether this can be the id of a session in the store, and so part of a file name. */
export function isStoreId(id: string): boolean {
  return STORE_ID.test(id);
}

/**
 * Refuses what cannot be a store id, before any path is built from it.
 *
 * @throws HermesctlError `USAGE`
 */
export function assertStoreId(id: string): void {
  if (isStoreId(id)) return;
  throw new HermesctlError('USAGE', `${JSON.stringify(id)} is not a session id.`, {
    hint: 'A session id has 1 to 200 letters, digits, _ and -, and begins with a letter or digit.',
  });
}
