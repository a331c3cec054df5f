import { BaseCommand } from '../../cli/base-command';
import { mutate, plainMutationFlags } from '../../cli/mutation';
import { showRecord } from '../../cli/result-fields';
import type { ChangeTarget } from '../../core/changes/sessions';
import type { ErrorCode } from '../../core/errors';
import { RawJson } from '../../core/json/raw';
import { applyEnsureProject, type EnsureProjectPlan, planEnsureCronProject } from '../../core/projects/ensure';

export default class ProjectsEnsureCron extends BaseCommand {
  static override summary = 'Make sure that there is a project for cron sessions, and print it.';
  static override description =
    'Finds the active profile’s project “Cron Jobs”, or that of -p; makes it where there is none. One without a profile, as old versions made it, belongs to the default profile; a named profile takes it over. Everything else in projects.json keeps its bytes, and a broken one is an error. Running it again changes nothing.';

  static override exitCodes: ErrorCode[] = ['STORE_DAMAGED', 'CHANGED_ON_DISK', 'STORE_NOT_FOUND', 'LOCKED', 'REFUSED'];

  static override flags = { ...plainMutationFlags };

  static override examples = [
    {
      description: 'Its id, for a script',
      command: '<%= config.bin %> projects ensure-cron --json | jq -r .project.project_id',
    },
    { description: 'Is there one?', command: '<%= config.bin %> projects ensure-cron --dry-run' },
  ];

  async run(): Promise<void> {
    const { flags } = await this.parse(ProjectsEnsureCron);
    const context = this.context(flags);
    const { deps } = context;
    const ensure = async ({ location, dryRun }: ChangeTarget): Promise<EnsureProjectPlan> => {
      const plan = planEnsureCronProject(location.projectsFile.value, location.profile.value, deps);
      if (!dryRun) await applyEnsureProject(plan, deps);
      return plan;
    };
    // A server reads the file each time it needs it.
    const { action, project } = await mutate(context, flags, ensure, { besideServer: true });
    const created = action === 'create';
    const result = { ...project, created, changed: action !== 'none' };
    await context.show({
      json: (document) => {
        document.member('project', result);
        if (flags['dry-run']) document.member('dry_run', true);
      },
      human: () => {
        if (flags['dry-run']) context.note('Dry run: nothing was changed.');
        showRecord(context, Object.fromEntries(Object.entries(result).map(([key, value]) => [key, RawJson.of(value)])));
      },
    });
  }
}
