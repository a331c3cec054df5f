import { HermesctlError } from '../errors';
import { DATABASE_CHECKS } from './database-checks';
import type { Check, Finding, Information } from './finding';
import { SESSION_CHECKS } from './session-checks';
import type { Snapshot } from './snapshot';
import { STORE_CHECKS } from './store-checks';

/** Every check, in the order in which they run and are told. */
export const CHECKS: readonly Check[] = [...SESSION_CHECKS, ...STORE_CHECKS, ...DATABASE_CHECKS];

/**
 * The checks of these names, in their order; all where none is named.
 *
 * @throws HermesctlError `USAGE`
 */
export function checksNamed(names: readonly string[]): readonly Check[] {
  const unknown = names.find((name) => !CHECKS.some((check) => check.name === name));
  if (unknown !== undefined) {
    throw new HermesctlError('USAGE', `There is no check ${JSON.stringify(unknown)}.`, {
      hint: "'hermesctl doctor --list' names them.",
    });
  }
  return names.length === 0 ? CHECKS : CHECKS.filter(({ name }) => names.includes(name));
}

/** Runs checks over a snapshot. Changes nothing, and reads nothing more. */
export function runChecks(checks: readonly Check[], snapshot: Snapshot): Finding[] {
  return checks.flatMap((check) =>
    check.run(snapshot).map(({ session_id, summary, evidence, ...own }): Finding => {
      const repair = own.repair === undefined ? check.repair : own.repair;
      const mend = repair === null ? null : `hermesctl doctor --repair --check ${check.name}`;
      return {
        check: check.name,
        severity: own.severity ?? check.severity,
        session_id,
        summary,
        evidence,
        repair,
        command: own.command ?? mend,
      };
    }),
  );
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

const OTHERS_MAY_READ = 0o044;

/** What is worth knowing and not wrong. */
export function informationOf({ sessions, database, shrinks }: Snapshot): Information[] {
  const information: Information[] = [];
  const readable = [...sessions].filter(([, { mode }]) => (mode & OTHERS_MAY_READ) !== 0).length;
  if (readable > 0) {
    information.push({
      topic: 'modes',
      summary: `Other users may read ${readable} of ${sessions.size} session files; the server makes them so.`,
      evidence: { sessions: readable },
    });
  }
  if (shrinks.size > 0) {
    information.push({
      topic: 'cut-on-purpose',
      summary: `${plural(shrinks.size, 'backup')} of sessions that were cut on purpose: more is in them than in the sessions.`,
      evidence: { sessions: Object.fromEntries(shrinks) },
    });
  }
  if (database.state === 'good') {
    const only = [...database.sessions.values()].filter(
      ({ id, source, messages }) => source !== 'webui' && messages > 0 && !sessions.has(id),
    );
    if (only.length > 0) {
      information.push({
        topic: 'database-only',
        summary: `Only in the agent’s database: ${plural(only.length, 'session')}; 'hermesctl sessions import-cli' brings such into the store.`,
        evidence: { sessions: only.length },
      });
    }
  }
  return information;
}
