import type { Deps } from '../../deps';
import { isSystemError } from '../../errors';
import { type CommitOutcome, type CommitRequest, failed, type MemoryProvider } from './provider';

const TOLD = 300;

/** Commits a session by running a program: exit 0 commits it. */
export class CommandProvider implements MemoryProvider {
  /** @param argv its name and arguments; no shell reads them. */
  constructor(
    private readonly argv: readonly string[],
    private readonly stateDir: string,
    private readonly deps: Pick<Deps, 'programs'>,
  ) {}

  async commit({ sessionId, transcript, signal }: CommitRequest): Promise<CommitOutcome> {
    const environment = {
      HERMESCTL_SESSION_ID: sessionId,
      HERMESCTL_TRANSCRIPT: transcript.path ?? '',
      HERMESCTL_STATE_DIR: this.stateDir,
    };
    const name = this.argv[0];
    let end;
    try {
      end = await this.deps.programs.run(this.argv, { environment, signal });
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return failed('command_failed', 'IO_ERROR', `${name} cannot be started (${error.code}).`, true);
    }
    if (end.code === 0) return { outcome: 'committed', taskId: null };
    if (signal.aborted) return failed('deadline', 'OUTCOME_UNKNOWN', `${name} was ended: the time was up.`);
    const how = end.code === null ? `was ended by ${end.signal ?? 'a signal'}` : `ended with ${end.code}`;
    const said = end.stderr.trim().split('\n').at(-1)?.slice(0, TOLD) ?? '';
    return failed('command_failed', 'SERVER_ERROR', `${name} ${how}${said === '' ? '' : `: ${said}`}`);
  }
}
