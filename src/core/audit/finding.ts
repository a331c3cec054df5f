import type { Snapshot } from './snapshot';

/** `error`: something is out of reach or can be lost. `warning`: it is not as it should be. */
export type Severity = 'error' | 'warning';

/** What `doctor --repair` can do about a finding by itself. */
export type RepairAction =
  | 'restore-from-backup'
  | 'make-from-database'
  | 'rebuild-index'
  | 'fix-message-count'
  | 'remove-tombstone'
  | 'clear-claim';

/** Something that is not as it should be. */
export interface Finding {
  check: string;
  severity: Severity;
  /** The session it is about; null where it is about the store. */
  session_id: string | null;
  /** One sentence, for a person. */
  summary: string;
  /** Facts for scripts: paths, offsets, counts. JSON values only. */
  evidence: Record<string, unknown>;
  /** What `doctor --repair` would do; null where it needs somebody's judgement. */
  repair: RepairAction | null;
  /** The command that mends it; null where there is none. */
  command: string | null;
  /** The profile whose database or files it is about, and that database's path; missing where it is about the store. */
  profile?: string;
  database?: string;
}

/** What a check says of one thing: the finding without what all findings of the check share. */
export type Found = Pick<Finding, 'session_id' | 'summary' | 'evidence'> &
  Partial<Pick<Finding, 'severity' | 'repair' | 'command'>>;

/** One thing that can be wrong with a store. */
export interface Check {
  name: string;
  /** What it looks for, one sentence. */
  looksFor: string;
  severity: Severity;
  repair: RepairAction | null;
  /** Whether it looks at one profile's database and files, and so once for each profile. */
  perProfile?: boolean;
  /** Reads nothing: all is in the snapshot. */
  run(snapshot: Snapshot): Found[];
}

/** Something worth knowing that is not wrong. */
export interface Information {
  topic: string;
  summary: string;
  evidence: Record<string, unknown>;
}
