import { BaseCommand } from '../../cli/base-command';
import { partsForOutput, partsInWords } from '../../cli/cache-parts';
import { showTable } from '../../cli/result-fields';
import { RawJson } from '../../core/json/raw';
import { cacheParts } from '../../core/listing/cache-parts';
import { listCacheAt } from '../../core/listing/list-cache';

export default class CacheStatus extends BaseCommand {
  static override summary = 'Show what is kept to be faster.';
  static override description =
    'Answers of sessions list are kept in the user’s cache directory, never in a store, at most 64 of them. One is used only as long as everything that it was made of is as it was: the directory of the sessions, the index, every session file that was read, and with --agent the database. --no-cache asks anew. Beside them, it is kept which rows of an index need no reading (reindex), and the compiled program, for each of its builds; what was not used for 30 days goes by itself.';

  static override examples = [
    { description: 'How much is kept', command: '<%= config.bin %> cache status' },
    { description: 'Where', command: '<%= config.bin %> cache status --json | jq -r .cache.directory' },
  ];

  async run(): Promise<void> {
    const { flags } = await this.parse(CacheStatus);
    const context = this.context(flags);
    const cache = listCacheAt(context.location, context.deps);
    const entries = cache.entries().map(({ stateDir, profile, bytes, usedAt }) => ({
      state_dir: stateDir,
      profile,
      bytes,
      used_at: usedAt,
    }));
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    const parts = cacheParts(context.location, context.deps);
    await context.show({
      json: (document) =>
        document.member('cache', { directory: cache.directory, entries, bytes, parts: partsForOutput(parts) }),
      human: async () => {
        const rows = entries.map((entry) =>
          Object.fromEntries(Object.entries(entry).map(([key, value]) => [key, RawJson.of(value)])),
        );
        await showTable(context, ['state_dir', 'profile', 'bytes', 'used_at'], rows, ['state_dir']);
        context.note(`${partsInWords(parts)}, in ${context.location.cacheDir.value}.`);
      },
    });
  }
}
