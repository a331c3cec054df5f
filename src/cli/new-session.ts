import { readFileSync } from 'node:fs';

import { HermesctlError } from '../core/errors';
import { type NewMembers, parseNewSession } from '../core/session/create';

const MAX_INPUT_BYTES = 256 * 1024 * 1024;

export interface NewSessionFlags {
  input?: string | undefined;
  id?: string | undefined;
  title?: string | undefined;
  workspace?: string | undefined;
  model?: string | undefined;
  profile?: string | undefined;
}

/** One piece of a command line as oclif's parser met it. */
export interface RawFlag {
  type: string;
  flag?: string;
  input: string;
}

/**
 * The description of a session that a command line gives: the JSON of
 * `--input`, flags over it, messages in the order of `--user` and `--assistant`.
 *
 * @throws HermesctlError `USAGE`, `IO_ERROR`
 */
export function describedSession(flags: NewSessionFlags, raw: readonly RawFlag[]): NewMembers {
  const members = flags.input === undefined ? new Map<string, string>() : parseNewSession(readInput(flags.input));
  const messages = raw
    .filter(({ type, flag }) => type === 'flag' && (flag === 'user' || flag === 'assistant'))
    .map(({ flag, input }) => ({ role: flag, content: input }));
  const told: Record<string, unknown> = {
    session_id: flags.id,
    title: flags.title,
    workspace: flags.workspace,
    model: flags.model,
    profile: flags.profile,
    messages: messages.length > 0 ? messages : undefined,
  };
  const fromFlags = Object.entries(told).filter(([, value]) => value !== undefined);
  const checked = parseNewSession(Buffer.from(JSON.stringify(Object.fromEntries(fromFlags))));
  for (const [key, text] of checked) members.set(key, text);
  return members;
}

function readInput(input: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(input === '-' ? 0 : input);
  } catch (error) {
    throw new HermesctlError('USAGE', `The input ${input} cannot be read: ${(error as Error).message}.`, {
      cause: error,
    });
  }
  if (bytes.length <= MAX_INPUT_BYTES) return bytes;
  throw new HermesctlError('USAGE', `The input is larger than ${MAX_INPUT_BYTES} bytes.`);
}
