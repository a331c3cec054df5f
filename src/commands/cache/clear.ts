import { BaseCommand } from '../../cli/base-command';
import { partsForOutput, partsInWords } from '../../cli/cache-parts';
import { clearCacheParts } from '../../core/listing/cache-parts';
import { listCacheAt } from '../../core/listing/list-cache';

export default class CacheClear extends BaseCommand {
  static override summary = 'Remove what is kept to be faster.';
  static override description =
    'Removes all that is kept in the user’s cache directory: answers of sessions list, which rows of an index need no reading, and the compiled program; with -p only the answers for this profile, and those for all profiles, which hold its sessions too. No store is touched, and nothing is lost but time, also where another hermesctl is running. Files of other names are left, and no link is followed.';

  static override examples = [
    { description: 'All of it', command: '<%= config.bin %> cache clear' },
    { description: 'Of one profile', command: '<%= config.bin %> cache clear -p work' },
  ];

  async run(): Promise<void> {
    const { flags } = await this.parse(CacheClear);
    const context = this.context(flags);
    const cache = listCacheAt(context.location, context.deps);
    const parts = context.profileFilter === undefined ? clearCacheParts(context.location, context.deps) : undefined;
    const removed = parts?.[0].files ?? cache.clear(context.profileFilter);
    await context.show({
      json: (document) =>
        document.member('cache', {
          directory: cache.directory,
          removed,
          ...(parts ? { parts: partsForOutput(parts) } : {}),
        }),
      human: () =>
        context.line(
          parts ? `Removed ${partsInWords(parts)}.` : `Removed ${removed} ${removed === 1 ? 'answer' : 'answers'}.`,
        ),
    });
  }
}
