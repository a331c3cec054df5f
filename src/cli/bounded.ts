import { HermesctlError } from '../core/errors';
import type { Bounded } from '../core/search/hit';

const SECONDS = 5;
/** So many steps take a second at most: they need not be bounded. */
const FEW_STEPS = 5e8;

/**
 * Bounds the time that matching a regular expression may take: one that tries
 * every way of dividing a text (`(a+)+$`) never ends, and nothing else can stop
 * the engine. Each call costs a tenth of a millisecond.
 */
export async function boundedMatching(): Promise<Bounded> {
  const { createContext, Script } = await import('node:vm');
  const run = new Script('run()');
  const sandbox = createContext({});
  return (work, steps) => {
    if (steps <= FEW_STEPS) return work();
    sandbox['run'] = work;
    try {
      return run.runInContext(sandbox, { timeout: SECONDS * 1000 }) as ReturnType<typeof work>;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
      throw new HermesctlError(
        'USAGE',
        `The expression takes too long: ${SECONDS} seconds on messages of one session.`,
        {
          hint: 'It may try every way of dividing a text: avoid a repetition within a repetition, as in (a+)+.',
          cause: error,
        },
      );
    }
  };
}
