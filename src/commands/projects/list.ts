import { Flags } from '@oclif/core';

import { BaseCommand } from '../../cli/base-command';
import { showTable } from '../../cli/result-fields';
import type { ErrorCode } from '../../core/errors';
import { readProjectRecords } from '../../core/projects/read';
import { DEFAULT_PROFILE } from '../../core/location/location';
import { assertStore } from '../../core/sidecar/directory';

const COLUMNS = ['project_id', 'name', 'profile', 'color', 'created_at'];

export default class ProjectsList extends BaseCommand {
  static override summary = 'List the store’s projects.';
  static override description =
    'Shows what projects.json records, each value as it is spelled there, in the file’s order. With -p only that profile’s; a project that records no profile is the default one’s. A broken projects.json is an error, never an empty list.';

  static override exitCodes: ErrorCode[] = ['STORE_NOT_FOUND', 'STORE_DAMAGED'];

  static override flags = {
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
    const { location, deps, profileFilter } = context;
    assertStore(deps.fs, location);
    const projects = readProjectRecords(deps.fs, location.projectsFile.value).filter(
      (project) =>
        profileFilter === undefined || (project.get('profile')?.value() || DEFAULT_PROFILE) === profileFilter,
    );
    await context.show({
      json: async (document) => {
        await document.array('projects', projects, (project, path) => document.renderer.entries(project, path));
        document.member('total', projects.length);
      },
      human: async () => {
        if (projects.length === 0) context.note('No projects.');
        await showTable(context, COLUMNS, projects, ['name'], !flags['no-header']);
      },
    });
  }
}
