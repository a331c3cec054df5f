import { MetadataCommand } from '../../cli/metadata-command';

export default class SessionsUnpin extends MetadataCommand {
  static override summary = 'Unpin sessions.';
  static override description =
    'Sets what the server’s own endpoint sets; everything else in the file keeps its bytes.';

  static override examples = [
    { description: 'One session', command: '<%= config.bin %> sessions unpin 0821b8fe2f4b' },
    {
      description: 'Many',
      command: '<%= config.bin %> sessions list --pinned --ids | <%= config.bin %> sessions unpin -',
    },
  ];

  protected override readonly change = { pinned: false };
}
