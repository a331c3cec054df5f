import { Command, type Config, Flags, type Interfaces } from '@oclif/core';

import { type ErrorCode, HermesctlError } from '../core/errors';
import { Context, type GlobalFlagValues } from './context';
import { asksFor, presentFailure } from './failure';
import { JsonDocument, Renderer } from './output/document';
import { processTerminal } from './output/terminal';

/**
 * What every command of hermesctl is: the global flags, one way to show a
 * result and one way to fail, the same with and without `--json`. A command
 * parses, calls the core, and presents; the rest is here.
 */
export abstract class BaseCommand extends Command {
  /** oclif's own JSON mode loses warnings, exit codes and empty results; the face is ours. */
  static override enableJsonFlag = false;

  /** The failures this command can end with, besides those that every command can: for its help. */
  static exitCodes: ErrorCode[] = [];

  static override baseFlags = {
    'state-dir': Flags.string({
      helpGroup: 'GLOBAL',
      helpValue: 'DIR',
      summary: 'The store: the WebUI’s state directory (env HERMES_WEBUI_STATE_DIR).',
    }),
    'hermes-home': Flags.string({
      helpGroup: 'GLOBAL',
      helpValue: 'DIR',
      summary: 'The agent’s home (env HERMES_HOME).',
    }),
    profile: Flags.string({
      char: 'p',
      helpGroup: 'GLOBAL',
      helpValue: 'NAME',
      summary: 'Only this profile.',
    }),
    json: Flags.boolean({ helpGroup: 'GLOBAL', summary: 'Print one JSON document, also on failure.' }),
    quiet: Flags.boolean({ char: 'q', helpGroup: 'GLOBAL', summary: 'No progress and no notes; warnings stay.' }),
    'no-color': Flags.boolean({ helpGroup: 'GLOBAL', summary: 'No colour (also: NO_COLOR).' }),
    verbose: Flags.boolean({ helpGroup: 'GLOBAL', summary: 'Stack traces with errors.' }),
  };

  private readonly terminal = processTerminal();
  private context_: Context | undefined;

  /** oclif's own loads the whole configuration anew. */
  static override async run<T extends Command>(
    this: new (argv: string[], config: Config) => T,
    argv?: string[],
    options?: Interfaces.LoadOptions,
  ): Promise<ReturnType<T['run']>> {
    const command = new this(argv ?? [], options as Config);
    return (command as unknown as { _run: () => Promise<ReturnType<T['run']>> })._run();
  }

  /** oclif warns here of commands that are going to be removed; there is none, and it would have to know all. */
  protected override init(): Promise<void> {
    return Promise.resolve();
  }

  /** oclif copies a class's own statics only; commands of one kind inherit their arguments from a common class. */
  protected override parse<
    F extends Interfaces.OutputFlags<Interfaces.FlagInput>,
    B extends Interfaces.OutputFlags<Interfaces.FlagInput>,
    A extends Interfaces.OutputArgs<Interfaces.ArgInput>,
  >(options: Interfaces.Input<F, B, A>, argv = this.argv): Promise<Interfaces.ParserOutput<F, B, A>> {
    const { args, baseFlags, flags, strict } = options;
    const inherited = { args, baseFlags, flags, strict };
    return super.parse({ ...options, ...inherited } as Interfaces.Input<F, B, A>, argv);
  }

  /** The context of this run. Called once, with the parsed flags. */
  protected context(flags: GlobalFlagValues): Context {
    this.context_ = new Context(this.terminal, flags);
    return this.context_;
  }

  /** Everything that is thrown in a command ends here, is shown, and sets the exit code. */
  protected override async catch(thrown: Error): Promise<void> {
    const { stdout, stderr } = this.terminal;
    const isJson = asksFor(this.argv, '--json');
    const failure = thrown instanceof HermesctlError ? (this.context_?.placed(thrown) ?? thrown) : thrown;
    process.exitCode = presentFailure(failure, {
      stdout,
      stderr,
      document:
        this.context_?.openDocument ?? (isJson ? new JsonDocument(stdout, new Renderer(() => undefined)) : undefined),
      ndjson: asksFor(this.argv, '--ndjson'),
      command: this.id?.replaceAll(':', ' '),
      verbose: asksFor(this.argv, '--verbose'),
      warnings: this.context_?.warnings ?? [],
    });
    await Promise.resolve();
  }

  protected override async finally(error: Error | undefined): Promise<void> {
    try {
      if (!error) this.context_?.finish();
    } catch (late) {
      await this.catch(late as Error);
    } finally {
      this.context_?.close();
    }
  }
}
