import { Args, Flags } from '@oclif/core';

import { BaseCommand } from '../cli/base-command';
import { idsToOffer } from '../cli/completion/ids';
import type { IdSource } from '../cli/completion/table';

const SOURCES: IdSource[] = ['sessions', 'agent', 'trash'];

export default class CompleteIds extends BaseCommand {
  static override hidden = true;
  static override summary = 'Print the session ids that begin so, for completion.';
  static override description =
    'What the scripts of completion call. The newest come first; a store that is not there has none.';

  static override args = {
    prefix: Args.string({ description: 'What the ids begin with.', ignoreStdin: true }),
  };

  static override flags = {
    of: Flags.option({ options: SOURCES, default: 'sessions' as IdSource })({ summary: 'Whose ids.' }),
    titles: Flags.boolean({ summary: 'A tab and the title behind each of the first.' }),
  };

  static override examples = [
    { description: 'All that begin with 0821', command: '<%= config.bin %> complete-ids 0821' },
  ];

  async run(): Promise<void> {
    const { args, flags } = await this.parse(CompleteIds);
    const context = this.context(flags);
    const found = await idsToOffer(context, flags.of, args.prefix ?? '', flags.titles);
    await context.show({
      json: (document) =>
        document.member(
          'ids',
          found.map(({ id }) => id),
        ),
      human: () =>
        found.forEach(({ id, title }) => context.line(title === '' || !flags.titles ? id : `${id}\t${title}`)),
    });
  }
}
