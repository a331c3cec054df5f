import { MetadataCommand } from '../../cli/metadata-command';

export default class SessionsPin extends MetadataCommand {
  static override summary = 'Pin sessions to the top of the list.';
  static override description =
    'Sets what the server’s own endpoint sets; everything else in the file keeps its bytes. A server shows at most three pinned sessions unless its settings say otherwise.';

  static override examples = [
    { description: 'One session', command: '<%= config.bin %> sessions pin 0821b8fe2f4b' },
    {
      description: 'Many',
      command: '<%= config.bin %> sessions list --title invoice --ids | <%= config.bin %> sessions pin -',
    },
  ];

  protected override readonly change = { pinned: true };
}
