import { fstatSync, readFileSync, writeSync } from 'node:fs';
import { Script } from 'node:vm';

import { type CodePlace, KeptCode, latin1Of } from './kept-code';
import { keepingNatives } from './kept-natives';

/** For those who try it on other versions of Node.js. */
export { keepingNatives };

/** Put in by the build: what tells this bundle from any other, the package's name and version, and every name of a command, `:` between words. */
declare const BUNDLE_HASH: string;
declare const NAME: string;
declare const VERSION: string;
declare const COMMAND_NAMES: readonly string[];

/** A part of the bundle: gives others a module of its. */
interface Part {
  take: (name: string) => unknown;
}
type Chunk = (
  exports: object,
  require: NodeJS.Require,
  module: { exports: object },
  filename: string,
  dirname: string,
  otherChunk: (name: string) => Part['take'],
  manifest: () => unknown,
) => void;

/** What the program is for those who run it. */
export interface Bundle {
  run: (argv: string[]) => Promise<void>;
  internals: () => Record<string, unknown>;
}

/**
 * Loads the bundle beside this file: its parts when something of theirs is
 * used, compiled from what the cache has of them.
 */
export function load(kept?: KeptCode): Bundle {
  const loaded = new Map<string, object>();
  const requireOf = keepingNatives(require);
  const chunk = (name: string): object => {
    const known = loaded.get(name);
    if (known) return known;
    const filename = `${__dirname}/${name}.js`;
    const script = new Script(latin1Of(filename), { filename, cachedData: kept?.dataOf(name) });
    kept?.used.push([name, script]);
    const module = { exports: {} };
    loaded.set(name, module.exports);
    const evaluate = script.runInThisContext() as Chunk;
    evaluate(module.exports, requireOf, module, filename, __dirname, (other) => (chunk(other) as Part).take, manifest);
    return module.exports;
  };
  return chunk('main') as Bundle;
}

function manifest(): unknown {
  return JSON.parse(readFileSync(`${__dirname}/manifest.json`, 'utf8'));
}

/** So many runs that ended well add what they compiled, and later one a day: each may go another way. */
const GENERATIONS = 3;
const DAY_MS = 24 * 3600 * 1000;

/**
 * Runs a command line. Its functions are not compiled again where an earlier
 * run of the same command has kept them; what is kept only makes it faster,
 * and nothing about it can fail.
 */
export async function launch(argv: string[]): Promise<void> {
  if (argv.length === 1 && argv[0] === '--version' && printed(versionLine())) return;
  const place = placeOf(argv);
  // What this command removes it must not leave behind.
  const kept = place.part.startsWith('cache-clear-') ? undefined : KeptCode.of(place);
  process.once('exit', sayUnfinished);
  await load(kept).run(argv);
  process.removeListener('exit', sayUnfinished);
  if (kept) keep(kept);
  // To take everything apart, the garbage first, takes a tenth of a short command's time.
  // eslint-disable-next-line no-restricted-syntax -- nothing is on its way: output is written synchronously
  if (isIdle()) process.exit();
}

/**
 * Keeps what this run compiled, where there was nothing that could be used, or
 * nothing of many runs yet, or of none for a day. A run that failed has not
 * come far: it adds nothing.
 */
function keep(kept: KeptCode): void {
  const { generation, used, writtenAt } = kept;
  const isWell = (process.exitCode ?? 0) === 0;
  const isUsable = used.every(([name, script]) => kept.dataOf(name) && !script.cachedDataRejected);
  if (isUsable && (!isWell || (generation >= GENERATIONS && Date.now() - writtenAt <= DAY_MS))) return;
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- a file of its own, which few runs need
  const { keepCode } = require('./keep-code') as typeof import('./keep-code');
  keepCode(kept, isWell ? Math.min(generation + 1, GENERATIONS) : generation);
}

/** A command that waits for what never comes must not look like one that did its work. */
function sayUnfinished(): void {
  process.exitCode = 1;
  printed('error: Unexpected: the command stopped before its end. This is a bug in hermesctl.', 2);
}

/** Whether nothing is under way any more: no timer, no file, no socket, no terminal. Else the event loop runs dry. */
function isIdle(): boolean {
  return process.getActiveResourcesInfo().length === 0;
}

/** As oclif spells it. */
export function versionLine(): string {
  return `${NAME}/${VERSION} ${process.platform}-${process.arch} node-${process.version}`;
}

/** Whether a line was written. Of the version, the program says what was wrong where it was not. */
function printed(line: string, fd = 1): boolean {
  try {
    const bytes = Buffer.from(`${line}\n`);
    return writeSync(fd, bytes) === bytes.length;
  } catch {
    return false;
  }
}

/** Each command uses other functions; and so do its kinds of output. */
function placeOf(argv: readonly string[]): CodePlace {
  const words = [2, 1].map((count) => argv.slice(0, count).join(':')).find((name) => COMMAND_NAMES.includes(name));
  const face = argv.includes('--json') || argv.includes('--ndjson') ? 'json' : isTerminal(1) ? 'terminal' : 'text';
  return { program: BUNDLE_HASH, part: `${(words ?? 'none').replace(':', '-')}-${face}` };
}

/** Near enough for this, and without the code that can tell: a device other than those of memory, like /dev/null. */
function isTerminal(fd: number): boolean {
  try {
    const stats = fstatSync(fd);
    return stats.isCharacterDevice() && stats.rdev >> 8 !== 1;
  } catch {
    return false;
  }
}
