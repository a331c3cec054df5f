import * as path from 'node:path';

import type { Deps } from '../deps';
import { ioError, isSystemError } from '../errors';
import { syncDirectory } from './durable-write';
import { sameStamp, type FileStamp, stampOf } from './stamp';

/** What `sessions restore` sets aside until it becomes the backup. */
const ASIDE = '<sid>.json.aside';

interface TemporaryPattern {
  name: string;
  regex: RegExp;
}

/**
 * The names of temporary files that writers of the store leave behind when
 * they die (reference: webui-store §2.3), most telling first. A `pid` group
 * names the writer.
 */
const PATTERNS: readonly TemporaryPattern[] = [
  { name: '<sid>.json.recover.tmp', regex: /^[0-9A-Za-z_-]+\.json\.recover\.tmp$/ },
  { name: '.<name>.<pid>.<tid>.tmp', regex: /^\..+\.(?<pid>\d{1,10})\.\d{1,20}\.tmp$/ },
  {
    name: '<name>.tmp.<pid>.<tid>',
    regex: /^[0-9A-Za-z_-]+(?:\.json)?(?:\.bak|\.reconcile)?\.tmp(?:\.recovery)?\.(?<pid>\d{1,10})\.\d{1,20}$/,
  },
  { name: '<sid>.json[.bak].<digits>', regex: /^[0-9A-Za-z_-]+\.json(?:\.bak)?\.\d{1,10}$/ },
  { name: '<sid>.json.aside.<digits>', regex: /^[0-9A-Za-z_-]+\.json\.aside\.\d{1,10}$/ },
  { name: ASIDE, regex: /^[0-9A-Za-z_-]+\.json\.aside$/ },
];

/** A directory of an agent's home in which its writers leave temporary files, and their names. */
interface TemporaryPlace {
  /** Below the home. */
  directory: string;
  patterns: readonly TemporaryPattern[];
}

/**
 * Where those of an agent's home are (reference: hermes-agent §3, §5; webui-store §2.3).
 * None names its writer: only their age tells that it is dead.
 */
const IN_A_HOME: readonly TemporaryPlace[] = [
  { directory: '.', patterns: [{ name: '.config.yaml_<hex>.tmp', regex: /^\.config\.yaml_[0-9a-f]+\.tmp$/ }] },
  {
    directory: 'sessions',
    patterns: [
      { name: '.sessions_<random>.tmp', regex: /^\.sessions_[0-9a-z_]{8}\.tmp$/ },
      { name: '.cleanup_manifest_<hex>.tmp', regex: /^\.cleanup_manifest_[0-9a-f]{32}\.tmp$/ },
    ],
  },
  { directory: 'cron', patterns: [{ name: '.jobs_<random>.tmp', regex: /^\.jobs_[0-9a-z_]{8}\.tmp$/ }] },
];

/** The pattern that a file's name follows, and the process that it names; undefined for any other file. */
export function temporaryName(
  name: string,
  patterns = PATTERNS,
): { pattern: string; pid: number | undefined } | undefined {
  for (const { name: pattern, regex } of patterns) {
    const match = regex.exec(name);
    if (match) return { pattern, pid: match.groups?.['pid'] === undefined ? undefined : Number(match.groups['pid']) };
  }
  return undefined;
}

/** One temporary file and what is to become of it. */
export interface TemporaryFile {
  name: string;
  path: string;
  bytes: number;
  /** Seconds since it was last written. */
  ageSeconds: number;
  pattern: string;
  action: 'remove' | 'keep';
  /** Why it is kept. */
  reason?: 'too-young' | 'writer-alive' | 'not-a-regular-file' | 'only-copy';
  stamp: FileStamp;
}

export interface GcPlan {
  dir: string;
  files: TemporaryFile[];
}

/**
 * Plans which temporary files to remove: those in the directory itself that
 * follow one of the patterns, are regular files, were last written at least
 * `olderThan` seconds ago, and whose writer, where the name tells it, is no
 * longer alive. What a restore set aside is kept where it has no other name: a
 * restore that was cut off may have left a version there only, and finishes
 * when it is run again. Reads only.
 *
 * @param patterns those of the store, where it is not another directory.
 * @throws HermesctlError `IO_ERROR`
 */
export function planGcTmp(dir: string, olderThan: number, deps: Deps, patterns = PATTERNS): GcPlan {
  return { dir, files: namesIn(dir, deps).flatMap((name) => judge(dir, name, patterns, olderThan, deps)) };
}

/** Plans the same for an agent's home: its own writers' names, in the directories where those are. Throws as {@link planGcTmp}. */
export function planGcTmpOfHome(home: string, olderThan: number, deps: Deps): GcPlan[] {
  return IN_A_HOME.map(({ directory, patterns }) => planGcTmp(path.join(home, directory), olderThan, deps, patterns));
}

function namesIn(dir: string, deps: Deps): string[] {
  try {
    return deps.fs.readdirSync(dir).sort();
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return [];
    throw isSystemError(error) ? ioError(error, dir) : error;
  }
}

function judge(
  dir: string,
  name: string,
  patterns: readonly TemporaryPattern[],
  olderThan: number,
  deps: Deps,
): TemporaryFile[] {
  const known = temporaryName(name, patterns);
  if (!known) return [];
  const file = path.join(dir, name);
  const stats = deps.fs.lstatSync(file, { bigint: true, throwIfNoEntry: false });
  if (!stats) return []; // renamed or removed meanwhile: its writer lives
  const written = Number(stats.mtimeNs) / 1e9;
  const ageSeconds = Math.max(0, deps.clock.now() - written);
  const reason = !stats.isFile()
    ? 'not-a-regular-file'
    : ageSeconds < olderThan
      ? 'too-young'
      : isWriterAlive(known.pid, written, deps)
        ? 'writer-alive'
        : known.pattern === ASIDE && stats.nlink === 1n
          ? 'only-copy'
          : undefined;
  return [
    {
      name,
      path: file,
      bytes: Number(stats.size),
      ageSeconds,
      pattern: known.pattern,
      action: reason === undefined ? 'remove' : 'keep',
      ...(reason === undefined ? {} : { reason }),
      stamp: stampOf(stats),
    },
  ];
}

/** A process began and file times are not measured by one clock: a little overlap is not another process. */
const CLOCK_SLACK_SECONDS = 2;

/** Whether the process that the name tells is alive and began before the file was written: else the number was used again. */
function isWriterAlive(pid: number | undefined, written: number, deps: Deps): boolean {
  if (pid === undefined) return false;
  const startedAt = deps.processes.startedAt(pid);
  if (startedAt === undefined) return false;
  return startedAt === null || startedAt <= written + CLOCK_SLACK_SECONDS;
}

/** What became of one planned removal. */
export type GcOutcome = TemporaryFile & { removed: boolean; error?: string };

/**
 * Removes what was planned; a file that changed meanwhile stays, and one that
 * cannot be removed does not stop the rest. The store's lock must be held: then
 * those of our own names have no living writer.
 */
export async function applyGcTmp(plan: GcPlan, deps: Deps): Promise<GcOutcome[]> {
  const outcomes: GcOutcome[] = [];
  for (const file of plan.files) {
    outcomes.push(file.action === 'remove' ? remove(file, deps) : { ...file, removed: false });
    const pause = deps.breathe();
    if (pause) await pause;
  }
  try {
    if (outcomes.some(({ removed }) => removed)) syncDirectory(deps.fs, plan.dir);
  } catch (error) {
    throw isSystemError(error) ? ioError(error, plan.dir) : error;
  }
  return outcomes;
}

function remove(file: TemporaryFile, deps: Deps): GcOutcome {
  try {
    const stats = deps.fs.lstatSync(file.path, { bigint: true, throwIfNoEntry: false });
    if (!stats) return { ...file, removed: false, error: 'it is gone already' };
    if (!sameStamp(stampOf(stats), file.stamp)) return { ...file, removed: false, error: 'it changed meanwhile' };
    deps.fs.unlinkSync(file.path);
    return { ...file, removed: true };
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return { ...file, removed: false, error: ioError(error, file.path).message };
  }
}
