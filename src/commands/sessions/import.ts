import { Args, Flags } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { importFrom } from '../../cli/import-file';
import { forceFlag, mutationFlags } from '../../cli/mutation';
import type { ErrorCode } from '../../core/errors';

export default class SessionsImport extends BaseCommand {
  static override summary = 'Import sessions from a file.';
  static override description =
    'Takes what sessions export wrote (ndjson, json, jsonl-agent), the JSONL of the agent’s own export, and session files: it is found out session by session which it is. Each session comes in whole or not at all, and one that is broken does not stop the others. A session that is there already and says the same is unchanged; one that differs stays, unless --replace is given. Running it again changes nothing.';

  static override exitCodes: ErrorCode[] = [
    'PARTIAL',
    'SESSION_DAMAGED',
    'STORE_DAMAGED',
    'SESSION_BUSY',
    'SERVER_RUNNING',
    'CHANGED_ON_DISK',
    'STORE_NOT_FOUND',
    'LOCKED',
    'READ_ONLY_SESSION',
    'ALREADY_EXISTS',
    'REFUSED',
  ];

  static override args = {
    file: Args.string({
      required: true,
      description: 'The file; - reads standard input.',
      ignoreStdin: true,
    }),
  };

  static override flags = {
    ...mutationFlags,
    replace: Flags.boolean({ summary: 'Replace sessions that are there and differ; their files stay as .json.bak.' }),
    deleted: Flags.boolean({ summary: 'Also sessions that were deleted here.' }),
    force: forceFlag,
  };

  static override examples = [
    { description: 'A backup back', command: '<%= config.bin %> sessions import backup.ndjson' },
    { description: 'What would come in?', command: '<%= config.bin %> sessions import backup.ndjson --dry-run' },
    {
      description: 'From one store into another',
      command:
        '<%= config.bin %> sessions export --all --state-dir /srv/old | <%= config.bin %> sessions import - --state-dir /srv/new',
    },
  ];

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SessionsImport);
    await importFrom(this.context(flags), args.file, flags);
  }
}
