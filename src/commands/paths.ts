import { BaseCommand } from '../cli/base-command';
import { renderTable } from '../cli/output/table';
import { visibleLine } from '../cli/output/visible';
import { describeLocation } from '../core/location/describe';

export default class Paths extends BaseCommand {
  static override summary = 'Show where everything is, and why it is looked for there.';
  static override description =
    'Prints every resolved location and what named it: a flag, an environment variable, a file or the default. Nothing needs to exist, and nothing is created.';

  static override examples = [
    { description: 'Where is the store?', command: '<%= config.bin %> paths' },
    { description: 'For a script', command: '<%= config.bin %> paths --json | jq -r .paths.state_dir.value' },
  ];

  async run(): Promise<void> {
    const { flags } = await this.parse(Paths);
    const context = this.context(flags);
    const paths = describeLocation(context.location, context.deps.fs);
    await context.show({
      json: (document) =>
        document.member(
          'paths',
          Object.fromEntries(paths.map(({ name, value, source, exists }) => [name, { value, source, exists }])),
        ),
      human: async () => {
        const rows = paths.map(({ name, value, source, exists }) => [
          name,
          visibleLine(value),
          visibleLine(source),
          exists === false ? 'missing' : '',
        ]);
        if (!context.isTerminal) {
          for (const row of rows) context.line(row.join('\t'));
          return;
        }
        // A path is there to be copied: it comes last, and is never cut.
        const columns = [{ header: 'NAME' }, { header: '' }, { header: 'FROM' }, { header: 'VALUE', wraps: true }];
        const { dim, yellow } = context.colors;
        const paint = (text: string, row: number, column: number): string =>
          row < 0 || column === 2 ? dim(text) : column === 1 ? yellow(text) : text;
        const inOrder = rows.map(([name, value, source, missing]) => [name, missing, source, value]);
        context.line(await renderTable(columns, inOrder, context.terminal, paint));
      },
    });
  }
}
