import { Flags } from '@oclif/core';

import { allProfilesFlag } from '../cli/all-profiles';
import { BaseCommand } from '../cli/base-command';
import { showFleetAudit } from '../cli/doctor-fleet';
import { showAudit } from '../cli/doctor-result';
import { listChecks } from '../cli/doctor-list';
import { Fleet, storesFlag } from '../cli/fleet';
import { mutate, mutationFlags } from '../cli/mutation';
import { checksNamed, notChecked } from '../core/audit/audit';
import { defaultBackupDir } from '../core/audit/backup-dir';
import { audit, keepAndRepair } from '../core/audit/doctor';
import { planRepair } from '../core/audit/repair';
import type { ErrorCode } from '../core/errors';
import { agentPlaces } from '../core/listing/agent-rows';

export default class Doctor extends BaseCommand {
  static override summary = 'Look for damage in store, index, backups and database; mend the safe part.';
  static override description =
    'Every check names what it found, the facts, and the command that mends it. Nothing is changed without --repair, and with it only what needs nobody’s judgement: what a backup holds comes back, a missing file is made from the agent’s database, the index is made anew, counts are put right. Every file is kept in --backup-dir before the first change. With --all-profiles the databases of all profiles are looked at; what is found there is named with its profile, and mended by the command that the finding names: --repair is for the store and one profile.';

  static override exitCodes: ErrorCode[] = [
    'PARTIAL',
    'PROBLEMS_FOUND',
    'CHANGED_ON_DISK',
    'STORE_NOT_FOUND',
    'LOCKED',
    'REFUSED',
    'SERVER_RUNNING',
  ];

  static override flags = {
    ...mutationFlags,
    check: Flags.string({ multiple: true, helpValue: 'NAME', summary: 'Only this check; may be given several times.' }),
    skip: Flags.string({
      multiple: true,
      helpValue: 'NAME',
      summary: 'Not this check; may be given several times. What was left out is said.',
    }),
    list: Flags.boolean({ summary: 'Name the checks, and look at nothing.', exclusive: ['repair', 'check', 'skip'] }),
    repair: Flags.boolean({ summary: 'Mend what needs nobody’s judgement, and look again.' }),
    'all-profiles': allProfilesFlag('The database of every profile, not only of the active one; the store once.'),
    stores: storesFlag({ exclusive: ['repair', 'list'] }),
    'backup-dir': Flags.string({
      helpValue: 'DIR',
      dependsOn: ['repair'],
      summary: 'Keep the versions before there; by default in a dated directory in the state directory.',
    }),
  };

  static override examples = [
    { description: 'Is anything wrong?', command: '<%= config.bin %> doctor' },
    { description: 'What would be mended?', command: '<%= config.bin %> doctor --repair --dry-run' },
    { description: 'Mend it', command: '<%= config.bin %> doctor --repair' },
    {
      description: 'Without reading all of a large database',
      command: '<%= config.bin %> doctor --skip database-damaged',
    },
    { description: 'A fleet of profiles', command: '<%= config.bin %> doctor --all-profiles' },
    { description: 'And of stores', command: '<%= config.bin %> doctor --stores stores.txt --json' },
    {
      description: 'The commands to run next, for a script',
      command: "<%= config.bin %> doctor --json | jq -r '.findings[].command // empty' | sort -u",
    },
  ];

  async run(): Promise<void> {
    const { flags } = await this.parse(Doctor);
    const context = this.context(flags);
    if (flags.list) return listChecks(context);
    const checks = checksNamed(flags.check ?? [], flags.skip ?? []);
    if (flags.skip) context.note(`Not checked: ${notChecked(checks).join(', ')}.`);
    const { location, defaults, deps } = context;
    const allProfiles = flags['all-profiles'];
    const fleet = Fleet.of(context, flags);
    if (fleet.isMany) return showFleetAudit(context, fleet, checks, allProfiles);
    const others = allProfiles ? agentPlaces(location, true, deps).slice(1) : [];
    const look = () => audit(location, defaults, checks, deps, others);
    if (!flags.repair) return showAudit(context, await look(), checks, undefined, allProfiles);
    const dir = flags['backup-dir'] ?? defaultBackupDir(location.stateDir.value, deps);
    await mutate(context, flags, async ({ dryRun }) => {
      const first = await look();
      const plan = planRepair(first.findings, first.snapshot);
      const isIdle = dryRun || plan.steps.length === 0;
      const outcomes = isIdle ? plan.steps : await keepAndRepair(plan, dir, location, defaults, deps);
      const backupDir = isIdle ? null : dir;
      const report = { before: first.findings, backupDir, outcomes, dryRun };
      await showAudit(context, isIdle ? first : await look(), checks, report, allProfiles);
    });
  }
}
