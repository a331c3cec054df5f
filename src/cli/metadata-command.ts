import { Args } from '@oclif/core';

import type { ErrorCode } from '../core/errors';
import type { MetadataChange } from '../core/sidecar/metadata-edit';
import { BaseCommand } from './base-command';
import { changeEach } from './change-each';
import { nullFlag } from './each-session';
import { forceFlag, mutationFlags } from './mutation';

/** A command that gives sessions one new value of their metadata: pin, unpin, archive, unarchive. */
export abstract class MetadataCommand extends BaseCommand {
  static override exitCodes: ErrorCode[] = [
    'PARTIAL',
    'SESSION_NOT_FOUND',
    'SESSION_DAMAGED',
    'SESSION_BUSY',
    'CHANGED_ON_DISK',
    'STORE_NOT_FOUND',
    'LOCKED',
    'REFUSED',
    'AUTH_FAILED',
    'UNREACHABLE',
    'OUTCOME_UNKNOWN',
    'SERVER_ERROR',
  ];

  static override strict = false;

  static override args = {
    id: Args.string({
      description: 'Session ids, or unique prefixes of 4 or more; - reads them from standard input.',
      ignoreStdin: true,
    }),
  };

  static override flags = { ...mutationFlags, force: forceFlag, null: nullFlag };

  protected abstract readonly change: MetadataChange;

  async run(): Promise<void> {
    const { argv, flags } = await this.parse(this.ctor as typeof MetadataCommand);
    await changeEach(this.context(flags), argv as string[], flags, this.change);
  }
}
