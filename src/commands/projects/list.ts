import { Flags } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { Fleet, storesFlag } from '../../cli/fleet';
import { showTable } from '../../cli/result-fields';
import type { ErrorCode } from '../../core/errors';
import type { RawJson } from '../../core/json/raw';
import { readProjectRecords } from '../../core/projects/read';
import { DEFAULT_PROFILE } from '../../core/location/location';
import { assertStore } from '../../core/sidecar/directory';

const COLUMNS = ['project_id', 'name', 'profile', 'color', 'created_at'];

export default class ProjectsList extends BaseCommand {
  static override summary = 'List the store’s projects.';
  static override description =
    'Shows what projects.json records, each value as it is spelled there, in the file’s order. With -p only that profile’s; a project that records no profile is the default one’s. A broken projects.json is an error, never an empty list.';

  static override exitCodes: ErrorCode[] = ['PARTIAL', 'STORE_NOT_FOUND', 'STORE_DAMAGED'];

  static override flags = {
    stores: storesFlag(),
    'no-header': Flags.boolean({ summary: 'No header line above a table.' }),
  };

  static override examples = [
    { description: 'All projects', command: '<%= config.bin %> projects list' },
    {
      description: 'The sessions of one of them',
      command: '<%= config.bin %> sessions list --project "Cron Jobs" --cron',
    },
  ];

  async run(): Promise<void> {
    const { flags } = await this.parse(ProjectsList);
    const context = this.context(flags);
    const fleet = Fleet.of(context, flags);
    const read = await fleet.each((store) => {
      const { location, deps, profileFilter } = store;
      assertStore(deps.fs, location);
      return readProjectRecords(deps.fs, location.projectsFile.value).filter(
        (project) =>
          profileFilter === undefined || (project.get('profile')?.value() || DEFAULT_PROFILE) === profileFilter,
      );
    });
    let total = 0;
    async function* projects(): AsyncGenerator<Map<string, RawJson>> {
      for await (const { store, value } of read) {
        fleet.note(store, { total: value.length });
        total += value.length;
        for (const project of value) yield new Map([...project, ...fleet.marks(store)]);
      }
    }
    await context.show({
      json: async (document) => {
        await document.array('projects', projects(), (project, path) => document.renderer.entries(project, path));
        document.member('total', total);
        fleet.show(document);
      },
      human: async () => {
        await showTable(context, fleet.columns(COLUMNS), projects(), ['name', 'store'], !flags['no-header']);
        if (total === 0) context.note('No projects.');
      },
    });
    fleet.assertAll();
  }
}
