import { basename, join, resolve, sep } from 'node:path';

import { HermesctlError, ioError, isSystemError } from '../../core/errors';
import { CutShort } from '../../core/export/cut-short';
import { Redactor } from '../../core/export/redact';
import { kindAt } from '../../core/files/output-file';
import type { Context } from '../context';
import { type Failure, failureOf, failuresForOutput } from '../each-session';
import type { JsonDocument, OutputValue, RawFields } from '../output/document';
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
 * Exports these sessions, one after another: what is damaged does not stop the
 * others. Of `one` its failure is the command's.
 */
export async function runExport(
  context: Context,
  items: readonly ExportItem[],
  flags: ExportFlags,
  one: boolean,
): Promise<void> {
  assertMeantFor(flags);
  const target = targetOf(context, flags);
  const redactor = flags.redact ? new Redactor([context.environment.userHome]) : undefined;
  const { raw, embed, 'include-tools': tools } = flags;
  const format = await formatOf(flags.format, { context, redactor, raw, tools, embed });
  const run = new Run(context, items, format, one);
  const report = (): OutputValue => ({
    format: flags.format,
    output: target.path ?? null,
    exported: items.length - run.failures.length,
    ...(redactor ? { redactions: redactor.count, redacted: redactor.counts } : {}),
  });
  context.doing('exporting');
  if (target.kind === 'stream') {
    await context.show({
      json: async (document) => {
        await document.items('sessions', (sink) => run.into(new StreamOut(sink), false));
        document.member('export', report());
        showFailed(document, run.failures);
      },
      human: () => run.into(new StreamOut(context.terminal.stdout), true),
    });
  } else {
    const files =
      target.kind === 'file'
        ? await run.intoFile(target.path, flags.force)
        : await run.intoDirectory(target.path, flags.force);
    await context.show({
      json: (document) => {
        document.member('export', report());
        document.member(
          'files',
          files.map((file): RawFields => ({ ...file })),
        );
        showFailed(document, run.failures);
      },
      human: () => {
        for (const { path } of files) context.line(visibleLine(path));
      },
    });
  }
  note(context, items.length - run.failures.length, target, redactor);
  context.failures(run.failures);
  const failure = failureOf(run.failures, items.length);
  if (failure) throw failure;
}

/** @throws HermesctlError `USAGE` for a flag that the format could only ignore. */
function assertMeantFor({ format, embed, raw }: ExportFlags): void {
  const isPage = format === 'html';
  const extra = embed && !isPage ? 'embed' : raw && (isPage || format === 'markdown') ? 'raw' : undefined;
  if (extra === undefined) return;
  throw new HermesctlError('USAGE', `--${extra} means nothing in ${format}.`);
}

function showFailed(document: JsonDocument, failures: readonly Failure[]): void {
  if (failures.length > 0) document.member('failed', failuresForOutput(failures));
}

function note(context: Context, exported: number, target: Target, redactor: Redactor | undefined): void {
  const where = target.kind === 'stream' ? '' : ` to ${target.path}`;
  const redacted = redactor ? `; ${redactor.count} ${redactor.count === 1 ? 'secret' : 'secrets'} replaced` : '';
  if (target.kind === 'stream' && context.isTerminal && !redactor) return;
  context.note(`Exported ${exported} ${exported === 1 ? 'session' : 'sessions'}${where}${redacted}.`);
}

type Target = { kind: 'stream'; path?: undefined } | { kind: 'file' | 'directory'; path: string };

/** @throws HermesctlError `REFUSED` for a place in the store. */
function targetOf({ deps, environment, location }: Context, { output, force }: ExportFlags): Target {
  if (output === undefined || output === '-') {
    if (force) throw new HermesctlError('USAGE', '--force goes with --output: nothing else is replaced.');
    return { kind: 'stream' };
  }
  const path = resolve(environment.cwd, output);
  const kind = kindAt(deps.fs, path);
  const isLinkToDirectory =
    kind === 'other' && (deps.fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false);
  const isDirectory = kind === 'directory' || isLinkToDirectory || output.endsWith('/') || output.endsWith(sep);
  const sessions = realpath(location.sessionsDir.value);
  const real = realpath(isDirectory ? path : join(path, '..'));
  if (real === sessions || real.startsWith(sessions + sep)) {
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
      return file; // what is not there is no link
    }
  }
}

class Run {
  readonly failures: Failure[] = [];

  constructor(
    private readonly context: Context,
    private readonly items: readonly ExportItem[],
    private readonly format: Format,
    private readonly one: boolean,
  ) {}

  /** All sessions into one place. */
  async into(out: Out, isWhole: boolean): Promise<void> {
    try {
      if (isWhole) await this.format.begin(out, this.items);
      await this.each((item) => this.format.add(out, item));
      this.format.end(out, isWhole);
    } catch (error) {
      throw error instanceof CutShort ? error.cause : error;
    }
  }

  async intoFile(path: string, force: boolean): Promise<Written[]> {
    const out = new FileOut(path, force, this.context.deps);
    try {
      await this.into(out, true);
      out.finish();
    } catch (error) {
      out.file.discard();
      throw error;
    }
    return [{ path, bytes: out.file.bytes }];
  }

  /** Each session into a file of its own, by its id. */
  async intoDirectory(dir: string, force: boolean): Promise<Written[]> {
    const { deps } = this.context;
    try {
      deps.fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw isSystemError(error) ? ioError(error, dir) : error;
    }
    const files: Written[] = [];
    await this.each(async (item) => {
      const path = join(dir, fileName(item.id, this.format.extension));
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
      files.push({ session_id: item.id, path, bytes: out.file.bytes });
    });
    return files;
  }

  private async each(work: (item: ExportItem) => Promise<void>): Promise<void> {
    const { deps, isTerminal } = this.context;
    for (const [done, item] of this.items.entries()) {
      try {
        await work(item);
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

/** A session of the agent may be called anything; a file may not. */
function fileName(id: string, extension: string): string {
  const safe = id.replace(/[^0-9A-Za-z_.-]/g, (char) => `%${char.codePointAt(0)!.toString(16)}`).replace(/^\.+/, '_');
  return `${basename(safe).slice(0, 200)}.${extension}`;
}
