import { MetadataCommand } from '../../cli/metadata-command';

export default class SessionsUnarchive extends MetadataCommand {
  static override summary = 'Bring archived sessions back into the list.';
  static override description = 'The time of the last update stays.';

  static override examples = [
    { description: 'One session', command: '<%= config.bin %> sessions unarchive 0821b8fe2f4b' },
    {
      description: 'Many',
      command: '<%= config.bin %> sessions list --only-archived --ids | <%= config.bin %> sessions unarchive -',
    },
  ];

  protected override readonly change = { archived: false };
}
