import type { Deps } from '../deps';
import { HermesctlError, ioError, isSystemError } from '../errors';
import { applyGcTmp, type GcOutcome, type GcPlan, planGcTmpOfHome } from '../files/temporary';
import { type Location, locationsOfProfiles } from '../location/location';

/** What is to become of the temporary files of one profile's home. */
export interface HomePlan {
  profile: string;
  plans: GcPlan[];
}

/** A profile whose home could not be looked at. */
export interface UnseenHome {
  profile: string;
  error: HermesctlError;
}

/** Plans which temporary files to remove from the homes of all profiles; one that cannot be read hides no other. Reads only. */
export function planGcHomes(
  location: Location,
  olderThan: number,
  deps: Deps,
): { homes: HomePlan[]; unseen: UnseenHome[] } {
  const homes: HomePlan[] = [];
  const unseen: UnseenHome[] = [];
  for (const { profile, profileHome } of locationsOfProfiles(location, deps.fs)) {
    try {
      homes.push({ profile: profile.value, plans: planGcTmpOfHome(profileHome.value, olderThan, deps) });
    } catch (thrown) {
      const error = isSystemError(thrown) ? ioError(thrown) : thrown;
      if (!(error instanceof HermesctlError)) throw error;
      unseen.push({ profile: profile.value, error });
    }
  }
  return { homes, unseen };
}

/** A temporary file of a home, and what became of it. */
export type HomeOutcome = GcOutcome & { profile: string };

/**
 * Removes what was planned for the homes, or in a dry run only tells it. Throws
 * as {@link applyGcTmp}.
 */
export async function applyGcHomes(homes: readonly HomePlan[], dryRun: boolean, deps: Deps): Promise<HomeOutcome[]> {
  const outcomes: HomeOutcome[] = [];
  for (const { profile, plans } of homes) {
    for (const plan of plans) {
      const files = dryRun ? foretold(plan) : await applyGcTmp(plan, deps);
      outcomes.push(...files.map((file) => ({ ...file, profile })));
    }
  }
  return outcomes;
}

/** What a dry run shows of a plan. */
export function foretold(plan: GcPlan): GcOutcome[] {
  return plan.files.map((file) => ({ ...file, removed: false }));
}
