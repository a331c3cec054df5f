import { basename, dirname, join, resolve, sep } from 'node:path';

import { HermesctlError, ioError, isSystemError } from '../../core/errors';
import { CutShort } from '../../core/export/cut-short';
import { Redactor } from '../../core/export/redact';
import { kindAt } from '../../core/files/output-file';
import type { Context } from '../context';
import { type Failure, failureForOutput, failureOf } from '../each-session';
import type { Fleet } from '../fleet';
import type { JsonDocument, OutputValue } from '../output/document';
import { counted } from '../output/numbers';
import { visibleLine } from '../output/visible';
import type { ExportItem, Format, FormatName } from './format';
import { formatOf } from './formats';
import { FileOut, type Out, StreamOut } from './out';

export interface ExportFlags {
  format: FormatName;
  /** A file, a directory (that is there, or ends with a separator), or standard output. */
  output: string | undefined;
  force: boolean;
  redact: boolean;
  'include-tools': boolean;
  embed: boolean;
  raw: boolean;
}

/** A file that was written. */
interface Written {
  path: string;
  bytes: number;
  /** The session in it, where each has a file of its own. */
  session_id?: string;
}

/**
 * Exports the sessions that `select` finds in each store, one after another:
 * what is damaged does not stop the others. Of `one` its failure is the
 * command's.
 */
export async function runExport(
  context: Context,
  fleet: Fleet,
  select: (store: Context) => Promise<ExportItem[]>,
  flags: ExportFlags,
  one: boolean,
): Promise<void> {
  assertMeantFor(flags);
  const target = targetOf(context, fleet, flags);
  const redactor = flags.redact ? new Redactor([context.environment.userHome]) : undefined;
  const { raw, embed, 'include-tools': tools } = flags;
  const runs: Run[] = [];
  const begin = async (store: Context): Promise<Run> => {
    const items = await select(store);
    const format = await formatOf(flags.format, { context: store, redactor, raw, tools, embed });
    const run = new Run(store, items, format, one);
    runs.push(run);
    return run;
  };
  context.doing('exporting');
  // What is wrong with the only store is said before anything is put out.
  const only = fleet.isMany ? undefined : await begin(context);
  const each = async (write: (run: Run) => Promise<void>): Promise<void> => {
    const work = async (store: Context): Promise<Run> => {
      const run = only ?? (await begin(store));
      await write(run);
      return run;
    };
    try {
      for await (const { store, value: run } of await fleet.each(work))
        fleet.note(store, { exported: run.exported, failed: run.failures.length });
    } catch (error) {
      throw error instanceof CutShort ? error.cause : error;
    }
  };
  const report = (): OutputValue => ({
    format: flags.format,
    output: target.path ?? null,
    exported: sumOf(runs, (run) => run.exported),
    ...(redactor ? { redactions: redactor.count, redacted: redactor.counts } : {}),
  });
  if (target.kind === 'stream') {
    await context.show({
      json: async (document) => {
        await document.items('sessions', (sink) => each((run) => run.into(new StreamOut(sink), false)));
        document.member('export', report());
        showFailed(document, fleet, runs);
      },
      human: () => each((run) => run.into(new StreamOut(context.terminal.stdout), true)),
    });
  } else {
    await each((run) =>
      target.kind === 'file'
        ? run.intoFile(target.path, flags.force)
        : run.intoDirectory(fleet.isMany ? join(target.path, storeName(run.context)) : target.path, flags.force),
    );
    const files = runs.flatMap((run) =>
      run.files.map((file) => ({ ...file, ...Object.fromEntries(fleet.marks(run.context)) })),
    );
    await context.show({
      json: (document) => {
        document.member('export', report());
        document.member('files', files);
        showFailed(document, fleet, runs);
        fleet.show(document);
      },
      human: () => {
        for (const { path } of files) context.line(visibleLine(path));
      },
    });
  }
  note(context, fleet, runs, target, redactor);
  for (const { context: store, failures } of runs)
    for (const { session_id, error } of failures) context.failure({ ...storeOf(fleet, store), session_id }, error);
  fleet.assertAll();
  const failures = runs.flatMap((run) => run.failures);
  const failure = failureOf(
    failures,
    sumOf(runs, ({ items }) => items.length),
  );
  if (failure) throw failure;
}

/** @throws HermesctlError `USAGE` for a flag that the format could only ignore. */
function assertMeantFor({ format, embed, raw }: ExportFlags): void {
  const isPage = format === 'html';
  const extra = embed && !isPage ? 'embed' : raw && (isPage || format === 'markdown') ? 'raw' : undefined;
  if (extra === undefined) return;
  throw new HermesctlError('USAGE', `--${extra} means nothing in ${format}.`);
}

function sumOf(runs: readonly Run[], of: (run: Run) => number): number {
  return runs.reduce((sum, run) => sum + of(run), 0);
}

function showFailed(document: JsonDocument, fleet: Fleet, runs: readonly Run[]): void {
  const failed = runs.flatMap(({ context, failures }) =>
    failures.map((failure) => ({ ...storeOf(fleet, context), ...failureForOutput(failure) })),
  );
  if (failed.length > 0) document.member('failed', failed);
}

/** Says of what is from a store which it is, where there are several. */
function storeOf({ isMany }: Fleet, { location }: Context): { store?: string } {
  return isMany ? { store: location.stateDir.value } : {};
}

function note(
  context: Context,
  fleet: Fleet,
  runs: readonly Run[],
  target: Target,
  redactor: Redactor | undefined,
): void {
  const from = fleet.isMany ? ` of ${counted(runs.length, 'store')}` : '';
  const exported = sumOf(runs, (run) => run.exported);
  const where = target.kind === 'stream' ? '' : ` to ${target.path}`;
  const redacted = redactor ? `; ${redactor.count} ${redactor.count === 1 ? 'secret' : 'secrets'} replaced` : '';
  if (target.kind === 'stream' && context.isTerminal && !redactor) return;
  context.note(`Exported ${exported} ${exported === 1 ? 'session' : 'sessions'}${from}${where}${redacted}.`);
}

type Target = { kind: 'stream'; path?: undefined } | { kind: 'file' | 'directory'; path: string };

/**
 * @throws HermesctlError `REFUSED` for a place in a store, `USAGE` for one that many stores cannot go to: what two of
 *   them call alike must be told apart, and a line of an export says what is stored and nothing else.
 */
function targetOf({ deps, environment }: Context, fleet: Fleet, { output, force, format }: ExportFlags): Target {
  if (output === undefined || output === '-') {
    if (force) throw new HermesctlError('USAGE', '--force goes with --output: nothing else is replaced.');
    if (fleet.isMany && format !== 'ndjson' && format !== 'jsonl-agent')
      throw new HermesctlError('USAGE', `Many stores are no one ${format} document.`, {
        hint: 'Name a directory with --output, in which each store has its own; or take --format ndjson.',
      });
    return { kind: 'stream' };
  }
  const path = resolve(environment.cwd, output);
  const kind = kindAt(deps.fs, path);
  const isLinkToDirectory =
    kind === 'other' && (deps.fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false);
  const isNamedDirectory = output.endsWith('/') || output.endsWith(sep);
  const isDirectory = kind === 'directory' || isLinkToDirectory || isNamedDirectory || fleet.isMany;
  if (fleet.isMany && kind === 'file')
    throw new HermesctlError('USAGE', `--output ${output} is a file, and many stores go to a directory.`, {
      hint: 'Name a directory, in which each store has its own; or redirect standard output.',
    });
  const real = realpath(isDirectory ? path : join(path, '..'));
  for (const { location } of fleet.stores) {
    const sessions = realpath(location.sessionsDir.value);
    if (real !== sessions && !real.startsWith(sessions + sep)) continue;
    throw new HermesctlError('REFUSED', `${path} is in the store, which takes every file there for a session.`, {
      hint: 'Name a place outside of it.',
      details: { path },
    });
  }
  return { kind: isDirectory ? 'directory' : 'file', path };

  function realpath(file: string): string {
    try {
      return deps.fs.realpathSync(file);
    } catch {
      // What is not there is no link, but it may be made behind one.
      return dirname(file) === file ? file : join(realpath(dirname(file)), basename(file));
    }
  }
}

class Run {
  /** Names of the files in a directory, in small letters. */
  private readonly names = new Set<string>();
  readonly failures: Failure[] = [];
  readonly files: Written[] = [];
  exported = 0;

  constructor(
    readonly context: Context,
    readonly items: readonly ExportItem[],
    private readonly format: Format,
    private readonly one: boolean,
  ) {}

  /**
   * All sessions into one place.
   *
   * @throws CutShort where nothing more must be put there.
   */
  async into(out: Out, isWhole: boolean): Promise<void> {
    if (isWhole) await this.format.begin(out, this.items);
    await this.each((item) => this.format.add(out, item));
    this.format.end(out, isWhole);
  }

  async intoFile(path: string, force: boolean): Promise<void> {
    const out = new FileOut(path, force, this.context.deps);
    try {
      await this.into(out, true);
      out.finish();
    } catch (error) {
      out.file.discard();
      throw error;
    }
    this.files.push({ path, bytes: out.file.bytes });
  }

  /** Each session into a file of its own, by its id. */
  async intoDirectory(dir: string, force: boolean): Promise<void> {
    const { deps } = this.context;
    try {
      deps.fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw isSystemError(error) ? ioError(error, dir) : error;
    }
    await this.each(async (item) => {
      const path = join(dir, this.fileName(item.id));
      const out = new FileOut(path, force, deps);
      try {
        await this.format.begin(out, [item]);
        await this.format.add(out, item);
        this.format.end(out, true);
        out.finish();
      } catch (error) {
        out.file.discard();
        throw error instanceof CutShort ? error.cause : error;
      }
      this.files.push({ session_id: item.id, path, bytes: out.file.bytes });
    });
  }

  /** Two sessions have two names, also where long ids begin alike and where case does not count. */
  private fileName(id: string): string {
    const { names } = this;
    const { extension } = this.format;
    const safe = safeName(id);
    let name = `${safe}.${extension}`;
    for (let n = 2; names.has(name.toLowerCase()); n++) name = `${safe}~${n}.${extension}`;
    names.add(name.toLowerCase());
    return name;
  }

  private async each(work: (item: ExportItem) => Promise<void>): Promise<void> {
    const { deps, isTerminal } = this.context;
    for (const [done, item] of this.items.entries()) {
      try {
        await work(item);
        this.exported++;
      } catch (error) {
        if (!(error instanceof HermesctlError) || this.one) throw error;
        this.failures.push({ session_id: item.id, error });
      }
      if (!isTerminal) deps.progress(done + 1, this.items.length);
      const pause = deps.breathe();
      if (pause) await pause;
    }
  }
}

/**
 * What the directory of a store is called in that of an export: as the store,
 * with `+` for what parts its path.
 */
function storeName({ location }: Context): string {
  const names = location.stateDir.value.split(sep).filter((name) => name !== '');
  const safe = names.map((name) => name.replace(/[%+]/g, escaped)).join('+');
  return safe.replace(/^\./, escaped);
}

const escaped = (char: string): string => `%${char.codePointAt(0)!.toString(16)}`;

/** A session of the agent may be called anything; a file may not. */
function safeName(id: string): string {
  const safe = id.replace(/[^0-9A-Za-z_.-]/g, escaped).replace(/^(?:\.+|$)/, '_');
  return safe.slice(0, 200);
}
