import { HermesctlError } from '../errors';
import { JsonSyntaxError } from '../json/syntax-error';

/** What is wrong with a sidecar, for scripts. */
export type DamageKind = 'empty' | 'not-utf8' | 'not-json' | 'not-an-object' | 'messages-not-a-list';

const WORDS: Record<DamageKind, string> = {
  empty: 'is empty',
  'not-utf8': 'is not UTF-8',
  'not-json': 'is not JSON',
  'not-an-object': 'is not a JSON object',
  'messages-not-a-list': 'has `messages` that are not a list',
};

/** The error for a sidecar that cannot be used: which file, what is wrong, and at which byte. */
export function damaged(path: string, id: string, kind: DamageKind, offset: number, reason?: string): HermesctlError {
  const because = reason === undefined ? '' : `: ${reason}`;
  return new HermesctlError('SESSION_DAMAGED', `${path} ${WORDS[kind]} (byte ${offset}${because}).`, {
    hint: `Look at the bytes with 'hermesctl show ${id} --raw'; a '${id}.json.bak' beside it may hold an older version.`,
    details: { session_id: id, path, kind, offset, ...(reason === undefined ? {} : { reason }) },
  });
}

/** Puts words to a syntax error met in a sidecar of this size; anything else passes through. */
export function asDamage(error: unknown, path: string, id: string, size: bigint): unknown {
  if (!(error instanceof JsonSyntaxError)) return error;
  if (size === 0n) return damaged(path, id, 'empty', 0);
  if (error.kind === 'utf8') return damaged(path, id, 'not-utf8', error.offset);
  return damaged(path, id, 'not-json', error.offset, error.reason);
}
