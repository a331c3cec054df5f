import type { Audit } from '../core/audit/doctor';
import type { Check, Finding } from '../core/audit/finding';
import type { RepairOutcome, RepairStep } from '../core/audit/repair';
import { HermesctlError } from '../core/errors';
import type { Context } from './context';
import { errorEnvelope, type OutputValue } from './output/document';
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
  { snapshot, findings, information }: Audit,
  checks: readonly Check[],
  repair: RepairReport | undefined,
): Promise<void> {
  await context.show({
    json: (document) => {
      document.member(
        'checked',
        checks.map(({ name }) => name),
      );
      document.member('sessions', snapshot.sessions.size);
      document.member('findings', findings as unknown as OutputValue);
      document.member('information', information as unknown as OutputValue);
      if (repair) document.member('repair', repairForOutput(repair));
      if (repair?.dryRun) document.member('dry_run', true);
    },
    human: () => {
      if (repair) showRepair(context, repair);
      for (const check of checks) showGroup(context, check, findings);
      for (const { summary } of information) context.note(summary);
      if (findings.length > 0) showNext(context, findings, repair !== undefined);
      else if (!repair?.dryRun)
        context.note(`${snapshot.sessions.size} sessions, ${checks.length} checks: all is well.`);
    },
  });
  const failed = (repair?.outcomes ?? []).filter((one): one is RepairOutcome => 'error' in one);
  if (failed.length > 0) {
    throw new HermesctlError('PARTIAL', `${failed.length} of ${repair!.outcomes.length} repairs failed.`, {
      details: { failed: failed.map(({ action, session_id, error }) => ({ action, session_id, code: error?.code })) },
    });
  }
  if (findings.length > 0 && !repair?.dryRun) throw problems(findings, repair !== undefined);
}

function problems(findings: readonly Finding[], repaired: boolean): HermesctlError {
  const count = `${findings.length} ${findings.length === 1 ? 'finding' : 'findings'}`;
  const mendable = findings.some(({ repair }) => repair !== null);
  return new HermesctlError('PROBLEMS_FOUND', `${count}${repaired ? ' left' : ''}.`, {
    ...(mendable && !repaired
      ? { hint: "'hermesctl doctor --repair --dry-run' tells what can be repaired without your judgement." }
      : {}),
    details: { findings: findings.length },
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

function showGroup(context: Context, { name, looksFor }: Check, findings: readonly Finding[]): void {
  const group = findings.filter(({ check }) => check === name);
  if (group.length === 0) return;
  if (!context.isTerminal) {
    for (const { severity, session_id: id, summary, command } of group) {
      context.line(
        [name, severity, visibleLine(id ?? '-'), visibleLine(summary), visibleLine(command ?? '')].join('\t'),
      );
    }
    return;
  }
  const { bold, dim, red, yellow } = context.colors;
  const paint = group[0].severity === 'error' ? red : yellow;
  context.line(`${paint(bold(name))} ${dim(`(${group.length})`)} ${dim(looksFor)}`);
  for (const { session_id: id, summary } of group.slice(0, SHOWN)) {
    context.line(`  ${id === null ? '' : `${visibleLine(id)}  `}${visibleLine(summary)}`);
  }
  if (group.length > SHOWN) context.line(dim(`  … and ${group.length - SHOWN} more (--json has all)`));
}

const SHOWN = 10;

/** What to do next: each command once, those that mend most first. */
function showNext(context: Context, findings: readonly Finding[], repaired: boolean): void {
  if (!context.isTerminal) return;
  const commands = new Map<string, number>();
  for (const { command, repair } of findings) {
    const next = repair !== null && !repaired ? 'hermesctl doctor --repair' : command;
    if (next !== null) commands.set(next, (commands.get(next) ?? 0) + 1);
  }
  const unmendable = findings.filter(({ command }) => command === null).length;
  context.line();
  context.line(context.colors.bold('What to do next'));
  for (const [command, count] of [...commands].sort(([, a], [, b]) => b - a).slice(0, SHOWN)) {
    context.line(`  ${command}${context.colors.dim(`  (${count})`)}`);
  }
  if (unmendable > 0) context.line(`  ${unmendable} need somebody to look: docs/doctor.md says what each means.`);
}
