import { MetadataCommand } from '../../cli/metadata-command';

export default class SessionsArchive extends MetadataCommand {
  static override summary = 'Archive sessions.';
  static override description = 'Hides sessions from the list. It is no activity: the time of the last update stays.';

  static override examples = [
    { description: 'One session', command: '<%= config.bin %> sessions archive 0821b8fe2f4b' },
    {
      description: 'Many',
      command: '<%= config.bin %> sessions list --until 365d --ids | <%= config.bin %> sessions archive -',
    },
  ];

  protected override readonly change = { archived: true };
}
