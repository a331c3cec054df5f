import { readFileSync } from 'node:fs';

import { HermesctlError } from '../core/errors';
import { type NewMembers, parseNewSession } from '../core/session/create';
import type { Context } from './context';
import { inputIfAny } from './input-if-any';
import { readInput } from './session-ids';

const MAX_INPUT_BYTES = 256 * 1024 * 1024;
const NOTHING = Buffer.from('{}');

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
 * Where nothing of that is told, the JSON on standard input, if there is any;
 * beside flags it is somebody else's, like the ids of a shell's loop.
 *
 * @throws HermesctlError `USAGE`, `IO_ERROR`
 */
export async function describedSession(
  context: Context,
  flags: NewSessionFlags,
  raw: readonly RawFlag[],
): Promise<NewMembers> {
  const messages = raw
    .filter(({ type, flag }) => type === 'flag' && (flag === 'user' || flag === 'assistant'))
    .map(({ flag, input }) => ({ role: flag, content: input }));
  const described = {
    session_id: flags.id,
    title: flags.title,
    workspace: flags.workspace,
    model: flags.model,
    messages: messages.length > 0 ? messages : undefined,
  };
  const isDescribed = Object.values(described).some((value) => value !== undefined);
  const members = parseNewSession(await descriptionOf(context, flags.input, isDescribed));
  const told = { ...described, profile: flags.profile };
  const fromFlags = Object.entries(told).filter(([, value]) => value !== undefined);
  const checked = parseNewSession(Buffer.from(JSON.stringify(Object.fromEntries(fromFlags))));
  for (const [key, text] of checked) members.set(key, text);
  return members;
}

async function descriptionOf(context: Context, input: string | undefined, isDescribed: boolean): Promise<Buffer> {
  let bytes: Buffer = NOTHING;
  if (input !== undefined) bytes = contentOf(input);
  else if (!isDescribed)
    bytes = await inputIfAny(context, "'--input -' waits for it; '</dev/null' says that there is none.");
  if (bytes.length > MAX_INPUT_BYTES) {
    throw new HermesctlError('USAGE', `The input is larger than ${MAX_INPUT_BYTES} bytes.`);
  }
  return input === undefined && bytes.length === 0 ? NOTHING : bytes;
}

function contentOf(input: string): Buffer {
  try {
    return input === '-' ? readInput() : readFileSync(input);
  } catch (error) {
    throw new HermesctlError('USAGE', `The input ${input} cannot be read: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}
