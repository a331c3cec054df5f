import { BaseCommand } from '../../cli/base-command';
import { listCacheAt } from '../../core/listing/list-cache';

export default class CacheClear extends BaseCommand {
  static override summary = 'Remove what is kept to list faster.';
  static override description =
    'Removes the answers of sessions list that are kept in the user’s cache directory; with -p those of this profile, and those of all profiles, which hold its sessions too. No store is touched, and nothing is lost but time: an answer that no longer holds is never used anyway.';

  static override examples = [
    { description: 'All of it', command: '<%= config.bin %> cache clear' },
    { description: 'Of one profile', command: '<%= config.bin %> cache clear -p work' },
  ];

  async run(): Promise<void> {
    const { flags } = await this.parse(CacheClear);
    const context = this.context(flags);
    const cache = listCacheAt(context.location, context.deps);
    const removed = cache.clear(context.profileFilter);
    await context.show({
      json: (document) => document.member('cache', { directory: cache.directory, removed }),
      human: () => context.line(`Removed ${removed} ${removed === 1 ? 'answer' : 'answers'}.`),
    });
  }
}
