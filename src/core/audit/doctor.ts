import * as path from 'node:path';

import type { Deps } from '../deps';
import type { Location } from '../location/location';
import type { RowDefaults } from '../session/row';
import { informationOf, runChecks } from './audit';
import { QUICK_CHECK } from './database-checks';
import { keepAll } from './backup-dir';
import type { Check, Finding, Information } from './finding';
import {
  applyRepair,
  clearsClaims,
  endangeredLedger,
  endangeredTombstones,
  type RepairOutcome,
  type RepairPlan,
} from './repair';
import { type Snapshot, takeSnapshot } from './snapshot';

/** What an audit found. */
export interface Audit {
  snapshot: Snapshot;
  findings: Finding[];
  information: Information[];
}

/**
 * Looks at everything and changes nothing.
 *
 * @param others places of other profiles: their databases and files are looked at too.
 * @throws HermesctlError `STORE_NOT_FOUND`, `IO_ERROR`
 */
export async function audit(
  location: Location,
  defaults: RowDefaults,
  checks: readonly Check[],
  deps: Deps,
  others: readonly Location[] = [],
): Promise<Audit> {
  const quickCheck = checks.some(({ name }) => name === QUICK_CHECK);
  const snapshot = await takeSnapshot(location, others, defaults, { quickCheck }, deps);
  return { snapshot, findings: runChecks(checks, snapshot), information: informationOf(snapshot) };
}

/**
 * Keeps every file that the plan may replace in `backupDir`, and then repairs.
 * The store's lock must be held.
 *
 * @throws HermesctlError `CHANGED_ON_DISK`, `REFUSED`, `IO_ERROR`; nothing is changed then.
 */
export async function keepAndRepair(
  plan: RepairPlan,
  backupDir: string,
  location: Location,
  defaults: RowDefaults,
  deps: Deps,
): Promise<RepairOutcome[]> {
  const files = [...plan.endangered, ...endangeredTombstones(plan, location, deps)];
  const repairs = plan.steps.map(({ action, session_id, path: file }) => ({ action, session_id, path: file }));
  const dir = path.resolve(backupDir);
  const ledger = clearsClaims(plan) ? endangeredLedger(location, deps) : undefined;
  await keepAll(dir, location.stateDir.value, files, { repairs }, deps, ledger);
  return applyRepair(plan, location, defaults, deps);
}
