import { notChecked } from '../core/audit/audit';
import type { Audit } from '../core/audit/doctor';
import type { Check, Finding } from '../core/audit/finding';
import type { RepairOutcome, RepairStep } from '../core/audit/repair';
import { HermesctlError } from '../core/errors';
import type { Snapshot } from '../core/audit/snapshot';
import { withCommands } from '../core/location/named-commands';
import type { Context } from './context';
import { errorEnvelope, type OutputValue, type RawFields } from './output/document';
import { visibleLine } from './output/visible';

/** What a repair did, or would do. */
export interface RepairReport {
  before: readonly Finding[];
  /** Null where nothing needed to be kept, or in a dry run. */
  backupDir: string | null;
  outcomes: readonly (RepairOutcome | RepairStep)[];
  dryRun: boolean;
}

/**
 * Shows what an audit found, and what was repaired before it.
 *
 * @throws HermesctlError `PARTIAL` where a repair failed, `PROBLEMS_FOUND` where something is left.
 */
export async function showAudit(
  context: Context,
  { snapshot, ...found }: Audit,
  checks: readonly Check[],
  repair: RepairReport | undefined,
  allProfiles = false,
): Promise<void> {
  const here = (command: string): string => context.here(command);
  const findings = found.findings.map((one) => ({ ...one, command: one.command === null ? null : here(one.command) }));
  const information = found.information.map((one) => ({ ...one, summary: withCommands(one.summary, here) }));
  await context.show({
    json: (document) => {
      document.member(
        'checked',
        checks.map(({ name }) => name),
      );
      document.member('not_checked', notChecked(checks));
      document.member('sessions', snapshot.sessions.size);
      document.member('findings', findings as unknown as OutputValue);
      document.member('information', information as unknown as OutputValue);
      if (allProfiles) document.member('profiles', profilesForOutput(snapshot));
      if (repair) document.member('repair', repairForOutput(repair));
      if (repair?.dryRun) document.member('dry_run', true);
    },
    human: () => {
      if (repair) showRepair(context, repair);
      for (const check of checks) showGroup(context, check, findings, profileCell(allProfiles));
      for (const { summary } of information) context.note(summary);
      if (findings.length > 0) showNext(context, findings, repair !== undefined);
      else if (!repair?.dryRun) context.note(allIsWell(snapshot, checks));
    },
  });
  const failed = (repair?.outcomes ?? []).filter((one): one is RepairOutcome => 'error' in one);
  if (failed.length > 0) {
    throw new HermesctlError('PARTIAL', `${failed.length} of ${repair!.outcomes.length} repairs failed.`, {
      details: { failed: failed.map(({ action, session_id, error }) => ({ action, session_id, code: error?.code })) },
    });
  }
  if (findings.length > 0 && !repair?.dryRun) {
    throw problems(findings.length, findings.some(isMendable), repair !== undefined);
  }
}

/** Whose databases were looked at, and what they are. */
export function profilesForOutput(snapshot: Snapshot): RawFields[] {
  return [snapshot, ...snapshot.others].map(({ location, database }) => ({
    profile: location.profile.value,
    database: database.path,
    state: database.state,
    sessions: database.state === 'good' ? database.sessions.size : null,
  }));
}

/** What is said where nothing was found. */
export function allIsWell({ sessions, others }: Snapshot, checks: readonly Check[]): string {
  const profiles = others.length === 0 ? '' : ` of ${others.length + 1} profiles`;
  const left = notChecked(checks).length;
  const count = left === 0 ? checks.length : `${checks.length} of ${checks.length + left}`;
  return `${sessions.size} sessions${profiles}, ${count} checks: all is well.`;
}

/** What a check ends with that found something. */
export function problems(findings: number, mendable: boolean, repaired = false): HermesctlError {
  const count = `${findings} ${findings === 1 ? 'finding' : 'findings'}`;
  return new HermesctlError('PROBLEMS_FOUND', `${count}${repaired ? ' left' : ''}.`, {
    ...(mendable && !repaired
      ? { hint: "'hermesctl doctor --repair --dry-run' tells what can be repaired without your judgement." }
      : {}),
    details: { findings },
  });
}

function repairForOutput({ before, backupDir, outcomes, dryRun }: RepairReport): OutputValue {
  return {
    backup_dir: backupDir,
    repairs: outcomes.map(({ action, session_id, path, ...rest }) => ({
      action,
      session_id,
      path,
      ...(dryRun ? {} : { done: 'done' in rest && rest.done }),
      ...('error' in rest && rest.error ? { error: errorEnvelope(rest.error) } : {}),
    })) as unknown as OutputValue,
    ...(dryRun ? {} : { before: before as unknown as OutputValue }),
  };
}

function showRepair(context: Context, { outcomes, backupDir, dryRun, before }: RepairReport): void {
  for (const outcome of outcomes) {
    const fate = dryRun ? 'would do' : 'done' in outcome && outcome.done ? 'done' : 'failed';
    const error = 'error' in outcome && outcome.error ? `\t${visibleLine(outcome.error.message)}` : '';
    context.line(`${outcome.action}\t${outcome.session_id ?? '-'}\t${fate}${error}`);
  }
  if (outcomes.length === 0 && before.length > 0) context.note('Nothing can be repaired without your judgement.');
  if (backupDir !== null) context.note(`The versions before are in ${backupDir}.`);
  if (dryRun) context.note('Dry run: nothing was changed.');
  else context.note(`Findings before: ${before.length}.`);
  if (outcomes.length > 0) context.line();
}

/** In a column of a pipe that has nothing to say. */
const NONE = '-';

/** Of which profile a finding is, where those of several were looked at. */
export function profileCell(allProfiles: boolean): (finding: Finding) => string[] {
  return ({ profile }) => (allProfiles ? [profile ?? NONE] : []);
}

const isMendable = ({ repair }: Finding): boolean => repair !== null;

/**
 * Shows what a check found.
 *
 * @param more what a line in a pipe says besides.
 */
export function showGroup(
  context: Context,
  { name, looksFor }: Check,
  findings: readonly Finding[],
  more: (finding: Finding) => string[] = () => [],
): void {
  const group = findings.filter(({ check }) => check === name);
  if (group.length === 0) return;
  if (!context.isTerminal) {
    for (const finding of group) {
      const { severity, session_id: id, summary, command } = finding;
      context.line([name, severity, id ?? '-', summary, command ?? '', ...more(finding)].map(visibleLine).join('\t'));
    }
    return;
  }
  const { bold, dim, red, yellow } = context.colors;
  const paint = group[0].severity === 'error' ? red : yellow;
  context.line(`${paint(bold(name))} ${dim(`(${group.length})`)} ${dim(looksFor)}`);
  for (const finding of group.slice(0, SHOWN)) {
    const { session_id: id, summary } = finding;
    const whose = more(finding).filter((cell) => cell !== NONE);
    context.line(`  ${[...whose, ...(id === null ? [] : [id]), summary].map(visibleLine).join('  ')}`);
  }
  if (group.length > SHOWN) context.line(dim(`  … and ${group.length - SHOWN} more (--json has all)`));
}

const SHOWN = 10;

/** What to do next: each command once, those that mend most first. */
export function showNext(context: Context, findings: readonly Finding[], repaired: boolean): void {
  if (!context.isTerminal) return;
  const commands = new Map<string, number>();
  for (const { command, repair } of findings) {
    const next = repair !== null && !repaired ? context.here('hermesctl doctor --repair') : command;
    if (next !== null) commands.set(next, (commands.get(next) ?? 0) + 1);
  }
  const unmendable = findings.filter(({ command }) => command === null).length;
  context.line();
  context.line(context.colors.bold('What to do next'));
  for (const [command, count] of [...commands].sort(([, a], [, b]) => b - a).slice(0, SHOWN)) {
    context.line(`  ${command}${context.colors.dim(`  (${count})`)}`);
  }
  const need = unmendable === 1 ? 'needs' : 'need';
  if (unmendable > 0) context.line(`  ${unmendable} ${need} somebody to look: docs/doctor.md says what each means.`);
}
