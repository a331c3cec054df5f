import { notChecked } from '../core/audit/audit';
import { audit } from '../core/audit/doctor';
import type { Check, Finding, Information } from '../core/audit/finding';
import { agentPlaces } from '../core/listing/agent-rows';
import { withCommands } from '../core/location/named-commands';
import type { Context } from './context';
import { allIsWell, problems, profileCell, profilesForOutput, showGroup, showNext } from './doctor-result';
import type { Fleet } from './fleet';
import type { OutputValue, RawFields } from './output/document';
import { visibleLine } from './output/visible';

/** What an audit of one store gave, without what it was made of. */
interface StoreAudit {
  store: string;
  findings: (Finding & { store: string })[];
  information: (Information & { store: string })[];
  profiles: RawFields[];
  sessions: number;
  well: string;
}

/**
 * Looks at every store, one after another, and shows what was found as it is
 * found. Of a store only its findings are kept.
 *
 * @throws HermesctlError as {@link Fleet.assertAll}; `PROBLEMS_FOUND` where only something was found.
 */
export async function showFleetAudit(
  context: Context,
  fleet: Fleet,
  checks: readonly Check[],
  allProfiles: boolean,
): Promise<void> {
  const audits = await fleet.each((store) => auditOf(store, checks, allProfiles));
  const counts = { sessions: 0, findings: 0 };
  const information: Information[] = [];
  const profiles: RawFields[] = [];
  async function* counted(): AsyncGenerator<StoreAudit> {
    for await (const { store, value } of audits) {
      counts.sessions += value.sessions;
      counts.findings += value.findings.length;
      information.push(...value.information);
      profiles.push(...value.profiles);
      fleet.note(store, { sessions: value.sessions, findings: value.findings.length });
      yield value;
    }
  }
  async function* findings(): AsyncGenerator<Finding> {
    for await (const one of counted()) yield* one.findings;
  }
  await context.show({
    json: async (document) => {
      document.member(
        'checked',
        checks.map(({ name }) => name),
      );
      document.member('not_checked', notChecked(checks));
      await document.array('findings', findings(), (finding, path) =>
        document.renderer.render(finding as unknown as OutputValue, path),
      );
      document.member('sessions', counts.sessions);
      document.member('information', information as unknown as OutputValue);
      if (allProfiles) document.member('profiles', profiles);
      fleet.show(document);
    },
    human: async () => {
      const all: Finding[] = [];
      for await (const one of counted()) {
        if (context.isTerminal && all.length > 0 && one.findings.length > 0) context.line();
        showStore(context, one, checks, allProfiles);
        if (context.isTerminal) all.push(...one.findings);
      }
      if (all.length > 0) showNext(context, all, true);
    },
  });
  fleet.assertAll();
  if (counts.findings > 0) throw problems(counts.findings, false);
}

async function auditOf(store: Context, checks: readonly Check[], allProfiles: boolean): Promise<StoreAudit> {
  const { location, defaults, deps } = store;
  const { value: dir } = location.stateDir;
  const others = allProfiles ? agentPlaces(location, true, deps).slice(1) : [];
  const { snapshot, findings, information } = await audit(location, defaults, checks, deps, others);
  const there = (command: string | null): string | null => (command === null ? null : store.here(command));
  return {
    store: dir,
    findings: findings.map((finding) => ({ ...finding, command: there(finding.command), store: dir })),
    information: information.map((one) => ({
      ...one,
      summary: withCommands(one.summary, (command) => store.here(command)),
      store: dir,
    })),
    profiles: profilesForOutput(snapshot).map((one) => ({ ...one, store: dir })),
    sessions: snapshot.sessions.size,
    well: allIsWell(snapshot, checks),
  };
}

/** A store with what is wrong there: under its name for people; in a pipe each line ends with it. */
function showStore(
  context: Context,
  { store, findings, information, well }: StoreAudit,
  checks: readonly Check[],
  allProfiles: boolean,
): void {
  const profile = profileCell(allProfiles);
  const cells = (finding: Finding): string[] => [...profile(finding), ...(context.isTerminal ? [] : [store])];
  if (context.isTerminal && findings.length > 0) context.line(context.colors.bold(visibleLine(store)));
  for (const check of checks) showGroup(context, check, findings, cells);
  for (const { summary } of information) context.note(`${store}: ${summary}`);
  if (findings.length === 0) context.note(`${store}: ${well}`);
}
