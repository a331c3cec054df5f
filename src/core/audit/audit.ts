import { HermesctlError } from '../errors';
import { forProfile } from '../location/named-commands';
import { DATABASE_CHECKS } from './database-checks';
import type { Check, Finding, Information } from './finding';
import { SESSION_CHECKS } from './session-checks';
import { perProfile, type Snapshot } from './snapshot';
import { STORE_CHECKS } from './store-checks';

/** Every check, in the order in which they run and are told. */
export const CHECKS: readonly Check[] = [...SESSION_CHECKS, ...STORE_CHECKS, ...DATABASE_CHECKS];

/**
 * The checks of these names, in their order; all where none is named.
 *
 * @param skipped names of checks to leave out.
 * @throws HermesctlError `USAGE`
 */
export function checksNamed(names: readonly string[], skipped: readonly string[] = []): readonly Check[] {
  const unknown = [...names, ...skipped].find((name) => !CHECKS.some((check) => check.name === name));
  if (unknown !== undefined) {
    throw new HermesctlError('USAGE', `There is no check ${JSON.stringify(unknown)}.`, {
      hint: "'hermesctl doctor --list' names them.",
    });
  }
  return CHECKS.filter(({ name }) => (names.length === 0 || names.includes(name)) && !skipped.includes(name));
}

/** The names of all other checks. */
export function notChecked(checks: readonly Check[]): string[] {
  return CHECKS.filter((check) => !checks.includes(check)).map(({ name }) => name);
}

/** Runs checks over a snapshot. Changes nothing, and reads nothing more. */
export function runChecks(checks: readonly Check[], snapshot: Snapshot): Finding[] {
  return checks.flatMap((check) =>
    check.perProfile
      ? perProfile(snapshot).flatMap((seen) => run(check, seen).map((finding) => ofProfile(finding, seen, snapshot)))
      : run(check, snapshot),
  );
}

function run(check: Check, snapshot: Snapshot): Finding[] {
  return check.run(snapshot).map(({ session_id, summary, evidence, ...own }): Finding => {
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
  });
}

/** A repair is of the store and one profile: what is another's is mended by the command with its `-p`. */
function ofProfile(finding: Finding, { location }: Snapshot, own: Snapshot): Finding {
  const { value: profile } = location.profile;
  const named = { ...finding, profile, database: location.agentDatabase.value };
  if (location === own.location || finding.command === null) return named;
  return { ...named, repair: null, command: forProfile(finding.command, profile) };
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

const OTHERS_MAY_READ = 0o044;

/** What is worth knowing and not wrong. */
export function informationOf(snapshot: Snapshot): Information[] {
  const { sessions, shrinks } = snapshot;
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
  return [...information, ...databaseOnly(snapshot)];
}

/** How many sessions only the databases have; of several profiles, by profile. */
function databaseOnly(snapshot: Snapshot): Information[] {
  const counts = perProfile(snapshot).map(({ location, sessions, database }): [profile: string, count: number] => {
    const known = database.state === 'good' ? [...database.sessions.values()] : [];
    const only = known.filter(({ id, source, messages }) => source !== 'webui' && messages > 0 && !sessions.has(id));
    return [location.profile.value, only.length];
  });
  const having = counts.filter(([, count]) => count > 0);
  if (having.length === 0) return [];
  const total = having.reduce((sum, [, count]) => sum + count, 0);
  const several = snapshot.others.length > 0;
  const where = several ? `the agent’s databases of ${plural(having.length, 'profile')}` : 'the agent’s database';
  const bring = several ? forProfile(IMPORT, 'NAME') : IMPORT;
  return [
    {
      topic: 'database-only',
      summary: `Only in ${where}: ${plural(total, 'session')}; '${bring}' brings such into the store.`,
      evidence: { sessions: total, ...(several ? { profiles: Object.fromEntries(having) } : {}) },
    },
  ];
}

const IMPORT = 'hermesctl sessions import-cli';
