import { Args, Flags } from '@oclif/core';

import type { ErrorCode } from '../core/errors';
import { BaseCommand } from './base-command';
import { forceFlag, mutationFlags } from './mutation';

/** What a command that cuts a session at a user message takes and how it can fail: undo and retry. */
export abstract class TruncateCommand extends BaseCommand {
  static override exitCodes: ErrorCode[] = [
    'SESSION_NOT_FOUND',
    'SESSION_DAMAGED',
    'SESSION_BUSY',
    'CHANGED_ON_DISK',
    'STORE_NOT_FOUND',
    'LOCKED',
    'READ_ONLY_SESSION',
    'REFUSED',
    'AUTH_FAILED',
    'UNREACHABLE',
    'OUTCOME_UNKNOWN',
    'SERVER_ERROR',
  ];

  static override args = {
    id: Args.string({
      required: true,
      description: 'Session id; on a terminal a unique prefix of 4 or more will do.',
      ignoreStdin: true,
    }),
  };

  static override flags = {
    ...mutationFlags,
    force: forceFlag,
    turns: Flags.integer({ min: 1, default: 1, helpValue: 'N', summary: 'Take back so many user turns.' }),
  };
}
